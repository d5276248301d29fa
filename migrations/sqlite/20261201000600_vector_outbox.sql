-- Vectors in stores beside the rows: what those have still to be told.

-- UP
-- The store that a database's vectors are in: its type and settings.
ALTER TABLE rag_indexes ADD COLUMN store TEXT NOT NULL DEFAULT '["embedded",{}]';

-- A document that its store does not know as its rows are now; or, under an id of nothing else, a collection that is to
-- be made or to go.
CREATE TABLE vector_outbox (
    tenant_id       TEXT NOT NULL,
    rag_database_id TEXT NOT NULL,
    document_id     TEXT NOT NULL,
    gone            TEXT,              -- the collection that is to go, and its store
    changes         INTEGER NOT NULL DEFAULT 1,
    failures        INTEGER NOT NULL DEFAULT 0,
    run_after       TEXT NOT NULL,
    worker_id       TEXT,
    last_error      TEXT,
    PRIMARY KEY (tenant_id, rag_database_id, document_id)
) STRICT;
CREATE INDEX vector_outbox_work ON vector_outbox (run_after);

-- DOWN
DROP TABLE vector_outbox;
ALTER TABLE rag_indexes DROP COLUMN store;
