//! Calls of our own pages, which show the session of who is signed in, and no token.

use std::time::Duration;

use http::StatusCode;
use http::header;
use http::request::Parts;

use crate::app::App;
use crate::audit::Origin;
use crate::http::Problem;
use crate::http::may_use_cookie;
use crate::oauth::caller::Door;
use crate::oauth::caller::Principal;
use crate::oauth::caller::failed;
use crate::oauth::caller::invalid_token;
use crate::oauth::holders::OWN_PAGES;
use crate::oauth::sessions::Who;
use crate::oauth::sign_in::routes::cookie_of;
use crate::oauth::sign_in::routes::origin;

/// Whether a call shows a session instead of a token.
pub fn shows_session(parts: &Parts, app: &App) -> bool {
    !parts.headers.contains_key(header::AUTHORIZATION) && cookie_of(app, &parts.headers).is_some()
}

/// Who calls with a session, if the call comes from one of our own pages.
///
/// A browser sends the cookie along with whatever any page asks of us, so the cookie alone proves nothing: that the
/// page is ours is what the browser says of it ([`may_use_cookie`]).
pub async fn principal(parts: &Parts, app: &App) -> Result<Principal, Problem> {
    let issuer = &app.config.issuer;
    if !may_use_cookie(&parts.method, &parts.headers, origin(issuer)) {
        failed("cross_site");
        let detail = "a session counts for calls from pages of this server alone";
        return Err(Problem::new(StatusCode::FORBIDDEN, "cross-site-request", detail));
    }
    let token = cookie_of(app, &parts.headers);
    let who = match &token {
        Some(token) => app.people.signed_in(&app.clients, token, app.clock.now()).await,
        None => Ok(None),
    };
    let who = who.map_err(|cause| {
        tracing::error!(error = %cause, "a session could not be looked up");
        Problem::unavailable(Duration::from_secs(1))
    })?;
    who.map(Who::into_principal).ok_or_else(|| {
        failed("session_over");
        invalid_token("the session is over: sign in again", &Door::api(issuer))
    })
}

impl Who {
    /// Him as one who calls.
    pub fn into_principal(self) -> Principal {
        let client_id = if self.user.is_some() { OWN_PAGES.to_owned() } else { self.username };
        Principal {
            tenant: self.tenant,
            subject: self.subject,
            client_id,
            scopes: self.scopes,
            origin: Origin::default(),
        }
    }
}
