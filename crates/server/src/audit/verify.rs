//! Whether a trail is whole.

use serde::Serialize;
use utoipa::ToSchema;

use super::entry::Head;
use super::store;
use crate::db::Db;
use crate::db::TenantId;

/// Entries that are read at once.
const PAGE: i64 = 1000;

/// A trail that was read from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuditVerified)]
pub struct Verified {
    /// Entries that are as they were written.
    pub entries: i64,
    /// The hash of the last of them. Kept elsewhere, it proves later that the end of the trail was not taken away together with all
    /// that follows from it.
    pub head: String,
    /// What was found, if the trail is not whole.
    #[schema(required)]
    pub broken: Option<Broken>,
}

/// The first place at which a trail is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuditBroken)]
pub struct Broken {
    /// The number of the entry.
    pub seq: i64,
    #[schema(example = "it was changed, or one before it was")]
    pub reason: &'static str,
}

/// The tenants that have a trail.
pub async fn tenants(db: &Db) -> Result<Vec<TenantId>, sqlx::Error> {
    db.read(async |conn| store::list_tenants(conn).await).await
}

/// Reads the trail of a tenant, and compares each entry with its hash.
pub async fn verify(db: &Db, tenant: &TenantId) -> Result<Verified, sqlx::Error> {
    let mut head = Head::default();
    let broken = loop {
        let after = head.seq;
        let page = db.read(async |conn| store::list_after(conn, tenant, after, PAGE).await).await?;
        if page.is_empty() {
            // Read last: entries may be added meanwhile.
            let said = db.read(async |conn| store::find_head(conn, tenant).await).await?;
            let is_cut = said.seq == head.seq && said.hash != head.hash || said.seq < head.seq;
            let is_short = said.seq > head.seq
                && db
                    .read(async |conn| store::list_after(conn, tenant, after, 1).await)
                    .await?
                    .is_empty();
            let reason =
                "the trail ends elsewhere than it should: its end was changed or taken away";
            break (is_cut || is_short).then_some(Broken { seq: head.seq + 1, reason });
        }
        let broken = page.iter().find_map(|entry| {
            if entry.seq != head.seq + 1 {
                return Some(Broken { seq: head.seq + 1, reason: "it is missing" });
            }
            if entry.hash != entry.hash_after(&head.hash) {
                let reason = "it was changed, or one before it was";
                return Some(Broken { seq: entry.seq, reason });
            }
            head = Head { seq: entry.seq, hash: entry.hash.clone() };
            None
        });
        if broken.is_some() {
            break broken;
        }
    };
    Ok(Verified { entries: head.seq, head: head.hash, broken })
}
