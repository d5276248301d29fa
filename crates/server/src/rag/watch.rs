//! A document as it changes while it is ingested, as frames of an event stream.

use std::time::Duration;

use aws_lc_rs::digest;
use bytes::Bytes;
use futures::Stream;
use futures::stream;

use crate::db::Id;
use crate::db::TenantId;
use crate::rag::Document;
use crate::rag::DocumentStatus;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::store::documents;

/// How often the row of a document is looked at. Whatever process ingests it, it is told there.
const ROUND: Duration = Duration::from_millis(250);

/// A reader of one document.
#[derive(Debug)]
struct Watcher {
    rag: Rag,
    tenant: TenantId,
    database: Id,
    document: Id,
    /// The id of what was seen last.
    seen: Option<String>,
    is_over: bool,
}

impl DocumentStatus {
    /// Whether nothing more is done with the document by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }

    /// The type of the event that tells of a document in this state.
    fn event(self) -> &'static str {
        match self {
            Self::Pending | Self::Processing => "document.progress",
            Self::Completed => "document.completed",
            Self::Failed => "document.failed",
        }
    }
}

/// What identifies the state of a document: of the same state it is the same on every process.
pub fn state_id(document: &Document) -> Result<String, serde_json::Error> {
    let digest = digest::digest(&digest::SHA256, &serde_json::to_vec(document)?);
    let short = digest.as_ref().first_chunk().copied().unwrap_or_default();
    Ok(format!("{:016x}", u64::from_be_bytes(short)))
}

/// A frame for each state of a document that is not the one `seen`, as far as it is met, until its ingestion is
/// over or it is gone.
pub fn watch(
    rag: Rag,
    tenant: TenantId,
    (database, document): (Id, Id),
    seen: Option<String>,
) -> impl Stream<Item = Result<Bytes, RagError>> + Send {
    let watcher = Watcher { rag, tenant, database, document, seen, is_over: false };
    stream::unfold(watcher, |mut watcher| async move {
        watcher.next().await.transpose().map(|frame| (frame, watcher))
    })
}

impl Watcher {
    async fn next(&mut self) -> Result<Option<Bytes>, RagError> {
        while !self.is_over {
            let (tenant, database, id) = (&self.tenant, self.database, self.document);
            let read =
                self.rag.0.db.read(async |conn| documents::find(conn, tenant, database, id).await);
            let Some(document) = read.await? else { return Ok(None) };
            self.is_over = document.embedding_status.is_final();
            let id = state_id(&document)?;
            if self.seen.as_ref() != Some(&id) {
                let name = document.embedding_status.event();
                let data = serde_json::to_string(&document)?;
                let frame = format!("id: {id}\nevent: {name}\ndata: {data}\n\n");
                self.seen = Some(id);
                return Ok(Some(frame.into()));
            }
            if !self.is_over {
                tokio::time::sleep(ROUND).await;
            }
        }
        Ok(None)
    }
}
