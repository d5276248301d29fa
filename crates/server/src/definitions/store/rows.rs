//! The rows of definitions.

use std::hash::BuildHasher;
use std::hash::BuildHasherDefault;
use std::hash::DefaultHasher;
use std::marker::PhantomData;

use serde_json::Value;
use sqlx::ColumnIndex;
use sqlx::Decode;
use sqlx::FromRow;
use sqlx::Row as _;
use sqlx::Type;

use crate::db::At;
use crate::db::Conn;
use crate::db::Dialect;
use crate::db::Id;
use crate::db::Json;
use crate::db::OnUnique;
use crate::db::TenantId;
use crate::db::Unique;
use crate::definitions::Content;
use crate::definitions::DefinitionError;
use crate::definitions::Document;
use crate::definitions::Holds;
use crate::definitions::Kind;
use crate::definitions::Normalised;
use crate::definitions::Version;
use crate::http::Invalid;
use crate::http::json::parse_strict;
use crate::http::pointer_to;
use crate::on;

/// A row as it is, whoever wrote it.
#[derive(Debug)]
pub struct Row<K> {
    pub id: Id,
    /// What the columns of the content hold, in the order of the table.
    cells: Vec<Cell>,
    pub is_active: bool,
    pub version: Option<i64>,
    pub content_hash: Option<String>,
    pub created_by: Option<String>,
    pub created_at: At,
    pub updated_at: At,
    /// Whether the history has this version with this hash.
    is_in_history: bool,
    kind: PhantomData<fn() -> K>,
}

/// A row of which not even id and times can be read, as databases allow.
#[derive(Debug)]
pub struct UnreadableRow {
    /// If at least that can be read.
    pub name: Option<String>,
    pub why: sqlx::Error,
}

/// What one column holds.
#[derive(Debug, Hash)]
enum Cell {
    Text(Option<String>),
    Json(Option<Json>),
    Number(Option<i64>),
}

impl<'r, R, K> FromRow<'r, R> for Row<K>
where
    R: sqlx::Row,
    K: Kind,
    &'static str: ColumnIndex<R>,
    Id: Decode<'r, R::Database> + Type<R::Database>,
    At: Decode<'r, R::Database> + Type<R::Database>,
    Json: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let cell = |&(column, holds): &(&'static str, Holds)| {
            Ok::<_, sqlx::Error>(match holds {
                Holds::Text | Holds::TextOrList => Cell::Text(row.try_get(column)?),
                Holds::Json => Cell::Json(row.try_get(column)?),
                Holds::Number => Cell::Number(row.try_get(column)?),
            })
        };
        Ok(Self {
            id: row.try_get("id")?,
            cells: K::TABLE.columns.iter().map(cell).collect::<Result<_, _>>()?,
            is_active: row.try_get("is_active")?,
            version: row.try_get("version")?,
            content_hash: row.try_get("content_hash")?,
            created_by: row.try_get("created_by")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            is_in_history: row.try_get("is_in_history")?,
            kind: PhantomData,
        })
    }
}

/// Lists all definitions of a tenant. A row that cannot be read is an error of its own, so that it hides no other.
pub async fn list<K: Kind>(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
) -> Result<Vec<Result<Row<K>, UnreadableRow>>, sqlx::Error> {
    on!(conn, c => sqlx::query(K::TABLE.list)
    .bind(tenant)
    .fetch_all(c)
    .await
    .map(|rows| {
        let read = rows.iter().map(|row| {
            let unreadable = |why| UnreadableRow { name: row.try_get("name").ok(), why };
            Row::<K>::from_row(row).map_err(unreadable)
        });
        read.collect::<Vec<_>>()
    }))
}

/// Keeps everybody else from changing a definition until the transaction ends.
///
/// On PostgreSQL it must be a statement of its own: one that waited for a lock sees the new row, but
/// every other table as it was before the wait.
pub async fn lock<K: Kind>(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<(), sqlx::Error> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(()); // There is one writer at a time.
    }
    on!(conn, c => sqlx::query(K::TABLE.lock).bind(tenant).bind(id).execute(c).await)?;
    Ok(())
}

/// Keeps every other change through the API from the definitions of a tenant until the transaction ends,
/// so that what is seen of others, of whatever kind, holds.
///
/// On PostgreSQL it comes before any row of a definition is locked. Foreign keys do not wait for it, and
/// who writes in SQL does not know of it.
pub async fn lock_all(conn: &mut Conn<'_>, tenant: &TenantId) -> Result<(), sqlx::Error> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(()); // There is one writer at a time.
    }
    on!(conn, c => sqlx::query("SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE")
        .bind(tenant)
        .execute(c)
        .await)?;
    Ok(())
}

/// Finds a definition by its id.
pub async fn find<K: Kind>(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<Option<Row<K>>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Row<K>>(K::TABLE.find)
        .bind(tenant)
        .bind(id)
        .fetch_optional(c)
        .await)
}

/// Inserts a definition, or says that its name is taken.
pub async fn insert<K: Kind>(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    normal: &Normalised<K>,
    created_by: &str,
    created_at: At,
) -> Result<(), DefinitionError> {
    let author = Some(created_by);
    write(conn, K::TABLE.insert, tenant, id, normal, author, created_at).await
}

/// Makes a definition say something else, or says that its name is taken.
pub async fn update<K: Kind>(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    row: &Row<K>,
    normal: &Normalised<K>,
    updated_at: At,
) -> Result<(), DefinitionError> {
    let author = row.created_by.as_deref();
    write(conn, K::TABLE.update, tenant, row.id, normal, author, updated_at).await
}

async fn write<K: Kind>(
    conn: &mut Conn<'_>,
    statement: &'static str,
    tenant: &TenantId,
    id: Id,
    normal: &Normalised<K>,
    author: Option<&str>,
    at: At,
) -> Result<(), DefinitionError> {
    let name = Unique {
        name: K::TABLE.unique_name,
        table: K::TABLE.name,
        columns: &["tenant_id", "name"],
    };
    let cells = cells(normal);
    on!(conn, c => {
        let mut query = sqlx::query(statement)
            .bind(tenant)
            .bind(id)
            .bind(normal.is_active)
            .bind(author)
            .bind(at);
        for cell in &cells {
            query = match cell {
                Cell::Text(text) => query.bind(text),
                Cell::Json(json) => query.bind(json),
                Cell::Number(number) => query.bind(number),
            };
        }
        query.execute(c).await
    })
    .on_unique(name, || DefinitionError::NameTaken {
        kind: K::WORDS,
        name: normal.content.name().to_owned(),
    })?;
    Ok(())
}

/// Switches a definition on or off, and leaves what it says as it is.
pub async fn update_active<K: Kind>(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    is_active: bool,
    updated_at: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(K::TABLE.update_active)
        .bind(tenant)
        .bind(id)
        .bind(is_active)
        .bind(updated_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Notes which version a definition is at, and since when.
pub async fn update_version<K: Kind>(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    version: &Version,
    updated_at: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(K::TABLE.update_version)
        .bind(tenant)
        .bind(id)
        .bind(version.version)
        .bind(&version.content_hash)
        .bind(updated_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Deletes a definition; its history stays.
pub async fn delete<K: Kind>(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(K::TABLE.delete).bind(tenant).bind(id).execute(c).await)?;
    Ok(())
}

impl<K: Kind> Row<K> {
    /// What the row says, and what of it cannot be read.
    pub fn given(&self) -> (Document, Vec<Invalid>) {
        let mut given = Given::default();
        for ((column, holds), cell) in K::TABLE.columns.iter().zip(&self.cells) {
            match (cell, holds) {
                (Cell::Text(Some(list)), Holds::TextOrList)
                    if list.trim_start().starts_with('[') =>
                {
                    given.json(column, list);
                }
                (Cell::Text(Some(text)), _) => given.text(column, text),
                (Cell::Json(Some(json)), _) => given.json(column, json.as_str()),
                (Cell::Number(Some(number)), _) => given.document.set(*column, (*number).into()),
                (Cell::Text(None) | Cell::Json(None) | Cell::Number(None), _) => {}
            }
        }
        (given.document, given.unreadable)
    }

    /// What the row says, as it is understood.
    pub fn normalise(&self, kind: &K) -> Normalised<K> {
        let (given, unreadable) = self.given();
        kind.understand(given, unreadable)
    }

    /// Whether the history has what the row says, which is `document`, as the row's version.
    pub fn is_settled(&self, document: &Document) -> bool {
        self.is_in_history && self.content_hash.as_ref() == Some(&document.hash())
    }

    /// The version that the history has of this row.
    pub fn known_version(&self) -> Option<i64> {
        self.version.filter(|_| self.is_in_history)
    }

    /// A number that tells this row from what it was before.
    pub fn fingerprint(&self) -> u64 {
        let Self { id, cells, is_active, version, content_hash, .. } = self;
        let what = (id, cells, is_active, version, content_hash);
        let about = (&self.created_by, self.created_at, self.updated_at, self.is_in_history);
        BuildHasherDefault::<DefaultHasher>::default().hash_one((what, about))
    }
}

/// What the columns are to hold.
fn cells<K: Kind>(normal: &Normalised<K>) -> Vec<Cell> {
    let mut members = K::members(normal);
    let cell = |(column, holds): &(&str, Holds)| {
        let value = members.remove(*column).filter(|value| !value.is_null());
        match (holds, value) {
            (Holds::Text | Holds::TextOrList, value) => {
                Cell::Text(value.map(|value| match value {
                    Value::String(text) => text,
                    list => list.to_string(),
                }))
            }
            (Holds::Json, value) => Cell::Json(value.map(Json::from)),
            (Holds::Number, value) => Cell::Number(value.as_ref().and_then(Value::as_i64)),
        }
    };
    K::TABLE.columns.iter().map(cell).collect()
}

/// A document in the making.
#[derive(Default)]
struct Given {
    document: Document,
    unreadable: Vec<Invalid>,
}

impl Given {
    fn text(&mut self, member: &str, text: &str) {
        if text.contains('\0') {
            let detail = "text may not hold the character U+0000";
            self.unreadable.push(Invalid::new(pointer_to("", member), "nul", detail));
        }
        self.document.set(member, text.replace('\0', "\u{fffd}").into());
    }

    fn json(&mut self, member: &str, text: &str) {
        match parse_strict(text.as_bytes()) {
            Ok(value) => self.document.set(member, value),
            Err(malformed) => {
                let fault = Invalid::from(malformed).under(&pointer_to("", member));
                self.unreadable.push(fault);
                self.document.set(member, text.into());
            }
        }
    }
}
