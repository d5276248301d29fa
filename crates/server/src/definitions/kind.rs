//! What tells one kind of definition from another.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::Future;

use auth::scope::Scope;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Author;
use crate::definitions::DefinitionError;
use crate::definitions::Dependent;
use crate::definitions::Document;
use crate::definitions::Snapshot;
use crate::definitions::Table;
use crate::definitions::Words;
use crate::definitions::members_of;
use crate::http::Invalid;

/// A kind of definition: what its rows mean. All that kinds have in common is done by
/// [`Definitions`](crate::definitions::Definitions).
///
/// A value of it holds what definitions of the kind refer to beside the database, such as models.
pub trait Kind: Debug + Send + Sync + Sized + 'static {
    const WORDS: &'static Words;
    /// How the history and ids of the code call it.
    const NAME: &'static str = Self::WORDS.name;
    /// What a definition is called in the OpenAPI document, such as `Agent`.
    const SCHEMA: &'static str;
    /// Where the rows are.
    const TABLE: &'static Table;
    /// The tables whose changes may change what is wrong with a definition: its own, and those of what
    /// it refers to.
    const WATCHED: &'static [&'static str];
    /// What whoever executes one must hold in any case. Authors need not hold it.
    const EXECUTE: &'static str;

    type Content: Content;
    /// What is made of a content once, for all its uses.
    type Ready: Debug + Send + Sync;
    /// What is around the definitions of a tenant at one moment.
    type View: Debug + Default + Send + Sync;

    /// Understands `given`, of which `unreadable` is already known to be no JSON. The same always gives the
    /// same; what it refers to is not looked for.
    fn understand(&self, given: Document, unreadable: Vec<Invalid>) -> Normalised<Self>;

    /// What is wrong with those of the members in `given` that take a while to be looked at, such as a script.
    /// Asked before anything is stored, and not of rows.
    fn examine(
        &self,
        tenant: &TenantId,
        given: &Map<String, Value>,
    ) -> impl Future<Output = Vec<Invalid>> + Send {
        let _ = (tenant, given);
        async { Vec::new() }
    }

    /// What the columns of its row are to hold, by their names.
    fn members(normal: &Normalised<Self>) -> Map<String, Value> {
        members_of(&normal.content)
    }

    /// Makes a definition ready for use. One that is not valid is never used.
    fn ready(&self, id: Id, version: i64, content: &Self::Content) -> Self::Ready;

    /// Makes sure that what is around the definitions of `tenant` is in memory, where there is such a thing.
    fn call_up(
        &self,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<(), DefinitionError>> + Send {
        let _ = tenant;
        async { Ok(()) }
    }

    /// Looks at what is around the definitions of `tenant`, which was something else `before`.
    fn look(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        before: &Self::View,
    ) -> impl Future<Output = Result<Self::View, DefinitionError>> + Send;

    /// What is wrong with what `content` refers to.
    fn follow(&self, tenant: &TenantId, content: &Self::Content, around: &Snapshot<Self>)
    -> Broken;

    /// What of `content` others have, of those of which only one or only so many may have it. `own` is the definition
    /// that says it or will say it, if that is there already.
    fn taken(
        &self,
        content: &Self::Content,
        own: Option<Id>,
        around: &Snapshot<Self>,
    ) -> Vec<Invalid> {
        let _ = (content, own, around);
        Vec::new()
    }

    /// Whether something is done in the name of whoever wrote a version that says `content`. Then it is another version
    /// when somebody else saves the same.
    fn acts_for_author(content: &Self::Content) -> bool {
        let _ = content;
        false
    }

    /// What keeps `author` from writing `content` although it is valid by itself and all that it refers to
    /// is there: what he may not use himself, and circles.
    fn beyond(
        &self,
        author: Author<'_>,
        content: &Self::Content,
        around: &Snapshot<Self>,
    ) -> Vec<Invalid>;

    /// The definitions that name the one with the id `id` and the name `name`, but for itself.
    fn dependents(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        id: Id,
        name: &str,
        around: &Snapshot<Self>,
    ) -> impl Future<Output = Result<Vec<Dependent>, DefinitionError>> + Send;
}

/// The members of a definition that make up a version.
pub trait Content:
    Debug + Clone + PartialEq + Serialize + ToSchema + Send + Sync + 'static
{
    fn name(&self) -> &str;

    /// What a caller must hold, all of it, to use it.
    fn scopes(&self) -> &[String];
}

/// A definition as it is understood.
#[derive(Debug)]
pub struct Normalised<K: Kind> {
    pub content: K::Content,
    /// The same for the history: without defaults, and with what was not understood as it was given.
    pub document: Document,
    pub is_active: bool,
    /// What is wrong with it by itself, in the order of the places. None: it can be used, if all that
    /// it refers to is there.
    pub problems: Vec<Invalid>,
}

/// What is wrong with the references of a definition.
#[derive(Debug, Default)]
pub struct Broken {
    /// There is no such thing, or it is there twice: a definition that names it is refused.
    pub unknown: Vec<Invalid>,
    /// It exists, but cannot be used as the server is set up now. Setting it up may come later.
    pub unusable: Vec<Invalid>,
}

/// The faults of references to things that there are not: each member of the list `list` that `is_known`
/// does not know.
pub fn unknown<'n>(
    list: &str,
    code: &'static str,
    names: impl IntoIterator<Item = &'n String>,
    is_known: impl Fn(&str) -> bool,
) -> Vec<Invalid> {
    let names = names.into_iter().enumerate().filter(|(_, name)| !is_known(name));
    names.map(|(index, name)| unknown_at(format!("/{list}/{index}"), code, name)).collect()
}

/// The fault of the reference at `place` to a `name` that nothing has; `code` is `unknown_<thing>`.
pub fn unknown_at(place: String, code: &'static str, name: &str) -> Invalid {
    let thing = code.trim_start_matches("unknown_").replace('_', " ");
    Invalid::new(place, code, format!("no {thing} is named `{name}`"))
}

/// The fault of the reference at `place` to something whose use needs a scope that `author` lacks.
pub fn beyond_rights<S: AsRef<str>>(
    author: Author<'_>,
    needed: impl IntoIterator<Item = S>,
    place: String,
) -> Option<Invalid> {
    let missing = needed.into_iter().find(|scope| !author.scopes.covers(scope.as_ref()))?;
    let missing = missing.as_ref();
    let detail = format!("its use needs the scope `{missing}`, which you do not hold");
    Some(Invalid::new(place, "missing_scope", detail))
}

/// The faults of names that are in the list `list` twice; they count without regard to case.
pub fn duplicates<'n>(list: &str, names: impl Iterator<Item = &'n str>) -> Vec<Invalid> {
    let mut seen = BTreeSet::new();
    let doubles = names.enumerate().filter(|(_, name)| !seen.insert(name.to_ascii_lowercase()));
    let fault = |index| Invalid::new(format!("{list}/{index}"), "not_unique", "is named twice");
    doubles.map(|(index, _)| index).map(fault).collect()
}

/// What is wrong with the member `scopes` of a definition.
pub fn check_scopes(scopes: &[String]) -> Vec<Invalid> {
    let fault = |(index, scope): (usize, &String)| {
        let error = scope.parse::<Scope>().err()?;
        Some(Invalid::new(format!("/scopes/{index}"), "bad_scope", error))
    };
    scopes.iter().enumerate().filter_map(fault).collect()
}
