-- Sessions of clients that speak a revision of MCP which has such.

-- UP
CREATE TABLE mcp_sessions (
    -- Made by chance. It proves nothing: each request has a token, whose owner must be that of the session.
    id         TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    subject    TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    initialize TEXT NOT NULL CHECK (json_valid(initialize)), -- the parameters with which it began
    created_at TEXT NOT NULL,
    seen_at    TEXT NOT NULL
) STRICT;
CREATE INDEX mcp_sessions_owner ON mcp_sessions (tenant_id, subject, client_id, seen_at);
CREATE INDEX mcp_sessions_seen ON mcp_sessions (seen_at);

-- DOWN
DROP TABLE mcp_sessions;
