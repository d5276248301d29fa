-- More ways in which a client proves itself: a second secret for a while, keys that sign, API keys.

-- UP
ALTER TABLE client_registrations ADD COLUMN previous_secret_sha256 TEXT;
ALTER TABLE client_registrations ADD COLUMN previous_expires_at TIMESTAMPTZ;
ALTER TABLE client_registrations ADD COLUMN jwks JSON;
ALTER TABLE client_registrations ADD COLUMN jwks_uri TEXT;

DROP TRIGGER client_registrations_revision ON client_registrations;
CREATE TRIGGER client_registrations_revision
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF
        tenant_id, client_id, name, secret_sha256, scopes, grant_types, token_endpoint_auth_method,
        redirect_uris, registration_token_sha256, is_active, previous_secret_sha256, previous_expires_at,
        jwks, jwks_uri
    ON client_registrations FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();

CREATE TABLE api_keys (
    id           UUID PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    client_id    TEXT NOT NULL REFERENCES client_registrations (client_id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    key_sha256   TEXT NOT NULL,
    scopes       JSON NOT NULL,
    expires_at   TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    created_by   TEXT NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX api_keys_key ON api_keys (key_sha256);
CREATE INDEX api_keys_list ON api_keys (tenant_id, client_id, created_at, id);

INSERT INTO revisions (name, revision) VALUES ('api_keys', 0);

-- Not for `last_used_at`: a key in use is no news.
CREATE TRIGGER api_keys_revision
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF tenant_id, client_id, key_sha256, scopes, expires_at
    ON api_keys FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();

-- What may come once: the key that decides is the primary one.
CREATE TABLE replay_guard (
    kind       TEXT NOT NULL,
    key_sha256 TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (kind, key_sha256)
);
CREATE INDEX replay_guard_expiry ON replay_guard (expires_at);

-- DOWN
DROP TABLE replay_guard;
DROP TABLE api_keys;
DELETE FROM revisions WHERE name = 'api_keys';
DROP TRIGGER client_registrations_revision ON client_registrations;
CREATE TRIGGER client_registrations_revision
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF
        tenant_id, client_id, name, secret_sha256, scopes, grant_types, token_endpoint_auth_method,
        redirect_uris, registration_token_sha256, is_active
    ON client_registrations FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();
ALTER TABLE client_registrations DROP COLUMN jwks_uri;
ALTER TABLE client_registrations DROP COLUMN jwks;
ALTER TABLE client_registrations DROP COLUMN previous_expires_at;
ALTER TABLE client_registrations DROP COLUMN previous_secret_sha256;
