-- All passages of a database are made anew beside those that are searched, and take their place when they are whole.

-- UP
-- The generation that is being made; NULL: none.
ALTER TABLE rag_indexes ADD COLUMN next_generation INTEGER;
ALTER TABLE rag_indexes ADD COLUMN next_recipe     TEXT;
ALTER TABLE rag_indexes ADD COLUMN next_dimension  INTEGER NOT NULL DEFAULT 0;
-- The highest number that a generation ever had here.
ALTER TABLE rag_indexes ADD COLUMN last_generation INTEGER NOT NULL DEFAULT 1;
-- When to look whether the next generation is whole, or what is left of another can go; NULL: there is neither.
ALTER TABLE rag_indexes ADD COLUMN look_at         TEXT;
CREATE INDEX rag_indexes_look ON rag_indexes (look_at) WHERE look_at IS NOT NULL;

-- The last generation that has all passages of the document as it is now.
ALTER TABLE rag_documents ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
UPDATE rag_documents SET generation = 1 WHERE embedding_status = 'completed';
CREATE INDEX rag_documents_new ON rag_documents (run_after)
    WHERE embedding_status IN ('pending', 'processing') AND generation = 0;

-- By what a passage with the same text and model finds its vector.
ALTER TABLE rag_chunks ADD COLUMN vector_key TEXT;
CREATE INDEX rag_chunks_vector ON rag_chunks (tenant_id, vector_key);
CREATE INDEX rag_chunks_generation ON rag_chunks (tenant_id, rag_database_id, generation);

-- DOWN
DELETE FROM rag_chunks WHERE NOT EXISTS (SELECT 1 FROM rag_indexes i WHERE i.tenant_id = rag_chunks.tenant_id
    AND i.rag_database_id = rag_chunks.rag_database_id AND i.generation = rag_chunks.generation);
DROP INDEX rag_chunks_generation;
DROP INDEX rag_chunks_vector;
ALTER TABLE rag_chunks DROP COLUMN vector_key;
DROP INDEX rag_documents_new;
ALTER TABLE rag_documents DROP COLUMN generation;
DROP INDEX rag_indexes_look;
ALTER TABLE rag_indexes DROP COLUMN look_at;
ALTER TABLE rag_indexes DROP COLUMN last_generation;
ALTER TABLE rag_indexes DROP COLUMN next_dimension;
ALTER TABLE rag_indexes DROP COLUMN next_recipe;
ALTER TABLE rag_indexes DROP COLUMN next_generation;
