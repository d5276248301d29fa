//! From a row, or a version of the history, to a definition.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use chrono::DateTime;
use serde::Serialize;
use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::AllOfBuilder;
use utoipa::openapi::Ref;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::db::At;
use crate::db::Id;
use crate::definitions::Broken;
use crate::definitions::Content;
use crate::definitions::DefinitionError;
use crate::definitions::Document;
use crate::definitions::Kind;
use crate::definitions::Normalised;
use crate::definitions::Row;
use crate::definitions::Source;
use crate::definitions::Version;
use crate::definitions::add_new;
use crate::definitions::in_order;
use crate::http::Invalid;

/// A definition of kind `K`, at one of its versions.
#[derive(Debug, Serialize)]
#[serde(bound = "")]
pub struct Definition<K: Kind> {
    pub id: Id,
    #[serde(flatten)]
    pub content: K::Content,
    #[serde(flatten)]
    pub state: State,
    /// What was made of the content.
    #[serde(skip)]
    pub ready: Arc<K::Ready>,
    /// What is wrong with it by itself, whatever there is around it.
    #[serde(skip)]
    own_problems: Vec<Invalid>,
    /// Of its row.
    #[serde(skip)]
    pub(in crate::definitions) fingerprint: u64,
}

/// What is known of a definition beside its content.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct State {
    /// Whether it may be used.
    pub is_active: bool,
    pub source: Source,
    /// Where there is another of the same name, that is hidden by this one.
    #[schema(required)]
    pub shadows: Option<Source>,
    /// Counts the contents that it had.
    pub version: i64,
    #[schema(example = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")]
    pub content_hash: String,
    /// Why it cannot be executed; empty if it can.
    pub problems: Vec<Invalid>,
    #[schema(required, example = "client:admin")]
    pub created_by: Option<String>,
    pub created_at: At,
    pub updated_at: At,
}

impl<K: Kind> Definition<K> {
    /// What `row` defines, which says `normal`. Its references are not followed yet.
    pub fn of_row(kind: &K, row: &Row<K>, normal: Normalised<K>) -> Self {
        let version = row.version.unwrap_or_default();
        Self {
            id: row.id,
            ready: Arc::new(kind.ready(row.id, version, &normal.content)),
            content: normal.content,
            state: State {
                version,
                content_hash: row.content_hash.clone().unwrap_or_else(|| normal.document.hash()),
                problems: normal.problems.clone(),
                is_active: row.is_active,
                source: Source::Database,
                shadows: None,
                created_by: row.created_by.clone(),
                created_at: row.created_at,
                updated_at: row.updated_at,
            },
            own_problems: normal.problems,
            fingerprint: row.fingerprint(),
        }
    }

    /// The definition `id` as it was at `version`; what makes no version is as it is in `current`. Its
    /// references are not followed yet.
    pub fn of_version(
        kind: &K,
        id: Id,
        version: Version,
        current: Option<&Self>,
    ) -> Result<Self, DefinitionError> {
        let document = Document::parse(&version.content);
        let (Ok(document), Some(created_at)) = (document, version.created_at) else {
            return Err(DefinitionError::unreadable(K::WORDS, &version));
        };
        let normal = kind.understand(document, Vec::new());
        let current = current.map(|it| &it.state);
        Ok(Self {
            id,
            ready: Arc::new(kind.ready(id, version.version, &normal.content)),
            content: normal.content,
            state: State {
                version: version.version,
                content_hash: version.content_hash,
                problems: normal.problems.clone(),
                is_active: current.is_some_and(|it| it.is_active),
                source: current.map_or(Source::Database, |it| it.source),
                shadows: current.and_then(|it| it.shadows),
                created_by: current.map_or(version.created_by, |it| it.created_by.clone()),
                created_at: current.map_or(created_at, |it| it.created_at),
                updated_at: created_at,
            },
            own_problems: normal.problems,
            fingerprint: 0,
        })
    }

    /// One of the code that has a history, which says what it says at `version`; the history began with
    /// `first`.
    pub fn of_code(kind: &K, id: Id, version: Version, first: At) -> Result<Self, DefinitionError> {
        let mut definition = Self::of_version(kind, id, version, None)?;
        definition.state.source = Source::Code;
        definition.state.is_active = true;
        definition.state.created_at = first;
        Ok(definition)
    }

    /// One of the code of which no history is kept: its version is 0.
    pub fn unversioned(id: Id, content: K::Content, ready: K::Ready, document: &Document) -> Self {
        let never = At::new(DateTime::UNIX_EPOCH);
        Self {
            id,
            content,
            ready: Arc::new(ready),
            state: State {
                version: 0,
                content_hash: document.hash(),
                problems: Vec::new(),
                is_active: true,
                source: Source::Code,
                shadows: None,
                created_by: None,
                created_at: never,
                updated_at: never,
            },
            own_problems: Vec::new(),
            fingerprint: 0,
        }
    }

    /// All that is wrong with it, when `broken` is wrong with its references.
    pub fn all_problems(&self, broken: Broken) -> Vec<Invalid> {
        let Broken { unknown, unusable } = broken;
        let mut problems = self.own_problems.clone();
        add_new(&mut problems, [unknown, unusable].concat());
        in_order(problems)
    }

    /// Whether it may be executed by whoever may.
    pub fn is_usable(&self) -> bool {
        self.state.is_active && self.state.problems.is_empty()
    }

    /// Its name in lower case.
    pub fn key(&self) -> String {
        Content::name(&self.content).to_ascii_lowercase()
    }
}

impl<K: Kind> Clone for Definition<K> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            content: self.content.clone(),
            state: self.state.clone(),
            ready: Arc::clone(&self.ready),
            own_problems: self.own_problems.clone(),
            fingerprint: self.fingerprint,
        }
    }
}

impl<K: Kind> Deref for Definition<K> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl<K: Kind> PartialSchema for Definition<K> {
    fn schema() -> RefOr<Schema> {
        let state = match State::schema() {
            RefOr::T(Schema::Object(mut state)) => {
                state.properties.insert("id".to_owned(), Ref::from_schema_name(Id::name()).into());
                state.required.push("id".to_owned());
                RefOr::T(Schema::Object(state))
            }
            other => other,
        };
        let content = Ref::from_schema_name(<K::Content as ToSchema>::name());
        AllOfBuilder::new().item(content).item(state).into()
    }
}

impl<K: Kind> ToSchema for Definition<K> {
    fn name() -> Cow<'static, str> {
        K::SCHEMA.into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Id::name().into(), Id::schema()));
        schemas.push((<K::Content as ToSchema>::name().into(), K::Content::schema()));
        K::Content::schemas(schemas);
        State::schemas(schemas);
    }
}
