//! The responses API, as `OpenAI` and some others speak it.
//!
//! Nothing is stored there: what a model thought comes to us encrypted and goes back as it was.

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
use crate::openai::Dialect;
use crate::private::Origin;
use crate::reader::Assembler;
use crate::schema;
use crate::stream;

/// As in `openai-responses/gpt-5`.
pub const PROVIDER: &str = "openai-responses";

/// The responses API at some base URL.
#[derive(Debug, Clone)]
pub struct Responses {
    account: Arc<Account>,
    dialect: Dialect,
}

impl Responses {
    /// The responses API at a base URL that ends before `/responses`.
    ///
    /// Only servers other than `OpenAI`'s can be called without a key.
    pub fn new(account: Account) -> Self {
        let dialect = Dialect::of(&account.base_url);
        Self { account: Arc::new(account), dialect }
    }

    fn call(&self, request: &Request, names: &ToolNames) -> Result<Call, ModelError> {
        let headers = self.dialect.headers(&self.account)?;
        let body = request::body(request, names, &self.account, self.dialect)?;
        let (account, url) = (Arc::clone(&self.account), self.account.url(&["responses"]));
        Ok(Call { account, url, headers, body: Bytes::from(body) })
    }
}

impl ChatModel for Responses {
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
        request::text(request, self.dialect)?.err()
    }
}

/// Makes an answer out of events.
pub(crate) fn assembler(calls: Calls, origin: Origin) -> impl Assembler {
    response::Assembler::new(calls, origin)
}
