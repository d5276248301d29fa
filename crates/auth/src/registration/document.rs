//! What a client says of itself in a document of its own, whose URL is its id
//! (draft-ietf-oauth-client-id-metadata-document).

use crate::error::ErrorCode;
use crate::error::OAuthError;
use crate::redirect::RedirectUri;
use crate::registration::AuthMethod;
use crate::registration::ClientMetadata;
use crate::registration::Fields;
use crate::registration::GrantType;
use crate::registration::invalid;

/// What only clients have that share a secret with one server; a document is for everybody.
const SECRET: [&str; 2] = ["client_secret", "client_secret_expires_at"];

/// Whether a client of this id describes itself. No client that is registered here has such an id. Which URLs may be
/// asked is for the server to say.
pub fn is_document_url(client_id: &str) -> bool {
    client_id.starts_with("https://") || client_id.starts_with("http://")
}

impl ClientMetadata {
    /// Reads the document that was found at `url`.
    ///
    /// It is written for servers of all kinds, so what we do not know is left out: grants, addresses, scopes. What is
    /// left must be a client that acts for people, and proves itself by a signature or not at all.
    pub fn of_document(url: &str, body: &[u8]) -> Result<Self, OAuthError> {
        let mut fields = Fields::parse(body)?;
        if fields.string("client_id")?.as_deref() != Some(url) {
            return Err(invalid("client_id is not the URL of the document"));
        }
        if fields.0.iter().any(|(name, _)| SECRET.contains(&name.as_str())) {
            return Err(invalid("it has a secret, which everybody can read"));
        }
        let method = match fields.string("token_endpoint_auth_method")?.as_deref() {
            None | Some("none") => AuthMethod::None,
            Some("private_key_jwt") => AuthMethod::PrivateKeyJwt,
            Some(_) => {
                return Err(invalid(
                    "token_endpoint_auth_method is neither none nor private_key_jwt",
                ));
            }
        };
        let keys = match method {
            AuthMethod::PrivateKeyJwt => fields.keys(method)?,
            _ => None,
        };
        Ok(Self {
            client_name: fields.text("client_name")?,
            grant_types: fields.grants_for_people()?,
            token_endpoint_auth_method: method,
            scope: None,
            redirect_uris: fields.usable_redirect_uris()?,
            keys,
            server_id: None,
        })
    }
}

impl Fields {
    /// Those by which somebody acts for people. With any other a client whom nobody knows would act for itself.
    fn grants_for_people(&mut self) -> Result<Vec<GrantType>, OAuthError> {
        let Some(names) = self.texts("grant_types")? else {
            return Ok(vec![GrantType::AuthorizationCode]);
        };
        let for_people = [GrantType::AuthorizationCode, GrantType::RefreshToken];
        let has = |grant: &GrantType| names.iter().any(|name| name == grant.as_str());
        let grants: Vec<GrantType> = for_people.into_iter().filter(has).collect();
        match grants.first() {
            Some(GrantType::AuthorizationCode) => Ok(grants),
            _ => Err(invalid("grant_types has no authorization_code")),
        }
    }

    fn usable_redirect_uris(&mut self) -> Result<Vec<RedirectUri>, OAuthError> {
        let texts = self.texts("redirect_uris")?.unwrap_or_default();
        let uris: Vec<_> = texts.iter().filter_map(|text| RedirectUri::parse(text).ok()).collect();
        if uris.is_empty() {
            let text = "none of the redirect_uris can be used";
            return Err(OAuthError::new(ErrorCode::InvalidRedirectUri, text));
        }
        Ok(uris)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::json;

    use super::*;

    const URL: &str = "https://editor.example/client.json";

    fn editor() -> Value {
        json!({
            "client_id": URL, "client_name": "Editor", "client_uri": "https://editor.example", "logo_uri": "x",
            "redirect_uris": ["http://127.0.0.1/cb", "editor://cb", "https://editor.example/cb"],
            "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
            "response_types": ["code"], "token_endpoint_auth_method": "none", "scope": "openid files",
        })
    }

    fn read(change: &Value) -> Result<ClientMetadata, OAuthError> {
        let mut document = editor();
        for (name, value) in change.as_object().unwrap() {
            document[name] = value.clone();
        }
        ClientMetadata::of_document(URL, document.to_string().as_bytes())
    }

    #[test]
    fn of_a_document_is_taken_what_is_for_us() {
        let client = read(&json!({})).unwrap();

        assert_eq!(client.client_name.as_deref(), Some("Editor"));
        let uris: Vec<_> = client.redirect_uris.iter().map(RedirectUri::as_str).collect();
        assert_eq!(uris, ["http://127.0.0.1/cb", "https://editor.example/cb"]);
        assert_eq!(client.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
        assert_eq!((client.token_endpoint_auth_method, client.scope), (AuthMethod::None, None));
        let short =
            format!(r#"{{"client_id": "{URL}", "redirect_uris": ["https://editor.example/cb"]}}"#);
        let short = ClientMetadata::of_document(URL, short.as_bytes()).unwrap();
        assert_eq!(short.grant_types, [GrantType::AuthorizationCode]);
    }

    #[test]
    fn a_document_is_of_the_client_at_its_url_and_has_no_secret() {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let mut private = key.clone();
        private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
        let signs = |keys: Value| json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": keys}});
        assert!(read(&signs(json!([key]))).unwrap().keys.is_some());

        for change in [
            json!({"client_id": "https://editor.example/client.json/"}),
            json!({"client_id": "https://evil.example/client.json"}),
            json!({"client_id": null}),
            json!({"client_id": [URL]}),
            json!({"client_secret": "x"}),
            json!({"client_secret": ""}),
            json!({"client_secret_expires_at": 0}),
            json!({"token_endpoint_auth_method": "client_secret_basic"}),
            json!({"token_endpoint_auth_method": "client_secret_post"}),
            json!({"token_endpoint_auth_method": "private_key_jwt"}),
            signs(json!([private])),
            signs(json!([])),
            json!({"grant_types": ["client_credentials"]}),
            json!({"grant_types": ["refresh_token"]}),
            json!({"grant_types": "authorization_code"}),
            json!({"redirect_uris": []}),
            json!({"redirect_uris": ["editor://cb", "https://*.example/cb", "http://editor.example/cb"]}),
            json!({"client_name": "a\nb"}),
        ] {
            assert!(read(&change).is_err(), "{change}");
        }
    }

    #[test]
    fn what_is_no_object_with_each_member_once_is_no_document() {
        let twice = format!(
            r#"{{"client_id": "https://evil.example", "client_id": "{URL}", "redirect_uris": ["https://editor.example/cb"]}}"#
        );
        for text in ["", "[]", "null", "<html>", twice.as_str()] {
            assert!(ClientMetadata::of_document(URL, text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_document_says_its_client_acts_for_people_only(
            grants in proptest::collection::vec("authorization_code|refresh_token|client_credentials|urn:ietf:params:oauth:grant-type:token-exchange|x", 0..5),
            method in "none|private_key_jwt|client_secret_basic|client_secret_post|",
        ) {
            if let Ok(client) = read(&json!({"grant_types": grants, "token_endpoint_auth_method": method})) {
                prop_assert!(client.grant_types.iter().all(|it| matches!(it, GrantType::AuthorizationCode | GrantType::RefreshToken)));
                prop_assert!(matches!(client.token_endpoint_auth_method, AuthMethod::None | AuthMethod::PrivateKeyJwt));
            }
        }

        #[test]
        fn no_document_breaks_its_reader(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ClientMetadata::of_document(URL, &body);
        }
    }
}
