-- The page on which a passage ends, if that is not the one on which it begins. Passages of before have it when
-- their document is ingested again.

-- UP
ALTER TABLE rag_chunks ADD COLUMN page_end BIGINT;

-- DOWN
ALTER TABLE rag_chunks DROP COLUMN page_end;
