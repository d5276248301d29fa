-- Tools that are data: their kind and how they are called, beside the columns of the original.

-- UP
ALTER TABLE tool_definitions ADD COLUMN kind       TEXT;    -- NULL with an execute_code is javascript
ALTER TABLE tool_definitions ADD COLUMN config     TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(config));
ALTER TABLE tool_definitions ADD COLUMN effect     TEXT;    -- NULL is the usual one of the kind
ALTER TABLE tool_definitions ADD COLUMN approval   TEXT NOT NULL DEFAULT '"never"' CHECK (json_valid(approval));
ALTER TABLE tool_definitions ADD COLUMN timeout_ms INTEGER NOT NULL DEFAULT 30000;
ALTER TABLE tool_definitions ADD COLUMN retry      TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(retry));

-- DOWN
ALTER TABLE tool_definitions DROP COLUMN retry;
ALTER TABLE tool_definitions DROP COLUMN timeout_ms;
ALTER TABLE tool_definitions DROP COLUMN approval;
ALTER TABLE tool_definitions DROP COLUMN effect;
ALTER TABLE tool_definitions DROP COLUMN config;
ALTER TABLE tool_definitions DROP COLUMN kind;
