//! Calls that have no parameters: what nobody would read is refused, not ignored.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::MatchedPath;
use axum::extract::Request;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use http::request::Parts;
use utoipa::openapi::OpenApi;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Operation;
use utoipa::openapi::path::ParameterIn;

use crate::http::Invalid;
use crate::http::Problem;
use crate::http::params;

/// The operations that have no parameter in the address, by their path and method.
#[derive(Debug)]
pub struct Bare(HashMap<(String, Method), Takes>);

/// What such an operation takes. Marks a request that came with a query all the same, until whoever
/// sent it is known.
#[derive(Debug, Clone, Copy)]
enum Takes {
    Nothing,
    Body,
}

impl Bare {
    pub fn of(document: &OpenApi) -> Self {
        let mut bare = HashMap::new();
        for (path, item) in &document.paths.paths {
            let operations = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in operations {
                let operation = operation.as_ref().filter(|it| !has_parameters(it));
                let takes = operation.map(|it| match it.request_body {
                    Some(_) => Takes::Body,
                    None => Takes::Nothing,
                });
                bare.extend(takes.map(|takes| ((path.clone(), method), takes)));
            }
        }
        Self(bare)
    }
}

fn has_parameters(operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|it| match it {
        RefOr::T(it) => matches!(it.parameter_in, ParameterIn::Query),
        RefOr::Ref(_) => true,
    })
}

/// Marks requests with a query that nobody would read, for [`refuse_query`].
pub async fn mark(State(bare): State<Arc<Bare>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    if let Some(path) = path.filter(|_| request.uri().query().is_some()) {
        let method = match request.method() {
            &Method::HEAD => Method::GET,
            method => method.clone(),
        };
        if let Some(takes) = bare.0.get(&(path.as_str().to_owned(), method)) {
            request.extensions_mut().insert(*takes);
        }
    }
    next.run(request).await
}

/// Refuses the parameters of a request whose operation has none.
///
/// This is for calls of known callers: strangers are told first that they are strangers, and what is
/// open to all (probes, documents, OAuth) ignores what it does not know, as RFC 6749 demands of OAuth.
pub fn refuse_query(parts: &Parts) -> Result<(), Problem> {
    let Some(takes) = parts.extensions.get::<Takes>() else { return Ok(()) };
    let detail = match takes {
        Takes::Nothing => "there is no such parameter",
        Takes::Body => "there is no such parameter; what is wanted stands in the body",
    };
    let pairs = params::pairs(parts.uri.query().unwrap_or_default())?.into_iter();
    let faults = pairs.map(|(name, _)| Invalid::new(format!("?{name}"), "unknown_member", detail));
    let faults: Vec<_> = faults.collect();
    if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
}
