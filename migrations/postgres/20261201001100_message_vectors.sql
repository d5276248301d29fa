-- The vectors by which earlier messages of a thread are recalled.

-- UP
CREATE TABLE message_vectors (
    tenant_id TEXT NOT NULL,
    thread_id UUID NOT NULL,
    model     TEXT NOT NULL,
    seq       BIGINT NOT NULL,
    scale     DOUBLE PRECISION NOT NULL,
    code      BYTEA NOT NULL, -- a byte for each number; none: the message has no text
    PRIMARY KEY (tenant_id, thread_id, model, seq),
    -- What is stored while its thread is deleted goes with it.
    FOREIGN KEY (tenant_id, thread_id) REFERENCES threads (tenant_id, id) ON DELETE CASCADE
);

-- DOWN
DROP TABLE message_vectors;
