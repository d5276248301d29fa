-- The first tables: tenants, clients, definitions with their versions, and runs with their log.
--
-- Keys of big tables begin with the tenant; ids of runs are UUIDv7, so that a partition is a month.

-- UP
CREATE TABLE tenants (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z')
) STRICT;
INSERT INTO tenants (id, name) VALUES ('default', 'Default');

-- One row per kind of definition; each change of such rows adds one, so that replicas notice.
CREATE TABLE revisions (
    name     TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO revisions (name, revision) VALUES
    ('client_registrations', 0), ('agent_definitions', 0), ('workflow_definitions', 0),
    ('tool_definitions', 0), ('rag_databases', 0);

CREATE TABLE client_registrations (
    id                         TEXT PRIMARY KEY DEFAULT (lower(
        hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
        substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))
        CHECK (length(id) = 36 AND id = lower(id)),
    tenant_id                  TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    client_id                  TEXT NOT NULL,
    name                       TEXT NOT NULL DEFAULT '',
    secret_sha256              TEXT,
    scopes                     TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes)),
    grant_types                TEXT NOT NULL DEFAULT '["client_credentials"]' CHECK (json_valid(grant_types)),
    token_endpoint_auth_method TEXT NOT NULL DEFAULT 'client_secret_basic',
    redirect_uris              TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(redirect_uris)),
    registration_token_sha256  TEXT,
    is_active                  INTEGER NOT NULL DEFAULT TRUE CHECK (is_active IN (0, 1)),
    registered_by              TEXT,
    last_used_at               TEXT,
    created_at                 TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    updated_at                 TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z')
) STRICT;
CREATE UNIQUE INDEX client_registrations_client_id ON client_registrations (client_id);
CREATE INDEX client_registrations_list ON client_registrations (tenant_id, created_at, id);

CREATE TABLE agent_definitions (
    id                       TEXT PRIMARY KEY DEFAULT (lower(
        hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
        substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))
        CHECK (length(id) = 36 AND id = lower(id)),
    tenant_id                TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    name                     TEXT NOT NULL,
    display_name             TEXT NOT NULL,
    description              TEXT NOT NULL DEFAULT '',
    instructions             TEXT NOT NULL,
    model                    TEXT, -- a name, or a JSON array of names; NULL is the configured default
    model_options            TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(model_options)),
    tools                    TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(tools)),
    agents                   TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(agents)),
    workflows                TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(workflows)),
    rag_databases            TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(rag_databases)),
    memory                   TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(memory)),
    context_schema           TEXT CHECK (context_schema IS NULL OR json_valid(context_schema)),
    output_schema            TEXT CHECK (output_schema IS NULL OR json_valid(output_schema)),
    limits                   TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(limits)),
    scopes                   TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes)),
    metadata                 TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    is_active                INTEGER NOT NULL DEFAULT TRUE CHECK (is_active IN (0, 1)),
    version                  INTEGER, -- with content_hash: set when the row is first read
    content_hash             TEXT,
    created_by               TEXT,
    created_at               TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    updated_at               TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    -- Of the original: stored, not used.
    max_retries              INTEGER,
    default_generate_options TEXT CHECK (default_generate_options IS NULL OR json_valid(default_generate_options)),
    default_stream_options   TEXT CHECK (default_stream_options IS NULL OR json_valid(default_stream_options)),
    scorers                  TEXT CHECK (scorers IS NULL OR json_valid(scorers)),
    evals                    TEXT CHECK (evals IS NULL OR json_valid(evals)),
    memory_config            TEXT CHECK (memory_config IS NULL OR json_valid(memory_config)),
    voice_config             TEXT CHECK (voice_config IS NULL OR json_valid(voice_config)),
    input_processors         TEXT CHECK (input_processors IS NULL OR json_valid(input_processors)),
    output_processors        TEXT CHECK (output_processors IS NULL OR json_valid(output_processors)),
    telemetry_enabled        INTEGER CHECK (telemetry_enabled IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX agent_definitions_name ON agent_definitions (tenant_id, lower(name));

CREATE TABLE workflow_definitions (
    id           TEXT PRIMARY KEY DEFAULT (lower(
        hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
        substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))
        CHECK (length(id) = 36 AND id = lower(id)),
    tenant_id    TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    name         TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description  TEXT NOT NULL DEFAULT '',
    steps        TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(steps)),
    triggers     TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(triggers)),
    scopes       TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes)),
    metadata     TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    is_active    INTEGER NOT NULL DEFAULT TRUE CHECK (is_active IN (0, 1)),
    version      INTEGER,
    content_hash TEXT,
    created_by   TEXT,
    created_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    updated_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z')
) STRICT;
CREATE UNIQUE INDEX workflow_definitions_name ON workflow_definitions (tenant_id, lower(name));

CREATE TABLE tool_definitions (
    id            TEXT PRIMARY KEY DEFAULT (lower(
        hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
        substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))
        CHECK (length(id) = 36 AND id = lower(id)),
    tenant_id     TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    name          TEXT NOT NULL,
    display_name  TEXT NOT NULL,
    description   TEXT NOT NULL,
    input_schema  TEXT NOT NULL CHECK (json_valid(input_schema)),
    output_schema TEXT CHECK (output_schema IS NULL OR json_valid(output_schema)),
    execute_code  TEXT,
    scopes        TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes)),
    metadata      TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    is_active     INTEGER NOT NULL DEFAULT TRUE CHECK (is_active IN (0, 1)),
    version       INTEGER,
    content_hash  TEXT,
    created_by    TEXT,
    created_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    updated_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z')
) STRICT;
CREATE UNIQUE INDEX tool_definitions_name ON tool_definitions (tenant_id, lower(name));

CREATE TABLE rag_databases (
    id                  TEXT PRIMARY KEY DEFAULT (lower(
        hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
        substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))
        CHECK (length(id) = 36 AND id = lower(id)),
    tenant_id           TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    name                TEXT NOT NULL,
    display_name        TEXT NOT NULL,
    description         TEXT NOT NULL DEFAULT '',
    vector_store_type   TEXT NOT NULL DEFAULT 'embedded',
    vector_store_config TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(vector_store_config)),
    embedding_model     TEXT,
    chunk_size          INTEGER NOT NULL DEFAULT 1000,
    chunk_overlap       INTEGER NOT NULL DEFAULT 200,
    scopes              TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes)),
    metadata            TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    is_active           INTEGER NOT NULL DEFAULT TRUE CHECK (is_active IN (0, 1)),
    version             INTEGER,
    content_hash        TEXT,
    created_by          TEXT,
    created_at          TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    updated_at          TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z')
) STRICT;
CREATE UNIQUE INDEX rag_databases_name ON rag_databases (tenant_id, lower(name));

CREATE TABLE rag_documents (
    tenant_id         TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    id                TEXT NOT NULL DEFAULT (lower(
        hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
        substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))
        CHECK (length(id) = 36 AND id = lower(id)),
    rag_database_id   TEXT NOT NULL REFERENCES rag_databases (id) ON DELETE CASCADE,
    filename          TEXT NOT NULL,
    original_filename TEXT NOT NULL,
    file_type         TEXT NOT NULL,
    file_size         INTEGER NOT NULL,
    chunk_count       INTEGER NOT NULL DEFAULT 0,
    embedding_status  TEXT NOT NULL DEFAULT 'pending'
        CHECK (embedding_status IN ('pending', 'processing', 'completed', 'failed')),
    error_message     TEXT,
    metadata          TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    uploaded_by       TEXT,
    created_at        TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    updated_at        TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX rag_documents_database ON rag_documents (rag_database_id, embedding_status);

-- What a definition said, once for each content it ever had.
CREATE TABLE definition_versions (
    tenant_id     TEXT NOT NULL REFERENCES tenants (id),
    kind          TEXT NOT NULL,
    definition_id TEXT NOT NULL,
    version       INTEGER NOT NULL,
    content_hash  TEXT NOT NULL,
    content       TEXT NOT NULL,
    created_by    TEXT,
    note          TEXT,
    created_at    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, kind, definition_id, version)
) STRICT, WITHOUT ROWID;

-- A process that runs things. Others watch its beat against their own clocks.
CREATE TABLE workers (
    id         TEXT PRIMARY KEY,
    beat       INTEGER NOT NULL,
    started_at TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
    tenant_id          TEXT NOT NULL,
    id                 TEXT NOT NULL,
    kind               TEXT NOT NULL,
    definition_id      TEXT NOT NULL,
    definition_name    TEXT NOT NULL,
    definition_version INTEGER NOT NULL,
    thread_id          TEXT,
    parent_run_id      TEXT,
    forked_from        TEXT,
    status             TEXT NOT NULL CHECK (status IN
        ('queued', 'running', 'waiting', 'suspended', 'succeeded', 'failed', 'canceled', 'timed_out')),
    waiting_for        TEXT NOT NULL,
    request            TEXT NOT NULL, -- what was asked, as recovery needs it
    scopes             TEXT NOT NULL, -- the rights of the caller
    output             TEXT,
    error              TEXT,
    usage              TEXT NOT NULL,
    limits             TEXT NOT NULL,
    steps              INTEGER NOT NULL,
    attempt            INTEGER NOT NULL,
    last_seq           INTEGER NOT NULL,
    subject            TEXT NOT NULL,
    client_id          TEXT NOT NULL,
    end_user           TEXT,
    trigger            TEXT NOT NULL,
    metadata           TEXT NOT NULL,
    engine             INTEGER NOT NULL,
    worker_id          TEXT,
    run_after          TEXT NOT NULL,
    priority           INTEGER NOT NULL DEFAULT 0,
    queue_key          TEXT,
    created_at         TEXT NOT NULL,
    started_at         TEXT,
    finished_at        TEXT,
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX runs_subject ON runs (tenant_id, subject, id);
CREATE INDEX runs_open ON runs (run_after, worker_id)
    WHERE status IN ('queued', 'running', 'waiting', 'suspended');

-- The truth of a run. The primary key is the fence: one number has one author.
CREATE TABLE run_events (
    tenant_id TEXT NOT NULL,
    run_id    TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    type      TEXT NOT NULL,
    at        TEXT NOT NULL,
    data      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, seq)
) STRICT, WITHOUT ROWID;

-- Values of events that are too large for their row.
CREATE TABLE run_values (
    tenant_id TEXT NOT NULL,
    run_id    TEXT NOT NULL,
    sha256    TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, sha256)
) STRICT, WITHOUT ROWID;

-- What others ask of a run; only its owner writes its log.
CREATE TABLE run_signals (
    tenant_id  TEXT NOT NULL,
    run_id     TEXT NOT NULL,
    id         TEXT NOT NULL,
    kind       TEXT NOT NULL,
    data       TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    tenant_id   TEXT NOT NULL,
    client_id   TEXT NOT NULL,
    key         TEXT NOT NULL,
    path        TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    run_id      TEXT,     -- of an execute: the answer is read from the run
    answer      TEXT,     -- of everything else: NULL while the first request is at work
    created_at  TEXT NOT NULL,
    PRIMARY KEY (tenant_id, client_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- Not for `last_used_at`: a client in use is no news.
CREATE TRIGGER client_registrations_revision_update
AFTER UPDATE OF
    tenant_id, client_id, name, secret_sha256, scopes, grant_types, token_endpoint_auth_method,
    redirect_uris, registration_token_sha256, is_active
ON client_registrations FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'client_registrations';
END;
CREATE TRIGGER client_registrations_revision_insert AFTER INSERT ON client_registrations FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'client_registrations';
END;
CREATE TRIGGER client_registrations_revision_delete AFTER DELETE ON client_registrations FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'client_registrations';
END;
CREATE TRIGGER agent_definitions_revision_insert AFTER INSERT ON agent_definitions FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'agent_definitions';
END;
CREATE TRIGGER agent_definitions_revision_update AFTER UPDATE ON agent_definitions FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'agent_definitions';
END;
CREATE TRIGGER agent_definitions_revision_delete AFTER DELETE ON agent_definitions FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'agent_definitions';
END;
CREATE TRIGGER workflow_definitions_revision_insert AFTER INSERT ON workflow_definitions FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'workflow_definitions';
END;
CREATE TRIGGER workflow_definitions_revision_update AFTER UPDATE ON workflow_definitions FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'workflow_definitions';
END;
CREATE TRIGGER workflow_definitions_revision_delete AFTER DELETE ON workflow_definitions FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'workflow_definitions';
END;
CREATE TRIGGER tool_definitions_revision_insert AFTER INSERT ON tool_definitions FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'tool_definitions';
END;
CREATE TRIGGER tool_definitions_revision_update AFTER UPDATE ON tool_definitions FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'tool_definitions';
END;
CREATE TRIGGER tool_definitions_revision_delete AFTER DELETE ON tool_definitions FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'tool_definitions';
END;
CREATE TRIGGER rag_databases_revision_insert AFTER INSERT ON rag_databases FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'rag_databases';
END;
CREATE TRIGGER rag_databases_revision_update AFTER UPDATE ON rag_databases FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'rag_databases';
END;
CREATE TRIGGER rag_databases_revision_delete AFTER DELETE ON rag_databases FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'rag_databases';
END;

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
DROP TABLE revisions;
DROP TABLE tenants;
