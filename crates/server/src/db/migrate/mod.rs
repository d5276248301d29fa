//! Migrations: the files that make and change the tables, and what runs them when told to.
//!
//! A migration is a file for each database, `migrations/{postgres,sqlite}/YYYYMMDDHHMMSS_name.sql`, with
//! the sections `-- UP` and `-- DOWN`. What was applied is remembered in `schema_migrations`, with a
//! checksum of both sections. `docs/DATABASE_MIGRATIONS.md` tells how to live with them.

mod catalog;
mod columns;
mod create;
mod error;
mod file;
mod head;
mod history;
mod lexer;
mod runner;
mod session;
mod source;
mod statements;
mod step;
mod table;
mod validate;

use std::time::Duration;

pub use create::CreateError;
pub use create::create;
pub use error::MigrateError;
pub use file::Migration;
pub use file::Mode;
pub use file::ParseError;
pub use file::Section;
pub use head::HeadError;
pub use head::check_head;
pub use history::Applied;
pub use history::Fault;
pub use history::State;
pub use runner::Migrator;
pub use runner::Status;
pub use runner::StatusRow;
pub use source::Source;
pub use source::SourceError;
pub use statements::Statement;
pub use table::Partial;
pub use validate::Problem;

/// What happens while migrations are applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another one has the lock.
    Waiting,
    /// It was applied or undone all the same.
    Noticed(Fault),
    Applied {
        id: String,
        took: Duration,
    },
    Undone {
        id: String,
        took: Duration,
    },
}

/// Is told what happens, at once.
pub type Report<'a> = dyn FnMut(Progress) + Send + 'a;
