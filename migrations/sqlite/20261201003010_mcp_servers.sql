-- How each tenant shows itself by MCP, and what of it. Without a row: as a whole, but for its documents.

-- UP
CREATE TABLE mcp_servers (
    tenant_id    TEXT PRIMARY KEY REFERENCES tenants (id),
    name         TEXT NOT NULL DEFAULT 'agent-server',
    description  TEXT NOT NULL DEFAULT '',
    instructions TEXT NOT NULL DEFAULT '',
    expose       TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(expose)),
    updated_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z')
) STRICT;
INSERT INTO revisions (name, revision) VALUES ('mcp_servers', 0);
CREATE TRIGGER mcp_servers_revision_insert AFTER INSERT ON mcp_servers FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_servers';
END;
CREATE TRIGGER mcp_servers_revision_update AFTER UPDATE ON mcp_servers FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_servers';
END;
CREATE TRIGGER mcp_servers_revision_delete AFTER DELETE ON mcp_servers FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_servers';
END;

-- DOWN
DROP TABLE mcp_servers;
DELETE FROM revisions WHERE name = 'mcp_servers';
