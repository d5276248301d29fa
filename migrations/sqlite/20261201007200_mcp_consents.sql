-- Consent of people to being known to servers of others, and runs that wait for it.

-- UP
CREATE TABLE approvals_next (
    tenant_id        TEXT NOT NULL,
    id               TEXT NOT NULL,
    run_id           TEXT NOT NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('tool_call', 'step', 'unknown_effect', 'consent')),
    step             TEXT NOT NULL,
    call_id          TEXT NOT NULL,
    tool_name        TEXT NOT NULL,
    tool_version     INTEGER,
    arguments        TEXT NOT NULL,
    arguments_hash   TEXT NOT NULL,
    message          TEXT,
    status           TEXT NOT NULL CHECK (status IN
        ('pending', 'approved', 'rejected', 'expired', 'canceled')),
    required_scope   TEXT NOT NULL,
    requested_by     TEXT NOT NULL,
    expires_at       TEXT NOT NULL,
    on_timeout       TEXT NOT NULL,
    decided_by       TEXT,
    decided_at       TEXT,
    reason           TEXT,
    created_at       TEXT NOT NULL,
    consent_upstream TEXT,
    consent_url      TEXT,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO approvals_next (tenant_id, id, run_id, kind, step, call_id, tool_name, tool_version, arguments, arguments_hash, message,
    status, required_scope, requested_by, expires_at, on_timeout, decided_by, decided_at, reason, created_at)
SELECT tenant_id, id, run_id, kind, step, call_id, tool_name, tool_version, arguments, arguments_hash, message,
    status, required_scope, requested_by, expires_at, on_timeout, decided_by, decided_at, reason, created_at
FROM approvals;
DROP TABLE approvals;
ALTER TABLE approvals_next RENAME TO approvals;
CREATE INDEX approvals_run ON approvals (tenant_id, run_id);
CREATE INDEX approvals_pending ON approvals (tenant_id, id) WHERE status = 'pending';
CREATE INDEX approvals_consent ON approvals (tenant_id, requested_by, consent_upstream)
    WHERE kind = 'consent' AND status = 'pending';
-- What a person has consented to: the tokens of an upstream for him.
CREATE TABLE mcp_consents (
    tenant_id        TEXT NOT NULL REFERENCES tenants (id),
    upstream_id      TEXT NOT NULL REFERENCES mcp_upstreams (id) ON DELETE CASCADE,
    subject          TEXT NOT NULL,
    user_id          TEXT REFERENCES users (id) ON DELETE CASCADE, -- NULL: the management client
    basis            TEXT NOT NULL, -- a digest of what of the upstream it is for
    tokens           TEXT NOT NULL, -- sealed
    scope            TEXT,
    expires_at       TEXT, -- of the access token
    generation       INTEGER NOT NULL DEFAULT 1, -- one more with each renewal
    renewed_by_until TEXT, -- some process renews it
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL,
    PRIMARY KEY (tenant_id, subject, upstream_id)
) STRICT;
CREATE INDEX mcp_consents_upstream ON mcp_consents (upstream_id);
CREATE INDEX mcp_consents_user ON mcp_consents (user_id);
-- A person who is away at the server that asks him; of each upstream the last time counts.
CREATE TABLE mcp_consent_requests (
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    upstream_id TEXT NOT NULL REFERENCES mcp_upstreams (id) ON DELETE CASCADE,
    subject     TEXT NOT NULL,
    state       TEXT NOT NULL, -- its digest
    data        TEXT NOT NULL, -- sealed
    expires_at  TEXT NOT NULL,
    PRIMARY KEY (tenant_id, subject, upstream_id)
) STRICT;
CREATE INDEX mcp_consent_requests_upstream ON mcp_consent_requests (upstream_id);
CREATE INDEX mcp_consent_requests_expiry ON mcp_consent_requests (expires_at);
-- Who we are at an authorization server that let us register ourselves.
CREATE TABLE mcp_registrations (
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    upstream_id  TEXT NOT NULL REFERENCES mcp_upstreams (id) ON DELETE CASCADE,
    issuer       TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    client       TEXT NOT NULL, -- sealed
    created_at   TEXT NOT NULL,
    PRIMARY KEY (tenant_id, upstream_id)
) STRICT;
CREATE INDEX mcp_registrations_upstream ON mcp_registrations (upstream_id);

-- DOWN
DROP TABLE mcp_registrations;
DROP TABLE mcp_consent_requests;
DROP TABLE mcp_consents;
CREATE TABLE approvals_next (
    tenant_id        TEXT NOT NULL,
    id               TEXT NOT NULL,
    run_id           TEXT NOT NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('tool_call', 'step', 'unknown_effect')),
    step             TEXT NOT NULL,
    call_id          TEXT NOT NULL,
    tool_name        TEXT NOT NULL,
    tool_version     INTEGER,
    arguments        TEXT NOT NULL,
    arguments_hash   TEXT NOT NULL,
    message          TEXT,
    status           TEXT NOT NULL CHECK (status IN
        ('pending', 'approved', 'rejected', 'expired', 'canceled')),
    required_scope   TEXT NOT NULL,
    requested_by     TEXT NOT NULL,
    expires_at       TEXT NOT NULL,
    on_timeout       TEXT NOT NULL,
    decided_by       TEXT,
    decided_at       TEXT,
    reason           TEXT,
    created_at       TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO approvals_next (tenant_id, id, run_id, kind, step, call_id, tool_name, tool_version, arguments, arguments_hash, message,
    status, required_scope, requested_by, expires_at, on_timeout, decided_by, decided_at, reason, created_at)
SELECT tenant_id, id, run_id, kind, step, call_id, tool_name, tool_version, arguments, arguments_hash, message,
    status, required_scope, requested_by, expires_at, on_timeout, decided_by, decided_at, reason, created_at
FROM approvals WHERE kind <> 'consent';
DROP TABLE approvals;
ALTER TABLE approvals_next RENAME TO approvals;
CREATE INDEX approvals_run ON approvals (tenant_id, run_id);
CREATE INDEX approvals_pending ON approvals (tenant_id, id) WHERE status = 'pending';
