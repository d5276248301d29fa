//! What the provider is asked, and what its answers must be.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use auth::client_keys::ClientKeys;
use auth::id_token::IdToken;
use auth::id_token::IdTokenError;
use auth::id_token::Identity;
use auth::id_token::Profile;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use url::form_urlencoded;

use crate::config::Oidc;
use crate::egress::Body;
use crate::egress::Egress;
use crate::egress::EgressError;
use crate::egress::Limits;
use crate::egress::Refusal;
use crate::egress::Request;
use crate::egress::Wanted;
use crate::oauth::assertions::Fetched;

/// A person waits for the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const LONGEST: usize = 64 * 1024;
/// For so long it is believed what the provider says of itself.
const FRESH: Duration = Duration::from_mins(5);

/// Asks the provider.
#[derive(Debug)]
pub struct Provider {
    settings: Oidc,
    egress: Egress,
    keys: Fetched,
    known: Mutex<Option<(Instant, Arc<Metadata>)>>,
}

/// Why the provider is of no use. The causes are for the log.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error("the provider did not answer")]
    Silent(#[from] EgressError),
    #[error("the provider answered with {0}")]
    Status(StatusCode),
    #[error("the answer of the provider is not what it should be")]
    Json(#[from] serde_json::Error),
    #[error("the provider calls itself otherwise than OIDC_ISSUER says")]
    OtherIssuer,
    #[error("an address of the provider may not be asked")]
    Address(#[from] Refusal),
    #[error("we cannot prove ourselves to the provider in a way that it takes")]
    NoMethod,
    #[error("the key set of the provider cannot be had")]
    NoKeys,
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
}

/// What the provider says of itself (`OpenID` Connect Discovery 1.0).
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

impl Provider {
    pub fn new(settings: Oidc, egress: Egress) -> Self {
        Self { keys: Fetched::new(egress.clone()), settings, egress, known: Mutex::default() }
    }

    /// Where a person signs in.
    pub async fn sign_in_url(&self, pairs: &[(&str, &str)]) -> Result<String, ProviderError> {
        let metadata = self.metadata().await?;
        let mut url = self.egress.check(&metadata.authorization_endpoint)?;
        url.query_pairs_mut().extend_pairs(pairs);
        Ok(url.into())
    }

    /// Refuses an answer that another server gave (RFC 9207).
    pub async fn check_issuer(&self, given: Option<&str>) -> Result<(), ProviderError> {
        let is_announced = self.metadata().await?.authorization_response_iss_parameter_supported;
        match given {
            Some(given) if given == self.settings.issuer => Ok(()),
            None if !is_announced => Ok(()),
            _ => Err(ProviderError::OtherIssuer),
        }
    }

    /// Redeems a code, and says who came with it.
    pub async fn identity(
        &self,
        form: &[(&str, &str)],
        profile: Profile<'_>,
        now: u64,
    ) -> Result<Identity, ProviderError> {
        let metadata = self.metadata().await?;
        let request = self.token_request(&metadata, form)?;
        let tokens: Tokens = self.ask(request).await?;
        let read = || IdToken::parse(&tokens.id_token);
        let check = |keys: &ClientKeys| read()?.verify(keys, profile, now);
        let known = self.keys.known(&metadata.jwks_uri).await;
        match known.as_deref().map(check) {
            Some(Err(IdTokenError::BadSignature)) | None => {
                let newer = self.keys.newer(&metadata.jwks_uri, known.is_some()).await;
                let newer = newer.ok_or(match known {
                    Some(_) => ProviderError::IdToken(IdTokenError::BadSignature),
                    None => ProviderError::NoKeys,
                });
                Ok(check(&*newer?)?)
            }
            Some(checked) => Ok(checked?),
        }
    }

    /// A request for tokens in which we prove ourselves as the provider wants it, by Basic if it does not say.
    fn token_request(
        &self,
        metadata: &Metadata,
        form: &[(&str, &str)],
    ) -> Result<Request, ProviderError> {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let mut request = request(Method::POST, &metadata.token_endpoint);
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
        let takes = |method: &str| match methods {
            Some(methods) => methods.iter().any(|it| it == method),
            None => method == "client_secret_basic",
        };
        let client_id = &self.settings.client_id;
        match self.settings.client_secret.as_ref().map(ExposeSecret::expose_secret) {
            None => {
                body.append_pair("client_id", client_id);
            }
            Some(secret) if takes("client_secret_basic") => {
                let encoded = |text: &str| {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
                };
                let pair = format!("{}:{}", encoded(client_id), encoded(secret));
                let value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)));
                let mut value = value.map_err(|_| ProviderError::NoMethod)?;
                value.set_sensitive(true);
                request.headers.insert(header::AUTHORIZATION, value);
            }
            Some(secret) if takes("client_secret_post") => {
                body.append_pair("client_id", client_id).append_pair("client_secret", secret);
            }
            Some(_) => return Err(ProviderError::NoMethod),
        }
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(header::CONTENT_TYPE, form);
        request.body = Body::Bytes(body.finish().into());
        Ok(request)
    }

    async fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        let mut known = self.known.lock().await;
        if let Some((_, metadata)) = known.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(Arc::clone(metadata));
        }
        let base = self.settings.issuer.trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let metadata: Metadata = self.ask(request(Method::GET, &url)).await?;
        if metadata.issuer != self.settings.issuer {
            return Err(ProviderError::OtherIssuer);
        }
        let metadata = Arc::new(metadata);
        *known = Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }

    async fn ask<T: DeserializeOwned>(&self, request: Request) -> Result<T, ProviderError> {
        let answer = self.egress.send(request).await?;
        if answer.status != StatusCode::OK {
            return Err(ProviderError::Status(answer.status));
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }
}

/// A redirect is no answer: what is sent there is for the provider alone.
fn request(method: Method, url: &str) -> Request {
    let limits = Limits { time: PATIENCE, response: Wanted::Body(LONGEST), hosts: None };
    let mut request = Request::new(method, url, limits).without_redirects();
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}
