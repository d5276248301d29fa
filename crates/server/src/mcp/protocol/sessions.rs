//! Sessions that another process began, or this one forgot: what makes them again.

use std::pin::Pin;

use rmcp::transport::streamable_http_server::session::SessionState;
use rmcp::transport::streamable_http_server::session::SessionStore;
use rmcp::transport::streamable_http_server::session::SessionStoreError;

use crate::db::Db;
use crate::mcp::sessions;

/// The rows of sessions. Writing them is left to who knows whose they are.
pub struct Kept(pub Db);

/// An answer of [`SessionStore`], as its macro has it.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl SessionStore for Kept {
    fn load<'s, 'i, 'a>(&'s self, id: &'i str) -> Answer<'a, Option<SessionState>>
    where
        's: 'a,
        'i: 'a,
        Self: 'a,
    {
        Box::pin(async move {
            let Some(text) = sessions::initialize(&self.0, id).await? else { return Ok(None) };
            Ok(Some(SessionState::new(serde_json::from_str(&text)?)))
        })
    }

    fn store<'s, 'i, 't, 'a>(&'s self, _: &'i str, _: &'t SessionState) -> Answer<'a, ()>
    where
        's: 'a,
        'i: 'a,
        't: 'a,
        Self: 'a,
    {
        Box::pin(async { Ok(()) })
    }

    fn delete<'s, 'i, 'a>(&'s self, _: &'i str) -> Answer<'a, ()>
    where
        's: 'a,
        'i: 'a,
        Self: 'a,
    {
        Box::pin(async { Ok(()) })
    }
}
