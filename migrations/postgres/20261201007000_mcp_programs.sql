-- What was last seen of servers of others that are programs: they have no row, since a file names them.

-- UP
ALTER TABLE mcp_upstream_states DROP CONSTRAINT mcp_upstream_states_upstream_id_fkey;
CREATE FUNCTION forget_mcp_upstream_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM mcp_upstream_states WHERE tenant_id = OLD.tenant_id AND upstream_id = OLD.id;
    RETURN OLD;
END
$$;
CREATE TRIGGER mcp_upstreams_states AFTER DELETE ON mcp_upstreams
    FOR EACH ROW EXECUTE FUNCTION forget_mcp_upstream_state();

-- DOWN
DROP TRIGGER mcp_upstreams_states ON mcp_upstreams;
DROP FUNCTION forget_mcp_upstream_state();
DELETE FROM mcp_upstream_states s WHERE NOT EXISTS (
    SELECT 1 FROM mcp_upstreams u WHERE u.tenant_id = s.tenant_id AND u.id = s.upstream_id);
ALTER TABLE mcp_upstream_states ADD CONSTRAINT mcp_upstream_states_upstream_id_fkey
    FOREIGN KEY (upstream_id) REFERENCES mcp_upstreams (id) ON DELETE CASCADE;
