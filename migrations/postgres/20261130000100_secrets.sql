-- Secrets: values that leave the server for their hosts only.

-- UP
CREATE TABLE secrets (
    id           UUID PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    name         TEXT NOT NULL,
    description  TEXT NOT NULL DEFAULT '',
    -- Sealed together with `hosts`: neither can be changed in SQL.
    hosts        TEXT NOT NULL,
    value        TEXT NOT NULL,
    bytes        BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    created_by   TEXT,
    last_used_at TIMESTAMPTZ,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX secrets_name ON secrets (tenant_id, lower(name));
CREATE INDEX secrets_list ON secrets (tenant_id, created_at, id);

INSERT INTO revisions (name, revision) VALUES ('secrets', 0);

-- Not for `last_used_at`: a secret in use is no news.
CREATE TRIGGER secrets_revision
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF tenant_id, name, description, hosts, value, version
    ON secrets FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();

-- DOWN
DROP TABLE secrets;
DELETE FROM revisions WHERE name = 'secrets';
