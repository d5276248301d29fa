//! Requests to a vector store, through the client of all outgoing requests.

use std::time::Duration;

use ::http::HeaderName;
use ::http::HeaderValue;
use ::http::Method;
use ::http::StatusCode;
use ::http::header;
use bytes::Bytes;
use retrieval::StoreError;
use serde_json::Value;

use crate::db::TenantId;
use crate::egress::Body;
use crate::egress::Egress;
use crate::egress::EgressError;
use crate::egress::Limits;
use crate::egress::Request;
use crate::egress::SecretHeader;
use crate::egress::Text;
use crate::egress::Wanted;
use crate::secrets::Vault;

/// How long a request may take, and what its answer may have.
const TIME: Duration = Duration::from_secs(30);
const ANSWER: usize = 16 << 20;
/// Of what a store says when it refuses, as much is told.
const TOLD: usize = 300;

/// Where a store is, and who asks.
#[derive(Debug, Clone)]
pub struct Http {
    pub egress: Egress,
    pub vault: Vault,
    pub tenant: TenantId,
    /// Without a slash at its end.
    pub url: String,
    /// The header that has the secret, and its name.
    pub secret: Option<(HeaderName, String)>,
}

/// What a store answered.
pub enum Said {
    Done(Value),
    /// There is no such thing.
    Missing,
    /// There is such a thing already.
    Taken,
}

impl Http {
    /// Asks, and reads the answer as JSON.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Said, StoreError> {
        let limits = Limits { time: TIME, response: Wanted::Body(ANSWER), hosts: None };
        let mut url = Text::default();
        url.push(&self.url);
        url.push(path);
        let mut request = Request::new(method, url, limits);
        if let Some(body) = body {
            request.body = Body::Bytes(Bytes::from(body.to_string()));
            let json = HeaderValue::from_static("application/json");
            request.headers.insert(header::CONTENT_TYPE, json);
        }
        if let Some((name, secret)) = &self.secret {
            let named = self.vault.secrets_named(&self.tenant, [secret.as_str()]).await;
            request.secrets =
                named.map_err(|_| StoreError::Away("secrets cannot be read".to_owned()))?;
            let mut value = Text::default();
            value.push_secret(secret);
            request.secret_headers.push((name.clone(), SecretHeader::Value(value)));
        }
        let answer = self.egress.send(request).await.map_err(away)?;
        let text = String::from_utf8_lossy(&answer.body);
        match answer.status {
            StatusCode::NOT_FOUND => Ok(Said::Missing),
            StatusCode::CONFLICT => Ok(Said::Taken),
            status if status.is_success() => {
                let value =
                    if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text) };
                value.map(Said::Done).map_err(|_| unclear())
            }
            StatusCode::BAD_REQUEST
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::PAYLOAD_TOO_LARGE => Err(StoreError::Refused(told(answer.status, &text))),
            status => Err(StoreError::Away(told(status, &text))),
        }
    }
}

/// What a store said is not what it should say.
pub fn unclear() -> StoreError {
    StoreError::Away("its answer is not understood".to_owned())
}

fn told(status: StatusCode, text: &str) -> String {
    let some: String = text.chars().take(TOLD).collect();
    format!("it answered {}: {}", status.as_u16(), some.trim())
}

fn away(error: EgressError) -> StoreError {
    StoreError::Away(error.to_string())
}
