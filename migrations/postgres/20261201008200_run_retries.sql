-- Which run a retry makes up for: a second one would take over what the first may have made up for.

-- UP
ALTER TABLE runs ADD COLUMN retry_of UUID; -- of workflows that make up for something
CREATE UNIQUE INDEX runs_retry ON runs (tenant_id, retry_of)
    WHERE retry_of IS NOT NULL AND status <> 'canceled';

-- DOWN
DROP INDEX runs_retry;
ALTER TABLE runs DROP COLUMN retry_of;
