-- The first tables: tenants, clients, definitions with their versions, and runs with their log.
--
-- Keys of big tables begin with the tenant; ids of runs are UUIDv7, so that a partition is a month.

-- UP
CREATE TABLE tenants (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
INSERT INTO tenants (id, name) VALUES ('default', 'Default');

-- One row per kind of definition; each change of such rows adds one, so that replicas notice.
CREATE TABLE revisions (
    name     TEXT PRIMARY KEY,
    revision BIGINT NOT NULL
);
INSERT INTO revisions (name, revision) VALUES
    ('client_registrations', 0), ('agent_definitions', 0), ('workflow_definitions', 0),
    ('tool_definitions', 0), ('rag_databases', 0);

CREATE FUNCTION bump_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = TG_TABLE_NAME;
    RETURN NULL;
END
$$;

CREATE TABLE client_registrations (
    id                         UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id                  TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    client_id                  TEXT NOT NULL,
    name                       TEXT NOT NULL DEFAULT '',
    secret_sha256              TEXT,
    scopes                     JSON NOT NULL DEFAULT '[]',
    grant_types                JSON NOT NULL DEFAULT '["client_credentials"]',
    token_endpoint_auth_method TEXT NOT NULL DEFAULT 'client_secret_basic',
    redirect_uris              JSON NOT NULL DEFAULT '[]',
    registration_token_sha256  TEXT,
    is_active                  BOOLEAN NOT NULL DEFAULT TRUE,
    registered_by              TEXT,
    last_used_at               TIMESTAMPTZ,
    created_at                 TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at                 TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX client_registrations_client_id ON client_registrations (client_id);
CREATE INDEX client_registrations_list ON client_registrations (tenant_id, created_at, id);

CREATE TABLE agent_definitions (
    id                       UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id                TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    name                     TEXT NOT NULL,
    display_name             TEXT NOT NULL,
    description              TEXT NOT NULL DEFAULT '',
    instructions             TEXT NOT NULL,
    model                    TEXT, -- a name, or a JSON array of names; NULL is the configured default
    model_options            JSON NOT NULL DEFAULT '{}',
    tools                    JSON NOT NULL DEFAULT '[]',
    agents                   JSON NOT NULL DEFAULT '[]',
    workflows                JSON NOT NULL DEFAULT '[]',
    rag_databases            JSON NOT NULL DEFAULT '[]',
    memory                   JSON NOT NULL DEFAULT '{}',
    context_schema           JSON,
    output_schema            JSON,
    limits                   JSON NOT NULL DEFAULT '{}',
    scopes                   JSON NOT NULL DEFAULT '[]',
    metadata                 JSON NOT NULL DEFAULT '{}',
    is_active                BOOLEAN NOT NULL DEFAULT TRUE,
    version                  BIGINT, -- with content_hash: set when the row is first read
    content_hash             TEXT,
    created_by               TEXT,
    created_at               TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at               TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- Of the original: stored, not used.
    max_retries              INTEGER,
    default_generate_options JSON,
    default_stream_options   JSON,
    scorers                  JSON,
    evals                    JSON,
    memory_config            JSON,
    voice_config             JSON,
    input_processors         JSON,
    output_processors        JSON,
    telemetry_enabled        BOOLEAN
);
CREATE UNIQUE INDEX agent_definitions_name ON agent_definitions (tenant_id, lower(name));

CREATE TABLE workflow_definitions (
    id           UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id    TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    name         TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description  TEXT NOT NULL DEFAULT '',
    steps        JSON NOT NULL DEFAULT '[]',
    triggers     JSON NOT NULL DEFAULT '[]',
    scopes       JSON NOT NULL DEFAULT '[]',
    metadata     JSON NOT NULL DEFAULT '{}',
    is_active    BOOLEAN NOT NULL DEFAULT TRUE,
    version      BIGINT,
    content_hash TEXT,
    created_by   TEXT,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX workflow_definitions_name ON workflow_definitions (tenant_id, lower(name));

CREATE TABLE tool_definitions (
    id            UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id     TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    name          TEXT NOT NULL,
    display_name  TEXT NOT NULL,
    description   TEXT NOT NULL,
    input_schema  JSON NOT NULL,
    output_schema JSON,
    execute_code  TEXT,
    scopes        JSON NOT NULL DEFAULT '[]',
    metadata      JSON NOT NULL DEFAULT '{}',
    is_active     BOOLEAN NOT NULL DEFAULT TRUE,
    version       BIGINT,
    content_hash  TEXT,
    created_by    TEXT,
    created_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at    TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX tool_definitions_name ON tool_definitions (tenant_id, lower(name));

CREATE TABLE rag_databases (
    id                  UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id           TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    name                TEXT NOT NULL,
    display_name        TEXT NOT NULL,
    description         TEXT NOT NULL DEFAULT '',
    vector_store_type   TEXT NOT NULL DEFAULT 'embedded',
    vector_store_config JSON NOT NULL DEFAULT '{}',
    embedding_model     TEXT,
    chunk_size          INTEGER NOT NULL DEFAULT 1000,
    chunk_overlap       INTEGER NOT NULL DEFAULT 200,
    scopes              JSON NOT NULL DEFAULT '[]',
    metadata            JSON NOT NULL DEFAULT '{}',
    is_active           BOOLEAN NOT NULL DEFAULT TRUE,
    version             BIGINT,
    content_hash        TEXT,
    created_by          TEXT,
    created_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at          TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX rag_databases_name ON rag_databases (tenant_id, lower(name));

CREATE TABLE rag_documents (
    tenant_id         TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    id                UUID NOT NULL DEFAULT gen_random_uuid(),
    rag_database_id   UUID NOT NULL REFERENCES rag_databases (id) ON DELETE CASCADE,
    filename          TEXT NOT NULL,
    original_filename TEXT NOT NULL,
    file_type         TEXT NOT NULL,
    file_size         BIGINT NOT NULL,
    chunk_count       INTEGER NOT NULL DEFAULT 0,
    embedding_status  TEXT NOT NULL DEFAULT 'pending'
        CHECK (embedding_status IN ('pending', 'processing', 'completed', 'failed')),
    error_message     TEXT,
    metadata          JSON NOT NULL DEFAULT '{}',
    uploaded_by       TEXT,
    created_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX rag_documents_database ON rag_documents (rag_database_id, embedding_status);

-- What a definition said, once for each content it ever had.
CREATE TABLE definition_versions (
    tenant_id     TEXT NOT NULL REFERENCES tenants (id),
    kind          TEXT NOT NULL,
    definition_id UUID NOT NULL,
    version       BIGINT NOT NULL,
    content_hash  TEXT NOT NULL,
    content       TEXT NOT NULL,
    created_by    TEXT,
    note          TEXT,
    created_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, kind, definition_id, version)
);

-- A process that runs things. Others watch its beat against their own clocks.
CREATE TABLE workers (
    id         UUID PRIMARY KEY,
    beat       BIGINT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE runs (
    tenant_id          TEXT NOT NULL,
    id                 UUID NOT NULL,
    kind               TEXT NOT NULL,
    definition_id      UUID NOT NULL,
    definition_name    TEXT NOT NULL,
    definition_version BIGINT NOT NULL,
    thread_id          UUID,
    parent_run_id      UUID,
    forked_from        UUID,
    status             TEXT NOT NULL CHECK (status IN
        ('queued', 'running', 'waiting', 'suspended', 'succeeded', 'failed', 'canceled', 'timed_out')),
    waiting_for        TEXT NOT NULL,
    request            TEXT NOT NULL, -- what was asked, as recovery needs it
    scopes             TEXT NOT NULL, -- the rights of the caller
    output             TEXT,
    error              TEXT,
    usage              TEXT NOT NULL,
    limits             TEXT NOT NULL,
    steps              BIGINT NOT NULL,
    attempt            BIGINT NOT NULL,
    last_seq           BIGINT NOT NULL,
    subject            TEXT NOT NULL,
    client_id          TEXT NOT NULL,
    end_user           TEXT,
    trigger            TEXT NOT NULL,
    metadata           TEXT NOT NULL,
    engine             INTEGER NOT NULL,
    worker_id          UUID,
    run_after          TIMESTAMPTZ NOT NULL,
    priority           INTEGER NOT NULL DEFAULT 0,
    queue_key          TEXT,
    created_at         TIMESTAMPTZ NOT NULL,
    started_at         TIMESTAMPTZ,
    finished_at        TIMESTAMPTZ,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX runs_subject ON runs (tenant_id, subject, id);
CREATE INDEX runs_open ON runs (run_after, worker_id)
    WHERE status IN ('queued', 'running', 'waiting', 'suspended');

-- The truth of a run. The primary key is the fence: one number has one author.
CREATE TABLE run_events (
    tenant_id TEXT NOT NULL,
    run_id    UUID NOT NULL,
    seq       BIGINT NOT NULL,
    type      TEXT NOT NULL,
    at        TIMESTAMPTZ NOT NULL,
    data      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, seq)
) PARTITION BY RANGE (run_id);

-- Values of events that are too large for their row.
CREATE TABLE run_values (
    tenant_id TEXT NOT NULL,
    run_id    UUID NOT NULL,
    sha256    TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, sha256)
) PARTITION BY RANGE (run_id);

-- Partitions by month: the first 48 bits of a UUIDv7 are the milliseconds since 1970.
DO $$
DECLARE
    month DATE := '2026-11-01';
    lo UUID; hi UUID; big TEXT;
BEGIN
    WHILE month < '2029-01-01' LOOP
        lo := (rpad(lpad(to_hex((extract(epoch FROM month) * 1000)::bigint), 12, '0'), 32, '0'))::uuid;
        hi := (rpad(lpad(to_hex((extract(epoch FROM month + interval '1 month') * 1000)::bigint), 12, '0'), 32, '0'))::uuid;
        FOREACH big IN ARRAY ARRAY['run_events', 'run_values'] LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                big || to_char(month, '"_"YYYYMM'), big, lo, hi);
        END LOOP;
        month := month + interval '1 month';
    END LOOP;
END
$$;
CREATE TABLE run_events_default PARTITION OF run_events DEFAULT;
CREATE TABLE run_values_default PARTITION OF run_values DEFAULT;

-- What others ask of a run; only its owner writes its log.
CREATE TABLE run_signals (
    tenant_id  TEXT NOT NULL,
    run_id     UUID NOT NULL,
    id         UUID NOT NULL,
    kind       TEXT NOT NULL,
    data       TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, run_id, id)
);

CREATE TABLE idempotency_keys (
    tenant_id   TEXT NOT NULL,
    client_id   TEXT NOT NULL,
    key         TEXT NOT NULL,
    path        TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    run_id      UUID,     -- of an execute: the answer is read from the run
    answer      TEXT,     -- of everything else: NULL while the first request is at work
    created_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, client_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- Not for `last_used_at`: a client in use is no news.
CREATE TRIGGER client_registrations_revision
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF
        tenant_id, client_id, name, secret_sha256, scopes, grant_types, token_endpoint_auth_method,
        redirect_uris, registration_token_sha256, is_active
    ON client_registrations FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();
CREATE TRIGGER agent_definitions_revision AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE
    ON agent_definitions FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();
CREATE TRIGGER workflow_definitions_revision AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE
    ON workflow_definitions FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();
CREATE TRIGGER tool_definitions_revision AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE
    ON tool_definitions FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();
CREATE TRIGGER rag_databases_revision AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE
    ON rag_databases FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();

-- DOWN
DROP TABLE idempotency_keys;
DROP TABLE run_signals;
DROP TABLE run_values;
DROP TABLE run_events;
DROP TABLE runs;
DROP TABLE workers;
DROP TABLE definition_versions;
DROP TABLE rag_documents;
DROP TABLE rag_databases;
DROP TABLE tool_definitions;
DROP TABLE workflow_definitions;
DROP TABLE agent_definitions;
DROP TABLE client_registrations;
DROP FUNCTION bump_revision();
DROP TABLE revisions;
DROP TABLE tenants;
