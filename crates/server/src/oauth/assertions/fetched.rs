//! Key sets of clients that are kept elsewhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use auth::client_keys::ClientKeys;
use auth::client_keys::MAX_KEY_SET;
use http::HeaderValue;
use http::Method;
use http::header;
use tokio::sync::Mutex;
use tracing::info;

use crate::egress::Egress;
use crate::egress::Limits;
use crate::egress::Refusal;
use crate::egress::Request;
use crate::egress::Wanted;

/// For so long a key set is used without being fetched anew.
const FRESH: Duration = Duration::from_mins(5);
/// A key set is fetched so seldom at least, whoever asks for its client how often.
const PAUSE: Duration = Duration::from_secs(30);
/// A far side that needs longer keeps its client waiting for too long.
const PATIENCE: Duration = Duration::from_secs(5);
/// As many are kept.
const MOST: usize = 1_000;

/// The key sets by their URLs. One at a time asks for each.
#[derive(Debug)]
pub struct Fetched {
    egress: Egress,
    sets: std::sync::Mutex<HashMap<String, Arc<Mutex<Option<Attempt>>>>>,
}

/// What came of asking last.
#[derive(Debug)]
struct Attempt {
    at: Instant,
    keys: Option<Arc<ClientKeys>>,
}

impl Fetched {
    pub fn new(egress: Egress) -> Self {
        Self { egress, sets: std::sync::Mutex::default() }
    }

    /// Says what keeps `uri` from being asked, as far as that is known without asking.
    pub fn check(&self, uri: &str) -> Result<(), Refusal> {
        self.egress.check(uri).map(drop)
    }

    /// The key set as it was fetched within the last five minutes, if it was.
    pub async fn known(&self, uri: &str) -> Option<Arc<ClientKeys>> {
        let set = self.set(uri);
        let attempt = set.lock().await;
        let attempt = attempt.as_ref().filter(|attempt| attempt.at.elapsed() < FRESH);
        attempt.and_then(|attempt| attempt.keys.clone())
    }

    /// The key set as it is now, unless it was asked for a moment ago: then nothing that is not known.
    pub async fn newer(&self, uri: &str, is_known: bool) -> Option<Arc<ClientKeys>> {
        let set = self.set(uri);
        let mut attempt = set.lock().await;
        if let Some(attempt) = attempt.as_ref().filter(|attempt| attempt.at.elapsed() < PAUSE) {
            return attempt.keys.clone().filter(|_| !is_known);
        }
        let keys = self.fetch(uri).await.map(Arc::new);
        *attempt = Some(Attempt { at: Instant::now(), keys: keys.clone() });
        keys
    }

    async fn fetch(&self, uri: &str) -> Option<ClientKeys> {
        let limits = Limits { time: PATIENCE, response: Wanted::Body(MAX_KEY_SET), hosts: None };
        let mut request = Request::new(Method::GET, uri, limits);
        let accept = HeaderValue::from_static("application/json, application/jwk-set+json");
        request.headers.insert(header::ACCEPT, accept);
        let answer = self.egress.send(request).await;
        let answer = answer.inspect_err(|error| info!(uri, %error, "a key set was not fetched"));
        let answer = answer.ok().filter(|answer| answer.status.is_success())?;
        let keys = ClientKeys::parse(&answer.body);
        keys.inspect_err(|error| info!(uri, %error, "a key set is not usable")).ok()
    }

    fn set(&self, uri: &str) -> Arc<Mutex<Option<Attempt>>> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.len() >= MOST && !sets.contains_key(uri) {
            sets.clear();
        }
        Arc::clone(sets.entry(uri.to_owned()).or_default())
    }
}
