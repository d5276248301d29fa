//! `/v2/embed` and `/v2/rerank`, as Cohere speaks them. Its chats are had by its OpenAI-compatible address.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::Account;
use crate::ModelError;
use crate::embed::Purpose;
use crate::embed::Vector;
use crate::embed::WHAT;
use crate::http::Call;
use crate::rerank;
use crate::rerank::Scores;

/// As in `cohere/embed-v4.0`.
pub const PROVIDER: &str = "cohere";

/// The address of Cohere itself.
pub const BASE_URL: &str = "https://api.cohere.com";

/// Cohere at some base URL.
#[derive(Debug, Clone)]
pub struct Cohere {
    account: Arc<Account>,
}

#[derive(Deserialize)]
struct Answer {
    embeddings: ByType,
}

#[derive(Deserialize)]
struct ByType {
    float: Vec<Vector>,
}

impl Cohere {
    /// Cohere at a base URL that ends before `/v2`. Only servers other than Cohere's can be called without a
    /// key.
    pub fn new(account: Account) -> Self {
        Self { account: Arc::new(account) }
    }

    /// A text that is too long is refused: its end would not be found.
    ///
    /// Source: <https://docs.cohere.com/reference/embed>
    pub(crate) async fn embed(
        &self,
        model: &str,
        texts: &[&str],
        purpose: Purpose,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let input_type = match purpose {
            Purpose::Query => "search_query",
            Purpose::Document => "search_document",
        };
        let body = json!({"model": model, "texts": texts, "input_type": input_type,
            "embedding_types": ["float"], "truncate": "NONE"});
        let answer: Answer = self.call("embed", &body)?.fetch(WHAT).await?;
        Ok(Vector::all(answer.embeddings.float))
    }

    /// Source: <https://docs.cohere.com/reference/rerank>
    pub(crate) async fn rerank(
        &self,
        model: &str,
        query: &str,
        texts: &[&str],
    ) -> Result<Vec<f32>, ModelError> {
        let body = json!({"model": model, "query": query, "documents": texts});
        let scores: Scores = self.call("rerank", &body)?.fetch(rerank::WHAT).await?;
        scores.of(texts.len(), &self.account)
    }

    fn call(&self, what: &str, body: &Value) -> Result<Call, ModelError> {
        let account = Arc::clone(&self.account);
        if account.key.is_none() && account.base_url.host_str() == Some("api.cohere.com") {
            return Err(account.lacks_key());
        }
        let (headers, url) = (account.bearer()?, account.url(&["v2", what]));
        Ok(Call { account, url, headers, body: body.to_string().into() })
    }
}
