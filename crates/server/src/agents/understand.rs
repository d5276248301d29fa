//! From a row, or a version of the history, to an agent.

use std::hash::BuildHasher;
use std::hash::BuildHasherDefault;
use std::hash::DefaultHasher;
use std::sync::Arc;

use crate::agents::Agent;
use crate::agents::AgentError;
use crate::agents::instructions::Instructions;
use crate::agents::normalise::Normalised;
use crate::agents::normalise::normalise;
use crate::agents::references::Broken;
use crate::agents::store::Row;
use crate::db::At;
use crate::db::Id;
use crate::definitions::Document;
use crate::definitions::Source;
use crate::definitions::Version;
use crate::definitions::in_order;
use crate::http::Invalid;

impl Row {
    /// What the row says.
    pub fn normalise(&self) -> Normalised {
        let (given, unreadable) = self.given();
        normalise(given, unreadable)
    }

    /// Whether the history has what the row says, which is `document`, as the row's version.
    pub fn is_settled(&self, document: &Document) -> bool {
        self.is_in_history && self.content_hash.as_ref() == Some(&document.hash())
    }

    /// A number that tells this row from what it was before.
    pub fn fingerprint(&self) -> u64 {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(self)
    }
}

impl Agent {
    /// The agent of `row`, which says `normal`. Its references are not followed yet.
    pub fn of_row(row: &Row, normal: Normalised) -> Self {
        Self {
            id: row.id,
            version: row.version.unwrap_or_default(),
            content_hash: row.content_hash.clone().unwrap_or_else(|| normal.document.hash()),
            instructions: Arc::new(instructions(&normal)),
            content: normal.content,
            problems: normal.problems.clone(),
            own_problems: normal.problems,
            is_active: row.is_active,
            source: Source::Database,
            shadows: None,
            created_by: row.created_by.clone(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            fingerprint: row.fingerprint(),
        }
    }

    /// The agent `id` as it was at `version`; what makes no version is as it is in `current`. Its
    /// references are not followed yet.
    pub fn of_version(
        id: Id,
        version: Version,
        current: Option<&Self>,
    ) -> Result<Self, AgentError> {
        let document = Document::parse(&version.content);
        let (Ok(document), Some(created_at)) = (document, version.created_at) else {
            return Err(AgentError::unreadable(&version));
        };
        let normal = normalise(document, Vec::new());
        Ok(Self {
            id,
            version: version.version,
            content_hash: version.content_hash,
            instructions: Arc::new(instructions(&normal)),
            content: normal.content,
            problems: normal.problems.clone(),
            own_problems: normal.problems,
            is_active: current.is_some_and(|agent| agent.is_active),
            source: current.map_or(Source::Database, |agent| agent.source),
            shadows: current.and_then(|agent| agent.shadows),
            created_by: current.map_or(version.created_by, |agent| agent.created_by.clone()),
            created_at: current.map_or(created_at, |agent| agent.created_at),
            updated_at: created_at,
            fingerprint: 0,
        })
    }

    /// The agent `id` of the code, which says what it says at `version`; the history began with `first`.
    pub fn of_code(id: Id, version: Version, first: At) -> Result<Self, AgentError> {
        let agent = Self::of_version(id, version, None)?;
        Ok(Self { source: Source::Code, is_active: true, created_at: first, ..agent })
    }

    /// All that is wrong with the agent, when `broken` is wrong with its references.
    pub fn all_problems(&self, broken: Broken) -> Vec<Invalid> {
        let Broken { unknown, unusable } = broken;
        in_order([self.own_problems.clone(), unknown, unusable].concat())
    }
}

/// Those of an agent that cannot be used are never asked for.
fn instructions(normal: &Normalised) -> Instructions {
    let Normalised { content, .. } = normal;
    Instructions::new(&content.instructions, content.context_schema.as_ref())
        .unwrap_or_else(|_| Instructions::Text(content.instructions.clone()))
}
