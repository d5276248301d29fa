//! `/embeddings`, as `OpenAI` and very many others speak it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::OpenAi;
use crate::ModelError;
use crate::embed::WHAT;
use crate::embed::numbers;
use crate::http::Call;

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

/// The vector of the text at `index`; some say no index, and mean the order.
#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    #[serde(deserialize_with = "numbers")]
    embedding: Vec<f32>,
}

impl OpenAi {
    /// Source: <https://platform.openai.com/docs/api-reference/embeddings/create>
    pub(crate) async fn embed(
        &self,
        model: &str,
        texts: &[&str],
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let account = Arc::clone(&self.account);
        let headers = self.dialect.headers(&account)?;
        let url = account.url(&["embeddings"]);
        let body = json!({"model": model, "input": texts}).to_string().into();
        let call = Call { account, url, headers, body };
        let Answer { data } = call.fetch(WHAT).await?;
        let mut items: Vec<_> = data.into_iter().enumerate().collect();
        items.sort_by_key(|(at, item)| item.index.unwrap_or(*at));
        let is_in_order =
            |(at, (_, item)): (usize, &(usize, Item))| item.index.is_none_or(|it| it == at);
        if !items.iter().enumerate().all(is_in_order) {
            return Err(self.account.is_not("vector for each text"));
        }
        Ok(items.into_iter().map(|(_, item)| item.embedding).collect())
    }
}
