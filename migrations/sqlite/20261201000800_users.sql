-- People: who they are, and what they may do.

-- UP
CREATE TABLE users (
    id                TEXT PRIMARY KEY CHECK (length(id) = 36 AND id = lower(id)),
    tenant_id         TEXT NOT NULL REFERENCES tenants (id),
    -- What is typed to sign in, of one person whatever his tenant.
    username          TEXT NOT NULL CHECK (username = lower(username)),
    display_name      TEXT NOT NULL DEFAULT '',
    role              TEXT NOT NULL,
    scopes            TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes)), -- beyond those of the role
    password_hash     TEXT, -- argon2id; NULL: nobody signs in with a password
    is_active         INTEGER NOT NULL DEFAULT TRUE CHECK (is_active IN (0, 1)),
    last_signed_in_at TEXT,
    created_by        TEXT,
    created_at        TEXT NOT NULL,
    updated_at        TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_username ON users (username);
CREATE INDEX users_list ON users (tenant_id, created_at, id);

INSERT INTO revisions (name, revision) VALUES ('users', 0);

-- Not for `last_signed_in_at` and passwords: of these tokens know nothing.
CREATE TRIGGER users_revision_update
AFTER UPDATE OF tenant_id, role, scopes, is_active ON users FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'users';
END;
CREATE TRIGGER users_revision_insert AFTER INSERT ON users FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'users';
END;
CREATE TRIGGER users_revision_delete AFTER DELETE ON users FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'users';
END;

-- DOWN
DROP TABLE users;
DELETE FROM revisions WHERE name = 'users';
