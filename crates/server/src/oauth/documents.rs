//! Clients that nobody registered: the id of each is the URL of a document in which it says what it is (client-id
//! metadata documents).
//!
//! A document is fetched when its client asks a person, and becomes a row when the person allows it something: from there
//! on the client is one like any other, which an administrator may cut down or switch off.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use auth::client_auth::MAX_CLIENT_ID;
use auth::error::ErrorCode;
use auth::error::OAuthError;
use auth::redirect::RedirectUri;
use auth::registration::ClientMetadata;
use auth::scope::Scopes;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use tokio::sync::Mutex;
use tokio::sync::Semaphore;
use url::Url;

use crate::audit::Act;
use crate::config::DocumentHosts;
use crate::config::Registration as Settings;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::egress::Egress;
use crate::egress::Limits;
use crate::egress::Request;
use crate::egress::Wanted;
use crate::oauth::Client;
use crate::oauth::Clients;
use crate::oauth::OAuthFailure;
use crate::oauth::Registration;
use crate::oauth::guesses;
use crate::oauth::guesses::Guesser;
use crate::oauth::guesses::Guesses;
use crate::oauth::store;

/// By which policy such a client is registered.
pub const POLICY: &str = "policy:document";
/// The longest document that is read, in bytes.
const LONGEST: usize = 5 * 1024;
/// Who publishes a document and needs longer keeps a person waiting for too long.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long a document is used that does not say so.
const FRESH: Duration = Duration::from_mins(5);
/// The bounds of what it may say.
const SHORTEST: Duration = Duration::from_mins(1);
const MOST_FRESH: Duration = Duration::from_hours(24);
/// As many are kept.
const MOST: usize = 1_000;
/// As many are fetched at once.
const AT_ONCE: usize = 8;

/// Fetches documents, and keeps them for as long as they say.
#[derive(Debug)]
pub struct Documents {
    egress: Egress,
    hosts: Vec<DocumentHosts>,
    /// What a client may hold of which no administrator says more.
    scopes: Scopes,
    kept: std::sync::Mutex<HashMap<String, Slot>>,
    places: Semaphore,
    /// Documents that were no use, by the address of who named them.
    useless: Guesses,
}

/// One at a time asks for each.
type Slot = Arc<Mutex<Option<Kept>>>;

#[derive(Debug)]
struct Kept {
    metadata: Arc<ClientMetadata>,
    until: Instant,
}

/// A client as its document describes it, and its row, if there is one.
#[derive(Debug)]
pub struct Described {
    pub registration: Registration,
    pub row: Option<Registration>,
}

impl Documents {
    pub fn new(egress: Egress, settings: &Settings) -> Self {
        Self {
            egress,
            hosts: settings.documents.clone(),
            scopes: settings.scopes.clone(),
            kept: std::sync::Mutex::default(),
            places: Semaphore::new(AT_ONCE),
            useless: Guesses::new(guesses::REGISTRATIONS),
        }
    }

    /// The client of a row, if it may have tokens: the settings may have changed since one that describes itself was
    /// written.
    pub fn believed(&self, registration: Registration) -> Option<Client> {
        let client = registration.client()?;
        (client.publisher.is_none() || self.check(&client.client_id).is_ok()).then_some(client)
    }

    /// The host of the document, if it may be asked.
    ///
    /// A URL has one spelling here, that of browsers, so that one client has one id. With it go dots in the path,
    /// other spellings of addresses, capital letters in hosts and ports that go without saying.
    fn check(&self, id: &str) -> Result<Url, OAuthError> {
        let url = self.egress.check(id).map_err(|error| refused(format!("client_id: {error}")))?;
        let is_plain = url.as_str() == id
            && url.path() != "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && id.chars().count() <= MAX_CLIENT_ID;
        if !is_plain {
            return Err(refused(
                "client_id: the URL of a document has a path, no query, no fragment, and is spelt as browsers do",
            ));
        }
        let believed = self.hosts.iter().any(|hosts| match hosts {
            DocumentHosts::Any => true,
            DocumentHosts::These(pattern) => url.host_str().is_some_and(|it| pattern.covers(it)),
        });
        let text = "client_id: documents of that host are not believed here";
        if believed { Ok(url) } else { Err(refused(text)) }
    }

    /// What the document at `id` says, as `asker` wants to know.
    async fn read(&self, id: &str, asker: IpAddr) -> Result<Arc<ClientMetadata>, OAuthFailure> {
        let url = self.check(id)?;
        let slot = self.slot(id);
        let mut kept = slot.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| Instant::now() < kept.until) {
            return Ok(Arc::clone(&kept.metadata));
        }
        let stranger = Guesser::stranger(asker);
        if let Some(retry_after) = self.useless.wait(&stranger, Instant::now()) {
            return Err(OAuthFailure::TooManyRegistrations { retry_after });
        }
        let _place = self.places.try_acquire().map_err(|_| OAuthFailure::Busy)?;
        // What went wrong is not kept: whoever publishes it may mend it at once.
        let fetched = self.fetch(url.as_str()).await;
        let fetched = fetched.inspect_err(|_| self.useless.wrong(stranger, Instant::now()))?;
        let metadata = Arc::clone(&fetched.metadata);
        *kept = Some(fetched);
        Ok(metadata)
    }

    async fn fetch(&self, url: &str) -> Result<Kept, OAuthError> {
        let limits = Limits { time: PATIENCE, response: Wanted::Body(LONGEST), hosts: None };
        let mut request = Request::new(Method::GET, url, limits).without_redirects();
        request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.egress.send(request).await;
        let answer = answer.map_err(|error| refused(format!("its document: {error}")))?;
        if answer.status != StatusCode::OK {
            return Err(refused(format!(
                "its document is answered with {}",
                answer.status.as_u16()
            )));
        }
        if !is_json(&answer.headers) {
            return Err(refused("its document is not application/json"));
        }
        let metadata = ClientMetadata::of_document(url, &answer.body);
        let metadata = metadata.map_err(|error| refused(format!("its document: {error}")))?;
        let until = Instant::now() + fresh(&answer.headers);
        Ok(Kept { metadata: Arc::new(metadata), until })
    }

    fn slot(&self, id: &str) -> Slot {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST && !kept.contains_key(id) {
            kept.clear();
        }
        Arc::clone(kept.entry(id.to_owned()).or_default())
    }

    /// What the client is that the document describes. Of its row stays what only administrators say.
    fn describe(
        &self,
        id: &str,
        metadata: &ClientMetadata,
        row: Option<&Registration>,
    ) -> Registration {
        Registration {
            id: row.and_then(|row| row.id),
            tenant: TenantId::default(),
            client_id: id.to_owned(),
            client_name: metadata.client_name.clone().unwrap_or_default(),
            grant_types: metadata.grant_types.clone(),
            token_endpoint_auth_method: Some(metadata.token_endpoint_auth_method),
            scope: row.map_or_else(|| self.scopes.clone(), |row| row.scope.clone()),
            redirect_uris: metadata
                .redirect_uris
                .iter()
                .map(|uri| uri.as_str().to_owned())
                .collect(),
            may_act: row.map(|row| row.may_act.clone()).unwrap_or_default(),
            is_active: row.is_none_or(|row| row.is_active),
            registered_by: Some(POLICY.to_owned()),
            last_used_at: row.and_then(|row| row.last_used_at),
            created_at: row.and_then(|row| row.created_at),
            updated_at: row.and_then(|row| row.updated_at),
            problems: Vec::new(),
            secret: None,
            previous: None,
            keys: metadata.keys.clone(),
            token: None,
        }
    }
}

impl Clients {
    /// The client whose id is the URL of a document, as that describes it now. `None`: an administrator has switched it
    /// off, or has registered another by this id.
    pub async fn described(
        &self,
        id: &str,
        asker: IpAddr,
    ) -> Result<Option<(Arc<Client>, Described)>, OAuthFailure> {
        let metadata = self.documents.read(id, asker).await?;
        let tenant = TenantId::default();
        let row = self.db.read(async |conn| store::find(conn, &tenant, id).await).await?;
        if row.as_ref().is_some_and(|row| row.registered_by.as_deref() != Some(POLICY)) {
            return Ok(None);
        }
        let registration = self.documents.describe(id, &metadata, row.as_ref());
        let client = registration.clone().client();
        Ok(client.map(|client| (Arc::new(client), Described { registration, row })))
    }
}

impl Described {
    /// Whether the document says something else than the row of its client, or there is none.
    pub fn is_changed(&self) -> bool {
        self.row.as_ref().is_none_or(|row| {
            row.told() != self.registration.told() || row.keys != self.registration.keys
        })
    }

    /// The client as it is to be written, if its row does not say so already.
    pub fn unwritten(&self, id: Id, now: At) -> Option<Registration> {
        self.is_changed().then(|| Registration {
            id: self.registration.id.or(Some(id)),
            created_at: self.registration.created_at.or(Some(now)),
            updated_at: Some(now),
            ..self.registration.clone()
        })
    }

    /// What the audit trail is told when `row` is written.
    pub fn act<'a>(&self, row: &'a Registration) -> Act<'a> {
        let before = self.row.as_ref().map(Registration::told);
        let action = if before.is_some() { "client.update" } else { "client.create" };
        Act::between(action, &row.client_id, before, Some(row.told()))
    }
}

/// Whether all addresses of a client are on the machine of whoever uses it: any program there can say that it is this one.
pub fn is_local_only(redirect_uris: &[String]) -> bool {
    let is_local = |text: &String| RedirectUri::parse(text).is_ok_and(|uri| !uri.is_assured());
    redirect_uris.iter().all(is_local)
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// For how long an answer may be used, by its `Cache-Control`, within our bounds.
fn fresh(headers: &HeaderMap) -> Duration {
    let texts = headers.get_all(header::CACHE_CONTROL).iter();
    let words = texts.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let words: Vec<String> = words.map(|word| word.trim().to_ascii_lowercase()).collect();
    if words.iter().any(|word| word == "no-store" || word.starts_with("no-cache")) {
        return SHORTEST;
    }
    let age =
        words.iter().find_map(|word| word.strip_prefix("max-age=")?.trim_matches('"').parse().ok());
    age.map_or(FRESH, |age| Duration::from_secs(age).clamp(SHORTEST, MOST_FRESH))
}

fn refused(description: impl AsRef<str>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClient, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_kept_for_as_long_as_it_says_within_bounds() {
        let fresh = |text: Option<&'static str>| {
            let value = text.map(|text| (header::CACHE_CONTROL, HeaderValue::from_static(text)));
            fresh(&value.into_iter().collect()).as_secs()
        };

        assert_eq!(fresh(None), 300);
        assert_eq!(fresh(Some("public, Max-Age=3600")), 3600);
        assert_eq!(fresh(Some("max-age=31536000, immutable")), 86_400);
        assert_eq!(fresh(Some("max-age=99999999999999999999")), 300);
        for short in
            ["max-age=0", "no-store", "no-cache, max-age=3600", "max-age=3600, no-cache=\"x\""]
        {
            assert_eq!(fresh(Some(short)), 60, "{short}");
        }
    }

    #[test]
    fn a_document_is_json() {
        let is_json = |text| {
            is_json(&[(header::CONTENT_TYPE, HeaderValue::from_static(text))].into_iter().collect())
        };

        assert!(is_json("application/json") && is_json("Application/JSON; charset=utf-8"));
        assert!(is_json("application/client-metadata+json"));
        for other in
            ["text/html", "text/plain; application/json", "application/jsonp", "text/x+json", ""]
        {
            assert!(!is_json(other), "{other}");
        }
        assert!(!super::is_json(&HeaderMap::new()));
    }

    #[test]
    fn a_client_that_is_only_at_home_here_is_known_as_such() {
        let is_local = |uris: &[&str]| {
            is_local_only(&uris.iter().map(|uri| (*uri).to_owned()).collect::<Vec<_>>())
        };

        assert!(is_local(&[
            "http://127.0.0.1/cb",
            "http://localhost:3000/cb",
            "com.example.app:/cb"
        ]));
        assert!(!is_local(&["http://127.0.0.1/cb", "https://editor.example/cb"]));
    }
}
