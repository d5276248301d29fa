-- Events from outside that many runs wait for: whom an event is for is said at once, and they are told of it by and by.

-- UP
-- The event that the run is given by this; the row goes when the run has recorded it.
ALTER TABLE workflow_waits ADD COLUMN event_id UUID;
CREATE INDEX workflow_waits_event ON workflow_waits (tenant_id, event_id, run_id) WHERE event_id IS NOT NULL;
-- One that a run had no use for is kept again, where it was.
DROP INDEX workflow_events_name;
CREATE INDEX workflow_events_name ON workflow_events (tenant_id, name, key, created_at, id);
-- Events that were given to several runs.
CREATE TABLE workflow_deliveries (
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    id         UUID NOT NULL,
    name       TEXT NOT NULL,
    key        TEXT NOT NULL,
    payload    TEXT, -- NULL once all are told
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    runs       BIGINT NOT NULL,
    returned   BIGINT NOT NULL, -- so many of them had no use for it
    told       UUID NOT NULL, -- the last run that was told
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX workflow_deliveries_open ON workflow_deliveries (tenant_id, id) WHERE payload IS NOT NULL;
CREATE INDEX workflow_deliveries_expiry ON workflow_deliveries (expires_at);

-- DOWN
DROP TABLE workflow_deliveries;
DROP INDEX workflow_events_name;
CREATE INDEX workflow_events_name ON workflow_events (tenant_id, name, key, id);
DROP INDEX workflow_waits_event;
ALTER TABLE workflow_waits DROP COLUMN event_id;
