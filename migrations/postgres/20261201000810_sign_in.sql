-- Where people are signed in, what they allowed clients, and the codes and tokens of that.

-- UP
-- Browsers in which somebody is signed in.
CREATE TABLE sessions (
    id           UUID PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    token_sha256 TEXT NOT NULL,
    subject      TEXT NOT NULL, -- user:<id>, or client:<id> of the management client
    user_id      UUID REFERENCES users (id) ON DELETE CASCADE,
    credential   TEXT, -- of the management client: the secret that it is good with
    address      TEXT NOT NULL,
    user_agent   TEXT NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX sessions_token ON sessions (token_sha256);
CREATE INDEX sessions_list ON sessions (tenant_id, created_at, id);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- What somebody has agreed to, so that he is not asked again.
CREATE TABLE consents (
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    subject    TEXT NOT NULL,
    client_id  TEXT NOT NULL REFERENCES client_registrations (client_id) ON DELETE CASCADE,
    user_id    UUID REFERENCES users (id) ON DELETE CASCADE,
    scopes     JSON NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, subject, client_id)
);
CREATE INDEX consents_client ON consents (client_id);
CREATE INDEX consents_user ON consents (user_id);

-- A code is used once: the row that is updated decides.
CREATE TABLE authorization_codes (
    code_sha256    TEXT PRIMARY KEY,
    grant_id       UUID NOT NULL,
    tenant_id      TEXT NOT NULL REFERENCES tenants (id),
    client_id      TEXT NOT NULL REFERENCES client_registrations (client_id) ON DELETE CASCADE,
    subject        TEXT NOT NULL,
    user_id        UUID REFERENCES users (id) ON DELETE CASCADE,
    credential     TEXT,
    scopes         JSON NOT NULL,
    audience       TEXT NOT NULL,
    redirect_uri   TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    grant_ends_at  TIMESTAMPTZ NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    expires_at     TIMESTAMPTZ NOT NULL,
    used_at        TIMESTAMPTZ
);
CREATE INDEX authorization_codes_client ON authorization_codes (client_id);
CREATE INDEX authorization_codes_user ON authorization_codes (user_id);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);

-- What came of a code: the family of its tokens.
CREATE TABLE oauth_grants (
    id           UUID PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    client_id    TEXT NOT NULL REFERENCES client_registrations (client_id) ON DELETE CASCADE,
    subject      TEXT NOT NULL,
    user_id      UUID REFERENCES users (id) ON DELETE CASCADE,
    credential   TEXT,
    scopes       JSON NOT NULL,
    audience     TEXT NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX oauth_grants_list ON oauth_grants (tenant_id, created_at, id);
CREATE INDEX oauth_grants_client ON oauth_grants (client_id);
CREATE INDEX oauth_grants_user ON oauth_grants (user_id);
CREATE INDEX oauth_grants_expiry ON oauth_grants (expires_at);

CREATE TABLE refresh_tokens (
    token_sha256 TEXT PRIMARY KEY,
    grant_id     UUID NOT NULL REFERENCES oauth_grants (id) ON DELETE CASCADE,
    created_at   TIMESTAMPTZ NOT NULL,
    used_at      TIMESTAMPTZ
);
CREATE INDEX refresh_tokens_grant ON refresh_tokens (grant_id);

-- DOWN
DROP TABLE refresh_tokens;
DROP TABLE oauth_grants;
DROP TABLE authorization_codes;
DROP TABLE consents;
DROP TABLE sessions;
