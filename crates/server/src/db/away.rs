//! Whether a failure is one of the database or of what it was asked.

use sqlx::error::DatabaseError;
use sqlx::sqlite::SqliteError;

/// What PostgreSQL says when it ends a connection or takes none: it shuts down, was told to, crashed,
/// starts, has too many, or one of them waited for long in a transaction.
const CLOSED: [&str; 6] = ["57P01", "57P02", "57P03", "57P05", "25P03", "53300"];
/// What it says when it can only read: it is a standby or was told to, its disk is full or fails.
const UNWRITABLE: [&str; 3] = ["25006", "53100", "58030"];
/// The same of SQLite: somebody else has the file, it can only be read, the disk fails or is full, a file
/// beside it cannot be opened.
const UNWRITABLE_FILE: [u32; 5] = [5, 8, 10, 13, 14];

/// Whether the database cannot be reached or written, or has no connection to spare. It is worth
/// asking again: nothing of what was asked is wrong.
pub fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refusal) => is_of_the_machine(&**refusal),
        _ => false,
    }
}

fn is_of_the_machine(refusal: &dyn DatabaseError) -> bool {
    let Some(code) = refusal.code() else { return false };
    if refusal.try_downcast_ref::<SqliteError>().is_some() {
        // The lowest byte of a code says what it is, the others where.
        return code.parse().is_ok_and(|code: u32| UNWRITABLE_FILE.contains(&(code & 0xff)));
    }
    CLOSED.contains(&&*code) || UNWRITABLE.contains(&&*code)
}
