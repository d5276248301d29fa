//! Keeps the history of definitions complete, whoever writes their rows.

use auth::scope::Scopes;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::DefinitionError;
use crate::definitions::Document;
use crate::definitions::Kind;
use crate::definitions::Row;
use crate::definitions::Version;
use crate::definitions::store;

/// Who changed a definition, and why.
#[derive(Debug, Clone, Copy)]
pub struct Change<'c> {
    pub by: Option<&'c str>,
    /// The client by which he did, and what he holds.
    pub rights: Option<(&'c str, &'c Scopes)>,
    pub note: Option<&'c str>,
    pub at: At,
}

impl Change<'_> {
    /// Nobody is known for what was written in SQL.
    pub fn in_sql(at: At) -> Self {
        Self { by: None, rights: None, note: Some("written in SQL"), at }
    }

    /// Whether `version` is by who changes it now, with what he holds now.
    pub fn is_of_author(&self, version: &Version) -> bool {
        let rights = self.rights.map(|(client, scopes)| (client, scopes.to_string()));
        let (client, scopes) = (version.client_id.as_deref(), version.scopes.as_ref());
        version.created_by.as_deref() == self.by && client.zip(scopes.cloned()) == rights
    }
}

/// Adds what the row of a definition says to its history, unless the history has it already.
///
/// It is safe on several replicas at once: the row is locked, and who comes second finds it settled.
pub async fn settle<K: Kind>(
    kind: &K,
    tx: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    change: Change<'_>,
) -> Result<Option<Row<K>>, DefinitionError> {
    store::lock::<K>(tx, tenant, id).await?;
    let Some(row) = store::find::<K>(tx, tenant, id).await? else { return Ok(None) };
    let document = row.normalise(kind).document;
    if row.is_settled(&document) || means_the_same(kind, tx, tenant, &row, &document).await? {
        return Ok(Some(row));
    }
    settle_anew(kind, tx, tenant, &row, change).await
}

/// Adds what the row of a definition says to its history, also if the history has it and somebody else is to answer for
/// it. Nobody else changes the row meanwhile.
pub async fn settle_anew<K: Kind>(
    kind: &K,
    tx: &mut Conn<'_>,
    tenant: &TenantId,
    row: &Row<K>,
    change: Change<'_>,
) -> Result<Option<Row<K>>, DefinitionError> {
    let (id, document) = (row.id, row.normalise(kind).document);
    let is_first = row.version.is_none();
    let author = if is_first { change.by.or(row.created_by.as_deref()) } else { change.by };
    let version = Version {
        version: store::find_last_version(tx, tenant, K::NAME, id).await? + 1,
        content_hash: document.hash(),
        content: document.text(),
        created_by: author.map(str::to_owned),
        client_id: change.rights.map(|(client, _)| client.to_owned()),
        scopes: change.rights.map(|(_, scopes)| scopes.to_string()),
        note: change.note.map(str::to_owned),
        created_at: Some(change.at),
    };
    store::insert_version(tx, tenant, K::NAME, id, &version).await?;
    let updated_at = if is_first { row.updated_at } else { change.at };
    store::update_version::<K>(tx, tenant, id, &version, updated_at).await?;
    Ok(store::find::<K>(tx, tenant, id).await?)
}

/// The version of a definition of the code that says `document`. Content that was never seen is added to
/// the history.
///
/// Releases that run side by side each find their own version, whichever is the newer.
pub async fn settle_code<K: Kind>(
    tx: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    document: &Document,
    at: At,
) -> Result<Version, DefinitionError> {
    store::lock_all(tx, tenant).await?;
    let hash = document.hash();
    if let Some(known) = store::find_version_by_hash(tx, tenant, K::NAME, id, &hash).await? {
        return Ok(known);
    }
    let version = Version {
        version: store::find_last_version(tx, tenant, K::NAME, id).await? + 1,
        content_hash: hash,
        content: document.text(),
        created_by: None,
        client_id: None,
        scopes: None,
        note: Some("defined in code".to_owned()),
        created_at: Some(at),
    };
    store::insert_version(tx, tenant, K::NAME, id, &version).await?;
    Ok(version)
}

/// Whether the row's version says what the row says, as far as this release understands either.
///
/// While releases change, one may know members of a definition that the other does not. Without
/// this look they would add version after version against each other. A version that cannot be read
/// says nothing.
async fn means_the_same<K: Kind>(
    kind: &K,
    tx: &mut Conn<'_>,
    tenant: &TenantId,
    row: &Row<K>,
    document: &Document,
) -> Result<bool, DefinitionError> {
    let Some(number) = row.known_version() else { return Ok(false) };
    let found = match store::find_version(tx, tenant, K::NAME, row.id, number).await {
        Err(sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => None,
        found => found?,
    };
    let known = found.and_then(|version| Document::parse(&version.content).ok());
    Ok(known.is_some_and(|known| kind.understand(known, Vec::new()).document == *document))
}
