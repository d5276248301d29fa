//! What agents, workflows, tools and databases have in common: they are rows that people write, by the
//! API or in SQL, that are understood by one pure function, and of which each content is a version.
//!
//! This knows no kind of definition. What the members of one mean, its feature says.

mod body;
mod code;
mod document;
pub mod metadata;
mod name;
mod reader;
pub mod store;

pub use body::change_body;
pub use body::new_body;
pub use code::code_id;
pub use document::Document;
pub use name::check_name;
pub use reader::Reader;
pub use reader::in_order;
pub use reader::member_of;
pub use reader::members_of;

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::At;
use crate::db::Readable;
use crate::http::Invalid;

/// Where a definition lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Database,
    /// In the program, which alone can change it.
    Code,
}

/// One content that a definition had.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Version {
    pub version: i64,
    pub content_hash: String,
    /// The canonical text of its [`Document`].
    pub content: String,
    /// Who made it; unknown if that was done in SQL.
    pub created_by: Option<String>,
    pub note: Option<String>,
    /// Unknown if nobody can read it.
    #[sqlx(try_from = "Readable<At>")]
    pub created_at: Option<At>,
}

impl Version {
    /// What of it cannot be read, as happens to rows that were written in SQL.
    pub fn faults(&self) -> Vec<Invalid> {
        let mut faults = Vec::new();
        if Document::parse(&self.content).is_err() {
            faults.push(Invalid::new("/content", "not_json", "it is no JSON object"));
        }
        if self.created_at.is_none() {
            faults.push(Invalid::new("/created_at", "unreadable", "it is no time that we know"));
        }
        faults
    }
}
