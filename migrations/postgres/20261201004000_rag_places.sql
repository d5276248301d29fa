-- The passages of a document in a generation, in their order: the last numbers of the index keep SQLite from taking
-- that of generations, which leads through all passages of a database.

-- UP
DROP INDEX rag_chunks_place;
CREATE INDEX rag_chunks_place ON rag_chunks (tenant_id, rag_database_id, document_id, generation, position);

-- DOWN
DROP INDEX rag_chunks_place;
CREATE INDEX rag_chunks_place ON rag_chunks (tenant_id, rag_database_id, document_id, position);
