//! Documents that are asked: databases of them, their ingestion, and search.
//!
//! A database is a row of `rag_databases`, written by the API or in SQL. A document of it is a row of
//! `rag_documents`; its file is kept, and what came of it are rows of `rag_chunks`, with their vectors. These
//! rows are the truth: what is in memory is read from them and follows them.

mod databases;
mod documents;
mod embedders;
mod fetch;
mod generations;
mod incoming;
mod ingest;
mod outbox;
mod purge;
mod reading;
pub mod routes;
mod search;
mod store;
mod stores;
mod watch;

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;

use sandbox::Pool;
use tokio::sync::Notify;
use tokio::sync::Semaphore;

use crate::app::Clock;
use crate::app::Ids;
use crate::app::Tasks;
use crate::config;
use crate::db::Conn;
use crate::db::Db;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Definition;
use crate::definitions::DefinitionError;
use crate::definitions::Definitions;
use crate::definitions::InCode;
use crate::http::Invalid;

pub use databases::DatabaseContent;
pub use databases::DatabaseRows;
pub use databases::Mode;
pub use databases::Rerank;
pub use databases::SearchDefaults;
pub use documents::Document;
pub use documents::DocumentStatus;
pub use documents::Progress;
pub use documents::Stage;
pub use embedders::Embedders;
pub use embedders::NoEmbedder;
pub use embedders::reason;
pub use reading::TASK;
pub use search::Answer;
pub use search::Found;
pub use search::Query;
pub use stores::Stores;

use search::Asked;
use search::Indexes;

/// A database of documents, at one of its versions.
pub type Database = Definition<DatabaseRows>;

/// The databases of all tenants.
pub type Databases = Definitions<DatabaseRows>;

/// Documents of all tenants. Clones share them.
#[derive(Debug, Clone)]
pub struct Rag(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    clock: Clock,
    ids: Ids,
    tasks: Tasks,
    databases: Databases,
    sandbox: Pool,
    embedders: Embedders,
    limits: config::Rag,
    indexes: Indexes,
    asked: Asked,
    stores: Stores,
    /// Stores of vectors may have to be told something.
    news: Notify,
    /// There may be something to ingest.
    wake: Notify,
    /// The documents that this process is at work on.
    at_work: Mutex<HashSet<Id>>,
    /// The right to ingest one more.
    places: Arc<Semaphore>,
    /// This process, once it is at work.
    worker: OnceLock<Id>,
}

/// Why an operation on documents failed.
#[derive(Debug, thiserror::Error)]
pub enum RagError {
    #[error("the database `{name}` cannot be used as it is defined")]
    DatabaseInvalid { name: String, problems: Vec<Invalid> },
    #[error("the database has no document `{0}`")]
    DocumentNotFound(String),
    #[error("the database has this file already, as the document `{0}`")]
    Duplicate(Id),
    #[error("a file may have at most {0} bytes")]
    FileTooLarge(usize),
    #[error("the file was taken for one that nobody sends any more")]
    UploadLost,
    #[error("the request is not valid")]
    Invalid(Vec<Invalid>),
    #[error(
        "the passages of the database need {needed} MB of memory and may have {most} MB \
         (RAG_INDEX_MEMORY_MB); a store of vectors such as pgvector or Qdrant is for so many"
    )]
    IndexTooLarge { needed: usize, most: usize },
    #[error(
        "the store of the database has no such filter, and its {needed} MB of passages do not fit into \
         memory ({most} MB, RAG_INDEX_MEMORY_MB), where it could be done"
    )]
    FilterUnsupported { needed: usize, most: usize },
    #[error(transparent)]
    Store(#[from] retrieval::StoreError),
    #[error("the query could not be embedded: {}", embedders::reason(.0))]
    Embed(#[from] retrieval::EmbedError),
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error("what is stored could not be read as JSON")]
    Json(#[from] serde_json::Error),
    #[error("the search broke off")]
    Broken(#[from] tokio::task::JoinError),
    #[error("the vectors of a database do not fit together")]
    Feed(#[from] retrieval::FeedError),
    #[error("the database refused a query of documents")]
    Database(#[from] sqlx::Error),
}

impl RagError {
    /// Whether it is about one database: others can be searched all the same.
    pub fn is_of_the_database(&self) -> bool {
        matches!(
            self,
            Self::DatabaseInvalid { .. }
                | Self::IndexTooLarge { .. }
                | Self::FilterUnsupported { .. }
                | Self::Store(_)
                | Self::Embed(_)
        )
    }
}

/// Has documents ingested, and stores of vectors told of them, as `worker` until the server stops.
pub fn start(rag: &Rag, tasks: &Tasks, worker: Id) {
    ingest::start(rag, tasks, worker);
    outbox::start(rag, tasks, worker);
}

impl Rag {
    pub fn new(
        db: Db,
        clock: Clock,
        ids: Ids,
        tasks: Tasks,
        (sandbox, embedders, stores): (Pool, Embedders, Stores),
        limits: config::Rag,
    ) -> Self {
        let (own, new) = (clock.clone(), ids.clone());
        let code = InCode::Versioned(BTreeMap::new());
        let kind = DatabaseRows { embedders: embedders.clone() };
        Self(Arc::new(Inner {
            databases: Databases::new(db.clone(), own, new, kind, code),
            stores,
            news: Notify::new(),
            db,
            clock,
            ids,
            tasks,
            sandbox,
            embedders,
            indexes: Indexes::new(limits.index_bytes),
            asked: Asked::new(),
            limits,
            wake: Notify::new(),
            at_work: Mutex::default(),
            places: Arc::new(Semaphore::new(ingest::AT_ONCE)),
            worker: OnceLock::new(),
        }))
    }

    pub fn databases(&self) -> &Databases {
        &self.0.databases
    }

    /// What embeds, for texts that are of no document too.
    pub fn embedders(&self) -> &Embedders {
        &self.0.embedders
    }

    /// Says that there is something to ingest.
    fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// How many documents a database has.
    pub async fn count_documents(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        database: Id,
    ) -> Result<i64, sqlx::Error> {
        let all = store::stats::list(conn, tenant).await?;
        let found = all.into_iter().find(|(id, _)| *id == database);
        Ok(found.map(|(_, stats)| stats.documents).unwrap_or_default())
    }

    /// How many documents of a tenant are read, or will be.
    pub async fn ingesting(&self, tenant: &TenantId) -> Result<i64, sqlx::Error> {
        self.0.db.read(async |conn| store::stats::ingesting(conn, tenant).await).await
    }
}
