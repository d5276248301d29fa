-- Figures over time: what ended in each minute, counted once from the rows of runs.

-- UP
CREATE INDEX runs_ended ON runs (finished_at) WHERE finished_at IS NOT NULL;

-- `figures`: how the runs ended, how long they took, what they used. No minute without a run.
CREATE TABLE run_minutes (
    tenant_id TEXT NOT NULL,
    minute    TEXT NOT NULL, -- its beginning
    figures   TEXT NOT NULL CHECK (json_valid(figures)),
    PRIMARY KEY (tenant_id, minute)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_minutes_age ON run_minutes (minute);

-- One row: all runs that ended before this time are counted. No row: none is yet.
CREATE TABLE run_minutes_until (
    only_one INTEGER NOT NULL PRIMARY KEY CHECK (only_one = 1),
    until    TEXT NOT NULL
) STRICT;

-- DOWN
DROP TABLE run_minutes_until;
DROP TABLE run_minutes;
DROP INDEX runs_ended;
