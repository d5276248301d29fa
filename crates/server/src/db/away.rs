//! Whether a failure is one of the database or of what it was asked.

/// What PostgreSQL says when it ends a connection or takes none: it shuts down, was told to, crashed,
/// starts, has too many, or one of them waited for long in a transaction.
const CLOSED: [&str; 6] = ["57P01", "57P02", "57P03", "57P05", "25P03", "53300"];

/// Whether the database cannot be reached, or has no connection to spare. It is worth asking again.
pub fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refusal) => {
            refusal.code().is_some_and(|code| CLOSED.contains(&code.as_ref()))
        }
        _ => false,
    }
}
