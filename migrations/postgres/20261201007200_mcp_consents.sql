-- Consent of people to being known to servers of others, and runs that wait for it.

-- UP
ALTER TABLE approvals ADD COLUMN consent_upstream TEXT;
ALTER TABLE approvals ADD COLUMN consent_url TEXT;
ALTER TABLE approvals DROP CONSTRAINT approvals_kind_check;
ALTER TABLE approvals ADD CONSTRAINT approvals_kind_check
    CHECK (kind IN ('tool_call', 'step', 'unknown_effect', 'consent'));
CREATE INDEX approvals_consent ON approvals (tenant_id, requested_by, consent_upstream)
    WHERE kind = 'consent' AND status = 'pending';
-- What a person has consented to: the tokens of an upstream for him.
CREATE TABLE mcp_consents (
    tenant_id        TEXT NOT NULL REFERENCES tenants (id),
    upstream_id      UUID NOT NULL REFERENCES mcp_upstreams (id) ON DELETE CASCADE,
    subject          TEXT NOT NULL,
    user_id          UUID REFERENCES users (id) ON DELETE CASCADE, -- NULL: the management client
    basis            TEXT NOT NULL, -- a digest of what of the upstream it is for
    tokens           TEXT NOT NULL, -- sealed
    scope            TEXT,
    expires_at       TIMESTAMPTZ, -- of the access token
    generation       BIGINT NOT NULL DEFAULT 1, -- one more with each renewal
    renewed_by_until TIMESTAMPTZ, -- some process renews it
    created_at       TIMESTAMPTZ NOT NULL,
    updated_at       TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, subject, upstream_id)
);
CREATE INDEX mcp_consents_upstream ON mcp_consents (upstream_id);
CREATE INDEX mcp_consents_user ON mcp_consents (user_id);
-- A person who is away at the server that asks him; of each upstream the last time counts.
CREATE TABLE mcp_consent_requests (
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    upstream_id UUID NOT NULL REFERENCES mcp_upstreams (id) ON DELETE CASCADE,
    subject     TEXT NOT NULL,
    state       TEXT NOT NULL, -- its digest
    data        TEXT NOT NULL, -- sealed
    expires_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, subject, upstream_id)
);
CREATE INDEX mcp_consent_requests_upstream ON mcp_consent_requests (upstream_id);
CREATE INDEX mcp_consent_requests_expiry ON mcp_consent_requests (expires_at);
-- Who we are at an authorization server that let us register ourselves.
CREATE TABLE mcp_registrations (
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    upstream_id  UUID NOT NULL REFERENCES mcp_upstreams (id) ON DELETE CASCADE,
    issuer       TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    client       TEXT NOT NULL, -- sealed
    created_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, upstream_id)
);
CREATE INDEX mcp_registrations_upstream ON mcp_registrations (upstream_id);

-- DOWN
DROP TABLE mcp_registrations;
DROP TABLE mcp_consent_requests;
DROP TABLE mcp_consents;
DROP INDEX approvals_consent;
DELETE FROM approvals WHERE kind = 'consent';
ALTER TABLE approvals DROP CONSTRAINT approvals_kind_check;
ALTER TABLE approvals ADD CONSTRAINT approvals_kind_check CHECK (kind IN ('tool_call', 'step', 'unknown_effect'));
ALTER TABLE approvals DROP COLUMN consent_url;
ALTER TABLE approvals DROP COLUMN consent_upstream;
