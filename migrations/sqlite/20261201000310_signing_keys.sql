-- Keys that sign access tokens.

-- UP
CREATE TABLE signing_keys (
    kid          TEXT PRIMARY KEY,
    -- The key pair, sealed for this row; NULL once the key is withdrawn.
    private      TEXT,
    -- What a key is follows from these times alone.
    begins_at    TEXT NOT NULL,
    withdrawn_at TEXT,
    created_by   TEXT,
    created_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z')
) STRICT;

INSERT INTO revisions (name, revision) VALUES ('signing_keys', 0);
CREATE TRIGGER signing_keys_revision_insert AFTER INSERT ON signing_keys FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'signing_keys';
END;
CREATE TRIGGER signing_keys_revision_update AFTER UPDATE ON signing_keys FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'signing_keys';
END;
CREATE TRIGGER signing_keys_revision_delete AFTER DELETE ON signing_keys FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'signing_keys';
END;

-- DOWN
DROP TABLE signing_keys;
DELETE FROM revisions WHERE name = 'signing_keys';
