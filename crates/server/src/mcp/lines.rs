//! Lines to clients that speak HTTP with SSE, as revision 2024-11-05 has it: what the server says comes on one long
//! stream, and what the client says by requests of their own.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use auth::scope::Scopes;
use serde_json::Value;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::UnboundedSender;

use crate::app::App;
use crate::mcp::Request;
use crate::oauth::caller::Principal;

/// Those of this process, by their sessions.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Mutex<HashMap<String, Line>>>);

/// A line: whose it is, and its two ends.
#[derive(Debug, Clone)]
pub struct Line {
    pub caller: Principal,
    /// To the protocol.
    pub inlet: Sender<Said>,
    /// To the client.
    pub outlet: UnboundedSender<Value>,
}

/// What a client has said, and as whom.
#[derive(Debug)]
pub struct Said {
    pub request: Request,
    pub message: Value,
}

/// A line is there as long as this is.
#[derive(Debug)]
pub struct Held {
    lines: Lines,
    session: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.lines.lock().remove(&self.session);
    }
}

impl Lines {
    pub fn hold(&self, session: &str, line: Line) -> Held {
        self.lock().insert(session.to_owned(), line);
        Held { lines: self.clone(), session: session.to_owned() }
    }

    pub fn has(&self, session: &str) -> bool {
        self.lock().contains_key(session)
    }

    pub fn sessions(&self) -> BTreeSet<String> {
        self.lock().keys().cloned().collect()
    }

    /// Passes a message on that came elsewhere, with a token that allowed `scopes`; `false`: not now.
    pub fn pass_on(&self, app: &App, session: &str, scopes: &str, message: Value) -> bool {
        let Some(line) = self.lock().get(session).cloned() else { return false };
        let scopes = scopes.parse::<Scopes>().unwrap_or_default();
        let caller = Principal { scopes, ..line.caller };
        self.say(app, session, caller, message)
    }

    /// Lets the protocol hear what `caller` says; `false`: there is no such line here, or it is full.
    pub fn say(&self, app: &App, session: &str, caller: Principal, message: Value) -> bool {
        let Some(line) = self.lock().get(session).cloned() else { return false };
        let (session, outlet) = (Some(session.to_owned()), Some(line.outlet));
        let request = Request { app: app.clone(), caller, session, outlet };
        line.inlet.try_send(Said { request, message }).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
