-- Webhooks at the end of runs.

-- UP
-- What must be told to whom. A row is written in the transaction of the run's end; its id is the
-- `webhook-id` of every attempt.
CREATE TABLE webhook_deliveries (
    tenant_id       TEXT NOT NULL,
    id              TEXT NOT NULL,
    run_id          TEXT NOT NULL,
    url             TEXT NOT NULL,
    host            TEXT NOT NULL, -- with its port: few requests at once go to one
    secret          TEXT NOT NULL, -- the name of the key that signs it
    state           TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts        INTEGER NOT NULL,
    next_attempt_at TEXT,          -- while an attempt is made: when another process may make it again
    last_status     INTEGER,
    last_error      TEXT,
    created_at      TEXT NOT NULL,
    delivered_at    TEXT,
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX webhook_deliveries_run ON webhook_deliveries (tenant_id, run_id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'pending';

-- DOWN
DROP TABLE webhook_deliveries;
