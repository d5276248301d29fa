-- When the next attempt of a webhook was planned.

-- UP
-- If it is still to come, the clock was set back since, and the attempt would be late by as much.
ALTER TABLE webhook_deliveries ADD COLUMN planned_at TIMESTAMPTZ;

-- DOWN
ALTER TABLE webhook_deliveries DROP COLUMN planned_at;
