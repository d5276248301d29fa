-- Secrets: values that leave the server for their hosts only.

-- UP
CREATE TABLE secrets (
    id           TEXT PRIMARY KEY CHECK (length(id) = 36 AND id = lower(id)),
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    name         TEXT NOT NULL,
    description  TEXT NOT NULL DEFAULT '',
    -- Sealed together with `hosts`: neither can be changed in SQL.
    hosts        TEXT NOT NULL,
    value        TEXT NOT NULL,
    bytes        INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    created_by   TEXT,
    last_used_at TEXT,
    created_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    updated_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z')
) STRICT;
CREATE UNIQUE INDEX secrets_name ON secrets (tenant_id, lower(name));
CREATE INDEX secrets_list ON secrets (tenant_id, created_at, id);

INSERT INTO revisions (name, revision) VALUES ('secrets', 0);

-- Not for `last_used_at`: a secret in use is no news.
CREATE TRIGGER secrets_revision_update AFTER UPDATE OF tenant_id, name, description, hosts, value, version
ON secrets FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'secrets';
END;
CREATE TRIGGER secrets_revision_insert AFTER INSERT ON secrets FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'secrets';
END;
CREATE TRIGGER secrets_revision_delete AFTER DELETE ON secrets FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'secrets';
END;

-- DOWN
DROP TABLE secrets;
DELETE FROM revisions WHERE name = 'secrets';
