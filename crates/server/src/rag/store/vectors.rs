//! Tables of pgvector, one for each collection, in a schema of their own: the one place where tables are made while the
//! server runs.

use retrieval::Bound;
use retrieval::Collection;
use retrieval::Marks;
use retrieval::Near;
use retrieval::Normal;
use retrieval::Order;
use retrieval::Point;
use retrieval::Scalar;
use retrieval::Test;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::Postgres;
use sqlx::QueryBuilder;
use uuid::Uuid;

use crate::db::Conn;
use crate::db::Link;

/// Its name stands before that of each table.
const SCHEMA: &str = "agent_server_vectors";
/// Up to so many vectors are looked at one by one, which is exact.
pub const EXACT: i64 = 10_000;
/// What an index of pgvector takes at most.
const INDEXED: usize = 2_000;
/// How many an index looks at, at least. 100 find 0.9998 of the ten nearest of 100,000.
const LOOKS: usize = 100;

/// The connection, which is one to PostgreSQL.
fn postgres<'a>(conn: &'a mut Conn<'_>) -> Result<&'a mut PgConnection, sqlx::Error> {
    match conn.link() {
        Link::Postgres(connection) => Ok(connection),
        Link::Sqlite(_) => Err(sqlx::Error::Configuration("it is for PostgreSQL".into())),
    }
}

/// `begin`, and the table of a collection. Its name is of letters and digits.
fn about(begin: &str, collection: &Collection) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(begin);
    query.push(" ").push(SCHEMA).push(".").push(collection.name());
    query
}

/// Whether a collection is there.
pub async fn is_there(conn: &mut Conn<'_>, collection: &Collection) -> Result<bool, sqlx::Error> {
    let table = format!("{SCHEMA}.{}", collection.name());
    sqlx::query_scalar::<_, bool>("SELECT to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(postgres(conn)?)
        .await
}

/// Whether the database has the extension, or could have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    Created,
    Available,
    Missing,
}

pub async fn extension(conn: &mut Conn<'_>) -> Result<Extension, sqlx::Error> {
    let (created, available) = sqlx::query_as::<_, (bool, bool)>(
        "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector'),
             EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')",
    )
    .fetch_one(postgres(conn)?)
    .await?;
    Ok(match (created, available) {
        (true, _) => Extension::Created,
        (false, true) => Extension::Available,
        (false, false) => Extension::Missing,
    })
}

/// Lets nobody else make anything of the schema until the end of the transaction: `IF NOT EXISTS` does not.
async fn lock(conn: &mut Conn<'_>) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('agent_server_vectors'))")
        .execute(postgres(conn)?)
        .await?;
    Ok(())
}

/// Makes the extension known to the database. Who is no superuser may do that if it is a trusted one.
pub async fn create_extension(conn: &mut Conn<'_>) -> Result<(), sqlx::Error> {
    lock(conn).await?;
    sqlx::query("CREATE EXTENSION IF NOT EXISTS vector").execute(postgres(conn)?).await?;
    Ok(())
}

/// Makes the table of a collection.
pub async fn create(conn: &mut Conn<'_>, collection: &Collection) -> Result<(), sqlx::Error> {
    lock(conn).await?;
    QueryBuilder::<Postgres>::new("CREATE SCHEMA IF NOT EXISTS ")
        .push(SCHEMA)
        .build()
        .execute(postgres(conn)?)
        .await?;
    about("CREATE TABLE IF NOT EXISTS", collection)
        .push(" (id UUID PRIMARY KEY, document_id UUID NOT NULL, scopes TEXT NOT NULL, metadata JSONB NOT NULL, vector vector(")
        .push(collection.dimension)
        .push(") NOT NULL)")
        .build()
        .execute(postgres(conn)?)
        .await?;
    let mut index = QueryBuilder::<Postgres>::new("CREATE INDEX IF NOT EXISTS ");
    index.push(collection.name()).push("_document ON ").push(SCHEMA).push(".");
    index.push(collection.name()).push(" (document_id)");
    index.build().execute(postgres(conn)?).await?;
    Ok(())
}

/// Deletes the table of a collection.
pub async fn remove(conn: &mut Conn<'_>, collection: &Collection) -> Result<(), sqlx::Error> {
    lock(conn).await?;
    about("DROP TABLE IF EXISTS", collection).build().execute(postgres(conn)?).await?;
    Ok(())
}

/// Makes an index of a collection that is large enough for one.
pub async fn index(conn: &mut Conn<'_>, collection: &Collection) -> Result<(), sqlx::Error> {
    if collection.dimension > INDEXED || count(conn, collection, None).await? <= EXACT {
        return Ok(());
    }
    lock(conn).await?;
    let (points,) = about("SELECT COUNT(*) FROM", collection)
        .build_query_as::<(i64,)>()
        .fetch_one(postgres(conn)?)
        .await?;
    sqlx::query(
        "SELECT set_config('maintenance_work_mem', $1::TEXT || 'kB', true)
         WHERE $1 > pg_size_bytes(current_setting('maintenance_work_mem')) / 1024",
    )
    .bind(graph_kib(points, collection.dimension))
    .execute(postgres(conn)?)
    .await?;
    let mut query = QueryBuilder::<Postgres>::new("CREATE INDEX IF NOT EXISTS ");
    query.push(collection.name()).push("_near ON ").push(SCHEMA).push(".");
    query.push(collection.name()).push(" USING hnsw (vector vector_cosine_ops)");
    query.build().execute(postgres(conn)?).await?;
    Ok(())
}

/// What an index takes in memory while it is made, in KiB: a vector of four bytes a number and its neighbours a point.
/// Where that is more than PostgreSQL allows, it is made on the disk, which takes many times as long; it may have
/// up to 1 GiB.
fn graph_kib(points: i64, dimension: usize) -> i64 {
    let each = i64::try_from(dimension).unwrap_or(i64::MAX).saturating_mul(4).saturating_add(1200);
    (points.saturating_mul(each) / 1024).min(1024 * 1024)
}

/// Puts in points of a document.
pub async fn put(
    conn: &mut Conn<'_>,
    collection: &Collection,
    marks: &Marks,
    points: &[Point],
) -> Result<(), sqlx::Error> {
    let metadata = Value::Object(marks.metadata.clone()).to_string();
    let ids: Vec<Uuid> = points.iter().map(|point| Uuid::from_u128(point.id.0)).collect();
    let vectors: Vec<String> = points.iter().map(|point| written(&point.vector)).collect();
    let mut query = about("INSERT INTO", collection);
    query.push(" (id, document_id, scopes, metadata, vector) SELECT p.id, ");
    query.push_bind(Uuid::from_u128(marks.document)).push(", ").push_bind(&marks.scopes);
    query.push(", ").push_bind(metadata).push("::jsonb, p.vector::vector FROM unnest(");
    query.push_bind(ids).push(", ").push_bind(vectors);
    query.push(
        ") AS p (id, vector) ON CONFLICT (id) DO UPDATE SET document_id = excluded.document_id,
             scopes = excluded.scopes, metadata = excluded.metadata, vector = excluded.vector",
    );
    query.build().execute(postgres(conn)?).await?;
    Ok(())
}

/// Deletes the points of a document.
pub async fn delete(
    conn: &mut Conn<'_>,
    collection: &Collection,
    document: u128,
) -> Result<(), sqlx::Error> {
    let mut query = about("DELETE FROM", collection);
    query.push(" WHERE document_id = ").push_bind(Uuid::from_u128(document));
    query.build().execute(postgres(conn)?).await?;
    Ok(())
}

/// How many points `near` may find, counted no further than to where they are too many to look at each.
pub async fn count(
    conn: &mut Conn<'_>,
    collection: &Collection,
    near: Option<&Near>,
) -> Result<i64, sqlx::Error> {
    let mut query = about("SELECT COUNT(*) FROM (SELECT 1 FROM", collection);
    if let Some(near) = near {
        push_conditions(&mut query, near);
    }
    query.push(" LIMIT ").push_bind(EXACT + 1).push(") few");
    query.build_query_scalar().fetch_one(postgres(conn)?).await
}

/// What is nearest, among few: exactly.
pub async fn list_exact(
    conn: &mut Conn<'_>,
    collection: &Collection,
    near: &Near,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let begin = "WITH few AS MATERIALIZED (SELECT id, vector FROM";
    let mut query = about(begin, collection);
    push_conditions(&mut query, near);
    query.push(") SELECT id FROM few");
    push_order(&mut query, near);
    query.build_query_scalar().fetch_all(postgres(conn)?).await
}

/// What is nearest, among many: by the index, for as long as this transaction.
pub async fn list_indexed(
    conn: &mut Conn<'_>,
    collection: &Collection,
    near: &Near,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let looks = near.count.saturating_mul(2).clamp(LOOKS, 1000).to_string();
    sqlx::query(
        "SELECT set_config('hnsw.ef_search', $1, true),
             set_config('hnsw.iterative_scan', 'strict_order', true)",
    )
    .bind(looks)
    .execute(postgres(conn)?)
    .await?;
    let mut query = about("SELECT id FROM", collection);
    push_conditions(&mut query, near);
    push_order(&mut query, near);
    query.build_query_scalar().fetch_all(postgres(conn)?).await
}

fn push_order(query: &mut QueryBuilder<Postgres>, near: &Near) {
    query.push(" ORDER BY vector <=> ").push_bind(written(&near.vector));
    query.push("::vector LIMIT ").push_bind(i64::try_from(near.count).unwrap_or(i64::MAX));
}

fn push_conditions(query: &mut QueryBuilder<Postgres>, near: &Near) {
    query.push(" WHERE scopes = ANY(").push_bind(near.scopes.clone()).push(") AND ");
    push_filter(query, &near.filter);
}

/// The condition that `filter` is. Whatever is missing makes a test unknown, which is false here.
fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &Normal) {
    match filter {
        Normal::And(all) => push_joined(query, all, " AND ", "TRUE"),
        Normal::Or(any) => push_joined(query, any, " OR ", "FALSE"),
        Normal::Is { member, test, holds } => {
            query.push(if *holds { "COALESCE(" } else { "NOT COALESCE(" });
            push_test(query, member, test);
            query.push(", FALSE)");
        }
    }
}

fn push_joined(query: &mut QueryBuilder<Postgres>, filters: &[Normal], with: &str, neutral: &str) {
    query.push("(").push(neutral);
    for filter in filters {
        query.push(with);
        push_filter(query, filter);
    }
    query.push(")");
}

fn push_test(query: &mut QueryBuilder<Postgres>, member: &str, test: &Test) {
    match test {
        Test::Exists => {
            push_member(query, member);
            query.push(" IS NOT NULL");
        }
        Test::In(scalars) => {
            push_member(query, member);
            let list: Vec<Value> = scalars.iter().map(json).collect();
            query.push(" IN (SELECT jsonb_array_elements(");
            query.push_bind(Value::from(list).to_string()).push("::jsonb))");
        }
        Test::Compare(order, bound) => push_compare(query, member, *order, bound),
        Test::Contains(scalar) => {
            query.push("CASE jsonb_typeof(");
            push_member(query, member);
            query.push(") WHEN 'array' THEN ");
            push_member(query, member);
            query
                .push(" @> ")
                .push_bind(Value::from(vec![json(scalar)]).to_string())
                .push("::jsonb");
            if let Scalar::String(part) = scalar {
                query.push(" WHEN 'string' THEN strpos(metadata ->> ").push_bind(member.to_owned());
                query.push(", ").push_bind(part.clone()).push(") > 0");
            }
            query.push(" END");
        }
    }
}

fn push_compare(query: &mut QueryBuilder<Postgres>, member: &str, order: Order, bound: &Bound) {
    let order = match order {
        Order::Greater => " > ",
        Order::GreaterOrEqual => " >= ",
        Order::Less => " < ",
        Order::LessOrEqual => " <= ",
    };
    query.push("CASE jsonb_typeof(");
    push_member(query, member);
    // A condition beside it could be looked at first, and fail.
    match bound {
        Bound::Number(number) => {
            query.push(") WHEN 'number' THEN (metadata ->> ").push_bind(member.to_owned());
            query
                .push(")::numeric")
                .push(order)
                .push_bind(number.to_string())
                .push("::numeric END");
        }
        Bound::String(text) => {
            query.push(") WHEN 'string' THEN (metadata ->> ").push_bind(member.to_owned());
            query.push(") COLLATE \"C\"").push(order).push_bind(text.clone()).push(" END");
        }
    }
}

fn push_member(query: &mut QueryBuilder<Postgres>, member: &str) {
    query.push("(metadata -> ").push_bind(member.to_owned()).push(")");
}

fn json(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::from(*value),
        Scalar::Number(number) => Value::Number(number.clone()),
        Scalar::String(text) => Value::from(text.as_str()),
    }
}

/// A vector as pgvector reads it.
fn written(vector: &[f32]) -> String {
    let mut text = String::with_capacity(vector.len() * 12 + 2);
    text.push('[');
    for (index, number) in vector.iter().enumerate() {
        use std::fmt::Write;

        let comma = if index == 0 { "" } else { "," };
        // To write into a text does not fail.
        let _ = write!(text, "{comma}{number}");
    }
    text.push(']');
    text
}
