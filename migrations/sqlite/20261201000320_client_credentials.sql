-- More ways in which a client proves itself: a second secret for a while, keys that sign, API keys.

-- UP
ALTER TABLE client_registrations ADD COLUMN previous_secret_sha256 TEXT;
ALTER TABLE client_registrations ADD COLUMN previous_expires_at TEXT;
ALTER TABLE client_registrations ADD COLUMN jwks TEXT;
ALTER TABLE client_registrations ADD COLUMN jwks_uri TEXT;

DROP TRIGGER client_registrations_revision_update;
CREATE TRIGGER client_registrations_revision_update
AFTER UPDATE OF
    tenant_id, client_id, name, secret_sha256, scopes, grant_types, token_endpoint_auth_method,
    redirect_uris, registration_token_sha256, is_active, previous_secret_sha256, previous_expires_at,
    jwks, jwks_uri
ON client_registrations FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'client_registrations';
END;

CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY CHECK (length(id) = 36 AND id = lower(id)),
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    client_id    TEXT NOT NULL REFERENCES client_registrations (client_id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    key_sha256   TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    expires_at   TEXT,
    last_used_at TEXT,
    created_by   TEXT NOT NULL,
    created_at   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX api_keys_key ON api_keys (key_sha256);
CREATE INDEX api_keys_list ON api_keys (tenant_id, client_id, created_at, id);

INSERT INTO revisions (name, revision) VALUES ('api_keys', 0);

-- Not for `last_used_at`: a key in use is no news.
CREATE TRIGGER api_keys_revision_update
AFTER UPDATE OF tenant_id, client_id, key_sha256, scopes, expires_at ON api_keys FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'api_keys';
END;
CREATE TRIGGER api_keys_revision_insert AFTER INSERT ON api_keys FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'api_keys';
END;
CREATE TRIGGER api_keys_revision_delete AFTER DELETE ON api_keys FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'api_keys';
END;

-- What may come once: the key that decides is the primary one.
CREATE TABLE replay_guard (
    kind       TEXT NOT NULL,
    key_sha256 TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (kind, key_sha256)
) STRICT;
CREATE INDEX replay_guard_expiry ON replay_guard (expires_at);

-- DOWN
DROP TABLE replay_guard;
DROP TABLE api_keys;
DELETE FROM revisions WHERE name = 'api_keys';
DROP TRIGGER client_registrations_revision_update;
CREATE TRIGGER client_registrations_revision_update
AFTER UPDATE OF
    tenant_id, client_id, name, secret_sha256, scopes, grant_types, token_endpoint_auth_method,
    redirect_uris, registration_token_sha256, is_active
ON client_registrations FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'client_registrations';
END;
ALTER TABLE client_registrations DROP COLUMN jwks_uri;
ALTER TABLE client_registrations DROP COLUMN jwks;
ALTER TABLE client_registrations DROP COLUMN previous_expires_at;
ALTER TABLE client_registrations DROP COLUMN previous_secret_sha256;
