-- The audit trail: who administered what, and who was refused.

-- UP
CREATE TABLE audit_log (
    tenant_id   TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    at          TEXT NOT NULL,
    actor       TEXT NOT NULL,
    client_id   TEXT,
    action      TEXT NOT NULL,
    target      TEXT NOT NULL,
    before_json TEXT NOT NULL,
    after_json  TEXT NOT NULL,
    ip          TEXT,
    request_id  TEXT,
    -- Over the row and the hash of the row before it.
    hash        TEXT NOT NULL,
    PRIMARY KEY (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_log_actor ON audit_log (tenant_id, actor, seq);
CREATE INDEX audit_log_target ON audit_log (tenant_id, target, seq);

-- The last row of each tenant, which whoever adds one locks.
CREATE TABLE audit_heads (
    tenant_id TEXT PRIMARY KEY,
    seq       INTEGER NOT NULL,
    hash      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_log_stays_update BEFORE UPDATE ON audit_log BEGIN
    SELECT RAISE(ABORT, 'the audit trail is only added to');
END;
CREATE TRIGGER audit_log_stays_delete BEFORE DELETE ON audit_log BEGIN
    SELECT RAISE(ABORT, 'the audit trail is only added to');
END;

-- DOWN
DROP TABLE audit_heads;
DROP TABLE audit_log;
