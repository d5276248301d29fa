-- Triggers of workflows: what begins runs of them, and what has.

-- UP
-- With which rights a version was written. NULL: in SQL, by a command, or before this was written down.
ALTER TABLE definition_versions ADD COLUMN client_id TEXT;
ALTER TABLE definition_versions ADD COLUMN scopes    TEXT;

-- Workflows whose triggers may be others than workflow_triggers has them.
CREATE TABLE workflow_trigger_changes (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant_id   TEXT NOT NULL,
    workflow_id TEXT NOT NULL
) STRICT;
CREATE INDEX workflow_trigger_changes_workflow ON workflow_trigger_changes (tenant_id, workflow_id);

CREATE TRIGGER workflow_definitions_triggers_insert AFTER INSERT ON workflow_definitions FOR EACH ROW
WHEN NEW.triggers <> '[]' BEGIN
    INSERT INTO workflow_trigger_changes (tenant_id, workflow_id) VALUES (NEW.tenant_id, NEW.id);
END;
CREATE TRIGGER workflow_definitions_triggers_update AFTER UPDATE ON workflow_definitions FOR EACH ROW
WHEN NEW.triggers <> '[]' OR OLD.triggers <> '[]' BEGIN
    INSERT INTO workflow_trigger_changes (tenant_id, workflow_id) VALUES (OLD.tenant_id, OLD.id);
    INSERT INTO workflow_trigger_changes (tenant_id, workflow_id) VALUES (NEW.tenant_id, NEW.id);
END;
CREATE TRIGGER workflow_definitions_triggers_delete AFTER DELETE ON workflow_definitions FOR EACH ROW
WHEN OLD.triggers <> '[]' BEGIN
    INSERT INTO workflow_trigger_changes (tenant_id, workflow_id) VALUES (OLD.tenant_id, OLD.id);
END;

-- The triggers of the versions that are at work, made of the definitions.
CREATE TABLE workflow_triggers (
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    workflow_id TEXT NOT NULL,
    trigger_id  TEXT NOT NULL,
    spec        TEXT NOT NULL,
    version     INTEGER NOT NULL,
    is_active   INTEGER NOT NULL,
    subject     TEXT NOT NULL, -- as whom its runs act
    client_id   TEXT NOT NULL,
    scopes      TEXT,          -- NULL: whatever he holds
    method      TEXT,
    path        TEXT,
    event       TEXT,
    paused_at   TEXT,
    handled_at  TEXT, -- all occurrences until then are dealt with
    next_at     TEXT, -- NULL: none
    PRIMARY KEY (tenant_id, workflow_id, trigger_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX workflow_triggers_path ON workflow_triggers (tenant_id, path, method) WHERE path IS NOT NULL;
CREATE INDEX workflow_triggers_event ON workflow_triggers (tenant_id, event) WHERE event IS NOT NULL;
CREATE INDEX workflow_triggers_next ON workflow_triggers (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX workflow_triggers_handled ON workflow_triggers (handled_at) WHERE next_at IS NOT NULL;

-- What triggers have done.
CREATE TABLE workflow_firings (
    tenant_id     TEXT NOT NULL,
    id            TEXT NOT NULL,
    workflow_id   TEXT NOT NULL,
    trigger_id    TEXT NOT NULL,
    at            TEXT, -- the occurrence of a schedule
    fired_at      TEXT NOT NULL,
    status        TEXT NOT NULL,
    run_id        TEXT,
    error_code    TEXT,
    error_message TEXT,
    fired_by      TEXT, -- who asked for it by hand
    delivery      TEXT, -- what came from outside, told apart
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX workflow_firings_trigger ON workflow_firings (tenant_id, workflow_id, trigger_id, id);
CREATE INDEX workflow_firings_time ON workflow_firings (fired_at);
CREATE UNIQUE INDEX workflow_firings_at ON workflow_firings (tenant_id, workflow_id, trigger_id, at)
    WHERE at IS NOT NULL AND status <> 'skipped';
CREATE UNIQUE INDEX workflow_firings_delivery ON workflow_firings (tenant_id, workflow_id, trigger_id, delivery)
    WHERE delivery IS NOT NULL;

INSERT INTO workflow_trigger_changes (tenant_id, workflow_id)
    SELECT tenant_id, id FROM workflow_definitions WHERE triggers <> '[]';

-- DOWN
DROP TABLE workflow_firings;
DROP TABLE workflow_triggers;
DROP TRIGGER workflow_definitions_triggers_delete;
DROP TRIGGER workflow_definitions_triggers_update;
DROP TRIGGER workflow_definitions_triggers_insert;
DROP TABLE workflow_trigger_changes;
ALTER TABLE definition_versions DROP COLUMN scopes;
ALTER TABLE definition_versions DROP COLUMN client_id;
