//! Writing definitions through the API: all that is wrong is said at once, and then nothing is stored.

mod author;
mod draft;

use std::sync::Arc;

use serde_json::Map;
use serde_json::Value;
use tracing::info;

use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Change;
use crate::definitions::Content;
use crate::definitions::Definition;
use crate::definitions::DefinitionError;
use crate::definitions::Definitions;
use crate::definitions::Document;
use crate::definitions::Kind;
use crate::definitions::Normalised;
use crate::definitions::Row;
use crate::definitions::Snapshot;
use crate::definitions::Source;
use crate::definitions::add_new;
use crate::definitions::in_order;
use crate::definitions::member_of;
use crate::definitions::members_of;
use crate::definitions::settle;
use crate::definitions::settle_anew;
use crate::definitions::store;
use crate::http::IfMatch;
use crate::http::Invalid;
use crate::http::pointer_to;

pub use author::Author;

/// Members of a definition that are not set by whoever writes one.
const READ_ONLY: [&str; 9] = [
    "id",
    "source",
    "shadows",
    "version",
    "content_hash",
    "problems",
    "created_by",
    "created_at",
    "updated_at",
];

/// Whether a definition may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    On,
    Off,
}

/// Whether a definition goes although others name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    No,
    Yes,
}

impl<K: Kind> Definitions<K> {
    /// Makes a definition of the members in `body`.
    pub async fn create(
        &self,
        author: Author<'_>,
        mut body: Map<String, Value>,
    ) -> Result<Arc<Definition<K>>, DefinitionError> {
        let mut faults = self.kind().examine(author.tenant, &body).await;
        faults.extend(take_read_only(&mut body, &Map::new()));
        let normal = self.kind().understand(Document::new(body), Vec::new());
        let (kind, change) = (self.kind(), self.change_by(author));
        let id = self.ids().next();
        self.snapshot(author.tenant).await?; // Then those of the code are known, too.
        let row = self
            .db()
            .write(async |tx| {
                let around = self.hold_all(tx, author.tenant).await?;
                self.refuse_invalid(author, (&normal, None), faults, &around)?;
                store::insert(tx, author.tenant, id, &normal, author.subject, change.at).await?;
                let row = settled(kind, tx, author.tenant, id, change).await?;
                self.tell(tx, author, "create", None, Some(&row)).await?;
                Ok::<_, DefinitionError>(row)
            })
            .await?;
        info!(definition.id = %id, kind = K::NAME, by = author.subject, "a definition was created");
        Ok(self.show(author.tenant, &row).await)
    }

    /// Gives the members in `body` to a definition: `null` is the default, and what is not there stays.
    pub async fn update(
        &self,
        author: Author<'_>,
        id_or_name: &str,
        if_match: &IfMatch,
        mut body: Map<String, Value>,
    ) -> Result<Arc<Definition<K>>, DefinitionError> {
        let id = self.id_of(author.tenant, id_or_name).await?;
        let (kind, change) = (self.kind(), self.change_by(author));
        let examined = kind.examine(author.tenant, &body).await;
        let row = self
            .db()
            .write(async |tx| {
                let around = self.hold_all(tx, author.tenant).await?;
                let row = find_to_change(kind, tx, author, id, if_match, change).await?;
                let mut current = Arc::new(Definition::of_row(kind, &row, row.normalise(kind)));
                around.judge(kind, author.tenant, &mut current);
                let mut faults = take_read_only(&mut body, &members_of(&*current));
                faults.extend(examined);
                let normal = merged(kind, &row, body);
                self.refuse_invalid(author, (&normal, Some(id)), faults, &around)?;
                refuse_rename(kind, tx, author.tenant, &current, &normal, &around).await?;
                let before = self.told(&row);
                let row = save(kind, tx, author.tenant, row, &normal, change).await?;
                self.tell(tx, author, "update", Some(before), Some(&row)).await?;
                Ok::<_, DefinitionError>(row)
            })
            .await?;
        info!(definition.id = %id, kind = K::NAME, by = author.subject, "a definition was changed");
        Ok(self.show(author.tenant, &row).await)
    }

    /// Makes a definition say again what it said at `version`, as a new version.
    pub async fn restore(
        &self,
        author: Author<'_>,
        id_or_name: &str,
        if_match: &IfMatch,
        version: i64,
    ) -> Result<Arc<Definition<K>>, DefinitionError> {
        let id = self.id_of(author.tenant, id_or_name).await?;
        let note = format!("restored from version {version}");
        let (kind, change) = (self.kind(), Change { note: Some(&note), ..self.change_by(author) });
        let row = self
            .db()
            .write(async |tx| {
                let around = self.hold_all(tx, author.tenant).await?;
                let row = find_to_change(kind, tx, author, id, if_match, change).await?;
                let past = store::find_version(tx, author.tenant, K::NAME, id, version).await?;
                let past =
                    past.ok_or(DefinitionError::VersionNotFound { kind: K::WORDS, version })?;
                let document = Document::parse(&past.content);
                let document =
                    document.map_err(|_| DefinitionError::unreadable(K::WORDS, &past))?;
                let normal = Normalised {
                    is_active: row.is_active,
                    ..kind.understand(document, Vec::new())
                };
                self.refuse_invalid(author, (&normal, Some(id)), Vec::new(), &around)?;
                let current = Definition::of_row(kind, &row, row.normalise(kind));
                refuse_rename(kind, tx, author.tenant, &current, &normal, &around).await?;
                let before = self.told(&row);
                let row = save(kind, tx, author.tenant, row, &normal, change).await?;
                self.tell(tx, author, "restore", Some(before), Some(&row)).await?;
                Ok::<_, DefinitionError>(row)
            })
            .await?;
        info!(definition.id = %id, kind = K::NAME, version, by = author.subject, "a version of a definition was restored");
        Ok(self.show(author.tenant, &row).await)
    }

    /// Switches a definition on or off, which makes no version.
    pub async fn switch(
        &self,
        author: Author<'_>,
        id_or_name: &str,
        if_match: &IfMatch,
        to: Switch,
    ) -> Result<Arc<Definition<K>>, DefinitionError> {
        let id = self.id_of(author.tenant, id_or_name).await?;
        let (kind, change) = (self.kind(), self.change_by(author));
        let row = self
            .db()
            .write(async |tx| {
                let mut row = find_to_change(kind, tx, author, id, if_match, change).await?;
                let is_active = to == Switch::On;
                if row.is_active != is_active {
                    let before = self.told(&row);
                    store::update_active::<K>(tx, author.tenant, id, is_active, change.at).await?;
                    (row.is_active, row.updated_at) = (is_active, change.at);
                    let verb = if is_active { "activate" } else { "deactivate" };
                    self.tell(tx, author, verb, Some(before), Some(&row)).await?;
                }
                Ok::<_, DefinitionError>(row)
            })
            .await?;
        info!(definition.id = %id, kind = K::NAME, ?to, by = author.subject, "a definition was switched");
        Ok(self.show(author.tenant, &row).await)
    }

    /// Deletes a definition, unless others name it. Its history and its runs stay.
    pub async fn delete(
        &self,
        author: Author<'_>,
        id_or_name: &str,
        if_match: &IfMatch,
        force: Force,
    ) -> Result<(), DefinitionError> {
        let id = self.id_of(author.tenant, id_or_name).await?;
        let deleted = self
            .db()
            .write(async |tx| self.delete_within(tx, author, id, if_match, force).await)
            .await;
        deleted?;
        self.note_deleted(author, id).await;
        Ok(())
    }

    /// The same as a part of a transaction; [`note_deleted`](Self::note_deleted) comes after it.
    pub async fn delete_within(
        &self,
        tx: &mut Conn<'_>,
        author: Author<'_>,
        id: Id,
        if_match: &IfMatch,
        force: Force,
    ) -> Result<(), DefinitionError> {
        let (kind, change) = (self.kind(), self.change_by(author));
        let around = self.hold_all(tx, author.tenant).await?;
        let row = find_to_change(kind, tx, author, id, if_match, change).await?;
        if force == Force::No {
            let current = Definition::of_row(kind, &row, row.normalise(kind));
            refuse_used(kind, tx, author.tenant, &current, &around).await?;
        }
        store::delete::<K>(tx, author.tenant, id).await?;
        self.tell(tx, author, "delete", Some(self.told(&row)), None).await?;
        Ok(())
    }

    /// Makes it count here that a definition is deleted.
    pub async fn note_deleted(&self, author: Author<'_>, id: Id) {
        info!(definition.id = %id, kind = K::NAME, by = author.subject, "a definition was deleted");
        self.hide(author.tenant, id).await;
    }

    /// The id of a definition that is a row.
    async fn id_of(&self, tenant: &TenantId, id_or_name: &str) -> Result<Id, DefinitionError> {
        let snapshot = self.snapshot(tenant).await?;
        let found =
            snapshot.find(id_or_name).ok_or_else(|| DefinitionError::not_found::<K>(id_or_name))?;
        match found.source {
            Source::Database => Ok(found.id),
            Source::Code => {
                let name = found.content.name().to_owned();
                Err(DefinitionError::ReadOnly { kind: K::WORDS, name })
            }
        }
    }

    fn change_by<'a>(&self, author: Author<'a>) -> Change<'a> {
        let rights = author.client_id.map(|client| (client, author.scopes));
        Change { by: Some(author.subject), rights, note: None, at: self.clock().now() }
    }

    /// Refuses what breaks rules, what names things that there are not, what others have, and what `author` may not
    /// name. The second of a pair is the definition that would say it, if it is there already.
    fn refuse_invalid(
        &self,
        author: Author<'_>,
        (normal, own): (&Normalised<K>, Option<Id>),
        mut faults: Vec<Invalid>,
        around: &Snapshot<K>,
    ) -> Result<(), DefinitionError> {
        let (kind, content) = (self.kind(), &normal.content);
        faults.extend_from_slice(&normal.problems);
        let mut found = kind.follow(author.tenant, content, around).unknown;
        found.extend(kind.taken(content, own, around));
        found.extend(kind.beyond(author, content, around));
        add_new(&mut faults, found);
        if faults.is_empty() { Ok(()) } else { Err(DefinitionError::Invalid(in_order(faults))) }
    }
}

/// Refuses to take the name from a definition that others name.
async fn refuse_rename<K: Kind>(
    kind: &K,
    tx: &mut Conn<'_>,
    tenant: &TenantId,
    current: &Definition<K>,
    to: &Normalised<K>,
    around: &Snapshot<K>,
) -> Result<(), DefinitionError> {
    if current.content.name().eq_ignore_ascii_case(to.content.name()) {
        return Ok(());
    }
    refuse_used(kind, tx, tenant, current, around).await
}

async fn refuse_used<K: Kind>(
    kind: &K,
    tx: &mut Conn<'_>,
    tenant: &TenantId,
    current: &Definition<K>,
    around: &Snapshot<K>,
) -> Result<(), DefinitionError> {
    let name = current.content.name();
    let dependents = kind.dependents(tx, tenant, current.id, name, around).await?;
    if dependents.is_empty() {
        return Ok(());
    }
    Err(DefinitionError::InUse { kind: K::WORDS, dependents })
}

/// Locks a definition that is at one of the versions that `if_match` allows, and that `author` may change.
async fn find_to_change<K: Kind>(
    kind: &K,
    tx: &mut Conn<'_>,
    author: Author<'_>,
    id: Id,
    if_match: &IfMatch,
    change: Change<'_>,
) -> Result<Row<K>, DefinitionError> {
    let row = settled(kind, tx, author.tenant, id, Change::in_sql(change.at)).await?;
    author.ensure_may_change::<K>(&row.normalise(kind).content)?;
    let current = row.version.unwrap_or_default();
    if if_match.allows(current) {
        return Ok(row);
    }
    Err(DefinitionError::Changed { kind: K::WORDS, current })
}

/// Writes what is different, and the version that comes of it. It is one also of what was there, if that is done in the
/// name of its author from now on.
async fn save<K: Kind>(
    kind: &K,
    tx: &mut Conn<'_>,
    tenant: &TenantId,
    row: Row<K>,
    normal: &Normalised<K>,
    change: Change<'_>,
) -> Result<Row<K>, DefinitionError> {
    let is_switched = row.is_active != normal.is_active;
    if is_switched || row.normalise(kind).document != normal.document {
        let updated_at = if is_switched { change.at } else { row.updated_at };
        store::update(tx, tenant, &row, normal, updated_at).await?;
    }
    let saved = settled(kind, tx, tenant, row.id, change).await?;
    let is_other = is_switched || saved.version != row.version;
    if is_other || !K::acts_for_author(&normal.content) {
        return Ok(saved);
    }
    let number = saved.version.unwrap_or_default();
    let known = store::find_version(tx, tenant, K::NAME, saved.id, number).await?;
    if known.is_some_and(|it| change.is_of_author(&it)) {
        return Ok(saved);
    }
    let row = settle_anew(kind, tx, tenant, &saved, change).await?;
    row.ok_or_else(|| DefinitionError::not_found::<K>(&saved.id.to_string()))
}

/// The row of a definition that must be there, and is in the history.
async fn settled<K: Kind>(
    kind: &K,
    tx: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    change: Change<'_>,
) -> Result<Row<K>, DefinitionError> {
    let row = settle(kind, tx, tenant, id, change).await?;
    row.ok_or_else(|| DefinitionError::not_found::<K>(&id.to_string()))
}

/// What a row says with the members of `body` in their places.
fn merged<K: Kind>(kind: &K, row: &Row<K>, body: Map<String, Value>) -> Normalised<K> {
    let (mut given, mut unreadable) = row.given();
    given.set("is_active", row.is_active.into());
    for (member, value) in body {
        unreadable.retain(|fault| member_of(&fault.pointer) != member);
        given.set(member, value);
    }
    kind.understand(given, unreadable)
}

/// Takes away what nobody sets, and tells of what is not as it is in `current`.
pub(in crate::definitions) fn take_read_only(
    body: &mut Map<String, Value>,
    current: &Map<String, Value>,
) -> Vec<Invalid> {
    let mut faults = Vec::new();
    for member in READ_ONLY {
        let given = body.remove(member).unwrap_or_default();
        if !given.is_null() && Some(&given) != current.get(member) {
            let detail = "cannot be set; leave it out, or send it as it is";
            faults.push(Invalid::new(pointer_to("", member), "read_only", detail));
        }
    }
    faults
}
