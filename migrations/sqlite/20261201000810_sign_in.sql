-- Where people are signed in, what they allowed clients, and the codes and tokens of that.

-- UP
-- Browsers in which somebody is signed in.
CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    token_sha256 TEXT NOT NULL,
    subject      TEXT NOT NULL, -- user:<id>, or client:<id> of the management client
    user_id      TEXT REFERENCES users (id) ON DELETE CASCADE,
    credential   TEXT, -- of the management client: the secret that it is good with
    address      TEXT NOT NULL,
    user_agent   TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    last_seen_at TEXT NOT NULL,
    expires_at   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX sessions_token ON sessions (token_sha256);
CREATE INDEX sessions_list ON sessions (tenant_id, created_at, id);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- What somebody has agreed to, so that he is not asked again.
CREATE TABLE consents (
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    subject    TEXT NOT NULL,
    client_id  TEXT NOT NULL REFERENCES client_registrations (client_id) ON DELETE CASCADE,
    user_id    TEXT REFERENCES users (id) ON DELETE CASCADE,
    scopes     TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (tenant_id, subject, client_id)
) STRICT;
CREATE INDEX consents_client ON consents (client_id);
CREATE INDEX consents_user ON consents (user_id);

-- A code is used once: the row that is updated decides.
CREATE TABLE authorization_codes (
    code_sha256    TEXT PRIMARY KEY,
    grant_id       TEXT NOT NULL,
    tenant_id      TEXT NOT NULL REFERENCES tenants (id),
    client_id      TEXT NOT NULL REFERENCES client_registrations (client_id) ON DELETE CASCADE,
    subject        TEXT NOT NULL,
    user_id        TEXT REFERENCES users (id) ON DELETE CASCADE,
    credential     TEXT,
    scopes         TEXT NOT NULL,
    audience       TEXT NOT NULL,
    redirect_uri   TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    grant_ends_at  TEXT NOT NULL,
    created_at     TEXT NOT NULL,
    expires_at     TEXT NOT NULL,
    used_at        TEXT
) STRICT;
CREATE INDEX authorization_codes_client ON authorization_codes (client_id);
CREATE INDEX authorization_codes_user ON authorization_codes (user_id);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);

-- What came of a code: the family of its tokens.
CREATE TABLE oauth_grants (
    id           TEXT PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    client_id    TEXT NOT NULL REFERENCES client_registrations (client_id) ON DELETE CASCADE,
    subject      TEXT NOT NULL,
    user_id      TEXT REFERENCES users (id) ON DELETE CASCADE,
    credential   TEXT,
    scopes       TEXT NOT NULL,
    audience     TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    last_used_at TEXT NOT NULL,
    expires_at   TEXT NOT NULL
) STRICT;
CREATE INDEX oauth_grants_list ON oauth_grants (tenant_id, created_at, id);
CREATE INDEX oauth_grants_client ON oauth_grants (client_id);
CREATE INDEX oauth_grants_user ON oauth_grants (user_id);
CREATE INDEX oauth_grants_expiry ON oauth_grants (expires_at);

CREATE TABLE refresh_tokens (
    token_sha256 TEXT PRIMARY KEY,
    grant_id     TEXT NOT NULL REFERENCES oauth_grants (id) ON DELETE CASCADE,
    created_at   TEXT NOT NULL,
    used_at      TEXT
) STRICT;
CREATE INDEX refresh_tokens_grant ON refresh_tokens (grant_id);

-- DOWN
DROP TABLE refresh_tokens;
DROP TABLE oauth_grants;
DROP TABLE authorization_codes;
DROP TABLE consents;
DROP TABLE sessions;
