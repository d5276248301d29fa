//! Chat completions, as `OpenAI` and very many others speak them.

mod calls;
mod chunk;
mod request;
mod response;
mod usage;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use reqwest::Client;
use reqwest::header::AUTHORIZATION;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
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

/// As in `openai/gpt-5`.
pub const PROVIDER: &str = "openai";

/// The member of what we keep for a server that holds what goes back with its calls, by id.
const EXTRA_CONTENT: &str = "extra_content";

/// The address of `OpenAI` itself.
pub const BASE_URL: &str = "https://api.openai.com/v1";

/// Chat completions at some base URL.
#[derive(Debug, Clone)]
pub struct OpenAi {
    endpoint: Arc<Endpoint>,
    dialect: Dialect,
}

/// Who is behind the base URL; decided by its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `api.openai.com`: limits output by `max_completion_tokens`, takes ids of 40 characters.
    OpenAi,
    /// `*.azure.com`: the same, but for the header of the key.
    Azure,
    /// Anybody else: `max_tokens` is what all of them know, and ids go back as they came.
    Compatible,
}

impl OpenAi {
    /// Chat completions at `base_url` (which ends before `/chat/completions`).
    ///
    /// Only servers other than `OpenAI`'s can be called without a key.
    pub fn new(
        client: Client,
        base_url: &Url,
        api_key: Option<SecretString>,
        timeouts: Timeouts,
    ) -> Self {
        let url = Endpoint::url(base_url, &["chat", "completions"]);
        let endpoint = Endpoint { provider: PROVIDER, client, url, key: api_key, timeouts };
        Self { endpoint: Arc::new(endpoint), dialect: Dialect::of(base_url) }
    }

    fn call(&self, request: &Request, names: &ToolNames) -> Result<Call, ModelError> {
        let headers = self.headers()?;
        let body = request::body(request, names, self.dialect)?;
        Ok(Call { endpoint: Arc::clone(&self.endpoint), headers, body: Bytes::from(body) })
    }

    fn headers(&self) -> Result<HeaderMap, ModelError> {
        let mut headers = HeaderMap::new();
        let key = self.endpoint.key.as_ref().map(ExposeSecret::expose_secret);
        match (self.dialect, key) {
            (Dialect::Azure, Some(key)) => {
                headers
                    .insert(HeaderName::from_static("api-key"), self.endpoint.secret_header(key)?);
            }
            (_, Some(key)) => {
                let value = self.endpoint.secret_header(&format!("Bearer {key}"))?;
                headers.insert(AUTHORIZATION, value);
            }
            (Dialect::Compatible, None) => {}
            (_, None) => {
                let message = format!("there is no key for `{PROVIDER}`");
                return Err(ModelError::lasting(ErrorKind::NotConfigured, message));
            }
        }
        Ok(headers)
    }
}

impl ChatModel for OpenAi {
    fn stream(&self, request: Request) -> BoxStream<'static, Result<Chunk, ModelError>> {
        let names = ToolNames::new(&request);
        let call = self.call(&request, &names);
        let calls = Calls::new(names, &request.messages);
        stream::answer(call, assembler(calls))
    }
}

impl Dialect {
    fn of(base_url: &Url) -> Self {
        match base_url.host_str().unwrap_or_default() {
            "api.openai.com" => Self::OpenAi,
            host if host.ends_with(".azure.com") => Self::Azure,
            _ => Self::Compatible,
        }
    }
}

/// Makes an answer out of events.
pub(crate) fn assembler(calls: Calls) -> impl Assembler {
    response::Assembler::new(calls)
}
