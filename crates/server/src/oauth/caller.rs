use crate::app::App;
use crate::db::TenantId;
use crate::http::Problem;
use axum::extract::FromRequestParts;
use http::request::Parts;
#[derive(Debug, Clone)]
pub struct Principal {
    pub tenant: TenantId,
    pub subject: String,
    pub client_id: String,
    pub scopes: auth::scope::Scopes,
}
impl Principal {
    pub fn holds(&self, s: &str) -> bool {
        self.scopes.covers(s)
    }
}
#[derive(Debug)]
pub struct Caller<S>(pub Principal, std::marker::PhantomData<S>);
impl<S> std::ops::Deref for Caller<S> {
    type Target = Principal;
    fn deref(&self) -> &Principal {
        &self.0
    }
}
impl<S: Send> FromRequestParts<App> for Caller<S> {
    type Rejection = Problem;
    async fn from_request_parts(_: &mut Parts, _: &App) -> Result<Self, Problem> {
        Err(Problem::malformed("", vec![]))
    }
}
pub fn insufficient(_: &[&str]) -> Problem {
    Problem::malformed("", vec![])
}
