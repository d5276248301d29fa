//! `Idempotency-Key`: the same request twice is one request.

use std::fmt::Write;

use aws_lc_rs::digest;
use axum::extract::FromRequest;
use axum::extract::Request;
use http::HeaderMap;
use http::request::Parts;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::Problem;
use crate::http::body;

pub const HEADER: &str = "Idempotency-Key";
const MAX_LENGTH: usize = 255;

/// Whose keys these are, beside the client's: people who share one must not meet in a key.
#[derive(Debug, Clone)]
pub struct KeysOf(pub String);

/// A JSON body as in [`Body`](crate::http::Body), with the key under which it was sent.
#[derive(Debug)]
pub struct Keyed<T> {
    pub body: T,
    pub key: Option<IdempotencyKey>,
}

/// A caller's name for one request, and what tells that request from others of the same name.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// 1 to 255 printable ASCII characters; before them, in a line of its own, the person whose key it is.
    pub key: String,
    /// Method and path of the request.
    pub path: String,
    /// SHA-256 of the body's bytes, in hexadecimal digits.
    pub body_sha256: String,
}

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest<App> for Keyed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts.clone(), body);
        let bytes = body::read_json(request, &app.config.limits).await?;
        let key = IdempotencyKey::of(&parts, &bytes)?;
        Ok(Self { body: body::parse(&bytes)?, key })
    }
}

impl IdempotencyKey {
    /// The key of a request with this `body`, if it has one.
    pub fn of(parts: &Parts, body: &[u8]) -> Result<Option<Self>, Problem> {
        let Some(key) = key(&parts.headers)? else { return Ok(None) };
        let key = match parts.extensions.get::<KeysOf>() {
            Some(KeysOf(person)) => format!("{person}\n{key}"),
            None => key,
        };
        let path = format!("{} {}", parts.method, parts.uri.path());
        let digest = digest::digest(&digest::SHA256, body);
        let body_sha256 = digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Ok(Some(Self { key, path, body_sha256 }))
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(HEADER).iter();
    let key = match (keys.next(), keys.next()) {
        (None, _) => return Ok(None),
        (Some(key), None) => key.as_bytes(),
        (Some(_), Some(_)) => return Err(refuse("is there twice")),
    };
    if key.is_empty() || key.len() > MAX_LENGTH {
        return Err(refuse("must have 1 to 255 characters"));
    }
    let printable = key.iter().all(|byte| (b' '..=b'~').contains(byte));
    match String::from_utf8(key.to_vec()) {
        Ok(key) if printable => Ok(Some(key)),
        _ => Err(refuse("must have printable ASCII characters only")),
    }
}

fn refuse(why: &str) -> Problem {
    Problem::bad_header(HEADER, why)
}
