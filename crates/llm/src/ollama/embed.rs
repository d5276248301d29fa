//! `/api/embed`, as Ollama speaks it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::Ollama;
use crate::ModelError;
use crate::embed::Vector;
use crate::embed::WHAT;
use crate::http::Call;

#[derive(Deserialize)]
struct Answer {
    embeddings: Vec<Vector>,
}

impl Ollama {
    /// A text that is too long is refused: its end would not be found.
    ///
    /// Source: <https://docs.ollama.com/api/embed>
    pub(crate) async fn embed(
        &self,
        model: &str,
        texts: &[&str],
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let account = Arc::clone(&self.account);
        let (headers, url) = (account.bearer()?, account.url(&["api", "embed"]));
        let body = json!({"model": model, "input": texts, "truncate": false}).to_string().into();
        let answer: Answer = Call { account, url, headers, body }.fetch(WHAT).await?;
        Ok(Vector::all(answer.embeddings))
    }
}
