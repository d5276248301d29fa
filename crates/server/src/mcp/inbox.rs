//! Messages that came to another process than the one that waits for them.
//!
//! An answer to a question, the end of a call, and all that a client of HTTP with SSE says belong to one process: the
//! one that has the question, the call or the stream. Whoever gets such a message and does not have it leaves it in a
//! row, and says so; whoever has something open looks for rows of its sessions then, and a few times a second where nobody is heard.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::error::Error;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Value;
use tracing::warn;

use crate::app::App;
use crate::db::At;
use crate::mcp::questions::id_of_answer;
use crate::mcp::store::inbox as store;
use crate::mcp::store::inbox::Letter;
use crate::oauth::caller::Principal;

/// How often it is looked for messages while something is open.
const PACE: Duration = Duration::from_millis(150);
/// The same where other processes are heard, and say that they have left one.
const CALM: Duration = Duration::from_secs(1);
/// For so long a message waits to be taken.
const PATIENCE: Duration = Duration::from_mins(1);
/// So many messages of one session wait at once.
const WAITING: i64 = 100;
/// Of so many sessions messages are looked for at once.
const SESSIONS: usize = 500;

/// The calls of sessions that this process has under way, by the ids of their requests.
#[derive(Debug, Default)]
pub struct Calls(Mutex<HashMap<(String, String), usize>>);

/// A call of a session is under way as long as this is there.
#[derive(Debug)]
pub struct UnderWay<'a> {
    calls: &'a Calls,
    key: (String, String),
}

impl Calls {
    /// `id` is that of the request, as JSON.
    pub fn begin(&self, session: &str, id: String) -> UnderWay<'_> {
        let key = (session.to_owned(), id);
        *self.lock().entry(key.clone()).or_default() += 1;
        UnderWay { calls: self, key }
    }

    fn has(&self, session: &str, id: &Value) -> bool {
        self.lock().contains_key(&(session.to_owned(), id.to_string()))
    }

    fn sessions(&self) -> BTreeSet<String> {
        self.lock().keys().map(|(session, _)| session.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut calls = self.calls.lock();
        if let Some(count) = calls.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                calls.remove(&self.key);
            }
        }
    }
}

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Whoever waits for it has it, or will.
    Done,
    /// It is for whatever this process makes of the session.
    Here,
    /// Too many wait already.
    Full,
}

/// Brings a message of `caller` in `session` to whom it belongs.
pub async fn deliver(
    app: &App,
    caller: &Principal,
    session: &str,
    message: &Value,
) -> Result<Delivery, sqlx::Error> {
    if app.mcp.questions.answer(session, message) {
        return Ok(Delivery::Done);
    }
    let is_elsewhere = match call_of_end(message) {
        Some(id) => !app.mcp.under_way.has(session, id),
        None => id_of_answer(message).is_some(),
    };
    if is_elsewhere { leave(app, caller, session, message).await } else { Ok(Delivery::Here) }
}

/// Leaves a message for the process that has the session.
pub async fn leave(
    app: &App,
    caller: &Principal,
    session: &str,
    message: &Value,
) -> Result<Delivery, sqlx::Error> {
    let letter = Letter {
        id: app.ids.next().to_string(),
        session_id: session.to_owned(),
        scopes: caller.scopes.to_string(),
        message: message.to_string(),
    };
    let now = app.clock.now();
    let left = app.db.write(async |tx| store::insert(tx, &letter, WAITING, now).await).await?;
    app.runs.relay().leave_letter();
    Ok(if left { Delivery::Done } else { Delivery::Full })
}

/// Which call a message ends, if it ends one.
fn call_of_end(message: &Value) -> Option<&Value> {
    let is_end = message["method"] == "notifications/cancelled";
    message["params"].get("requestId").filter(|_| is_end)
}

/// Looks for messages, until the server stops.
pub async fn watch(app: App) {
    let stopping = app.tasks.stopping().clone();
    let mut looked = 0_u32;
    let relay = app.runs.relay();
    let next = async || {
        let pace = if relay.hears() { CALM } else { PACE };
        let _ = tokio::time::timeout(pace, relay.letters()).await;
    };
    while stopping.run_until_cancelled(next()).await.is_some() {
        looked = looked.wrapping_add(1);
        let done = async {
            look(&app).await?;
            if looked.is_multiple_of(200) {
                let then = At::new(app.clock.now().time() - PATIENCE);
                app.db.write(async |tx| store::delete_old(tx, then).await).await?;
            }
            Ok::<_, sqlx::Error>(())
        };
        if let Err(cause) = done.await {
            warn!(error = &cause as &dyn Error, "messages of other processes are not looked for");
        }
    }
}

async fn look(app: &App) -> Result<(), sqlx::Error> {
    let mut sessions = app.mcp.questions.sessions();
    sessions.extend(app.mcp.under_way.sessions());
    sessions.extend(app.mcp.lines.sessions());
    let sessions: Vec<String> = sessions.into_iter().collect();
    for sessions in sessions.chunks(SESSIONS) {
        for letter in app.db.read(async |conn| store::of(conn, sessions).await).await? {
            if take(app, &letter).await {
                app.db.write(async |tx| store::delete(tx, &letter.id).await).await?;
            }
        }
    }
    Ok(())
}

/// Takes a message to whoever waits for it here; says whether somebody did.
async fn take(app: &App, letter: &Letter) -> bool {
    // Only this server writes these rows.
    let Ok(message) = serde_json::from_str::<Value>(&letter.message) else { return true };
    let session = letter.session_id.as_str();
    if app.mcp.questions.answer(session, &message) {
        return true;
    }
    if app.mcp.lines.has(session) {
        return app.mcp.lines.pass_on(app, session, &letter.scopes, message);
    }
    match call_of_end(&message) {
        Some(id) if app.mcp.under_way.has(session, id) => {
            app.mcp.service.accept(session, message).await;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_under_way_until_the_last_of_its_name_is_over() {
        let calls = Calls::default();
        let (one, another) = (calls.begin("s", "7".to_owned()), calls.begin("s", "7".to_owned()));

        drop(one);
        assert!(calls.has("s", &json!(7)) && !calls.has("s", &json!("7")));
        assert!(!calls.has("t", &json!(7)));
        drop(another);
        assert!(!calls.has("s", &json!(7)) && calls.sessions().is_empty());
    }
}
