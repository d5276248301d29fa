-- What workflows take and give, and how far their runs may go, beside the columns of the original.

-- UP
ALTER TABLE workflow_definitions ADD COLUMN input_schema  TEXT CHECK (json_valid(input_schema));
ALTER TABLE workflow_definitions ADD COLUMN output_schema TEXT CHECK (json_valid(output_schema));
ALTER TABLE workflow_definitions ADD COLUMN output        TEXT CHECK (json_valid(output)); -- NULL is what the last entry gives
ALTER TABLE workflow_definitions ADD COLUMN limits        TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(limits));

-- DOWN
ALTER TABLE workflow_definitions DROP COLUMN limits;
ALTER TABLE workflow_definitions DROP COLUMN output;
ALTER TABLE workflow_definitions DROP COLUMN output_schema;
ALTER TABLE workflow_definitions DROP COLUMN input_schema;
