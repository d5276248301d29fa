-- Budgets: what the model calls of an owner may use in a day.

-- UP
-- `owner_id`: the tenant, the id of an agent, the id of a client, `subject/user` of an end user, or `*` for each
-- of that kind that has no row of its own.
CREATE TABLE budgets (
    tenant_id    TEXT NOT NULL DEFAULT 'default' REFERENCES tenants (id),
    owner_kind   TEXT NOT NULL CHECK (owner_kind IN ('tenant', 'agent', 'client', 'user')),
    owner_id     TEXT NOT NULL,
    max_tokens   BIGINT CHECK (max_tokens >= 0),
    max_cost_usd TEXT, -- a decimal number such as 2.50
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, owner_kind, owner_id)
);

-- What was used in a day of UTC, with the most that calls under way may use.
CREATE TABLE budget_usage (
    tenant_id  TEXT NOT NULL,
    owner_kind TEXT NOT NULL,
    owner_id   TEXT NOT NULL,
    day        TEXT NOT NULL,
    tokens     BIGINT NOT NULL,
    cost       BIGINT NOT NULL, -- in 10^-12 USD
    unpriced   BIGINT NOT NULL, -- calls whose price is unknown
    PRIMARY KEY (tenant_id, owner_kind, owner_id, day)
);
CREATE INDEX budget_usage_day ON budget_usage (day);

INSERT INTO revisions (name, revision) VALUES ('budgets', 0);

CREATE TRIGGER budgets_revision AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE
    ON budgets FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();

-- DOWN
DROP TABLE budget_usage;
DROP TABLE budgets;
DELETE FROM revisions WHERE name = 'budgets';
