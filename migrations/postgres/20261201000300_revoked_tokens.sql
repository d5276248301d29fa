-- Access tokens that are void before their end.

-- UP
CREATE TABLE revoked_tokens (
    jti        TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    client_id  TEXT NOT NULL,
    -- Of `revisions`, whose row is locked until the commit: what is committed later has a higher one.
    revision   BIGINT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX revoked_tokens_feed ON revoked_tokens (revision);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);

INSERT INTO revisions (name, revision) VALUES ('revoked_tokens', 0);

-- DOWN
DROP TABLE revoked_tokens;
DELETE FROM revisions WHERE name = 'revoked_tokens';
