-- Messages of clients that came to another process than the one that waits for them, until it takes them.

-- UP
CREATE TABLE mcp_inbox (
    id         TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES mcp_sessions (id) ON DELETE CASCADE,
    scopes     TEXT NOT NULL, -- what the token of the message allowed
    message    TEXT NOT NULL CHECK (json_valid(message)),
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX mcp_inbox_session ON mcp_inbox (session_id, id);
CREATE INDEX mcp_inbox_age ON mcp_inbox (created_at);

-- DOWN
DROP TABLE mcp_inbox;
