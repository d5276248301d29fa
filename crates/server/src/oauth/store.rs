//! SQL of clients.

pub mod revoked;

use auth::registration::AuthMethod;
use auth::registration::GrantType;
use auth::scope::Scope;
use auth::scope::Scopes;
use auth::token::Digest;
use serde::Deserialize;
use serde::Serialize;
use sqlx::FromRow;
use tracing::warn;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::OnUnique;
use crate::db::Readable;
use crate::db::TenantId;
use crate::db::Unique;
use crate::http::Invalid;
use crate::oauth::Change;
use crate::oauth::OAuthFailure;
use crate::oauth::Registration;
use crate::oauth::UNREADABLE;
use crate::on;

const CLIENT_ID: Unique = Unique {
    name: "client_registrations_client_id",
    table: "client_registrations",
    columns: &["client_id"],
};

/// `SELECT` of all that makes a [`Registration`].
macro_rules! select_registrations {
    ($which:literal) => {
        concat!(
            "SELECT id, tenant_id, client_id, name, secret_sha256, scopes, grant_types,
                    token_endpoint_auth_method, redirect_uris, is_active, registered_by,
                    last_used_at, created_at, updated_at
             FROM client_registrations ",
            $which
        )
    };
}

/// Numbers that grow with every change to what tokens are checked by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Revisions {
    pub clients: i64,
    pub revoked: i64,
}

pub async fn revisions(conn: &mut Conn<'_>) -> Result<Revisions, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, (String, i64)>(
            "SELECT name, revision FROM revisions
             WHERE name IN ('client_registrations', 'revoked_tokens')",
        )
        .fetch_all(c)
        .await)?;
    let mut found = Revisions::default();
    for (name, revision) in rows {
        match name.as_str() {
            "client_registrations" => found.clients = revision,
            _ => found.revoked = revision,
        }
    }
    Ok(found)
}

/// The active clients of all tenants. Of what is not understood in their rows the log tells.
pub async fn list_active(conn: &mut Conn<'_>) -> Result<Vec<Registration>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
            select_registrations!("WHERE is_active = TRUE"),
        )
        .fetch_all(c)
        .await)?;
    let registrations = rows.into_iter().map(Registration::from);
    Ok(registrations.inspect(tell_problems).collect())
}

/// Where a client stands in the list of its tenant.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Position {
    at: Option<(At, Id)>,
    /// Of one whose row does not tell; the database knows.
    of: Option<String>,
}

impl Position {
    pub fn of(client: &Registration) -> Self {
        match client.created_at.zip(client.id) {
            Some(at) => Self { at: Some(at), of: None },
            None => Self { at: None, of: Some(client.client_id.clone()) },
        }
    }
}

/// The clients of a tenant, the newest first, at most `limit` of those after `after`.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    after: &Position,
    limit: i64,
) -> Result<Vec<Registration>, sqlx::Error> {
    let (created_at, id) = after.at.unzip();
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(select_registrations!(
            "WHERE tenant_id = $1
                 AND ($2 IS NULL OR (created_at, id) < ($2, $3))
                 AND ($4 IS NULL OR (created_at, id) < (
                     SELECT created_at, id FROM client_registrations
                     WHERE tenant_id = $1 AND client_id = $4))
             ORDER BY created_at DESC, id DESC
             LIMIT $5"
        ))
        .bind(tenant)
        .bind(created_at)
        .bind(id)
        .bind(&after.of)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Registration::from).collect())
}

pub async fn find(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    client_id: &str,
) -> Result<Option<Registration>, sqlx::Error> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(select_registrations!(
            "WHERE tenant_id = $1 AND client_id = $2"
        ))
        .bind(tenant)
        .bind(client_id)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(Registration::from))
}

/// Inserts a client, or says that its id is taken.
pub async fn insert(conn: &mut Conn<'_>, registration: &Registration) -> Result<(), OAuthFailure> {
    let Registration { scope, grant_types, redirect_uris, .. } = registration;
    let auth_method = registration.token_endpoint_auth_method.map(AuthMethod::as_str);
    let (scopes, grants) = (Json::of(scope)?, Json::of(grant_types)?);
    let uris = Json::of(redirect_uris)?;
    on!(conn, c => sqlx::query(
            "INSERT INTO client_registrations (
                id, tenant_id, client_id, name, secret_sha256, scopes, grant_types,
                token_endpoint_auth_method, redirect_uris, is_active, registered_by,
                created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(registration.id)
        .bind(&registration.tenant)
        .bind(&registration.client_id)
        .bind(&registration.client_name)
        .bind(registration.secret.as_ref().map(Digest::to_hex))
        .bind(&scopes)
        .bind(&grants)
        .bind(auth_method)
        .bind(&uris)
        .bind(registration.is_active)
        .bind(&registration.registered_by)
        .bind(registration.created_at)
        .bind(registration.updated_at)
        .execute(c)
        .await)
    .on_unique(CLIENT_ID, || OAuthFailure::ClientIdTaken(registration.client_id.clone()))?;
    Ok(())
}

/// Makes a change to a client, and says whether it was there. What is not to change is not written,
/// so that of several changes at once none is lost.
pub async fn update(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    client_id: &str,
    change: &Change,
    updated_at: At,
) -> Result<bool, OAuthFailure> {
    let scopes = change.scope.as_ref().map(Json::of).transpose()?;
    let done = on!(conn, c => sqlx::query(
            "UPDATE client_registrations
             SET name = COALESCE($3, name), scopes = COALESCE($4, scopes),
                 is_active = COALESCE($5, is_active), updated_at = $6
             WHERE tenant_id = $1 AND client_id = $2",
        )
        .bind(tenant)
        .bind(client_id)
        .bind(&change.client_name)
        .bind(&scopes)
        .bind(change.is_active)
        .bind(updated_at)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Writes down that a client got a token at `at`, unless a later time stands there.
pub async fn update_last_used(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    client_id: &str,
    at: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE client_registrations SET last_used_at = $3
             WHERE tenant_id = $1 AND client_id = $2
                 AND (last_used_at IS NULL OR last_used_at < $3)",
        )
        .bind(tenant)
        .bind(client_id)
        .bind(at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Deletes a client, and says whether it was there.
pub async fn delete(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    client_id: &str,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM client_registrations WHERE tenant_id = $1 AND client_id = $2",
        )
        .bind(tenant)
        .bind(client_id)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Says once, when clients are read anew, what an administrator sees in `problems`.
fn tell_problems(registration: &Registration) {
    for Invalid { pointer, detail, .. } in &registration.problems {
        let client_id = &registration.client_id;
        warn!(client_id, pointer, detail, "a part of a client's row is not understood");
    }
}

/// A row as it is, whoever wrote it.
#[derive(FromRow)]
struct Row {
    id: Readable<Id>,
    tenant_id: TenantId,
    client_id: String,
    name: String,
    secret_sha256: Option<String>,
    scopes: Json,
    grant_types: Json,
    token_endpoint_auth_method: String,
    redirect_uris: Json,
    is_active: bool,
    registered_by: Option<String>,
    last_used_at: Readable<Option<At>>,
    created_at: Readable<At>,
    updated_at: Readable<At>,
}

impl From<Row> for Registration {
    /// Reads a row, which may have been written by hand or by a later version: what is not
    /// understood gives no right.
    fn from(row: Row) -> Self {
        let mut not = NotUnderstood::default();
        let scope: Vec<Scope> = not.list("/scope", &row.scopes, |text| text.parse().ok());
        let method = AuthMethod::parse(&row.token_endpoint_auth_method);
        not.word("/token_endpoint_auth_method", &row.token_endpoint_auth_method, method.is_some());
        let secret = row.secret_sha256.as_deref().map(Digest::from_hex);
        if matches!(secret, Some(None)) {
            let detail = "it must be the SHA-256 of the secret, in 64 hexadecimal digits";
            not.0.push(Invalid::new("/secret_sha256", "not_understood", detail));
        }
        Self {
            id: not.column("/id", row.id),
            tenant: row.tenant_id,
            client_id: row.client_id,
            client_name: row.name,
            grant_types: not.list("/grant_types", &row.grant_types, GrantType::parse),
            token_endpoint_auth_method: method,
            scope: Scopes::from_iter(scope),
            redirect_uris: not.list("/redirect_uris", &row.redirect_uris, |it| Some(it.to_owned())),
            is_active: row.is_active,
            registered_by: row.registered_by,
            last_used_at: not.column("/last_used_at", row.last_used_at).flatten(),
            created_at: not.column("/created_at", row.created_at),
            updated_at: not.column("/updated_at", row.updated_at),
            secret: secret.flatten(),
            problems: not.0,
        }
    }
}

/// What of a row is not understood.
#[derive(Default)]
struct NotUnderstood(Vec<Invalid>);

impl NotUnderstood {
    /// The items of a list of texts that `parse` understands.
    fn list<T>(&mut self, at: &str, list: &Json, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let Ok(texts) = list.read::<Vec<String>>() else {
            self.0.push(Invalid::new(at, "wrong_type", "it must be a list of texts"));
            return Vec::new();
        };
        let mut understood = Vec::with_capacity(texts.len());
        for text in &texts {
            let parsed = parse(text);
            self.word(at, text, parsed.is_some());
            understood.extend(parsed);
        }
        understood
    }

    fn word(&mut self, at: &str, word: &str, is_understood: bool) {
        if !is_understood {
            let word: String = word.chars().take(100).collect();
            let detail = format!("`{word}` is not known, and gives no right");
            self.0.push(Invalid::new(at, "not_understood", detail));
        }
    }

    /// The value of a column that may hold what is none.
    fn column<T>(&mut self, at: &str, column: Readable<T>) -> Option<T> {
        let read = column.0;
        read.map_err(|why| {
            let why: String = why.chars().take(100).collect();
            self.0.push(Invalid::new(at, UNREADABLE, why));
        })
        .ok()
    }
}
