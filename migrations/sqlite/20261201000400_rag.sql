-- Documents of databases: their files, what is known of their ingestion, and the passages that came of it.

-- UP
ALTER TABLE rag_databases ADD COLUMN chunker    TEXT NOT NULL DEFAULT 'recursive';
ALTER TABLE rag_databases ADD COLUMN chunk_unit TEXT NOT NULL DEFAULT 'characters';
ALTER TABLE rag_databases ADD COLUMN search     TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(search));

ALTER TABLE rag_documents ADD COLUMN content_hash   TEXT;
ALTER TABLE rag_documents ADD COLUMN stage          TEXT;
ALTER TABLE rag_documents ADD COLUMN progress_done  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rag_documents ADD COLUMN progress_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rag_documents ADD COLUMN page_count     INTEGER;
ALTER TABLE rag_documents ADD COLUMN language       TEXT;
ALTER TABLE rag_documents ADD COLUMN encoding       TEXT;
ALTER TABLE rag_documents ADD COLUMN warnings       TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(warnings));
ALTER TABLE rag_documents ADD COLUMN source_url     TEXT;
ALTER TABLE rag_documents ADD COLUMN scopes         TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes));
-- The number of the last attempt: whoever has another one has lost the document.
ALTER TABLE rag_documents ADD COLUMN attempts       INTEGER NOT NULL DEFAULT 0;
-- Attempts in a row that failed and are made again.
ALTER TABLE rag_documents ADD COLUMN failures       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rag_documents ADD COLUMN worker_id      TEXT;
ALTER TABLE rag_documents ADD COLUMN run_after      TEXT NOT NULL DEFAULT '1970-01-01T00:00:00.000000Z';
-- The revision of its database in which it changed last.
ALTER TABLE rag_documents ADD COLUMN revision       INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX rag_documents_content ON rag_documents (tenant_id, rag_database_id, content_hash);
CREATE INDEX rag_documents_list ON rag_documents (tenant_id, rag_database_id, created_at, id);
CREATE INDEX rag_documents_revision ON rag_documents (tenant_id, rag_database_id, revision);
CREATE INDEX rag_documents_work ON rag_documents (run_after)
    WHERE embedding_status IN ('pending', 'processing');

-- What all passages of a database have in common. It outlives the database until they are deleted.
CREATE TABLE rag_indexes (
    tenant_id       TEXT NOT NULL,
    rag_database_id TEXT NOT NULL,
    generation      INTEGER NOT NULL,
    embedder        TEXT NOT NULL,
    dimension       INTEGER NOT NULL,
    recipe          TEXT NOT NULL, -- how documents are cut
    revision        INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, rag_database_id)
) STRICT, WITHOUT ROWID;

-- The original bytes, in pieces.
CREATE TABLE rag_files (
    tenant_id       TEXT NOT NULL,
    rag_database_id TEXT NOT NULL,
    document_id     TEXT NOT NULL,
    part            INTEGER NOT NULL,
    bytes           BLOB NOT NULL,
    PRIMARY KEY (tenant_id, rag_database_id, document_id, part)
) STRICT;

CREATE TABLE rag_chunks (
    tenant_id       TEXT NOT NULL,
    id              TEXT NOT NULL,
    rag_database_id TEXT NOT NULL,
    document_id     TEXT NOT NULL,
    generation      INTEGER NOT NULL,
    position        INTEGER NOT NULL,
    start_at        INTEGER NOT NULL, -- code points of the extracted text
    end_at          INTEGER NOT NULL,
    page            INTEGER,
    scale           REAL NOT NULL,
    code            BLOB NOT NULL,    -- the vector in one byte a number
    words           BLOB NOT NULL,    -- what it is found by without a vector
    heading_path    TEXT NOT NULL,
    text            TEXT NOT NULL,
    vector          BLOB NOT NULL,    -- f32, little-endian
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX rag_chunks_place ON rag_chunks (tenant_id, rag_database_id, document_id, position);

-- Documents that are gone, for those who have them in memory, and until their passages are gone too.
CREATE TABLE rag_deletions (
    tenant_id       TEXT NOT NULL,
    rag_database_id TEXT NOT NULL,
    revision        INTEGER NOT NULL,
    document_id     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, rag_database_id, revision)
) STRICT, WITHOUT ROWID;

-- DOWN
DROP TABLE rag_deletions;
DROP TABLE rag_chunks;
DROP TABLE rag_files;
DROP TABLE rag_indexes;
DROP INDEX rag_documents_work;
DROP INDEX rag_documents_revision;
DROP INDEX rag_documents_list;
DROP INDEX rag_documents_content;
ALTER TABLE rag_documents DROP COLUMN revision;
ALTER TABLE rag_documents DROP COLUMN run_after;
ALTER TABLE rag_documents DROP COLUMN worker_id;
ALTER TABLE rag_documents DROP COLUMN failures;
ALTER TABLE rag_documents DROP COLUMN attempts;
ALTER TABLE rag_documents DROP COLUMN scopes;
ALTER TABLE rag_documents DROP COLUMN source_url;
ALTER TABLE rag_documents DROP COLUMN warnings;
ALTER TABLE rag_documents DROP COLUMN encoding;
ALTER TABLE rag_documents DROP COLUMN language;
ALTER TABLE rag_documents DROP COLUMN page_count;
ALTER TABLE rag_documents DROP COLUMN progress_total;
ALTER TABLE rag_documents DROP COLUMN progress_done;
ALTER TABLE rag_documents DROP COLUMN stage;
ALTER TABLE rag_documents DROP COLUMN content_hash;
ALTER TABLE rag_databases DROP COLUMN search;
ALTER TABLE rag_databases DROP COLUMN chunk_unit;
ALTER TABLE rag_databases DROP COLUMN chunker;
