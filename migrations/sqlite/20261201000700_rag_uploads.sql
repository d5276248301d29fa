-- Files that are stored piece by piece before a document has them.

-- UP
-- Files that no document has: those that come in, with the process that takes them, and those to be deleted.
CREATE TABLE rag_uploads (
    tenant_id       TEXT NOT NULL,
    rag_database_id TEXT NOT NULL,
    file_id         TEXT NOT NULL,
    worker_id       TEXT,
    PRIMARY KEY (tenant_id, rag_database_id, file_id)
) STRICT, WITHOUT ROWID;
-- Which file of `rag_files` a document has; as long as it was not replaced, the one of the document's own id.
ALTER TABLE rag_documents ADD COLUMN file_id TEXT;

-- DOWN
ALTER TABLE rag_documents DROP COLUMN file_id;
DROP TABLE rag_uploads;
