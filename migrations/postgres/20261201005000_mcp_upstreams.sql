-- Servers of others whose tools our agents call by MCP, and what was last seen of each.

-- UP
CREATE TABLE mcp_upstreams (
    id               UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id        TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    name             TEXT NOT NULL,
    display_name     TEXT NOT NULL,
    description      TEXT NOT NULL DEFAULT '',
    url              TEXT NOT NULL,
    auth             JSON NOT NULL DEFAULT '{"type":"none"}',
    allow            JSON NOT NULL DEFAULT '["*"]',
    timeout_ms       BIGINT NOT NULL DEFAULT 30000,
    max_result_bytes BIGINT NOT NULL DEFAULT 1048576,
    scopes           JSON NOT NULL DEFAULT '[]',
    metadata         JSON NOT NULL DEFAULT '{}',
    is_active        BOOLEAN NOT NULL DEFAULT TRUE,
    version          BIGINT,
    content_hash     TEXT,
    created_by       TEXT,
    created_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at       TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX mcp_upstreams_name ON mcp_upstreams (tenant_id, lower(name));
CREATE TABLE mcp_upstream_states (
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    upstream_id UUID NOT NULL REFERENCES mcp_upstreams (id) ON DELETE CASCADE,
    protocol    TEXT,
    last_error  TEXT,
    tools       JSON NOT NULL DEFAULT '[]',
    checked_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, upstream_id)
);
INSERT INTO revisions (name, revision) VALUES ('mcp_upstreams', 0), ('mcp_upstream_states', 0);
CREATE TRIGGER mcp_upstreams_revision
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE
    ON mcp_upstreams FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();
CREATE TRIGGER mcp_upstream_states_revision
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE
    ON mcp_upstream_states FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();

-- DOWN
DROP TABLE mcp_upstream_states;
DROP TABLE mcp_upstreams;
DELETE FROM revisions WHERE name IN ('mcp_upstreams', 'mcp_upstream_states');
