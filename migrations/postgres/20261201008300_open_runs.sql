-- Whoever looks for work reads the runs of one status, and none that sleep until later.

-- UP
DROP INDEX runs_open;
CREATE INDEX runs_open ON runs (status, run_after, worker_id)
    WHERE status IN ('queued', 'running', 'waiting', 'suspended');

-- DOWN
DROP INDEX runs_open;
CREATE INDEX runs_open ON runs (run_after, worker_id)
    WHERE status IN ('queued', 'running', 'waiting', 'suspended');
