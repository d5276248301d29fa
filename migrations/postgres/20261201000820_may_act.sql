-- Who may exchange the tokens of a client, beside itself.

-- UP
ALTER TABLE client_registrations ADD COLUMN may_act JSON NOT NULL DEFAULT '[]';

DROP TRIGGER client_registrations_revision ON client_registrations;
CREATE TRIGGER client_registrations_revision
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF
        tenant_id, client_id, name, secret_sha256, scopes, grant_types, token_endpoint_auth_method,
        redirect_uris, registration_token_sha256, is_active, previous_secret_sha256, previous_expires_at,
        jwks, jwks_uri, may_act
    ON client_registrations FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();

-- DOWN
DROP TRIGGER client_registrations_revision ON client_registrations;
CREATE TRIGGER client_registrations_revision
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF
        tenant_id, client_id, name, secret_sha256, scopes, grant_types, token_endpoint_auth_method,
        redirect_uris, registration_token_sha256, is_active, previous_secret_sha256, previous_expires_at,
        jwks, jwks_uri
    ON client_registrations FOR EACH STATEMENT EXECUTE FUNCTION bump_revision();
ALTER TABLE client_registrations DROP COLUMN may_act;
