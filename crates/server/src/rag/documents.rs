//! Documents: what is known of each, and what is done with them beside ingestion.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use tracing::info;
use utoipa::ToSchema;

use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::check_scopes;
use crate::definitions::metadata;
use crate::rag::Database;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::incoming::Incoming;
use crate::rag::store::chunks;
use crate::rag::store::documents;
use crate::rag::store::files;
use crate::rag::store::files::FilePlace;
use crate::rag::store::indexes;
use crate::rag::store::outbox;

/// A document of a database.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RagDocument)]
pub struct Document {
    pub id: Id,
    pub rag_database_id: Id,
    /// The name without folders and what no file name has.
    #[schema(example = "handbook.md")]
    pub filename: String,
    /// As it was sent.
    pub original_filename: String,
    /// What its content says; until it was read, what its sender said.
    #[schema(example = "text/markdown")]
    pub file_type: String,
    pub file_size: i64,
    #[schema(
        required,
        example = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )]
    pub content_hash: Option<String>,
    pub embedding_status: DocumentStatus,
    /// What is done with it now, or was when it failed.
    #[schema(required)]
    pub stage: Option<Stage>,
    /// Passages that are stored, of those that there will be; `null` before they are counted.
    #[schema(required)]
    pub progress: Option<Progress>,
    /// Why it failed, or waits to be tried again.
    #[schema(required)]
    pub error_message: Option<String>,
    pub chunk_count: i64,
    /// Pages, slides or sheets; `null` for what has none.
    #[schema(required)]
    pub page_count: Option<i64>,
    /// In which most of it is, as ISO 639-1 calls it; `null` if that is not clear.
    #[schema(required, example = "en")]
    pub language: Option<String>,
    /// Of a plain text, by its WHATWG name.
    #[schema(required, example = "UTF-8")]
    pub encoding: Option<String>,
    /// What a reader should know that did not stop it from being read.
    pub warnings: Vec<String>,
    /// `null`: this release fetches none.
    #[schema(required)]
    pub source_url: Option<String>,
    /// What a caller must hold, all of it, to find or read it.
    pub scopes: Vec<String>,
    /// Yours, and what filters of searches are about.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    #[schema(required, example = "client:admin")]
    pub uploaded_by: Option<String>,
    pub created_at: At,
    pub updated_at: At,
    /// Which file it has.
    #[serde(skip)]
    pub file: Id,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentStatus {
    Pending,
    Processing,
    Completed,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = IngestionStage)]
pub enum Stage {
    Parse,
    Chunk,
    Embed,
    Store,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = IngestionProgress)]
pub struct Progress {
    pub done: i64,
    pub total: i64,
}

/// A file that is all there, and what is said of it.
#[derive(Debug)]
pub struct Upload {
    pub filename: String,
    pub media_type: Option<String>,
    /// Where it was fetched.
    pub source_url: Option<String>,
    pub file: Incoming,
}

/// What somebody says of a document. What he does not say stays as it is.
#[derive(Debug, Default)]
pub struct Labels {
    pub metadata: Option<Map<String, Value>>,
    pub scopes: Option<Vec<String>>,
}

/// A document that is new, or the one that has these bytes already.
#[derive(Debug)]
pub enum Uploaded {
    New(Document),
    Known(Document),
}

impl DocumentStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Chunk => "chunk",
            Self::Embed => "embed",
            Self::Store => "store",
        }
    }
}

impl Labels {
    fn check(&self) -> Result<(), RagError> {
        let mut faults = self.metadata.as_ref().map(metadata::check).unwrap_or_default();
        faults.extend(self.scopes.iter().flat_map(|scopes| check_scopes(scopes)));
        if faults.is_empty() { Ok(()) } else { Err(RagError::Invalid(faults)) }
    }
}

impl Rag {
    /// Makes a document of a file, to be ingested soon; or finds the document that has the same bytes.
    pub async fn upload(
        &self,
        tenant: &TenantId,
        database: &Database,
        by: &str,
        upload: Upload,
        labels: Labels,
    ) -> Result<Uploaded, RagError> {
        labels.check()?;
        let (id, hash) = (upload.file.id(), upload.file.hash());
        let now = self.0.clock.now();
        let written = self.0.db.write(async |tx| {
            if let Some(known) = documents::find_by_hash(tx, tenant, database.id, &hash).await? {
                return Ok(Uploaded::Known(known));
            }
            indexes::ensure(tx, tenant, database).await?;
            let revision = indexes::bump(tx, tenant, database.id).await?;
            let new = documents::Content { id, upload: &upload, hash: &hash, revision, now };
            documents::insert(tx, tenant, database.id, &new, &labels, by).await?;
            upload.file.finish(tx).await?;
            let made = documents::find(tx, tenant, database.id, id).await?;
            Ok(Uploaded::New(made.ok_or_else(|| RagError::DocumentNotFound(id.to_string()))?))
        });
        let uploaded = match written.await {
            // Somebody else was a moment faster with the same.
            Err(RagError::Duplicate(_)) => {
                let known = self.0.db.read(async |conn| {
                    documents::find_by_hash(conn, tenant, database.id, &hash).await
                });
                Uploaded::Known(known.await?.ok_or(RagError::Duplicate(id))?)
            }
            written => written?,
        };
        if let Uploaded::New(document) = &uploaded {
            upload.file.keep();
            info!(document.id = %document.id, database.id = %database.id, by, "a document was uploaded");
            self.wake();
        }
        Ok(uploaded)
    }

    /// Gives a document another file, other labels, or both. Only passages that differ are embedded anew.
    pub async fn change(
        &self,
        tenant: &TenantId,
        database: &Database,
        id: Id,
        upload: Option<Upload>,
        labels: Labels,
    ) -> Result<Document, RagError> {
        labels.check()?;
        let now = self.0.clock.now();
        let written = self.0.db.write(async |tx| {
            let revision = indexes::bump(tx, tenant, database.id).await?;
            let current = documents::find(tx, tenant, database.id, id).await?;
            let current = current.ok_or_else(|| RagError::DocumentNotFound(id.to_string()))?;
            documents::update_labels(tx, tenant, &current, &labels, revision, now).await?;
            outbox::insert(tx, tenant, database.id, id, now).await?;
            let mut left = None;
            if let Some(upload) = &upload {
                let hash = upload.file.hash();
                if current.content_hash.as_deref() != Some(&hash) {
                    let new = documents::Content { id, upload, hash: &hash, revision, now };
                    documents::replace(tx, tenant, database.id, &new).await?;
                    upload.file.finish(tx).await?;
                    let place = current.file_place(tenant);
                    files::leave(tx, &place).await?;
                    left = Some(place);
                }
            }
            let changed = documents::find(tx, tenant, database.id, id).await?;
            let changed = changed.ok_or_else(|| RagError::DocumentNotFound(id.to_string()))?;
            Ok::<_, RagError>((changed, left))
        });
        let (changed, left) = written.await?;
        if let (Some(place), Some(upload)) = (left, upload) {
            upload.file.keep();
            self.purge_file_soon(place);
        }
        info!(document.id = %id, database.id = %database.id, "a document was changed");
        self.wake();
        self.0.news.notify_one();
        Ok(changed)
    }

    /// Has a document ingested once more that failed, or waits for its next try.
    pub async fn retry(
        &self,
        tenant: &TenantId,
        database: &Database,
        id: Id,
    ) -> Result<Document, RagError> {
        let now = self.0.clock.now();
        let written = self.0.db.write(async |tx| {
            documents::retry(tx, tenant, database.id, id, now).await?;
            documents::find(tx, tenant, database.id, id).await
        });
        let found = written.await?.ok_or_else(|| RagError::DocumentNotFound(id.to_string()))?;
        self.wake();
        Ok(found)
    }

    /// Deletes a document. When this returns no search finds it, on any process.
    pub async fn delete_document(
        &self,
        tenant: &TenantId,
        database: &Database,
        id: Id,
    ) -> Result<(), RagError> {
        let now = self.0.clock.now();
        let written = self.0.db.write(async |tx| {
            let revision = indexes::bump(tx, tenant, database.id).await?;
            let found = documents::find(tx, tenant, database.id, id).await?;
            let found = found.ok_or_else(|| RagError::DocumentNotFound(id.to_string()))?;
            documents::delete(tx, tenant, database.id, id).await?;
            indexes::insert_deletion(tx, tenant, database.id, id, revision).await?;
            outbox::insert(tx, tenant, database.id, id, now).await?;
            let place = found.file_place(tenant);
            files::leave(tx, &place).await?;
            Ok::<_, RagError>(place)
        });
        let place = written.await?;
        self.0.news.notify_one();
        info!(document.id = %id, database.id = %database.id, "a document was deleted");
        self.purge_file(&place).await?;
        self.purge_document(tenant, database.id, id).await
    }

    /// The passages of a document in their order, at most `limit` after the position `after`.
    pub async fn chunks(
        &self,
        tenant: &TenantId,
        document: &Document,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Vec<chunks::Shown>, RagError> {
        let read = self.0.db.read(async |conn| {
            chunks::list(conn, tenant, document, after.unwrap_or(-1), limit).await
        });
        Ok(read.await?)
    }
}

impl Document {
    /// Where its bytes are.
    pub fn file_place(&self, tenant: &TenantId) -> FilePlace {
        FilePlace { tenant: tenant.clone(), database: self.rag_database_id, file: self.file }
    }
}

impl Upload {
    /// What kind of file it is, as far as anybody has said.
    pub fn said_type(&self) -> &str {
        self.media_type.as_deref().unwrap_or("application/octet-stream")
    }

    /// Its bytes, as rows count them.
    pub fn size(&self) -> i64 {
        i64::try_from(self.file.size()).unwrap_or(i64::MAX)
    }

    /// The last part of the name, without what no file name has; `document` if nothing is left.
    pub fn plain_name(&self) -> String {
        let last = self.filename.rsplit(['/', '\\']).next().unwrap_or_default();
        let name: String = last.chars().filter(|it| !it.is_control()).take(200).collect();
        let name = name.trim().trim_matches('.');
        if name.is_empty() { "document".to_owned() } else { name.to_owned() }
    }
}
