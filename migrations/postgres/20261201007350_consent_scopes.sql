-- Scopes that a server of others wanted of a person after he had consented.

-- UP
CREATE TABLE mcp_consent_scopes (
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    upstream_id UUID NOT NULL REFERENCES mcp_upstreams (id) ON DELETE CASCADE,
    subject     TEXT NOT NULL,
    user_id     UUID REFERENCES users (id) ON DELETE CASCADE, -- NULL: the management client
    scope       TEXT NOT NULL, -- with spaces between
    PRIMARY KEY (tenant_id, subject, upstream_id)
);
CREATE INDEX mcp_consent_scopes_upstream ON mcp_consent_scopes (upstream_id);
CREATE INDEX mcp_consent_scopes_user ON mcp_consent_scopes (user_id);

-- DOWN
DROP TABLE mcp_consent_scopes;
