//! `batchEmbedContents`, as Google's Gemini API speaks it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::Google;
use crate::ModelError;
use crate::embed::Purpose;
use crate::embed::WHAT;
use crate::embed::numbers;
use crate::http::Call;

#[derive(Deserialize)]
struct Answer {
    embeddings: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    #[serde(deserialize_with = "numbers")]
    values: Vec<f32>,
}

impl Google {
    /// Source: <https://ai.google.dev/api/embeddings>
    pub(crate) async fn embed(
        &self,
        model: &str,
        texts: &[&str],
        purpose: Purpose,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let task = match purpose {
            Purpose::Query => "RETRIEVAL_QUERY",
            Purpose::Document => "RETRIEVAL_DOCUMENT",
        };
        let full_name =
            if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
        let request = |text: &&str| json!({"model": full_name, "content": {"parts": [{"text": text}]}, "taskType": task});
        let requests: Vec<_> = texts.iter().map(request).collect();
        let body = json!({"requests": requests}).to_string().into();
        let (headers, url) = (self.headers()?, self.url(model, "batchEmbedContents"));
        let call = Call { account: Arc::clone(&self.account), url, headers, body };
        let Answer { embeddings } = call.fetch(WHAT).await?;
        Ok(embeddings.into_iter().map(|embedding| embedding.values).collect())
    }
}
