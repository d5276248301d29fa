//! What a client may register itself, or be registered, as (RFC 7591).

mod document;
mod original;
mod update;

use serde::Serialize;
use serde_json::Value;

use crate::client_auth::MAX_CLIENT_ID;
use crate::client_keys::Algorithm;
use crate::client_keys::ClientKeys;
use crate::error::ErrorCode;
use crate::error::OAuthError;
use crate::form;
use crate::form::MediaType;
use crate::json::Members;
use crate::redirect::RedirectUri;
use crate::scope::Scopes;

pub use document::is_document_url;
pub use update::ClientUpdate;

/// A grant that a client may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    ClientCredentials,
    /// A token for a person who agreed, by a code.
    AuthorizationCode,
    /// The next token for the same person.
    RefreshToken,
    /// A token for another one (RFC 8693).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// It cannot: a program on somebody's machine or in a browser, which keeps no secret. It acts for people only.
    None,
    ClientSecretBasic,
    ClientSecretPost,
    /// By an assertion that it signs ([`crate::assertion`]).
    PrivateKeyJwt,
}

/// Where the public keys of a client are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// Here: a key set that [`ClientKeys::parse`] reads.
    Inline(String),
    /// There; whether it may be asked is for the server to say.
    Uri(String),
}

/// Who registers, which decides about members that RFC 7591 does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registrar {
    /// An administrator, who wants to hear of a misspelt member.
    Admin,
    /// Any client, by itself: it sends what its library sends, and RFC 7591 wants that ignored.
    Dynamic,
}

/// A registration that we can keep: its defaults are filled in and its values checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientMetadata {
    /// 1 to 255 characters, no control characters.
    pub client_name: Option<String>,
    /// Never empty.
    pub grant_types: Vec<GrantType>,
    pub token_endpoint_auth_method: AuthMethod,
    /// What the client asks for; without it the registrar's policy decides.
    pub scope: Option<Scopes>,
    pub redirect_uris: Vec<RedirectUri>,
    /// There for `private_key_jwt`, and only then.
    pub keys: Option<KeySource>,
    /// Of a body of the original server, which is to be answered in its words too.
    pub server_id: Option<String>,
}

/// Members that RFC 7591 and its relatives define, that we know, and keep nothing of.
const UNUSED: [&str; 9] = [
    "application_type",
    "client_uri",
    "contacts",
    "logo_uri",
    "policy_uri",
    "software_id",
    "software_statement",
    "software_version",
    "tos_uri",
];

const MAX_REDIRECT_URIS: usize = 10;
const MAX_URI: usize = 2048;

impl GrantType {
    pub const ALL: [Self; 4] =
        [Self::ClientCredentials, Self::AuthorizationCode, Self::RefreshToken, Self::TokenExchange];

    /// Whether it takes nobody but the client.
    fn is_for_itself(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::TokenExchange)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == text)
    }
}

impl AuthMethod {
    pub const ALL: [Self; 4] =
        [Self::None, Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt];
    /// Those by which a client proves who it is.
    pub const PROVING: [Self; 3] =
        [Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

impl KeySource {
    /// Reads where the keys of a client are that authenticates by `method`: in one place if it signs, else
    /// nowhere.
    pub fn of(
        method: AuthMethod,
        inline: Option<Value>,
        uri: Option<String>,
    ) -> Result<Option<Self>, OAuthError> {
        match (method, inline, uri) {
            (AuthMethod::PrivateKeyJwt, Some(keys), None) => {
                let text = keys.to_string();
                ClientKeys::parse(text.as_bytes())
                    .map_err(|error| invalid(format!("jwks: {error}")))?;
                Ok(Some(Self::Inline(text)))
            }
            (AuthMethod::PrivateKeyJwt, None, Some(uri)) => {
                let is_plain = uri.len() <= MAX_URI && uri.bytes().all(|it| it.is_ascii_graphic());
                if is_plain { Ok(Some(Self::Uri(uri))) } else { Err(invalid("jwks_uri is no URL")) }
            }
            (AuthMethod::PrivateKeyJwt, ..) => {
                Err(invalid("private_key_jwt needs either jwks or jwks_uri"))
            }
            (_, None, None) => Ok(None),
            _ => {
                Err(invalid("jwks and jwks_uri are for token_endpoint_auth_method private_key_jwt"))
            }
        }
    }
}

impl ClientMetadata {
    /// Whether it gets tokens for people only, none for itself.
    pub fn is_for_people(&self) -> bool {
        !self.grant_types.iter().copied().any(GrantType::is_for_itself)
    }

    /// Reads the body of a registration request.
    ///
    /// Optional members that are null, `""` or `[]` count as absent. A body with `serverId` is one
    /// of the original server: `{"serverId", "name", "scopes"}`.
    pub fn read(
        content_type: Option<&[u8]>,
        body: &[u8],
        registrar: Registrar,
    ) -> Result<Self, OAuthError> {
        let mut fields = Fields::read(content_type, body)?;
        let original = fields.0.iter().any(|(name, _)| name == "serverId");
        let metadata = if original { fields.original() } else { fields.rfc_7591() }?;
        fields.finish(registrar)?;
        Ok(metadata)
    }
}

/// The members that nobody has taken yet.
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn read(content_type: Option<&[u8]>, body: &[u8]) -> Result<Self, OAuthError> {
        form::check_size(body)?;
        if content_type.and_then(MediaType::parse) != Some(MediaType::Json) {
            let error = OAuthError::invalid_request("the body must be application/json");
            return Err(error.with_status(415));
        }
        Self::parse(body)
    }

    fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let Members(members) = serde_json::from_slice(body).map_err(|_| {
            OAuthError::invalid_request("the body is not a JSON object with each member once")
        })?;
        Ok(Self(members))
    }

    fn rfc_7591(&mut self) -> Result<ClientMetadata, OAuthError> {
        let token_endpoint_auth_method = self.auth_method()?;
        let keys = self.keys(token_endpoint_auth_method)?;
        let redirect_uris = self.redirect_uris()?;
        let grant_types = self.grant_types(&redirect_uris)?;
        check_grants(&grant_types, token_endpoint_auth_method, &redirect_uris)?;
        self.response_types(&grant_types)?;
        Ok(ClientMetadata {
            client_name: self.text("client_name")?,
            grant_types,
            token_endpoint_auth_method,
            scope: self.scope()?,
            redirect_uris,
            keys,
            server_id: None,
        })
    }

    /// RFC 7591's default is `authorization_code`; for a client without a redirect URI that would
    /// be no grant at all, so it is `client_credentials`.
    fn grant_types(&mut self, uris: &[RedirectUri]) -> Result<Vec<GrantType>, OAuthError> {
        let unsupported = || {
            let supported = GrantType::ALL.map(GrantType::as_str).join(", ");
            invalid(format!("grant_types: the only supported ones are {supported}"))
        };
        let mut grants = Vec::new();
        match self.texts("grant_types")? {
            None if uris.is_empty() => grants.push(GrantType::ClientCredentials),
            None => grants.push(GrantType::AuthorizationCode),
            Some(names) => {
                for name in names {
                    let grant = GrantType::parse(&name).ok_or_else(unsupported)?;
                    if !grants.contains(&grant) {
                        grants.push(grant);
                    }
                }
            }
        }
        Ok(grants)
    }

    /// `code` is the only one there is, and goes with its grant.
    fn response_types(&mut self, grants: &[GrantType]) -> Result<(), OAuthError> {
        let types = self.texts("response_types")?.unwrap_or_default();
        let has_code = grants.contains(&GrantType::AuthorizationCode);
        if types.iter().any(|it| it != "code") || (!types.is_empty() && !has_code) {
            return Err(invalid(
                "response_types: there is code only, for clients with the grant authorization_code",
            ));
        }
        Ok(())
    }

    fn auth_method(&mut self) -> Result<AuthMethod, OAuthError> {
        let Some(method) = self.text("token_endpoint_auth_method")? else {
            return Ok(AuthMethod::ClientSecretBasic);
        };
        AuthMethod::parse(&method).ok_or_else(|| {
            let supported = AuthMethod::ALL.map(AuthMethod::as_str).join(", ");
            invalid(format!("token_endpoint_auth_method: the supported ones are {supported}"))
        })
    }

    /// A client that signs has its keys in one place, and every other client has none.
    fn keys(&mut self, method: AuthMethod) -> Result<Option<KeySource>, OAuthError> {
        let name = "token_endpoint_auth_signing_alg";
        if self.string(name)?.is_some_and(|it| Algorithm::parse(&it).is_none()) {
            return Err(invalid(format!("{name} is none of EdDSA, ES256, RS256")));
        }
        let (inline, uri) = (self.take("jwks"), self.string("jwks_uri")?);
        KeySource::of(method, inline, uri)
    }

    fn scope(&mut self) -> Result<Option<Scopes>, OAuthError> {
        let scope = self.string("scope")?.map(|text| text.parse::<Scopes>());
        let scope = scope.transpose().map_err(|error| invalid(format!("scope: {error}")))?;
        Ok(scope.filter(|scopes| !scopes.is_empty()))
    }

    fn redirect_uris(&mut self) -> Result<Vec<RedirectUri>, OAuthError> {
        let uris = self.texts("redirect_uris")?.unwrap_or_default();
        if uris.len() > MAX_REDIRECT_URIS {
            return Err(invalid(format!("there are at most {MAX_REDIRECT_URIS} redirect_uris")));
        }
        uris.iter()
            .map(|uri| RedirectUri::parse(uri))
            .collect::<Result<_, _>>()
            .map_err(|error| OAuthError::new(ErrorCode::InvalidRedirectUri, error.to_string()))
    }

    /// Takes a member, if there is anything in it.
    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.0.swap_remove(at);
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        (!empty).then_some(value)
    }

    fn string(&mut self, name: &str) -> Result<Option<String>, OAuthError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(format!("{name} must be a string"))),
        }
    }

    /// A string that people read, or that names something.
    fn text(&mut self, name: &str) -> Result<Option<String>, OAuthError> {
        let text = self.string(name)?;
        let fits = |text: &String| {
            text.chars().count() <= MAX_CLIENT_ID && !text.chars().any(char::is_control)
        };
        if text.as_ref().is_none_or(fits) {
            return Ok(text);
        }
        Err(invalid(format!(
            "{name} must have at most {MAX_CLIENT_ID} characters and no control characters"
        )))
    }

    fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, OAuthError> {
        let must = || invalid(format!("{name} must be a list of strings"));
        let Some(value) = self.take(name) else { return Ok(None) };
        let Value::Array(items) = value else { return Err(must()) };
        let texts = items.into_iter().map(|item| match item {
            Value::String(text) => Ok(text),
            _ => Err(must()),
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// Looks at what nobody took.
    fn finish(self, registrar: Registrar) -> Result<(), OAuthError> {
        let unknown = self.0.iter().find(|(name, _)| !UNUSED.contains(&name.as_str()));
        match (registrar, unknown) {
            (Registrar::Admin, Some((name, _))) => {
                let name: String = name.chars().take(64).collect();
                Err(invalid(format!("there is no member {name}")))
            }
            _ => Ok(()),
        }
    }
}

/// Checks that what a client may ask for fits who it is.
fn check_grants(
    grants: &[GrantType],
    method: AuthMethod,
    uris: &[RedirectUri],
) -> Result<(), OAuthError> {
    let has_code = grants.contains(&GrantType::AuthorizationCode);
    if has_code && uris.is_empty() {
        let text = "the grant authorization_code needs redirect_uris";
        return Err(OAuthError::new(ErrorCode::InvalidRedirectUri, text));
    }
    if grants.contains(&GrantType::RefreshToken) && !has_code {
        return Err(invalid("grant_types: refresh_token goes with authorization_code"));
    }
    if method == AuthMethod::None && grants.iter().copied().any(GrantType::is_for_itself) {
        return Err(invalid(
            "a client that cannot prove itself (token_endpoint_auth_method none) acts for people only: it has \
             authorization_code and refresh_token",
        ));
    }
    Ok(())
}

fn invalid(description: impl AsRef<str>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClientMetadata, description)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JSON: Option<&[u8]> = Some(b"application/json");

    fn admin(body: &str) -> Result<ClientMetadata, OAuthError> {
        ClientMetadata::read(JSON, body.as_bytes(), Registrar::Admin)
    }

    fn dynamic(body: &str) -> Result<ClientMetadata, OAuthError> {
        ClientMetadata::read(JSON, body.as_bytes(), Registrar::Dynamic)
    }

    fn shop() -> ClientMetadata {
        ClientMetadata {
            client_name: Some("Shop".to_owned()),
            grant_types: vec![GrantType::ClientCredentials],
            token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
            scope: Some("agent.read agent.execute".parse().unwrap()),
            redirect_uris: Vec::new(),
            keys: None,
            server_id: None,
        }
    }

    #[test]
    fn a_whole_registration_is_read() {
        let body = r#"{"client_name": "Shop", "grant_types": ["client_credentials"], "scope": "agent.read agent.execute",
            "token_endpoint_auth_method": "client_secret_basic", "redirect_uris": [], "response_types": []}"#;

        assert_eq!(admin(body).unwrap(), shop());
    }

    #[test]
    fn absent_null_and_empty_members_get_their_defaults() {
        let none = ClientMetadata { client_name: None, scope: None, ..shop() };

        assert_eq!(admin("{}").unwrap(), none);
        let empty = r#"{"client_name": null, "grant_types": [], "scope": "", "redirect_uris": null,
            "token_endpoint_auth_method": null, "jwks": null, "client_uri": "", "contacts": null}"#;
        assert_eq!(admin(empty).unwrap(), none);
        assert_eq!(admin(r#"{"scope": " "}"#).unwrap(), none);
    }

    #[test]
    fn unknown_members_are_refused_for_an_admin_and_ignored_for_a_client() {
        let body = r#"{"client_name": "Shop", "scope": "agent.read agent.execute",
            "application_type": "native", "client_uri": "https://a.example", "client_secret": "mine"}"#;

        assert_eq!(dynamic(body).unwrap(), shop());
        let error = admin(body).unwrap_err();
        assert_eq!(error.to_string(), "invalid_client_metadata: there is no member client_secret");
    }

    #[test]
    fn a_body_of_the_original_server_is_understood() {
        let body =
            r#"{"serverId": "shop-1", "name": "Shop", "scopes": ["agent.read", "agent.execute"]}"#;

        let expected = ClientMetadata {
            token_endpoint_auth_method: AuthMethod::ClientSecretPost,
            server_id: Some("shop-1".to_owned()),
            ..shop()
        };
        assert_eq!(admin(body).unwrap(), expected);
        for body in [
            r#"{"serverId": "shop-1"}"#,
            r#"{"serverId": "", "name": "Shop"}"#,
            r#"{"serverId": "shop-1", "name": "Shop", "scopes": "agent.read"}"#,
            r#"{"serverId": "shop-1", "name": "Shop", "scopes": ["agent.exceute"]}"#,
            r#"{"serverId": "shop-1", "name": "Shop", "client_name": "Shop"}"#,
        ] {
            assert_eq!(admin(body).unwrap_err().code(), ErrorCode::InvalidClientMetadata, "{body}");
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_and_what_is_gets_named() {
        let refusal = |body: &str| dynamic(body).unwrap_err().to_string();

        let grants = "invalid_client_metadata: grant_types: the only supported ones are client_credentials, \
            authorization_code, refresh_token, urn:ietf:params:oauth:grant-type:token-exchange";
        assert_eq!(
            refusal(r#"{"grant_types": ["client_credentials", "urn:example:none"]}"#),
            grants
        );
        assert_eq!(
            refusal(r#"{"grant_types": ["implicit"], "response_types": ["token"]}"#),
            grants
        );
        assert_eq!(
            refusal(r#"{"token_endpoint_auth_method": "magic"}"#),
            "invalid_client_metadata: token_endpoint_auth_method: the supported ones are none, client_secret_basic, client_secret_post, private_key_jwt"
        );
    }

    #[test]
    fn a_client_for_people_has_the_grants_and_addresses_that_go_with_it() {
        let native =
            r#""redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none""#;
        let metadata = dynamic(&format!("{{{native}}}")).unwrap();
        assert_eq!(metadata.grant_types, [GrantType::AuthorizationCode]);
        assert_eq!(metadata.token_endpoint_auth_method, AuthMethod::None);
        let both =
            r#""grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]"#;
        assert_eq!(dynamic(&format!("{{{native}, {both}}}")).unwrap().grant_types.len(), 2);

        let code = |members: &str| dynamic(&format!("{{{members}}}")).unwrap_err().code();
        assert_eq!(code(r#""grant_types": ["authorization_code"]"#), ErrorCode::InvalidRedirectUri);
        for wrong in [
            r#""grant_types": ["refresh_token"]"#,
            r#""token_endpoint_auth_method": "none""#,
            &format!(r#"{native}, "grant_types": ["authorization_code", "client_credentials"]"#),
            &format!(r#"{native}, "response_types": ["token"]"#),
            &format!(r#"{native}, "response_types": ["code", "id_token"]"#),
            r#""response_types": ["code"]"#,
        ] {
            assert_eq!(code(wrong), ErrorCode::InvalidClientMetadata, "{wrong}");
        }
    }

    #[test]
    fn a_client_that_signs_has_its_public_keys_in_one_place() {
        let of = |members: &str| {
            let body = format!(r#"{{"token_endpoint_auth_method": "private_key_jwt", {members}}}"#);
            admin(&body).map(|metadata| metadata.keys)
        };
        let key =
            r#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let inline = format!(r#"{{"keys":[{key}]}}"#);

        let kept = KeySource::Inline(inline.clone());
        let eddsa = r#""token_endpoint_auth_signing_alg": "EdDSA""#;
        assert_eq!(of(&format!(r#""jwks": {inline}, {eddsa}"#)).unwrap(), Some(kept));
        let uri = "https://shop.example/jwks.json".to_owned();
        let kept = KeySource::Uri(uri.clone());
        assert_eq!(of(&format!(r#""jwks_uri": "{uri}""#)).unwrap(), Some(kept));
        let private = inline.replace("\"x\"", "\"d\":\"AA\",\"x\"");
        for refused in [
            r#""jwks": null"#,
            &format!(r#""jwks": {inline}, "jwks_uri": "{uri}""#),
            &format!(r#""jwks": {private}"#),
            r#""jwks": {"keys": []}"#,
            r#""jwks": "x""#,
            r#""jwks_uri": "https://shop.example/a b""#,
            r#""jwks_uri": 5"#,
            &format!(r#""jwks": {inline}, "token_endpoint_auth_signing_alg": "HS256""#),
        ] {
            let error = of(refused).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidClientMetadata, "{refused}");
        }
        for method in ["client_secret_basic", "client_secret_post"] {
            let body = format!(r#"{{"token_endpoint_auth_method": "{method}", "jwks": {inline}}}"#);
            assert_eq!(admin(&body).unwrap_err().code(), ErrorCode::InvalidClientMetadata);
        }
    }

    #[test]
    fn values_of_a_wrong_kind_are_refused() {
        for body in [
            r#"{"grant_types": "client_credentials"}"#,
            r#"{"grant_types": [1]}"#,
            r#"{"client_name": {}}"#,
            r#"{"client_name": "a\u0000b"}"#,
            r#"{"scope": ["agent.read"]}"#,
            r#"{"scope": "agent.exceute"}"#,
            r#"{"scope": "nosuch"}"#,
            r#"{"token_endpoint_auth_method": 5}"#,
            &format!(r#"{{"client_name": "{}"}}"#, "a".repeat(256)),
        ] {
            let error = dynamic(body).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidClientMetadata, "{body}");
        }
        let uri = dynamic(r#"{"redirect_uris": ["javascript:alert(1)"]}"#).unwrap_err();
        assert_eq!(uri.code(), ErrorCode::InvalidRedirectUri);
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for body in ["", "{", "[]", "null", "\"x\"", r#"{"scope": "", "scope": ""}"#, "\u{feff}{}"]
        {
            assert_eq!(admin(body).unwrap_err().code(), ErrorCode::InvalidRequest, "{body}");
        }
        let form = ClientMetadata::read(Some(b"text/plain"), b"{}", Registrar::Admin);
        assert_eq!(form.unwrap_err().status(), 415);
        let long = format!(r#"{{"client_name": "{}"}}"#, "a".repeat(form::MAX_BODY));
        assert_eq!(admin(&long).unwrap_err().status(), 413);
    }

    proptest! {
        #[test]
        fn any_body_is_read_without_a_panic(body in r#"\{("(scope|client_name|grant_types|serverId|jwks|x)": ?(null|""|"a.b"|\[\]|\["a"\]|\{\}|1),?){0,4}\}"#) {
            for registrar in [Registrar::Admin, Registrar::Dynamic] {
                match ClientMetadata::read(JSON, body.as_bytes(), registrar) {
                    Ok(metadata) => prop_assert!(!metadata.grant_types.is_empty()),
                    Err(error) => prop_assert!((400..500).contains(&error.status())),
                }
            }
        }
    }
}
