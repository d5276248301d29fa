-- Of which resources a client with a session hears when they change.

-- UP
CREATE TABLE mcp_subscriptions (
    session_id TEXT NOT NULL REFERENCES mcp_sessions (id) ON DELETE CASCADE,
    uri        TEXT NOT NULL,
    seen       TEXT NOT NULL, -- how the resource was then
    PRIMARY KEY (session_id, uri)
) STRICT;

-- DOWN
DROP TABLE mcp_subscriptions;
