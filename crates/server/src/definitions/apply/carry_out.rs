//! What is planned is written, judged and remembered.

use serde_json::Map;
use serde_json::Value;

use crate::db::Conn;
use crate::definitions::Action;
use crate::definitions::Author;
use crate::definitions::Broken;
use crate::definitions::Change;
use crate::definitions::Content;
use crate::definitions::DefinitionError;
use crate::definitions::Definitions;
use crate::definitions::FileSet;
use crate::definitions::Judged;
use crate::definitions::Kind;
use crate::definitions::Plan;
use crate::definitions::Planned;
use crate::definitions::add_new;
use crate::definitions::apply::of_kind;
use crate::definitions::files::Filed;
use crate::definitions::in_order;
use crate::definitions::settle;
use crate::definitions::store;
use crate::definitions::store::Applied;
use crate::http::Invalid;

impl<K: Kind> Definitions<K> {
    /// Writes what is planned for this kind.
    pub async fn write_within(
        &self,
        tx: &mut Conn<'_>,
        author: Author<'_>,
        files: &[Filed],
        plan: &Plan,
    ) -> Result<(), DefinitionError> {
        let (kind, tenant, now) = (self.kind(), author.tenant, self.clock().now());
        for planned in plan.of_kind::<K>() {
            let id = planned.id;
            let note = format!("applied from {}", planned.file);
            let (by, rights) = (Some(author.subject), None);
            let change = Change { by, rights, note: Some(&note), at: now };
            let file = of_kind::<K>(files).find(|(_, it)| it.name == planned.name);
            match (planned.action, file) {
                (Action::Create, Some((_, file))) => {
                    let normal = self.wanted(file).0;
                    store::insert(tx, tenant, id, &normal, author.subject, now).await?;
                    settle(kind, tx, tenant, id, change).await?;
                }
                (Action::Update, Some((_, file))) => {
                    // What was written in SQL is in the history before it is overwritten.
                    let row = settle(kind, tx, tenant, id, Change::in_sql(now)).await?;
                    let row = row.ok_or_else(|| DefinitionError::not_found::<K>(&planned.name))?;
                    let normal = self.wanted(file).0;
                    let is_switched = row.is_active != normal.is_active;
                    let at = if is_switched { now } else { row.updated_at };
                    store::update(tx, tenant, &row, &normal, at).await?;
                    settle(kind, tx, tenant, id, change).await?;
                }
                (Action::Delete, _) => store::delete::<K>(tx, tenant, id).await?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Says what is wrong with the definitions of this kind in `files`, when all is written.
    pub async fn judge_within(
        &self,
        tx: &mut Conn<'_>,
        author: Author<'_>,
        files: &[Filed],
        plan: &Plan,
        judged: &mut Judged,
    ) -> Result<(), DefinitionError> {
        let (kind, tenant) = (self.kind(), author.tenant);
        let around = self.seen_by(tx, tenant).await?;
        for (index, file) in of_kind::<K>(files) {
            let (normal, mut faults) = self.wanted(file);
            faults.extend(normal.problems);
            faults.extend(plan.other_case::<K>(file));
            let Broken { mut unknown, unusable } = kind.follow(tenant, &normal.content, &around);
            let own = around.find_by_name(normal.content.name()).map(|it| it.id);
            unknown.extend(kind.taken(&normal.content, own, &around));
            unknown.extend(kind.beyond(author, &normal.content, &around));
            add_new(&mut faults, unknown);
            judged.faults.extend(in_order(faults).into_iter().map(|fault| (index, fault)));
            judged.notes.extend(unusable.into_iter().map(|note| (index, note)));
        }
        for gone in plan.of_kind::<K>().filter(|it| it.action == Action::Delete) {
            let dependents = kind.dependents(tx, tenant, gone.id, &gone.name, &around).await?;
            if !dependents.is_empty() {
                let in_use = DefinitionError::InUse { kind: K::WORDS, dependents };
                judged.in_use.push((K::NAME, gone.name.clone(), in_use));
            }
        }
        Ok(())
    }

    /// Notes what was applied, and tells the audit trail what has changed.
    pub async fn remember_within(
        &self,
        tx: &mut Conn<'_>,
        author: Author<'_>,
        set: FileSet<'_>,
        plan: &Plan,
    ) -> Result<(), DefinitionError> {
        let (tenant, now) = (author.tenant, self.clock().now());
        for planned in plan.of_kind::<K>() {
            if planned.action == Action::Delete {
                store::delete_applied(tx, tenant, K::NAME, planned.id).await?;
                self.tell(tx, author, "delete", planned.told(), None).await?;
                continue;
            }
            let row = store::find::<K>(tx, tenant, planned.id).await?;
            let row = row.ok_or_else(|| DefinitionError::not_found::<K>(&planned.name))?;
            if let Some(set) = set.name {
                let applied = Applied {
                    definition_id: planned.id,
                    file_set: set.to_owned(),
                    file: planned.file.clone(),
                    version: row.version.unwrap_or_default(),
                    content_hash: row.normalise(self.kind()).document.hash(),
                    is_active: row.is_active,
                    applied_at: now,
                };
                if planned.applied.as_ref().is_none_or(|it| !it.is_same(&applied)) {
                    store::upsert_applied(tx, tenant, K::NAME, &applied).await?;
                }
            }
            match planned.action {
                Action::Create => self.tell(tx, author, "create", None, Some(&row)).await?,
                Action::Update => {
                    self.tell(tx, author, "update", planned.told(), Some(&row)).await?;
                }
                Action::Keep | Action::Delete => {}
            }
        }
        Ok(())
    }
}

impl Plan {
    /// A name that differs from the one in the server in its case only would be another name in what refers to it.
    fn other_case<K: Kind>(&self, file: &Filed) -> Option<Invalid> {
        let known = self.of_kind::<K>().find(|it| it.name == file.name)?.before.as_ref()?;
        let known = known.get("name").and_then(Value::as_str)?;
        let detail = format!("is `{known}` in the server, and keeps its case");
        (known != file.name).then(|| Invalid::new("/name", "read_only", detail))
    }
}

impl Planned {
    /// What the audit trail is told of what was there.
    fn told(&self) -> Option<Map<String, Value>> {
        let mut before = self.before.clone()?;
        before.insert("version".to_owned(), self.version.into());
        Some(before)
    }
}

impl Applied {
    fn is_same(&self, other: &Self) -> bool {
        let parts = |it: &Self| (it.file_set.clone(), it.file.clone(), it.version, it.is_active);
        parts(self) == parts(other) && self.content_hash == other.content_hash
    }
}
