-- Definitions that are kept in files, as they were when they were applied.

-- UP
CREATE TABLE applied_definitions (
    tenant_id     TEXT NOT NULL REFERENCES tenants (id),
    kind          TEXT NOT NULL,
    definition_id TEXT NOT NULL,
    file_set      TEXT NOT NULL, -- which files: those of one set are pruned together
    file          TEXT NOT NULL,
    version       INTEGER NOT NULL,
    content_hash  TEXT NOT NULL,
    is_active     INTEGER NOT NULL,
    applied_at    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, kind, definition_id)
) STRICT, WITHOUT ROWID;

-- DOWN
DROP TABLE applied_definitions;
