//! What an upstream and its authorization server say of themselves: RFC 9728, RFC 8414 and `OpenID` Connect Discovery.

use std::time::Duration;

use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::json;
use url::Url;

use super::ConsentError;
use crate::egress::Body;
use crate::egress::Egress;
use crate::egress::EgressError;
use crate::egress::Limits;
use crate::egress::Request;
use crate::egress::Wanted;
use crate::mcp::upstreams::challenge::Challenge;
use crate::mcp::upstreams::message;

/// A person waits for each answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest document that is read, in bytes.
const LONGEST: usize = 64 << 10;

/// Where a person is asked, and where what he agrees to is redeemed.
#[derive(Debug, Clone)]
pub struct Far {
    /// What the upstream calls itself: tokens are for it.
    pub resource: String,
    /// What it wants to be asked for, if it says so.
    pub scope: Option<String>,
    pub server: Metadata,
}

/// What an authorization server says of itself.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub revocation_endpoint: Option<String>,
    pub registration_endpoint: Option<String>,
    #[serde(default)]
    pub code_challenge_methods_supported: Vec<String>,
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub scopes_supported: Vec<String>,
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    pub client_id_metadata_document_supported: bool,
}

/// What an upstream says of itself.
#[derive(Debug, Default, Deserialize)]
struct Told {
    resource: Option<String>,
    #[serde(default)]
    authorization_servers: Vec<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
}

/// Finds out who asks people for the upstream at `url`: `issuer`, if the definition names one.
pub async fn find(egress: &Egress, url: &str, issuer: Option<&str>) -> Result<Far, ConsentError> {
    let own =
        Url::parse(url).map_err(|_| ConsentError::far("the address of the server is none"))?;
    let challenge = challenge(egress, url).await?;
    let told = match challenge.metadata {
        Some(place) => read(egress, &place).await?,
        None => first(egress, &well_known(&own, "oauth-protected-resource")).await?,
    };
    let told: Told = told.unwrap_or_default();
    let resource = told.resource.unwrap_or_else(|| url.to_owned());
    if !stands_for(&resource, &own) {
        return Err(ConsentError::far("the server calls itself otherwise than it is called here"));
    }
    let issuer = match issuer {
        Some(issuer) if told.authorization_servers.is_empty() => issuer.to_owned(),
        Some(issuer) if told.authorization_servers.iter().any(|it| it == issuer) => {
            issuer.to_owned()
        }
        Some(_) => {
            return Err(ConsentError::far(
                "the server names other authorization servers than `issuer`",
            ));
        }
        // Before RFC 9728 it was the server itself.
        None => told.authorization_servers.into_iter().next().unwrap_or_else(|| origin(&own)),
    };
    let server = metadata(egress, &issuer).await?;
    let all = told.scopes_supported.join(" ");
    let scope = challenge.scope.or_else(|| Some(all).filter(|it| !it.is_empty()));
    Ok(Far { resource, scope, server })
}

/// The metadata of `issuer`, which must call itself so, and take S256.
async fn metadata(egress: &Egress, issuer: &str) -> Result<Metadata, ConsentError> {
    let parsed = Url::parse(issuer)
        .map_err(|_| ConsentError::far("the authorization server has no address"))?;
    let mut places = well_known(&parsed, "oauth-authorization-server");
    places.truncate(1);
    places.extend(well_known(&parsed, "openid-configuration").into_iter().take(1));
    places.push(format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')));
    places.dedup();
    let found: Option<Metadata> = first(egress, &places).await?;
    let found = found
        .ok_or_else(|| ConsentError::far("its authorization server does not say what it is"))?;
    if found.issuer != issuer {
        return Err(ConsentError::OtherIssuer);
    }
    if !found.code_challenge_methods_supported.iter().any(|it| it == "S256") {
        return Err(ConsentError::far("its authorization server does not take PKCE with S256"));
    }
    for endpoint in [&found.authorization_endpoint, &found.token_endpoint] {
        egress.check(endpoint).map_err(|why| silent(endpoint, &EgressError::Refused(why)))?;
    }
    Ok(found)
}

/// The first of these documents that is there.
async fn first<T: DeserializeOwned>(
    egress: &Egress,
    places: &[String],
) -> Result<Option<T>, ConsentError> {
    for place in places {
        if let Some(found) = read(egress, place).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A document; `None`: there is none.
async fn read<T: DeserializeOwned>(
    egress: &Egress,
    place: &str,
) -> Result<Option<T>, ConsentError> {
    let answer = egress.send(request(Method::GET, place)).await;
    let answer = answer.map_err(|error| silent(place, &error))?;
    if answer.status.is_server_error() {
        return Err(ConsentError::Far(format!("the other side answered {}", answer.status)));
    }
    if answer.status != StatusCode::OK {
        return Ok(None);
    }
    let read = serde_json::from_slice(&answer.body);
    read.map(Some).map_err(|_| ConsentError::far("what it says of itself cannot be read"))
}

/// What `url` says to somebody who shows no token. Some let everybody begin, and only then want one.
async fn challenge(egress: &Egress, url: &str) -> Result<Challenge, ConsentError> {
    let begin = json!({"protocolVersion": message::WITH_SESSIONS, "capabilities": {},
        "clientInfo": message::about_us()});
    for (method, params) in [("tools/list", json!({})), ("initialize", begin)] {
        let mut request = request(Method::POST, url);
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        request.headers.insert(header::ACCEPT, accept);
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = message::request(1, method, &params, false, false);
        request.body = Body::Bytes(body.to_string().into());
        let opened = egress.open(request).await.map_err(|error| silent(url, &error))?;
        if opened.status() == StatusCode::UNAUTHORIZED {
            return Ok(Challenge::of(opened.headers()));
        }
    }
    Ok(Challenge::default())
}

/// Who does not answer, and why.
pub fn silent(url: &str, error: &EgressError) -> ConsentError {
    let place = Url::parse(url).map_or_else(|_| url.to_owned(), |it| origin(&it));
    ConsentError::Far(format!("`{place}` does not answer: {error}"))
}

/// Where a document about `url` is: before its path, and at its host.
fn well_known(url: &Url, what: &str) -> Vec<String> {
    let (origin, path) = (origin(url), url.path().trim_end_matches('/'));
    let mut places = vec![format!("{origin}/.well-known/{what}{path}")];
    if !path.is_empty() {
        places.push(format!("{origin}/.well-known/{what}"));
    }
    places
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Whether what calls itself `resource` may be what is called `url` here: that, or what is above it.
fn stands_for(resource: &str, url: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else { return false };
    let (above, below) = (resource.path().trim_end_matches('/'), url.path());
    let rest = below.strip_prefix(above);
    resource.origin() == url.origin()
        && rest.is_some_and(|it| it.is_empty() || it.starts_with('/'))
        && resource.fragment().is_none()
}

/// A redirect is no answer: what is asked there is for that place alone.
pub fn request(method: Method, url: &str) -> Request {
    let limits = Limits { time: PATIENCE, response: Wanted::Body(LONGEST), hosts: None };
    let mut request = Request::new(method, url, limits).without_redirects();
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}

/// The word for an error that another server has sent.
pub fn word(answer: &[u8]) -> String {
    let told: Value = serde_json::from_slice(answer).unwrap_or_default();
    let word = told["error"].as_str().unwrap_or_default();
    word.chars().filter(|it| it.is_ascii_alphanumeric() || *it == '_').take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_what_it_says_or_below_that() {
        let url = Url::parse("https://a.example/team/mcp").unwrap();

        for resource in [
            "https://a.example/team/mcp",
            "https://a.example/team",
            "https://a.example",
            "https://A.example:443/",
        ] {
            assert!(stands_for(resource, &url), "{resource}");
        }
        for resource in [
            "https://a.example/team/m",
            "https://a.example/team/mcp/x",
            "https://b.example/team/mcp",
            "http://a.example/team/mcp",
            "https://a.example:444/",
            "https://a.example/team/mcp#x",
            "a.example",
            "",
        ] {
            assert!(!stands_for(resource, &url), "{resource}");
        }
    }

    #[test]
    fn documents_are_looked_for_where_the_rfcs_put_them() {
        let of = |url: &str| well_known(&Url::parse(url).unwrap(), "x");

        assert_eq!(of("https://a.example"), ["https://a.example/.well-known/x"]);
        assert_eq!(
            of("https://a.example:8443/one/two/"),
            [
                "https://a.example:8443/.well-known/x/one/two",
                "https://a.example:8443/.well-known/x"
            ]
        );
    }
}
