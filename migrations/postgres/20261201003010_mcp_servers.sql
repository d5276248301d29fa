-- How each tenant shows itself by MCP, and what of it. Without a row: as a whole, but for its documents.

-- UP
CREATE TABLE mcp_servers (
    tenant_id    TEXT PRIMARY KEY REFERENCES tenants (id),
    name         TEXT NOT NULL DEFAULT 'agent-server',
    description  TEXT NOT NULL DEFAULT '',
    instructions TEXT NOT NULL DEFAULT '',
    expose       JSON NOT NULL DEFAULT '{}',
    updated_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);
INSERT INTO revisions (name, revision) VALUES ('mcp_servers', 0);
CREATE TRIGGER mcp_servers_revision
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE
    ON mcp_servers FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();

-- DOWN
DROP TABLE mcp_servers;
DELETE FROM revisions WHERE name = 'mcp_servers';
