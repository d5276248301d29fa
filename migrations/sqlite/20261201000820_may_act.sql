-- Who may exchange the tokens of a client, beside itself.

-- UP
ALTER TABLE client_registrations ADD COLUMN may_act TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(may_act));

DROP TRIGGER client_registrations_revision_update;
CREATE TRIGGER client_registrations_revision_update
AFTER UPDATE OF
    tenant_id, client_id, name, secret_sha256, scopes, grant_types, token_endpoint_auth_method,
    redirect_uris, registration_token_sha256, is_active, previous_secret_sha256, previous_expires_at,
    jwks, jwks_uri, may_act
ON client_registrations FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'client_registrations';
END;

-- DOWN
DROP TRIGGER client_registrations_revision_update;
CREATE TRIGGER client_registrations_revision_update
AFTER UPDATE OF
    tenant_id, client_id, name, secret_sha256, scopes, grant_types, token_endpoint_auth_method,
    redirect_uris, registration_token_sha256, is_active, previous_secret_sha256, previous_expires_at,
    jwks, jwks_uri
ON client_registrations FOR EACH ROW BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE name = 'client_registrations';
END;
ALTER TABLE client_registrations DROP COLUMN may_act;
