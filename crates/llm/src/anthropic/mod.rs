//! The messages API, as `Anthropic` and those who imitate it speak it.

mod request;
mod response;
mod wire;

pub(crate) use request::usual_output_tokens;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret;

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

/// As in `anthropic/claude-sonnet-4-5`.
pub const PROVIDER: &str = "anthropic";

/// The address of `Anthropic` itself.
pub const BASE_URL: &str = "https://api.anthropic.com";

const VERSION: &str = "2023-06-01";

/// The messages API at some base URL.
#[derive(Debug, Clone)]
pub struct Anthropic {
    account: Arc<Account>,
    /// Others than `Anthropic` itself may do without.
    needs_key: bool,
}

impl Anthropic {
    /// The messages API at a base URL that ends before `/v1/messages`, or with `/v1`.
    ///
    /// Only servers other than `Anthropic`'s can be called without a key.
    pub fn new(account: Account) -> Self {
        let needs_key = account.base_url.host_str() == Some("api.anthropic.com");
        Self { account: Arc::new(account), needs_key }
    }

    fn call(&self, request: &Request, names: &ToolNames) -> Result<Call, ModelError> {
        let headers = self.headers()?;
        let body = request::body(request, names, &self.account)?;
        let has_version = self.account.base_url.path().trim_end_matches('/').ends_with("/v1");
        let path: &[&str] = if has_version { &["messages"] } else { &["v1", "messages"] };
        let (account, url) = (Arc::clone(&self.account), self.account.url(path));
        Ok(Call { account, url, headers, body: Bytes::from(body) })
    }

    fn headers(&self) -> Result<HeaderMap, ModelError> {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static(VERSION),
        );
        match self.account.key.as_ref() {
            Some(key) => {
                let value = self.account.secret_header(key.expose_secret())?;
                headers.insert(HeaderName::from_static("x-api-key"), value);
            }
            None if self.needs_key => return Err(self.account.lacks_key()),
            None => {}
        }
        Ok(headers)
    }
}

impl ChatModel for Anthropic {
    fn stream(&self, request: Request) -> BoxStream<'static, Result<Chunk, ModelError>> {
        let request = schema::translated(request, schema::Dialect::Anthropic);
        let names = ToolNames::new(&request);
        let call = self.call(&request, &names);
        let calls = Calls::new(names, &request.messages);
        let origin = Origin::new(&self.account, &request.model);
        stream::answer(call, assembler(calls, origin))
    }

    fn refusal(&self, tool: &Tool) -> Option<String> {
        schema::refusal(tool, schema::Dialect::Anthropic)
    }
}

/// Makes an answer out of events.
pub(crate) fn assembler(calls: Calls, origin: Origin) -> impl Assembler {
    response::Assembler::new(calls, origin)
}
