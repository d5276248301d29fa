//! A model that runs here, in the folder that the operator put it into.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use retrieval::Batch;
use retrieval::Bert;
use retrieval::BertError;
use retrieval::BertFiles;
use retrieval::EmbedError;
use retrieval::Embedder;
use retrieval::Embedding;
use retrieval::Kind;
use tokio::sync::OnceCell;
use tokio::sync::Semaphore;
use tracing::info;

/// The file of a folder that says what a token is.
pub const TOKENIZER: &str = "tokenizer.json";

/// A model of a folder, which is read when it is first used.
#[derive(Debug)]
pub struct LocalModel {
    full_name: String,
    folder: PathBuf,
    model: OnceCell<Arc<Bert>>,
    /// Each has a processor to itself, so that no query waits for documents.
    queries: Semaphore,
    documents: Semaphore,
}

/// Why a folder gave no model.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("`{name}` of its folder cannot be read ({cause})")]
    File { name: &'static str, cause: io::Error },
    #[error(transparent)]
    Model(#[from] BertError),
}

impl LocalModel {
    pub fn new(full_name: String, folder: PathBuf) -> Self {
        let (queries, documents) = (Semaphore::new(1), Semaphore::new(1));
        Self { full_name, folder, model: OnceCell::new(), queries, documents }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    async fn run(&self, texts: &[&str], kind: Kind) -> Result<Vec<Vec<f32>>, EmbedError> {
        let model = Arc::clone(self.model.get_or_try_init(|| self.load()).await?);
        let places = match kind {
            Kind::Query => &self.queries,
            Kind::Document => &self.documents,
        };
        let _place = places.acquire().await.map_err(passing)?;
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let work = move || texts.iter().map(|text| model.embed(text)).collect::<Result<_, _>>();
        let done = tokio::task::spawn_blocking(work).await.map_err(passing)?;
        done.map_err(|error: BertError| EmbedError::Call { again: false, source: error.into() })
    }

    async fn load(&self) -> Result<Arc<Bert>, EmbedError> {
        let folder = self.folder.clone();
        let read = tokio::task::spawn_blocking(move || read(&folder)).await.map_err(passing)?;
        // Whoever put it there can mend it.
        let model = read.map_err(passing)?;
        info!(model = self.full_name, dimension = model.dimension(), "an embedding model was read");
        Ok(Arc::new(model))
    }
}

impl Embedder for LocalModel {
    fn model(&self) -> &str {
        &self.full_name
    }

    fn dimension(&self) -> Option<usize> {
        self.model.get().map(|model| model.dimension())
    }

    fn batch(&self) -> Batch {
        // A few seconds at most, so that a server that stops does not wait for long.
        Batch { texts: 8, characters: 20_000 }
    }

    fn embed<'a>(&'a self, texts: &'a [&'a str], kind: Kind) -> Embedding<'a> {
        Box::pin(self.run(texts, kind))
    }
}

fn read(folder: &Path) -> Result<Bert, Unread> {
    let file = |name: &'static str| {
        fs::read(folder.join(name)).map_err(|cause| Unread::File { name, cause })
    };
    let pooling = match file("1_Pooling/config.json") {
        Ok(pooling) => Some(pooling),
        Err(Unread::File { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(Bert::new(BertFiles {
        config: file("config.json")?,
        tokenizer: file(TOKENIZER)?,
        pooling,
        weights: file("model.safetensors")?,
    })?)
}

fn passing(cause: impl std::error::Error + Send + Sync + 'static) -> EmbedError {
    EmbedError::Call { again: true, source: cause.into() }
}
