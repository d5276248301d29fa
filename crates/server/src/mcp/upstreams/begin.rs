//! Finding out in which revision a server is spoken with.

use std::time::Duration;
use std::time::Instant;

use http::HeaderMap;
use serde_json::json;

use super::Upstreams;
use super::message;
use super::message::WITH_SESSIONS;
use super::wire::Ask;
use super::wire::Session;
use super::wire::Wire;
use super::wire::WireError;
use super::wire::session_id;

/// How long a server may take to say whether it knows the revision without sessions.
pub const DISCOVERY: Duration = Duration::from_secs(10);
/// What a server may say of itself, in bytes.
pub const ABOUT: usize = 256 << 10;

impl Upstreams {
    /// Finds out what the server speaks: the revision without sessions, or one of those before it.
    pub async fn begin(&self, wire: &Wire) -> Result<Session, WireError> {
        let (modern, nothing, headers) = (Session::modern(), json!({}), HeaderMap::new());
        let ask = |method, params| {
            let id = self.next_id();
            Ask { id, method, params, wants_progress: false, headers: &headers }
        };
        // What a server says of itself is no result.
        let mut wire = wire.clone();
        wire.most = wire.most.max(ABOUT);
        let mut brief = wire.clone();
        brief.until = brief.until.min(Instant::now() + DISCOVERY);
        let discover =
            async || brief.ask(Some(&modern), ask("server/discover", &nothing), &|_, _| {}).await;
        let mut about = discover().await;
        if matches!(&about, Err(WireError::Refused(fault)) if fault.offers_modern()) {
            about = discover().await;
        }
        match about {
            Ok((result, _)) => {
                if message::knows_modern(&result) {
                    return Ok(modern);
                }
            }
            Err(
                error @ (WireError::Unauthorized
                | WireError::InsufficientScope(_)
                | WireError::NotSent(_)),
            ) => return Err(error),
            // One that knows nothing of it says so in some way.
            Err(_) => {}
        }
        let params = json!({"protocolVersion": WITH_SESSIONS, "capabilities": {},
            "clientInfo": message::about_us()});
        let (result, headers) = wire.ask(None, ask("initialize", &params), &|_, _| {}).await?;
        let version = message::agreed(&result).map_err(WireError::NotSent)?;
        let session = Session { version, id: session_id(&headers) };
        wire.tell(&session, &message::notice("notifications/initialized", &json!({}))).await?;
        Ok(session)
    }
}
