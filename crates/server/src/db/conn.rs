//! One connection to whichever database, and the macro that runs a statement on it.

use std::fmt;
use std::sync::atomic::Ordering;

use sqlx::PgConnection;
use sqlx::SqliteConnection;
use sqlx::postgres::PgQueryResult;
use sqlx::sqlite::SqliteQueryResult;

use crate::db::Dialect;
use crate::db::Stats;

/// A connection that its caller owns; inside [`Db::write`](crate::db::Db::write) it is in a
/// transaction. Statements run on it with [`on!`](crate::on).
pub struct Conn<'c> {
    link: Link<'c>,
    stats: &'c Stats,
}

/// What is behind a [`Conn`].
pub enum Link<'c> {
    Postgres(&'c mut PgConnection),
    Sqlite(&'c mut SqliteConnection),
}

impl<'c> Conn<'c> {
    pub(in crate::db) fn postgres(link: &'c mut PgConnection, stats: &'c Stats) -> Self {
        Self { link: Link::Postgres(link), stats }
    }

    pub(in crate::db) fn sqlite(link: &'c mut SqliteConnection, stats: &'c Stats) -> Self {
        Self { link: Link::Sqlite(link), stats }
    }

    pub fn dialect(&self) -> Dialect {
        match &self.link {
            Link::Postgres(_) => Dialect::Postgres,
            Link::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// The connection for one statement, which is counted. Use [`on!`](crate::on).
    pub fn link(&mut self) -> &mut Link<'c> {
        self.stats.statements.fetch_add(1, Ordering::Relaxed);
        &mut self.link
    }
}

impl fmt::Debug for Conn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Conn").field(&self.dialect()).finish()
    }
}

/// Runs one statement, written once, on the database behind `conn`.
///
/// ```text
/// on!(conn, c => sqlx::query("DELETE FROM agents WHERE id = $1").bind(id).execute(c).await)?;
/// on!(conn, c => sqlx::query_as::<_, Row>("SELECT …").bind(id).fetch_optional(c).await)?
/// ```
///
/// The body is compiled once for each database and is a `Result`: what follows (`?`, `on_unique`)
/// goes outside. `execute` gives a [`Done`]; `fetch_one` wants its type named, as in `query_as::<_, Row>`.
#[macro_export]
macro_rules! on {
    ($conn:expr, $c:ident => $body:expr) => {{
        use $crate::db::Plain;
        // Bodies that `execute` do without the trait; this keeps its import from being unused.
        const _: fn($crate::db::Answer<()>) = Plain::plain;
        match $conn.link() {
            $crate::db::Link::Postgres(c) => {
                let $c = &mut **c;
                $crate::db::Answer($body).plain()
            }
            $crate::db::Link::Sqlite(c) => {
                let $c = &mut **c;
                $crate::db::Answer($body).plain()
            }
        }
    }};
}

/// What an `execute` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    rows_affected: u64,
}

impl Done {
    pub fn rows_affected(self) -> u64 {
        self.rows_affected
    }
}

/// The result of the body of [`on!`](crate::on), on its way to be the same type for both databases.
///
/// An inherent method goes before a trait's: `plain` turns the two drivers' results of `execute`
/// into a [`Done`], and leaves all other types as they are.
pub struct Answer<T>(pub T);

impl<A: Affected, E> Answer<Result<A, E>> {
    pub fn plain(self) -> Result<Done, E> {
        self.0.map(|it| Done { rows_affected: it.affected() })
    }
}

/// See [`Answer`].
pub trait Plain {
    type Output;

    fn plain(self) -> Self::Output;
}

impl<T> Plain for Answer<T> {
    type Output = T;

    fn plain(self) -> T {
        self.0
    }
}

/// A driver's result of `execute`.
#[diagnostic::on_unimplemented(
    message = "the compiler cannot tell which type this statement returns",
    label = "name it in the query: `query_as::<_, Row>(…)`, `query_scalar::<_, i64>(…)`"
)]
pub trait Affected {
    fn affected(&self) -> u64;
}

impl Affected for PgQueryResult {
    fn affected(&self) -> u64 {
        self.rows_affected()
    }
}

impl Affected for SqliteQueryResult {
    fn affected(&self) -> u64 {
        self.rows_affected()
    }
}
