-- Webhooks at the end of runs, and the months that runs are kept in.

-- UP
-- What must be told to whom. A row is written in the transaction of the run's end; its id is the
-- `webhook-id` of every attempt.
CREATE TABLE webhook_deliveries (
    tenant_id       TEXT NOT NULL,
    id              UUID NOT NULL,
    run_id          UUID NOT NULL,
    url             TEXT NOT NULL,
    host            TEXT NOT NULL, -- with its port: few requests at once go to one
    secret          TEXT NOT NULL, -- the name of the key that signs it
    state           TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts        BIGINT NOT NULL,
    next_attempt_at TIMESTAMPTZ,   -- while an attempt is made: when another process may make it again
    last_status     BIGINT,
    last_error      TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    delivered_at    TIMESTAMPTZ,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX webhook_deliveries_run ON webhook_deliveries (tenant_id, run_id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'pending';

-- The first id of a month of UTC: the first 48 bits of a UUIDv7 are the milliseconds since 1970.
CREATE FUNCTION first_id_of(month DATE) RETURNS UUID LANGUAGE sql IMMUTABLE AS $$
    SELECT rpad(lpad(to_hex((extract(epoch FROM month) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

-- Makes the partitions of a month, unless they are there.
CREATE FUNCTION create_run_month(month DATE) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    big TEXT;
BEGIN
    FOREACH big IN ARRAY ARRAY['run_events', 'run_values'] LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
            big || to_char(month, '"_"YYYYMM'), big,
            first_id_of(month), first_id_of((month + interval '1 month')::date));
    END LOOP;
END
$$;

-- Drops the partitions of a month, with all that is in them.
CREATE FUNCTION drop_run_month(month DATE) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    big TEXT;
BEGIN
    FOREACH big IN ARRAY ARRAY['run_events', 'run_values'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', big || to_char(month, '"_"YYYYMM'));
    END LOOP;
END
$$;

-- DOWN
DROP FUNCTION drop_run_month(DATE);
DROP FUNCTION create_run_month(DATE);
DROP FUNCTION first_id_of(DATE);
DROP TABLE webhook_deliveries;
