-- Threads with their messages, and what lets a thread have one run at work.

-- UP
CREATE TABLE threads (
    tenant_id     TEXT NOT NULL,
    id            TEXT NOT NULL,
    subject       TEXT NOT NULL,
    end_user      TEXT,
    title         TEXT,
    metadata      TEXT NOT NULL,
    message_count INTEGER NOT NULL, -- also the seq of the last message: messages go with their thread only
    created_at    TEXT NOT NULL,
    updated_at    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX threads_owner ON threads (tenant_id, subject, id);
CREATE INDEX threads_user ON threads (tenant_id, end_user, id) WHERE end_user IS NOT NULL;

CREATE TABLE messages (
    tenant_id  TEXT NOT NULL,
    thread_id  TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    id         TEXT NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'tool')),
    content    TEXT NOT NULL,
    run_id     TEXT,
    created_at TEXT NOT NULL,
    PRIMARY KEY (tenant_id, thread_id, seq)
) STRICT, WITHOUT ROWID;

-- The policy of threads: the database itself lets one run of a thread be at work.
CREATE UNIQUE INDEX runs_thread_at_work ON runs (tenant_id, thread_id)
    WHERE thread_id IS NOT NULL AND status IN ('running', 'waiting', 'suspended');
-- Who comes next in a thread.
CREATE INDEX runs_thread_queue ON runs (tenant_id, thread_id, id)
    WHERE thread_id IS NOT NULL AND status = 'queued';
CREATE INDEX runs_thread ON runs (tenant_id, thread_id, id) WHERE thread_id IS NOT NULL;
CREATE INDEX runs_user ON runs (tenant_id, end_user, id) WHERE end_user IS NOT NULL;

-- DOWN
DROP INDEX runs_user;
DROP INDEX runs_thread;
DROP INDEX runs_thread_queue;
DROP INDEX runs_thread_at_work;
DROP TABLE messages;
DROP TABLE threads;
