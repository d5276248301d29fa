//! SQL of threads and their messages.

pub mod end_user;
pub mod vectors;

use llm::Role;
use sqlx::QueryBuilder;

use super::Change;
use super::NewMessage;
use super::NewMessages;
use super::Thread;
use super::ThreadChange;
use super::ThreadMessage;
use super::window::Said;
use crate::db::At;
use crate::db::Conn;
use crate::db::Dialect;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::runs::RunsError;
use crate::runs::store::chunks;
use crate::runs::store::word;

/// So many rows are deleted in one transaction.
pub const BATCH: i64 = 200;

/// The columns of a [`ThreadRow`]. The conditions of the indexes stand here word for word.
macro_rules! thread_columns {
    () => {
        "id, subject, end_user, title, metadata, message_count, created_at, updated_at, \
         (SELECT runs.id FROM runs WHERE runs.tenant_id = threads.tenant_id \
          AND runs.thread_id = threads.id AND runs.thread_id IS NOT NULL \
          AND runs.status IN ('running', 'waiting', 'suspended')) AS active_run_id, \
         (SELECT runs.id FROM runs WHERE runs.tenant_id = threads.tenant_id \
          AND runs.thread_id = threads.id AND runs.thread_id IS NOT NULL \
          AND runs.status = 'queued' ORDER BY runs.id LIMIT 1) AS next_run_id"
    };
}

#[derive(Debug, sqlx::FromRow)]
struct ThreadRow {
    id: Id,
    subject: String,
    end_user: Option<String>,
    title: Option<String>,
    metadata: String,
    message_count: i64,
    created_at: At,
    updated_at: At,
    active_run_id: Option<Id>,
    next_run_id: Option<Id>,
}

#[derive(Debug, sqlx::FromRow)]
struct MessageRow {
    id: Id,
    thread_id: Id,
    seq: i64,
    role: String,
    content: String,
    run_id: Option<Id>,
    created_at: At,
}

/// What lists of threads are narrowed to.
#[derive(Debug)]
pub struct Filter {
    /// `None`: all of the tenant.
    pub subject: Option<String>,
    pub user: Option<String>,
    /// Threads that are older than this one.
    pub before: Option<Id>,
}

pub async fn insert(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    thread: &Thread,
) -> Result<(), RunsError> {
    let metadata = serde_json::to_string(&thread.metadata)?;
    on!(conn, c => sqlx::query(
            "INSERT INTO threads (tenant_id, id, subject, end_user, title, metadata, message_count,
             created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $7)",
        )
        .bind(tenant.as_str())
        .bind(thread.id)
        .bind(&thread.subject)
        .bind(&thread.user)
        .bind(&thread.title)
        .bind(metadata)
        .bind(thread.created_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// The thread, if the tenant has it.
pub async fn find(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<Option<Thread>, RunsError> {
    let row: Option<ThreadRow> = on!(conn, c => sqlx::query_as(
            concat!("SELECT ", thread_columns!(), " FROM threads WHERE tenant_id = $1 AND id = $2"),
        )
        .bind(tenant.as_str())
        .bind(id)
        .fetch_optional(c)
        .await)?;
    row.map(ThreadRow::read).transpose()
}

/// Whether no run of the thread is at work or waits for it. Nobody else can ask this until the commit, or
/// add a message.
pub async fn lock_is_free(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<bool, sqlx::Error> {
    if conn.dialect() == Dialect::Postgres {
        on!(conn, c => sqlx::query(
                "SELECT 1 FROM threads WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE",
            )
            .bind(tenant.as_str())
            .bind(id)
            .execute(c)
            .await)?;
    }
    let busy = on!(conn, c => sqlx::query_as::<_, (Option<Id>, Option<Id>)>(concat!(
            "SELECT active_run_id, next_run_id FROM (SELECT ", thread_columns!(),
            " FROM threads WHERE tenant_id = $1 AND id = $2) AS thread",
        ))
        .bind(tenant.as_str())
        .bind(id)
        .fetch_optional(c)
        .await)?;
    Ok(busy.is_none_or(|(active, next)| active.is_none() && next.is_none()))
}

/// At most `limit` threads, the newest first.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Thread>, RunsError> {
    let rows: Vec<ThreadRow> = on!(conn, c => {
        let mut query = QueryBuilder::new(
            concat!("SELECT ", thread_columns!(), " FROM threads WHERE tenant_id = "),
        );
        query.push_bind(tenant.as_str());
        if let Some(subject) = &filter.subject {
            query.push(" AND subject = ").push_bind(subject);
        }
        if let Some(user) = &filter.user {
            query.push(" AND end_user = ").push_bind(user);
        }
        if let Some(before) = filter.before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(ThreadRow::read).collect()
}

/// Changes a thread.
pub async fn update(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    change: &ThreadChange,
    now: At,
) -> Result<(), RunsError> {
    let (has_title, title) = match &change.title {
        Change::Stays => (false, None),
        Change::To(title) => (true, title.as_deref()),
    };
    let metadata = match &change.metadata {
        Change::Stays => None,
        Change::To(None) => Some("{}".to_owned()),
        Change::To(Some(metadata)) => Some(serde_json::to_string(metadata)?),
    };
    on!(conn, c => sqlx::query(
            "UPDATE threads SET title = CASE WHEN $3 THEN $4 ELSE title END,
             metadata = coalesce($5, metadata), updated_at = $6 WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(has_title)
        .bind(title)
        .bind(&metadata)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Takes a thread away, and says whether it was there. Nobody adds to it from here to the commit.
pub async fn delete(conn: &mut Conn<'_>, tenant: &TenantId, id: Id) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query("DELETE FROM threads WHERE tenant_id = $1 AND id = $2")
        .bind(tenant.as_str())
        .bind(id)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Takes at most [`BATCH`] messages of a thread away, the oldest first, and says how many.
pub async fn delete_messages(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    thread_id: Id,
) -> Result<i64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM messages WHERE tenant_id = $1 AND thread_id = $2 AND seq IN
             (SELECT seq FROM messages WHERE tenant_id = $1 AND thread_id = $2 ORDER BY seq LIMIT $3)",
        )
        .bind(tenant.as_str())
        .bind(thread_id)
        .bind(BATCH)
        .execute(c)
        .await)?;
    Ok(done.rows_affected().cast_signed())
}

/// Adds messages to a thread, and returns the number of the last; `None` if there is no such thread.
///
/// The numbers come from the thread's row, which is locked until the commit: there are no gaps.
pub async fn append(conn: &mut Conn<'_>, new: &NewMessages) -> Result<Option<i64>, sqlx::Error> {
    let count = i64::try_from(new.messages.len()).unwrap_or(i64::MAX);
    let last: Option<i64> = on!(conn, c => sqlx::query_scalar(
            "UPDATE threads SET message_count = message_count + $3, updated_at = $4
             WHERE tenant_id = $1 AND id = $2 RETURNING message_count",
        )
        .bind(new.tenant.as_str())
        .bind(new.thread_id)
        .bind(count)
        .bind(new.at)
        .fetch_optional(c)
        .await)?;
    let Some(last) = last else { return Ok(None) };
    let numbered: Vec<_> = (last - count + 1..).zip(&new.messages).collect();
    for chunk in chunks(&numbered) {
        insert_messages(conn, new, chunk).await?;
    }
    Ok(Some(last))
}

async fn insert_messages(
    conn: &mut Conn<'_>,
    new: &NewMessages,
    numbered: &[(i64, &NewMessage)],
) -> Result<(), sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new(
            "INSERT INTO messages (tenant_id, thread_id, seq, id, role, content, run_id, created_at) ",
        );
        query.push_values(numbered, |mut row, (seq, message)| {
            row.push_bind(new.tenant.as_str())
                .push_bind(new.thread_id)
                .push_bind(*seq)
                .push_bind(message.id)
                .push_bind(message.role.to_string())
                .push_bind(&message.content)
                .push_bind(new.run_id)
                .push_bind(new.at);
        });
        query.build().execute(c).await
    })?;
    Ok(())
}

/// At most `limit` messages after number `after`, oldest first.
pub async fn messages(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    thread_id: Id,
    after: i64,
    limit: i64,
) -> Result<Vec<ThreadMessage>, RunsError> {
    let rows: Vec<MessageRow> = on!(conn, c => sqlx::query_as(
            "SELECT id, thread_id, seq, role, content, run_id, created_at FROM messages
             WHERE tenant_id = $1 AND thread_id = $2 AND seq > $3 ORDER BY seq LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(thread_id)
        .bind(after)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    rows.into_iter().map(MessageRow::read).collect()
}

/// The latest `count` messages and the last one of the user, oldest first.
pub async fn latest(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    thread_id: Id,
    count: u32,
) -> Result<Vec<Said>, sqlx::Error> {
    let mut rows: Vec<(i64, String, String)> = on!(conn, c => sqlx::query_as(
            "SELECT seq, role, content FROM (SELECT seq, role, content FROM messages
              WHERE tenant_id = $1 AND thread_id = $2 ORDER BY seq DESC LIMIT $3) AS latest
             UNION ALL
             SELECT seq, role, content FROM (SELECT seq, role, content FROM messages
              WHERE tenant_id = $1 AND thread_id = $2 AND role = 'user'
              ORDER BY seq DESC LIMIT 1) AS last_of_user
             ORDER BY seq",
        )
        .bind(tenant.as_str())
        .bind(thread_id)
        .bind(i64::from(count))
        .fetch_all(c)
        .await)?;
    rows.dedup_by_key(|(seq, ..)| *seq);
    let role = |name: &str| match name {
        "user" => Role::User,
        "tool" => Role::Tool,
        _ => Role::Assistant,
    };
    let said = rows.into_iter();
    Ok(said.map(|(seq, name, content)| Said { seq, role: role(&name), content }).collect())
}

impl ThreadRow {
    fn read(self) -> Result<Thread, RunsError> {
        Ok(Thread {
            id: self.id,
            title: self.title,
            user: self.end_user,
            subject: self.subject,
            message_count: self.message_count.cast_unsigned(),
            active_run_id: self.active_run_id,
            next_run_id: self.next_run_id,
            metadata: serde_json::from_str(&self.metadata)?,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

impl MessageRow {
    fn read(self) -> Result<ThreadMessage, RunsError> {
        Ok(ThreadMessage {
            id: self.id,
            thread_id: self.thread_id,
            seq: self.seq.cast_unsigned(),
            role: word(&self.role)?,
            content: serde_json::from_str(&self.content)?,
            run_id: self.run_id,
            created_at: self.created_at,
        })
    }
}
