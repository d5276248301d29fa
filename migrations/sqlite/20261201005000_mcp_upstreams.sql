-- Servers of others whose tools our agents call by MCP, and what was last seen of each.

-- UP
CREATE TABLE mcp_upstreams (
    id               TEXT PRIMARY KEY DEFAULT (lower(
        hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
        substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))
        CHECK (length(id) = 36 AND id = lower(id)),
    tenant_id        TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    name             TEXT NOT NULL,
    display_name     TEXT NOT NULL,
    description      TEXT NOT NULL DEFAULT '',
    url              TEXT NOT NULL,
    auth             TEXT NOT NULL DEFAULT '{"type":"none"}' CHECK (json_valid(auth)),
    allow            TEXT NOT NULL DEFAULT '["*"]' CHECK (json_valid(allow)),
    timeout_ms       INTEGER NOT NULL DEFAULT 30000,
    max_result_bytes INTEGER NOT NULL DEFAULT 1048576,
    scopes           TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes)),
    metadata         TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    is_active        INTEGER NOT NULL DEFAULT TRUE CHECK (is_active IN (0, 1)),
    version          INTEGER,
    content_hash     TEXT,
    created_by       TEXT,
    created_at       TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    updated_at       TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z')
) STRICT;
CREATE UNIQUE INDEX mcp_upstreams_name ON mcp_upstreams (tenant_id, lower(name));
CREATE TABLE mcp_upstream_states (
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    upstream_id TEXT NOT NULL REFERENCES mcp_upstreams (id) ON DELETE CASCADE,
    protocol    TEXT,
    last_error  TEXT,
    tools       TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(tools)),
    checked_at  TEXT NOT NULL,
    PRIMARY KEY (tenant_id, upstream_id)
) STRICT;
INSERT INTO revisions (name, revision) VALUES ('mcp_upstreams', 0), ('mcp_upstream_states', 0);
CREATE TRIGGER mcp_upstreams_revision_insert AFTER INSERT ON mcp_upstreams FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_upstreams';
END;
CREATE TRIGGER mcp_upstreams_revision_update AFTER UPDATE ON mcp_upstreams FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_upstreams';
END;
CREATE TRIGGER mcp_upstreams_revision_delete AFTER DELETE ON mcp_upstreams FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_upstreams';
END;
CREATE TRIGGER mcp_upstream_states_revision_insert AFTER INSERT ON mcp_upstream_states FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_upstream_states';
END;
CREATE TRIGGER mcp_upstream_states_revision_update AFTER UPDATE ON mcp_upstream_states FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_upstream_states';
END;
CREATE TRIGGER mcp_upstream_states_revision_delete AFTER DELETE ON mcp_upstream_states FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'mcp_upstream_states';
END;

-- DOWN
DROP TABLE mcp_upstream_states;
DROP TABLE mcp_upstreams;
DELETE FROM revisions WHERE name IN ('mcp_upstreams', 'mcp_upstream_states');
