//! The messages API, as `Anthropic` and those who imitate it speak it.

mod request;
mod response;
mod wire;

pub(crate) use request::usual_output_tokens;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use reqwest::Client;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use url::Url;

use crate::ChatModel;
use crate::Chunk;
use crate::ErrorKind;
use crate::ModelError;
use crate::Request;
use crate::Timeouts;
use crate::calls::Calls;
use crate::http::Call;
use crate::http::Endpoint;
use crate::names::ToolNames;
use crate::reader::Assembler;
use crate::stream;

/// As in `anthropic/claude-sonnet-4-5`.
pub const PROVIDER: &str = "anthropic";

/// The address of `Anthropic` itself.
pub const BASE_URL: &str = "https://api.anthropic.com";

const VERSION: &str = "2023-06-01";

/// The messages API at some base URL.
#[derive(Debug, Clone)]
pub struct Anthropic {
    endpoint: Arc<Endpoint>,
    /// Others than `Anthropic` itself may do without.
    needs_key: bool,
}

impl Anthropic {
    /// The messages API at `base_url` (which ends before `/v1/messages`, or with `/v1`).
    ///
    /// Only servers other than `Anthropic`'s can be called without a key.
    pub fn new(
        client: Client,
        base_url: &Url,
        api_key: Option<SecretString>,
        timeouts: Timeouts,
    ) -> Self {
        let has_version = base_url.path().trim_end_matches('/').ends_with("/v1");
        let path: &[&str] = if has_version { &["messages"] } else { &["v1", "messages"] };
        let url = Endpoint::url(base_url, path);
        let endpoint = Endpoint { provider: PROVIDER, client, url, key: api_key, timeouts };
        let needs_key = base_url.host_str() == Some("api.anthropic.com");
        Self { endpoint: Arc::new(endpoint), needs_key }
    }

    fn call(&self, request: &Request, names: &ToolNames) -> Result<Call, ModelError> {
        let headers = self.headers()?;
        let body = request::body(request, names)?;
        Ok(Call { endpoint: Arc::clone(&self.endpoint), headers, body: Bytes::from(body) })
    }

    fn headers(&self) -> Result<HeaderMap, ModelError> {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static(VERSION),
        );
        match self.endpoint.key.as_ref() {
            Some(key) => {
                let value = self.endpoint.secret_header(key.expose_secret())?;
                headers.insert(HeaderName::from_static("x-api-key"), value);
            }
            None if self.needs_key => {
                let message = format!("there is no key for `{PROVIDER}`");
                return Err(ModelError::lasting(ErrorKind::NotConfigured, message));
            }
            None => {}
        }
        Ok(headers)
    }
}

impl ChatModel for Anthropic {
    fn stream(&self, request: Request) -> BoxStream<'static, Result<Chunk, ModelError>> {
        let names = ToolNames::new(&request);
        let call = self.call(&request, &names);
        let calls = Calls::new(names, &request.messages);
        stream::answer(call, assembler(calls))
    }
}

/// Makes an answer out of events.
pub(crate) fn assembler(calls: Calls) -> impl Assembler {
    response::Assembler::new(calls)
}
