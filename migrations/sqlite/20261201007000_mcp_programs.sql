-- What was last seen of servers of others that are programs: they have no row, since a file names them.

-- UP
CREATE TABLE mcp_upstream_states_new (
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    upstream_id TEXT NOT NULL,
    protocol    TEXT,
    last_error  TEXT,
    tools       TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(tools)),
    checked_at  TEXT NOT NULL,
    PRIMARY KEY (tenant_id, upstream_id)
) STRICT;
INSERT INTO mcp_upstream_states_new (tenant_id, upstream_id, protocol, last_error, tools, checked_at)
    SELECT tenant_id, upstream_id, protocol, last_error, tools, checked_at FROM mcp_upstream_states;
DROP TABLE mcp_upstream_states;
ALTER TABLE mcp_upstream_states_new RENAME TO mcp_upstream_states;
CREATE TRIGGER mcp_upstream_states_revision_insert AFTER INSERT ON mcp_upstream_states FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_upstream_states';
END;
CREATE TRIGGER mcp_upstream_states_revision_update AFTER UPDATE ON mcp_upstream_states FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_upstream_states';
END;
CREATE TRIGGER mcp_upstream_states_revision_delete AFTER DELETE ON mcp_upstream_states FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_upstream_states';
END;
CREATE TRIGGER mcp_upstreams_states AFTER DELETE ON mcp_upstreams FOR EACH ROW BEGIN
    DELETE FROM mcp_upstream_states WHERE tenant_id = OLD.tenant_id AND upstream_id = OLD.id;
END;

-- DOWN
DROP TRIGGER mcp_upstreams_states;
CREATE TABLE mcp_upstream_states_old (
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    upstream_id TEXT NOT NULL REFERENCES mcp_upstreams (id) ON DELETE CASCADE,
    protocol    TEXT,
    last_error  TEXT,
    tools       TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(tools)),
    checked_at  TEXT NOT NULL,
    PRIMARY KEY (tenant_id, upstream_id)
) STRICT;
INSERT INTO mcp_upstream_states_old (tenant_id, upstream_id, protocol, last_error, tools, checked_at)
    SELECT s.tenant_id, s.upstream_id, s.protocol, s.last_error, s.tools, s.checked_at FROM mcp_upstream_states s
    JOIN mcp_upstreams u ON u.tenant_id = s.tenant_id AND u.id = s.upstream_id;
DROP TABLE mcp_upstream_states;
ALTER TABLE mcp_upstream_states_old RENAME TO mcp_upstream_states;
CREATE TRIGGER mcp_upstream_states_revision_insert AFTER INSERT ON mcp_upstream_states FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_upstream_states';
END;
CREATE TRIGGER mcp_upstream_states_revision_update AFTER UPDATE ON mcp_upstream_states FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_upstream_states';
END;
CREATE TRIGGER mcp_upstream_states_revision_delete AFTER DELETE ON mcp_upstream_states FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_upstream_states';
END;
