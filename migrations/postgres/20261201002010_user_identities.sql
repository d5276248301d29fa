-- Who users are elsewhere: an issuer, and the name by which it knows them.

-- UP
CREATE TABLE user_identities (
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    user_id    UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (issuer, subject)
);
-- A user is one person there, whoever gets his address later.
CREATE UNIQUE INDEX user_identities_user ON user_identities (user_id, issuer);

-- DOWN
DROP TABLE user_identities;
