//! A file on its way in: stored piece by piece, and a document of it made when it is all there.

use std::fmt::Write;
use std::time::Duration;

use aws_lc_rs::digest;
use tokio::time::Instant;
use tracing::error;

use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::store::files;
use crate::rag::store::files::FilePlace;
use crate::rag::store::files::PIECE;

/// A file that comes in. Dropped before a document has it, it is gone; so it is when its process ends.
pub struct Incoming {
    rag: Rag,
    place: FilePlace,
    hash: digest::Context,
    /// What came last, of at most one piece. One that is no longer is stored with its document alone.
    rest: Vec<u8>,
    /// Pieces that are stored.
    parts: i64,
    size: usize,
    is_kept: bool,
}

/// How long a file may take to come.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    began: Instant,
    per_piece: Duration,
}

impl Pace {
    /// Each megabyte may take so long.
    pub fn begin(per_piece: Duration) -> Self {
        Self { began: Instant::now(), per_piece }
    }

    /// When more must have come than these bytes.
    pub fn deadline(self, size: usize) -> Instant {
        let pieces = u32::try_from(1 + size / PIECE).unwrap_or(u32::MAX);
        self.began + self.per_piece.saturating_mul(pieces)
    }
}

impl Rag {
    /// A file of `database` that is to come.
    pub fn incoming(&self, tenant: &TenantId, database: Id) -> Incoming {
        let place = FilePlace { tenant: tenant.clone(), database, file: self.0.ids.next() };
        Incoming {
            rag: self.clone(),
            place,
            hash: digest::Context::new(&digest::SHA256),
            rest: Vec::new(),
            parts: 0,
            size: 0,
            is_kept: false,
        }
    }

    /// A piece of a file; an empty one after the last.
    pub async fn piece(&self, place: &FilePlace, number: i64) -> Result<Vec<u8>, RagError> {
        Ok(self.0.db.read(async |conn| files::find(conn, place, number).await).await?)
    }

    /// Deletes a file that was left.
    pub(in crate::rag) async fn purge_file(&self, place: &FilePlace) -> Result<(), RagError> {
        // Whoever takes it in, if there is somebody after all, is told at his next piece.
        self.0.db.write_behind(async |tx| files::leave(tx, place).await).await?;
        loop {
            let purged =
                self.0.db.write_behind(async |tx| files::delete_some(tx, place).await).await?;
            if purged == 0 {
                break;
            }
        }
        Ok(self.0.db.write_behind(async |tx| files::forget(tx, place).await).await?)
    }

    /// The same, beside everything else.
    pub(in crate::rag) fn purge_file_soon(&self, place: FilePlace) {
        let rag = self.clone();
        self.0.tasks.spawn(async move {
            if let Err(cause) = rag.purge_file(&place).await {
                let cause: &dyn std::error::Error = &cause;
                error!(file.id = %place.file, error = cause, "a file must wait to be deleted");
            }
        });
    }

    /// This process, as the owner of what comes in.
    fn taker(&self) -> Result<Id, RagError> {
        self.0.worker.get().copied().ok_or(RagError::UploadLost)
    }
}

impl Incoming {
    pub fn id(&self) -> Id {
        self.place.file
    }

    /// Bytes so far.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Takes what has come.
    pub async fn push(&mut self, mut bytes: &[u8]) -> Result<(), RagError> {
        let most = self.rag.0.limits.file_bytes;
        self.size += bytes.len();
        if self.size > most {
            return Err(RagError::FileTooLarge(most));
        }
        self.hash.update(bytes);
        while !bytes.is_empty() {
            if self.rest.len() == PIECE {
                self.store().await?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.rest.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Stores a piece, which is whole.
    async fn store(&mut self) -> Result<(), RagError> {
        let (place, worker, part) = (&self.place, self.rag.taker()?, self.parts);
        let piece = &self.rest;
        let written = self.rag.0.db.write_behind(async |tx| {
            if part == 0 {
                files::begin(tx, place, worker).await?;
            } else if !files::is_coming(tx, place, worker).await? {
                return Err(RagError::UploadLost);
            }
            Ok(files::insert(tx, place, part, piece).await?)
        });
        written.await?;
        self.parts += 1;
        self.rest.clear();
        Ok(())
    }

    /// `sha256:…` of all that came.
    pub fn hash(&self) -> String {
        let digest = self.hash.clone().finish();
        digest.as_ref().iter().fold(String::from("sha256:"), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Stores the rest, in the transaction that gives it to a document.
    pub async fn finish(&self, tx: &mut Conn<'_>) -> Result<(), RagError> {
        if self.parts > 0 && !files::end(tx, &self.place, self.rag.taker()?).await? {
            return Err(RagError::UploadLost);
        }
        if !self.rest.is_empty() {
            files::insert(tx, &self.place, self.parts, &self.rest).await?;
        }
        Ok(())
    }

    /// A document has it: that transaction is committed.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_kept && self.parts > 0 {
            self.rag.purge_file_soon(self.place.clone());
        }
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("place", &self.place)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
