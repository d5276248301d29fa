//! `streamGenerateContent`, as Google's Gemini API speaks it.

mod embed;
mod request;
mod response;
mod wire;

pub(crate) use request::usual_output_tokens;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use secrecy::ExposeSecret;
use url::Url;

use crate::Account;
use crate::ChatModel;
use crate::Chunk;
use crate::ModelError;
use crate::Request;
use crate::Tool;
use crate::calls::Calls;
use crate::http::Call;
use crate::names::ToolNames;
use crate::private::Origin;
use crate::reader::Assembler;
use crate::schema;
use crate::stream;

/// As in `google/gemini-3-pro`.
pub const PROVIDER: &str = "google";

/// The address of Google itself.
pub const BASE_URL: &str = "https://generativelanguage.googleapis.com/v1beta";

/// The host of [`BASE_URL`].
const HOME: &str = "generativelanguage.googleapis.com";

/// The Gemini API at some base URL.
#[derive(Debug, Clone)]
pub struct Google {
    account: Arc<Account>,
}

impl Google {
    /// The Gemini API at a base URL that ends before `/models/…`, or before the version before that.
    ///
    /// Only servers other than Google's can be called without a key.
    pub fn new(account: Account) -> Self {
        Self { account: Arc::new(account) }
    }

    fn call(&self, request: &Request, names: &ToolNames) -> Result<Call, ModelError> {
        let headers = self.headers()?;
        let body = request::body(request, names, &self.account)?;
        let mut url = self.url(&request.model, "streamGenerateContent");
        url.query_pairs_mut().append_pair("alt", "sse");
        let account = Arc::clone(&self.account);
        Ok(Call { account, url, headers, body: Bytes::from(body) })
    }

    /// The key goes in a header and not in the URL, which would be in logs.
    fn headers(&self) -> Result<HeaderMap, ModelError> {
        let account = &self.account;
        match &account.key {
            Some(key) => {
                let value = account.secret_header(key.expose_secret())?;
                Ok(HeaderMap::from_iter([(HeaderName::from_static("x-goog-api-key"), value)]))
            }
            None if account.base_url.host_str() == Some(HOME) => Err(account.lacks_key()),
            None => Ok(HeaderMap::new()),
        }
    }

    /// `…/v1beta/models/{model}:{method}`. A model whose name has a `/` names its collection itself:
    /// `tunedModels/mine`.
    fn url(&self, model: &str, method: &str) -> Url {
        let base = self.account.base_url.path();
        let version = if base.contains("/v1") { None } else { Some("v1beta") };
        let collection = if model.contains('/') { None } else { Some("models") };
        let method = format!("{model}:{method}");
        let path: Vec<&str> =
            version.into_iter().chain(collection).chain(method.split('/')).collect();
        self.account.url(&path)
    }
}

impl ChatModel for Google {
    fn stream(&self, request: Request) -> BoxStream<'static, Result<Chunk, ModelError>> {
        let request = schema::translated(request, schema::Dialect::Google);
        let names = ToolNames::new(&request);
        let call = self.call(&request, &names);
        let calls = Calls::new(names, &request.messages);
        let origin = Origin::new(&self.account, &request.model);
        stream::answer(call, assembler(calls, origin))
    }

    fn refusal(&self, tool: &Tool) -> Option<String> {
        schema::refusal(tool, schema::Dialect::Google)
    }

    fn unbound(&self, request: &Request) -> Option<String> {
        let has_tools = request.tools.iter().any(|tool| self.refusal(tool).is_none());
        request::response_schema(request, has_tools)?.err()
    }
}

/// Makes an answer out of events.
pub(crate) fn assembler(calls: Calls, origin: Origin) -> impl Assembler {
    response::Assembler::new(calls, origin)
}
