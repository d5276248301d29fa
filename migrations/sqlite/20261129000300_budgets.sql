-- Budgets: what the model calls of an owner may use in a day.

-- UP
-- `owner_id`: the tenant, the id of an agent, the id of a client, `subject/user` of an end user, or `*` for each
-- of that kind that has no row of its own.
CREATE TABLE budgets (
    tenant_id    TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    owner_kind   TEXT NOT NULL CHECK (owner_kind IN ('tenant', 'agent', 'client', 'user')),
    owner_id     TEXT NOT NULL,
    max_tokens   INTEGER CHECK (max_tokens >= 0),
    max_cost_usd TEXT, -- a decimal number such as 2.50
    created_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    updated_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    PRIMARY KEY (tenant_id, owner_kind, owner_id)
) STRICT, WITHOUT ROWID;

-- What was used in a day of UTC, with the most that calls under way may use.
CREATE TABLE budget_usage (
    tenant_id  TEXT NOT NULL,
    owner_kind TEXT NOT NULL,
    owner_id   TEXT NOT NULL,
    day        TEXT NOT NULL,
    tokens     INTEGER NOT NULL,
    cost       INTEGER NOT NULL, -- in 10^-12 USD
    unpriced   INTEGER NOT NULL, -- calls whose price is unknown
    PRIMARY KEY (tenant_id, owner_kind, owner_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX budget_usage_day ON budget_usage (day);

INSERT INTO revisions (name, revision) VALUES ('budgets', 0);

CREATE TRIGGER budgets_revision_insert AFTER INSERT ON budgets FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'budgets';
END;
CREATE TRIGGER budgets_revision_update AFTER UPDATE ON budgets FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'budgets';
END;
CREATE TRIGGER budgets_revision_delete AFTER DELETE ON budgets FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'budgets';
END;

-- DOWN
DROP TABLE budget_usage;
DROP TABLE budgets;
DELETE FROM revisions WHERE name = 'budgets';
