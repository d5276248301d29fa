-- People: who they are, and what they may do.

-- UP
CREATE TABLE users (
    id                UUID PRIMARY KEY,
    tenant_id         TEXT NOT NULL REFERENCES tenants (id),
    -- What is typed to sign in, of one person whatever his tenant.
    username          TEXT NOT NULL CHECK (username = lower(username)),
    display_name      TEXT NOT NULL DEFAULT '',
    role              TEXT NOT NULL,
    scopes            JSON NOT NULL DEFAULT '[]', -- beyond those of the role
    password_hash     TEXT, -- argon2id; NULL: nobody signs in with a password
    is_active         BOOLEAN NOT NULL DEFAULT TRUE,
    last_signed_in_at TIMESTAMPTZ,
    created_by        TEXT,
    created_at        TIMESTAMPTZ NOT NULL,
    updated_at        TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX users_username ON users (username);
CREATE INDEX users_list ON users (tenant_id, created_at, id);

INSERT INTO revisions (name, revision) VALUES ('users', 0);

-- Not for `last_signed_in_at` and passwords: of these tokens know nothing.
CREATE TRIGGER users_revision
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF tenant_id, role, scopes, is_active
    ON users FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();

-- DOWN
DROP TABLE users;
DELETE FROM revisions WHERE name = 'users';
