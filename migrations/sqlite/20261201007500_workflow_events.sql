-- Events from outside that runs of workflows wait for.

-- UP
-- Those for which nobody has waited yet.
CREATE TABLE workflow_events (
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    id         TEXT NOT NULL,
    name       TEXT NOT NULL,
    key        TEXT NOT NULL,
    payload    TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX workflow_events_name ON workflow_events (tenant_id, name, key, id);
CREATE INDEX workflow_events_expiry ON workflow_events (expires_at);
-- What runs wait for now.
CREATE TABLE workflow_waits (
    tenant_id TEXT NOT NULL,
    run_id    TEXT NOT NULL,
    name      TEXT NOT NULL,
    key       TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, name, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX workflow_waits_name ON workflow_waits (tenant_id, name, key);

-- DOWN
DROP TABLE workflow_waits;
DROP TABLE workflow_events;
