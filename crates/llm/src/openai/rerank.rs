//! `/rerank`, which `OpenAI` has not, and servers that speak like it have.

use std::sync::Arc;

use serde_json::json;

use super::OpenAi;
use crate::ModelError;
use crate::http::Call;
use crate::rerank::Scores;
use crate::rerank::WHAT;

impl OpenAi {
    /// Sources: <https://api.jina.ai/redoc>, <https://docs.voyageai.com/reference/reranker-api>,
    /// <https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html>
    pub(crate) async fn rerank(
        &self,
        model: &str,
        query: &str,
        texts: &[&str],
    ) -> Result<Vec<f32>, ModelError> {
        let account = Arc::clone(&self.account);
        let headers = self.dialect.headers(&account)?;
        let url = account.url(&["rerank"]);
        // Jina sends the texts back unless it is told not to.
        let body = json!({"model": model, "query": query, "documents": texts,
            "return_documents": false});
        let call = Call { account, url, headers, body: body.to_string().into() };
        let scores: Scores = call.fetch(WHAT).await?;
        scores.of(texts.len(), &self.account)
    }
}
