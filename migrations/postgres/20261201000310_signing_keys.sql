-- Keys that sign access tokens.

-- UP
CREATE TABLE signing_keys (
    kid          TEXT PRIMARY KEY,
    -- The key pair, sealed for this row; NULL once the key is withdrawn.
    private      TEXT,
    -- What a key is follows from these times alone.
    begins_at    TIMESTAMPTZ NOT NULL,
    withdrawn_at TIMESTAMPTZ,
    created_by   TEXT,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);

INSERT INTO revisions (name, revision) VALUES ('signing_keys', 0);
CREATE TRIGGER signing_keys_revision AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE
    ON signing_keys FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();

-- DOWN
DROP TABLE signing_keys;
DELETE FROM revisions WHERE name = 'signing_keys';
