//! SQL of users.

use auth::password::PasswordHash;
use auth::role::Role;
use auth::scope::Scopes;
use serde::Deserialize;
use serde::Serialize;
use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::OnUnique;
use crate::db::Readable;
use crate::db::TenantId;
use crate::db::Unique;
use crate::oauth::store::api_keys::understood;
use crate::oauth::users::Checked;
use crate::oauth::users::Person;
use crate::oauth::users::User;
use crate::oauth::users::UserError;
use crate::oauth::users::scopes_of;
use crate::on;

const USERNAME: Unique = Unique { name: "users_username", table: "users", columns: &["username"] };

/// `SELECT` of all that makes a [`User`].
macro_rules! select_users {
    ($which:literal) => {
        concat!(
            "SELECT id, tenant_id, username, display_name, role, scopes, password_hash, is_active,
                    last_signed_in_at, created_by, created_at, updated_at
             FROM users ",
            $which
        )
    };
}

/// Where a user stands in the list of his tenant.
#[derive(Debug, Deserialize, Serialize)]
pub struct Position(pub At, pub Id);

/// What the active users of all tenants may do. Of a row that cannot be read nobody can be.
pub async fn list_known(conn: &mut Conn<'_>) -> Result<Vec<(Id, Person)>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, (Readable<Id>, TenantId, String, Json)>(
            "SELECT id, tenant_id, role, scopes FROM users WHERE is_active = TRUE",
        )
        .fetch_all(c)
        .await)?;
    let known = |(id, tenant, role, scopes): (Readable<Id>, _, String, Json)| {
        let scopes = scopes_of(Role::parse(&role), &understood(&scopes));
        Some((id.0.ok()?, Person { tenant, scopes }))
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

/// The users of a tenant, the newest first, at most `limit` of those after `after`.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    after: Option<Position>,
    limit: i64,
) -> Result<Vec<User>, sqlx::Error> {
    let (created_at, id) = after.map(|Position(at, id)| (at, id)).unzip();
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(select_users!(
            "WHERE tenant_id = $1 AND ($2 IS NULL OR (created_at, id) < ($2, $3))
             ORDER BY created_at DESC, id DESC LIMIT $4"
        ))
        .bind(tenant)
        .bind(created_at)
        .bind(id)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// The users of all tenants, by name.
pub async fn list_all(conn: &mut Conn<'_>) -> Result<Vec<User>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(select_users!("ORDER BY username"))
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(User::from).collect())
}

pub async fn find(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<Option<User>, sqlx::Error> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(
            select_users!("WHERE tenant_id = $1 AND id = $2"),
        )
        .bind(tenant)
        .bind(id)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(User::from))
}

/// The user of that name, whose tenant follows from it, with his password.
pub async fn find_by_name(
    conn: &mut Conn<'_>,
    username: &str,
) -> Result<Option<(User, Option<PasswordHash>)>, sqlx::Error> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(
            select_users!("WHERE username = $1"),
        )
        .bind(username)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(|row| {
        let hash = row.password_hash.clone().map(PasswordHash::stored);
        (User::from(row), hash)
    }))
}

/// Inserts a user, or says that his name is taken.
pub async fn insert(
    conn: &mut Conn<'_>,
    user: &User,
    password: Option<&PasswordHash>,
) -> Result<(), UserError> {
    let scopes = Json::of(&user.scope)?;
    on!(conn, c => sqlx::query(
            "INSERT INTO users (id, tenant_id, username, display_name, role, scopes, password_hash,
                                is_active, created_by, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(user.id)
        .bind(&user.tenant)
        .bind(&user.username)
        .bind(&user.display_name)
        .bind(user.role.map(Role::as_str))
        .bind(&scopes)
        .bind(password.map(PasswordHash::as_str))
        .bind(user.is_active)
        .bind(&user.created_by)
        .bind(user.created_at)
        .bind(user.updated_at)
        .execute(c)
        .await)
    .on_unique(USERNAME, || UserError::NameTaken(user.username.clone()))?;
    Ok(())
}

/// Makes a change. What is not to change is not written.
pub async fn update(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    change: &Checked,
    now: At,
) -> Result<(), UserError> {
    let scopes = change.scope.as_ref().map(Json::of::<Scopes>).transpose()?;
    on!(conn, c => sqlx::query(
            "UPDATE users
             SET display_name = COALESCE($3, display_name), role = COALESCE($4, role),
                 scopes = COALESCE($5, scopes), is_active = COALESCE($6, is_active), updated_at = $7
             WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant)
        .bind(id)
        .bind(&change.display_name)
        .bind(change.role.map(Role::as_str))
        .bind(&scopes)
        .bind(change.is_active)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

pub async fn update_password(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    hash: &PasswordHash,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE users SET password_hash = $3, updated_at = $4 WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant)
        .bind(id)
        .bind(hash.as_str())
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Writes down when a user signed in.
pub async fn update_signed_in(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE users SET last_signed_in_at = $3 WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant)
        .bind(id)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

pub async fn delete(conn: &mut Conn<'_>, tenant: &TenantId, id: Id) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM users WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .execute(c)
        .await)?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    id: Id,
    tenant_id: TenantId,
    username: String,
    display_name: String,
    role: String,
    scopes: Json,
    password_hash: Option<String>,
    is_active: bool,
    last_signed_in_at: Option<At>,
    created_by: Option<String>,
    created_at: At,
    updated_at: At,
}

impl From<Row> for User {
    /// What is not understood gives no right.
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            tenant: row.tenant_id,
            username: row.username,
            display_name: row.display_name,
            role: Role::parse(&row.role),
            scope: understood(&row.scopes),
            has_password: row.password_hash.is_some(),
            is_active: row.is_active,
            last_signed_in_at: row.last_signed_in_at,
            created_by: row.created_by,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
