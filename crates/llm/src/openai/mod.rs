//! Chat completions, as `OpenAI` and very many others speak them.

mod calls;
mod chunk;
mod embed;
mod request;
mod rerank;
mod response;
mod usage;
mod wire;

pub(crate) use request::effort;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use secrecy::ExposeSecret;
use serde_json::Value;
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
use crate::schema::Named;
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
    account: Arc<Account>,
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
    /// Chat completions at a base URL that ends before `/chat/completions`.
    ///
    /// Only servers other than `OpenAI`'s can be called without a key.
    pub fn new(account: Account) -> Self {
        let dialect = Dialect::of(&account.base_url);
        Self { account: Arc::new(account), dialect }
    }

    fn call(&self, request: &Request, names: &ToolNames) -> Result<Call, ModelError> {
        let headers = self.dialect.headers(&self.account)?;
        let body = request::body(request, names, &self.account, self.dialect)?;
        let url = self.account.url(&["chat", "completions"]);
        let account = Arc::clone(&self.account);
        Ok(Call { account, url, headers, body: Bytes::from(body) })
    }
}

impl ChatModel for OpenAi {
    fn stream(&self, request: Request) -> BoxStream<'static, Result<Chunk, ModelError>> {
        let request = schema::translated(request, schema::Dialect::OpenAi);
        let names = ToolNames::new(&request);
        let call = self.call(&request, &names);
        let calls = Calls::new(names, &request.messages);
        let origin = Origin::new(&self.account, &request.model);
        stream::answer(call, assembler(calls, origin))
    }

    fn refusal(&self, tool: &Tool) -> Option<String> {
        schema::refusal(tool, schema::Dialect::OpenAi)
    }

    fn unbound(&self, request: &Request) -> Option<String> {
        request::response_format(request, self.dialect)?.err()
    }
}

impl Dialect {
    pub(crate) fn of(base_url: &Url) -> Self {
        match base_url.host_str().unwrap_or_default() {
            "api.openai.com" => Self::OpenAi,
            host if host.ends_with(".azure.com") => Self::Azure,
            _ => Self::Compatible,
        }
    }

    /// `schema` as answers are bound to it.
    ///
    /// # Errors
    /// Why they are not.
    pub(crate) fn bound(self, schema: &Value) -> Result<Named<'_>, String> {
        match self {
            Self::Compatible => Err("its server may know no schemas of answers".to_owned()),
            Self::OpenAi | Self::Azure => Named::new(schema),
        }
    }

    /// The key in the header where this server looks for it.
    pub(crate) fn headers(self, account: &Account) -> Result<HeaderMap, ModelError> {
        match (self, &account.key) {
            (Self::OpenAi | Self::Azure, None) => Err(account.lacks_key()),
            (Self::Azure, Some(key)) => {
                let value = account.secret_header(key.expose_secret())?;
                Ok(HeaderMap::from_iter([(HeaderName::from_static("api-key"), value)]))
            }
            _ => account.bearer(),
        }
    }
}

/// Makes an answer out of events.
pub(crate) fn assembler(calls: Calls, origin: Origin) -> impl Assembler {
    response::Assembler::new(calls, origin)
}
