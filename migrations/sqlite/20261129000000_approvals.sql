-- UP
-- What people are asked to decide. The row decides who was first; the log of the run records it.
CREATE TABLE approvals (
    tenant_id       TEXT NOT NULL,
    id              TEXT NOT NULL,
    run_id          TEXT NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('tool_call', 'step', 'unknown_effect')),
    step            TEXT NOT NULL,
    call_id         TEXT NOT NULL,
    tool_name       TEXT NOT NULL,
    tool_version    INTEGER,
    arguments       TEXT NOT NULL,
    arguments_hash  TEXT NOT NULL,
    message         TEXT,
    status          TEXT NOT NULL CHECK (status IN
        ('pending', 'approved', 'rejected', 'expired', 'canceled')),
    required_scope  TEXT NOT NULL,
    requested_by    TEXT NOT NULL,
    expires_at      TEXT NOT NULL,
    on_timeout      TEXT NOT NULL,
    decided_by      TEXT,
    decided_at      TEXT,
    reason          TEXT,
    created_at      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX approvals_run ON approvals (tenant_id, run_id);
CREATE INDEX approvals_pending ON approvals (tenant_id, id) WHERE status = 'pending';
CREATE INDEX runs_parent ON runs (tenant_id, parent_run_id) WHERE parent_run_id IS NOT NULL;

-- DOWN
DROP INDEX runs_parent;
DROP TABLE approvals;
