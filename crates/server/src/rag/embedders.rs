//! Which embedder a database means, and whether we can call it.

mod local;
mod provider;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use llm::Account;
use llm::Timeouts;
use llm::cohere::Cohere;
use llm::embed::Embeddings;
use llm::google::Google;
use llm::ollama::Ollama;
use llm::openai::OpenAi;
use llm::rerank::Reranker;
use reqwest::Client;
use retrieval::EmbedError;
use retrieval::Embedder;
use retrieval::Hashing;
use url::Url;

use crate::config;
use crate::config::ProviderKind;
use crate::http::Invalid;
use crate::rag::databases::Rerank;
use crate::rag::embedders::local::LocalModel;
use crate::rag::embedders::local::TOKENIZER;
use crate::rag::embedders::provider::ProviderModel;

/// What embeds without a model.
pub const HASHING: &str = "local/hashing";
/// Who is the provider of what runs here.
const LOCAL: &str = "local";

/// The embedders that this server has. Clones share them.
#[derive(Clone)]
pub struct Embedders(Arc<Inner>);

struct Inner {
    default: String,
    providers: BTreeMap<String, State>,
    /// Where folders of models are, and those that were asked for.
    models: PathBuf,
    local: Mutex<HashMap<String, Arc<LocalModel>>>,
}

enum State {
    Ready(Embeddings),
    /// This setting is missing.
    Lacks(String),
}

/// Why a name means no model that we can call. The words are safe for callers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEmbedder {
    #[error("the name of an embedding model is `{HASHING}`, `local/folder`, or `provider/name`")]
    Malformed,
    #[error("there is no folder `{0}` with a model in `RAG_MODELS_DIR`")]
    NoFolder(String),
    #[error("there is no provider `{name}` of embedding models; there are {known}")]
    UnknownProvider { name: String, known: String },
    #[error("the provider `{provider}` is not configured: set `{setting}`")]
    NotConfigured { provider: String, setting: String },
    #[error("the name of a model that reranks is `provider/name`")]
    NoReranker,
    #[error("the provider `{0}` has no models that rerank")]
    DoesNotRerank(String),
}

impl Embedders {
    /// Makes an adapter for each provider that embeds. `client` is for all of them.
    pub fn new(models: &config::Models, rag: &config::Rag, client: &Client) -> Self {
        let mut providers = BTreeMap::new();
        for (name, settings) in &models.providers {
            if let Some(state) = state(name, settings, client, models.timeouts) {
                providers.insert(name.clone(), state);
            }
        }
        let (default, models) = (rag.embedding_model.clone(), rag.models.clone());
        Self(Arc::new(Inner { default, providers, models, local: Mutex::default() }))
    }

    /// The model of databases that name none.
    pub fn default_model(&self) -> &str {
        &self.0.default
    }

    /// The embedder that `model` names.
    pub fn find(&self, model: &str) -> Result<Arc<dyn Embedder>, NoEmbedder> {
        if model == HASHING {
            return Ok(Arc::new(Hashing));
        }
        match model.split_once('/') {
            None | Some((_, "")) => Err(NoEmbedder::Malformed),
            Some((LOCAL, name)) => Ok(self.local(name)?),
            Some((provider, name)) => {
                let embeddings = self.provider(provider)?.clone();
                Ok(Arc::new(ProviderModel::new(model, name, embeddings)))
            }
        }
    }

    /// Who reranks with `model`, and what it is called there.
    pub fn reranker<'m>(&self, model: &'m str) -> Result<(Reranker, &'m str), NoEmbedder> {
        let (provider, name) = match model.split_once('/') {
            None | Some((_, "")) => return Err(NoEmbedder::NoReranker),
            Some((LOCAL, _)) => return Err(NoEmbedder::DoesNotRerank(LOCAL.to_owned())),
            Some(names) => names,
        };
        match self.provider(provider)? {
            Embeddings::Cohere(adapter) => Ok((Reranker::Cohere(adapter.clone()), name)),
            Embeddings::OpenAi(adapter) => Ok((Reranker::OpenAi(adapter.clone()), name)),
            _ => Err(NoEmbedder::DoesNotRerank(provider.to_owned())),
        }
    }

    /// What is wrong with the name of a reranker that stands at `place`. Without one that is only not configured, a
    /// search goes on.
    pub fn check_reranker(&self, place: &str, rerank: &Rerank) -> Option<Invalid> {
        match self.reranker(&rerank.model) {
            Ok(_) | Err(NoEmbedder::NotConfigured { .. }) => None,
            Err(why) => Some(Invalid::new(place, "unknown_model", why)),
        }
    }

    fn provider(&self, provider: &str) -> Result<&Embeddings, NoEmbedder> {
        match self.0.providers.get(provider) {
            Some(State::Ready(embeddings)) => Ok(embeddings),
            Some(State::Lacks(setting)) => {
                let (provider, setting) = (provider.to_owned(), setting.clone());
                Err(NoEmbedder::NotConfigured { provider, setting })
            }
            None => {
                let known: Vec<_> = self.0.providers.keys().map(|it| format!("`{it}`")).collect();
                let (name, known) = (provider.to_owned(), known.join(", "));
                Err(NoEmbedder::UnknownProvider { name, known })
            }
        }
    }

    /// What a model that runs here has to count tokens; nothing if it does not run here, or cannot be read.
    pub async fn tokenizer(&self, model: &str) -> Vec<u8> {
        let name = model.strip_prefix(LOCAL).and_then(|rest| rest.strip_prefix('/'));
        let Some(Ok(model)) = name.map(|name| self.local(name)) else { return Vec::new() };
        tokio::fs::read(model.folder().join(TOKENIZER)).await.unwrap_or_default()
    }

    /// The model of a folder, the same for all who ask.
    fn local(&self, name: &str) -> Result<Arc<LocalModel>, NoEmbedder> {
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let folder = self.0.models.join(name);
        let is_name = name.bytes().all(is_sign) && !name.starts_with('.');
        if !is_name || !folder.join("config.json").is_file() {
            return Err(NoEmbedder::NoFolder(name.to_owned()));
        }
        let mut local = self.0.local.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(LocalModel::new(format!("{LOCAL}/{name}"), folder));
        Ok(Arc::clone(local.entry(name.to_owned()).or_insert_with(new)))
    }
}

/// Why texts have no vectors, in words for whoever may see the database.
pub fn reason(error: &EmbedError) -> String {
    match error {
        // What an adapter says of a failed call is made for callers.
        EmbedError::Call { source, .. } => format!("{error}: {source}"),
        EmbedError::Dimension { .. } => {
            format!("{error}; `POST …/reindex` makes the vectors of all passages anew")
        }
        _ => error.to_string(),
    }
}

/// A provider by its settings; `None` if it does not embed.
fn state(
    name: &str,
    settings: &config::Provider,
    client: &Client,
    timeouts: Timeouts,
) -> Option<State> {
    let (kind, key) = (settings.kind, settings.api_key.clone());
    let Ok(base_url) = settings.base_url.parse::<Url>() else {
        return Some(State::Lacks(settings.url_setting.clone()));
    };
    let lacks_key = key.is_none() && settings.base_url == kind.home() && kind.needs_key();
    let account = Account { name: name.into(), client: client.clone(), base_url, key, timeouts };
    let embeddings = adapter(kind, account)?;
    // Servers that only speak the same language may need no key.
    Some(if lacks_key {
        State::Lacks(settings.key_setting.clone())
    } else {
        State::Ready(embeddings)
    })
}

fn adapter(kind: ProviderKind, account: Account) -> Option<Embeddings> {
    match kind {
        ProviderKind::OpenAi | ProviderKind::OpenAiResponses => {
            Some(Embeddings::OpenAi(OpenAi::new(account)))
        }
        ProviderKind::Google => Some(Embeddings::Google(Google::new(account))),
        ProviderKind::Cohere => Some(Embeddings::Cohere(Cohere::new(account))),
        ProviderKind::Ollama => Some(Embeddings::Ollama(Ollama::new(account))),
        ProviderKind::Anthropic => None,
    }
}

impl fmt::Debug for Embedders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.providers.keys()).finish()
    }
}
