-- Triggers of workflows: what begins runs of them, and what has.

-- UP
-- With which rights a version was written. NULL: in SQL, by a command, or before this was written down.
ALTER TABLE definition_versions ADD COLUMN client_id TEXT;
ALTER TABLE definition_versions ADD COLUMN scopes    TEXT;

-- Workflows whose triggers may be others than workflow_triggers has them.
CREATE TABLE workflow_trigger_changes (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    workflow_id UUID NOT NULL
);
CREATE INDEX workflow_trigger_changes_workflow ON workflow_trigger_changes (tenant_id, workflow_id);

CREATE FUNCTION note_trigger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.triggers::text <> '[]' THEN
        INSERT INTO workflow_trigger_changes (tenant_id, workflow_id) VALUES (OLD.tenant_id, OLD.id);
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.triggers::text <> '[]' THEN
        INSERT INTO workflow_trigger_changes (tenant_id, workflow_id) VALUES (NEW.tenant_id, NEW.id);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER workflow_definitions_triggers AFTER INSERT OR DELETE OR UPDATE
    ON workflow_definitions FOR EACH ROW EXECUTE FUNCTION note_trigger_change();

-- The triggers of the versions that are at work, made of the definitions.
CREATE TABLE workflow_triggers (
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    workflow_id UUID NOT NULL,
    trigger_id  TEXT NOT NULL,
    spec        TEXT NOT NULL,
    version     BIGINT NOT NULL,
    is_active   BOOLEAN NOT NULL,
    subject     TEXT NOT NULL, -- as whom its runs act
    client_id   TEXT NOT NULL,
    scopes      TEXT,          -- NULL: whatever he holds
    method      TEXT,
    path        TEXT,
    event       TEXT,
    paused_at   TIMESTAMPTZ,
    handled_at  TIMESTAMPTZ, -- all occurrences until then are dealt with
    next_at     TIMESTAMPTZ, -- NULL: none
    PRIMARY KEY (tenant_id, workflow_id, trigger_id)
);
CREATE INDEX workflow_triggers_path ON workflow_triggers (tenant_id, path, method) WHERE path IS NOT NULL;
CREATE INDEX workflow_triggers_event ON workflow_triggers (tenant_id, event) WHERE event IS NOT NULL;
CREATE INDEX workflow_triggers_next ON workflow_triggers (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX workflow_triggers_handled ON workflow_triggers (handled_at) WHERE next_at IS NOT NULL;

-- What triggers have done.
CREATE TABLE workflow_firings (
    tenant_id     TEXT NOT NULL,
    id            UUID NOT NULL,
    workflow_id   UUID NOT NULL,
    trigger_id    TEXT NOT NULL,
    at            TIMESTAMPTZ, -- the occurrence of a schedule
    fired_at      TIMESTAMPTZ NOT NULL,
    status        TEXT NOT NULL,
    run_id        UUID,
    error_code    TEXT,
    error_message TEXT,
    fired_by      TEXT, -- who asked for it by hand
    delivery      TEXT, -- what came from outside, told apart
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX workflow_firings_trigger ON workflow_firings (tenant_id, workflow_id, trigger_id, id);
CREATE INDEX workflow_firings_time ON workflow_firings (fired_at);
CREATE UNIQUE INDEX workflow_firings_at ON workflow_firings (tenant_id, workflow_id, trigger_id, at)
    WHERE at IS NOT NULL AND status <> 'skipped';
CREATE UNIQUE INDEX workflow_firings_delivery ON workflow_firings (tenant_id, workflow_id, trigger_id, delivery)
    WHERE delivery IS NOT NULL;

INSERT INTO workflow_trigger_changes (tenant_id, workflow_id)
    SELECT tenant_id, id FROM workflow_definitions WHERE triggers::text <> '[]';

-- DOWN
DROP TABLE workflow_firings;
DROP TABLE workflow_triggers;
DROP TRIGGER workflow_definitions_triggers ON workflow_definitions;
DROP FUNCTION note_trigger_change();
DROP TABLE workflow_trigger_changes;
ALTER TABLE definition_versions DROP COLUMN scopes;
ALTER TABLE definition_versions DROP COLUMN client_id;
