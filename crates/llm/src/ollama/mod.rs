//! `/api/chat`, as Ollama speaks it.

mod embed;
mod request;
mod response;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;

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

/// As in `ollama/qwen3:8b`.
pub const PROVIDER: &str = "ollama";

/// Where Ollama listens on the machine that it runs on.
pub const BASE_URL: &str = "http://127.0.0.1:11434";

/// Ollama at some base URL.
#[derive(Debug, Clone)]
pub struct Ollama {
    account: Arc<Account>,
}

impl Ollama {
    /// Ollama at a base URL that ends before `/api/chat`; an `/api` or `/v1` at its end, which other
    /// programs want there, is left out. It needs no key.
    pub fn new(mut account: Account) -> Self {
        let path = account.base_url.path().trim_end_matches('/');
        let root = ["/api", "/v1"].iter().find_map(|end| path.strip_suffix(end));
        if let Some(root) = root.map(str::to_owned) {
            account.base_url.set_path(&root);
        }
        Self { account: Arc::new(account) }
    }

    fn call(&self, request: &Request, names: &ToolNames) -> Result<Call, ModelError> {
        let headers = self.account.bearer()?;
        let body = request::body(request, names, &self.account)?;
        let (account, url) = (Arc::clone(&self.account), self.account.url(&["api", "chat"]));
        Ok(Call { account, url, headers, body: Bytes::from(body) })
    }
}

impl ChatModel for Ollama {
    fn stream(&self, request: Request) -> BoxStream<'static, Result<Chunk, ModelError>> {
        let request = schema::translated(request, schema::Dialect::Ollama);
        let names = ToolNames::new(&request);
        let call = self.call(&request, &names);
        let calls = Calls::new(names, &request.messages);
        let origin = Origin::new(&self.account, &request.model);
        stream::answer(call, assembler(calls, origin))
    }

    fn refusal(&self, tool: &Tool) -> Option<String> {
        schema::refusal(tool, schema::Dialect::Ollama)
    }

    fn unbound(&self, request: &Request) -> Option<String> {
        let has_tools = request.tools.iter().any(|tool| self.refusal(tool).is_none());
        request::format(request, has_tools)?.err()
    }
}

/// Makes an answer out of lines.
pub(crate) fn assembler(calls: Calls, origin: Origin) -> impl Assembler {
    response::Assembler::new(calls, origin)
}
