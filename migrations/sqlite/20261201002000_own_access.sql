-- Of one person: what he allowed, and where he is signed in.

-- UP
CREATE INDEX oauth_grants_subject ON oauth_grants (tenant_id, subject, client_id, created_at, id);
CREATE INDEX sessions_subject ON sessions (tenant_id, subject, created_at, id);

-- DOWN
DROP INDEX sessions_subject;
DROP INDEX oauth_grants_subject;
