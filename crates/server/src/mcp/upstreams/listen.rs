//! Hearing of upstreams that their tools have changed, as soon as they say it.
//!
//! Each process listens by itself: a change that two of them hear is looked at once, by whoever is first.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use auth::scope::Scopes;
use http::HeaderMap;
use http::Method;
use http::StatusCode;
use llm::sse::Decoder;
use serde_json::Value;
use serde_json::json;
use tokio::task::AbortHandle;
use tracing::debug;

use super::Place;
use super::Upstream;
use super::UpstreamAuth;
use super::UpstreamError;
use super::Upstreams;
use super::Whose;
use super::away::longer;
use super::changes::Which;
use super::client::Question;
use super::lines::Pace;
use super::message::Said;
use super::message::TOOLS_CHANGED;
use super::wire::Ask;
use super::wire::Session;
use super::wire::Wire;
use super::wire::WireError;
use super::wire::headers;
use super::wire::is_events;
use crate::app::App;
use crate::db::TenantId;
use crate::mcp::store::upstreams as store;

/// How often it is seen to who is to be listened to, if none is looked at meanwhile.
const PACE: Duration = Duration::from_secs(30);
/// To so many a process listens at most; the others are looked at every five minutes.
const MOST: usize = 256;
/// How long one stream is listened to.
const STREAM: Duration = Duration::from_hours(1);
/// One that lasted so long was a good one.
const LASTING: Duration = Duration::from_mins(1);
/// When one is asked again that does not let us listen.
const UNWILLING: Duration = Duration::from_mins(10);
/// Bytes that one stream may say in a while.
const SAID: usize = 256 << 10;
/// The longest message.
const MESSAGE: usize = 64 << 10;
const LISTEN: &str = "subscriptions/listen";
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// Who is listened to, at which version.
type Ears = BTreeMap<Which, (String, AbortHandle)>;

/// Listens to the upstreams that there are, until the server stops.
pub async fn listen(app: App) {
    let stopping = app.tasks.stopping().clone();
    let mut ears = Ears::new();
    let look = || async {
        let looked = app.mcp.upstreams.looked().notified();
        let _ = tokio::time::timeout(PACE, looked).await;
    };
    while stopping.run_until_cancelled(look()).await.is_some() {
        if let Err(cause) = attend(&app, &mut ears).await {
            debug!(error = &cause as &dyn std::error::Error, "upstreams could not be listed");
        }
    }
    for (_, ear) in ears.values() {
        ear.abort();
    }
}

/// Begins to listen to those that are new, and ends it with those that are gone.
async fn attend(app: &App, ears: &mut Ears) -> Result<(), UpstreamError> {
    let rows = i64::try_from(MOST).unwrap_or(i64::MAX);
    let listed = app.db.read(async |conn| store::list_looked_at(conn, rows).await).await?;
    let mut wanted = BTreeMap::new();
    for (tenant, id) in listed {
        let found = app.mcp.upstreams.rows().find(&tenant, &id.to_string()).await?;
        let Some(upstream) = found.filter(|it| is_heard(it)) else { continue };
        wanted.insert((tenant, id), upstream);
    }
    ears.retain(|which, (version, ear)| {
        let stays = wanted.get(which).is_some_and(|it| it.content_hash == *version);
        if !stays {
            ear.abort();
        }
        stays
    });
    let tasks = &app.tasks;
    for (which, upstream) in wanted {
        let spawn = || {
            let (app, which, hash) = (app.clone(), which.clone(), upstream.content_hash.clone());
            let ear = async move {
                let stopping = app.tasks.stopping().clone();
                stopping.run_until_cancelled(hear(&app, &which, &upstream)).await;
            };
            (hash, tasks.spawn(ear).abort_handle())
        };
        ears.entry(which.clone()).or_insert_with(spawn);
    }
    Ok(())
}

/// Whether it can be listened to: there must be nobody on whose behalf it is asked, and programs are heard without.
fn is_heard(upstream: &Upstream) -> bool {
    let auth = &upstream.content.auth;
    let is_own = matches!(
        auth,
        UpstreamAuth::None
            | UpstreamAuth::Bearer { .. }
            | UpstreamAuth::Header { .. }
            | UpstreamAuth::Oauth { .. }
    );
    is_own && upstream.is_usable() && Place::of(upstream) == Place::Row
}

/// Listens to one of them for ever; after each pause nobody knows what has been said meanwhile.
async fn hear(app: &App, which: &Which, upstream: &Upstream) {
    let (mut pause, mut is_first) = (None, true);
    loop {
        let began = Instant::now();
        let opened = || {
            if !is_first {
                app.mcp.upstreams.changes().note(&which.0, which.1);
            }
        };
        let changed = || app.mcp.upstreams.changes().note(&which.0, which.1);
        let heard = app.mcp.upstreams.listen(upstream, &which.0, &opened, &changed).await;
        if let Err(why) = &heard {
            debug!(upstream = upstream.content.name, "an upstream is not heard: {why}");
        }
        if began.elapsed() >= LASTING {
            pause = None;
        }
        let next = longer(pause);
        (pause, is_first) = (Some(next), false);
        let is_unwilling = match heard {
            Err(WireError::Refused(_)) => true,
            // 405, say, or an answer that is no stream.
            Err(WireError::Status(status)) => !status.is_server_error(),
            _ => false,
        };
        tokio::time::sleep(if is_unwilling { UNWILLING } else { next }).await;
    }
}

/// Who is told of something.
type Told<'t> = &'t (dyn Fn() + Send + Sync);

impl Upstreams {
    /// Listens to an upstream until its stream ends: `opened` when it is open, `changed` when its tools are others.
    async fn listen(
        &self,
        upstream: &Upstream,
        tenant: &TenantId,
        opened: Told<'_>,
        changed: Told<'_>,
    ) -> Result<(), WireError> {
        let (scopes, headers) = (Scopes::default(), HeaderMap::new());
        let whose = Whose { tenant, subject: "", client_id: "", scopes: &scopes };
        let params = json!({"notifications": {"toolsListChanged": true}});
        let question = Question {
            method: LISTEN,
            params: &params,
            wants_progress: false,
            headers: &headers,
            until: Instant::now() + STREAM,
            most: MESSAGE,
        };
        let (access, session) = self.way(upstream, whose, question).await?;
        let heard = access.wire.listen(&session, self.next_id(), &params, opened, changed).await;
        if matches!(heard, Err(WireError::SessionGone)) {
            self.forget_session(&access, &session);
        }
        heard
    }
}

impl Wire {
    async fn listen(
        &self,
        session: &Session,
        id: u64,
        params: &Value,
        opened: Told<'_>,
        changed: Told<'_>,
    ) -> Result<(), WireError> {
        let is_modern = session.is_modern();
        let mut answer = if is_modern {
            let ask = Ask {
                id,
                method: LISTEN,
                params,
                wants_progress: false,
                headers: &HeaderMap::new(),
            };
            self.send(Some(session), ask).await?
        } else {
            self.open(Method::GET, headers(Some(session)), &Value::Null).await?
        };
        let status = answer.status();
        if status == StatusCode::NOT_FOUND && session.id.is_some() {
            return Err(WireError::SessionGone);
        }
        if !status.is_success() || !is_events(answer.headers()) {
            return Err(WireError::Status(status));
        }
        if !is_modern {
            opened();
        }
        let (mut decoder, mut pace) = (Decoder::default(), Pace::new(SAID));
        let lost = |why: &str| WireError::Lost(why.to_owned());
        loop {
            let piece = tokio::time::timeout(self.left(), answer.piece()).await;
            let Ok(piece) = piece else { return Ok(()) };
            let Some(piece) = piece.map_err(|error| self.failure(&error))? else { return Ok(()) };
            if !pace.allows(piece.len()) {
                return Err(lost("it says too much"));
            }
            let mut events = decoder.events(&piece);
            while let Some(event) = events.next().map_err(|_| lost("a message is too long"))? {
                match self.understand(event.data.as_bytes(), id)? {
                    Said::Notice { method, .. } if method == TOOLS_CHANGED => changed(),
                    Said::Notice { method, .. } if method == ACKNOWLEDGED => opened(),
                    Said::Asks(reply) if !is_modern => drop(self.tell(session, &reply).await),
                    Said::Answer(said) => return said.map(drop).map_err(WireError::Refused),
                    _ => {}
                }
            }
        }
    }
}
