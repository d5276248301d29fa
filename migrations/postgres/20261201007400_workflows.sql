-- What workflows take and give, and how far their runs may go, beside the columns of the original.

-- UP
ALTER TABLE workflow_definitions ADD COLUMN input_schema  JSON;
ALTER TABLE workflow_definitions ADD COLUMN output_schema JSON;
ALTER TABLE workflow_definitions ADD COLUMN output        JSON; -- NULL is what the last entry gives
ALTER TABLE workflow_definitions ADD COLUMN limits        JSON NOT NULL DEFAULT '{}';

-- DOWN
ALTER TABLE workflow_definitions DROP COLUMN limits;
ALTER TABLE workflow_definitions DROP COLUMN output;
ALTER TABLE workflow_definitions DROP COLUMN output_schema;
ALTER TABLE workflow_definitions DROP COLUMN input_schema;
