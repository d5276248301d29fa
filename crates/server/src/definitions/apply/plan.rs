//! What it takes to make definitions what files say.

use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Action;
use crate::definitions::Content;
use crate::definitions::DefinitionError;
use crate::definitions::Definitions;
use crate::definitions::Drift;
use crate::definitions::FileSet;
use crate::definitions::Kind;
use crate::definitions::Plan;
use crate::definitions::Planned;
use crate::definitions::Row;
use crate::definitions::Source;
use crate::definitions::apply::members;
use crate::definitions::apply::of_kind;
use crate::definitions::files::Filed;
use crate::definitions::store;
use crate::definitions::store::Applied;

impl<K: Kind> Definitions<K> {
    /// Says what it takes to make the definitions of this kind what `files` say. Their rows are locked: everybody
    /// locks before he writes, so that nobody waits for who waits for him.
    pub async fn plan_within(
        &self,
        tx: &mut Conn<'_>,
        tenant: &TenantId,
        files: &[Filed],
        set: FileSet<'_>,
        plan: &mut Plan,
    ) -> Result<(), DefinitionError> {
        let around = self.hold_all(tx, tenant).await?;
        let applied = store::list_applied(tx, tenant, K::NAME).await?;
        let mut left: Vec<_> =
            around.all().filter(|it| it.source == Source::Database).cloned().collect();
        left.sort_by_key(|it| it.key());
        for (_, file) in of_kind::<K>(files) {
            let known = left.iter().position(|it| it.key() == file.name.to_ascii_lowercase());
            let id = known.map(|index| left.remove(index).id);
            let before = applied.iter().find(|it| Some(it.definition_id) == id).cloned();
            plan.all.push(self.plan_one(tx, tenant, file, id, (set, before)).await?);
        }
        for definition in left {
            let name = definition.content.name().to_owned();
            let own = applied.iter().find(|it| it.definition_id == definition.id);
            match own {
                Some(own) if !set.is(&own.file_set) => {}
                Some(own) if !set.has(&own.file) => plan.elsewhere.push((K::NAME, name)),
                Some(own) if set.prune => {
                    plan.all.push(self.plan_delete(tx, tenant, definition.id, own.clone()).await?);
                }
                Some(_) => plan.orphans.push((K::NAME, name)),
                None => plan.others.push((K::NAME, name)),
            }
        }
        Ok(())
    }

    async fn plan_one(
        &self,
        tx: &mut Conn<'_>,
        tenant: &TenantId,
        file: &Filed,
        id: Option<Id>,
        (set, applied): (FileSet<'_>, Option<Applied>),
    ) -> Result<Planned, DefinitionError> {
        let normal = self.wanted(file).0;
        let mut planned = Planned {
            action: Action::Create,
            kind: K::NAME,
            name: file.name.clone(),
            id: id.unwrap_or_else(|| self.ids().next()),
            file: file.file.to_string(),
            version: None,
            before: None,
            after: Some(members(&normal, normal.is_active)),
            drift: None,
            taken_from: None,
            applied: None,
        };
        let Some(row) = self.locked(tx, tenant, id).await? else { return Ok(planned) };
        let now = row.normalise(self.kind());
        planned.version = row.version;
        planned.before = Some(members(&now, row.is_active));
        planned.action =
            if planned.before == planned.after { Action::Keep } else { Action::Update };
        planned.drift = self.drift(tx, tenant, &row, applied.as_ref()).await?;
        let other = applied.as_ref().map(|it| it.file_set.clone());
        planned.taken_from = other.filter(|it| !set.is(it));
        planned.applied = applied;
        Ok(planned)
    }

    /// That a definition goes away which was applied.
    async fn plan_delete(
        &self,
        tx: &mut Conn<'_>,
        tenant: &TenantId,
        id: Id,
        applied: Applied,
    ) -> Result<Planned, DefinitionError> {
        let file = applied.file.clone();
        let mut planned = self.plan_gone(tx, tenant, id, file).await?;
        if let Some(row) = store::find::<K>(tx, tenant, id).await? {
            planned.drift = self.drift(tx, tenant, &row, Some(&applied)).await?;
        }
        planned.applied = Some(applied);
        Ok(planned)
    }

    /// That a definition goes away because of something else that does.
    pub async fn plan_gone(
        &self,
        tx: &mut Conn<'_>,
        tenant: &TenantId,
        id: Id,
        file: String,
    ) -> Result<Planned, DefinitionError> {
        let row = self.locked(tx, tenant, Some(id)).await?;
        let row = row.ok_or_else(|| DefinitionError::not_found::<K>(&id.to_string()))?;
        let now = row.normalise(self.kind());
        Ok(Planned {
            action: Action::Delete,
            kind: K::NAME,
            name: now.content.name().to_owned(),
            id,
            file,
            version: row.version,
            before: Some(members(&now, row.is_active)),
            after: None,
            drift: None,
            taken_from: None,
            applied: None,
        })
    }

    async fn locked(
        &self,
        tx: &mut Conn<'_>,
        tenant: &TenantId,
        id: Option<Id>,
    ) -> Result<Option<Row<K>>, DefinitionError> {
        let Some(id) = id else { return Ok(None) };
        store::lock::<K>(tx, tenant, id).await?;
        Ok(store::find(tx, tenant, id).await?)
    }

    /// What somebody did to a row since it was applied.
    async fn drift(
        &self,
        tx: &mut Conn<'_>,
        tenant: &TenantId,
        row: &Row<K>,
        applied: Option<&Applied>,
    ) -> Result<Option<Drift>, DefinitionError> {
        let Some(applied) = applied else { return Ok(None) };
        let document = row.normalise(self.kind()).document;
        if document.hash() == applied.content_hash && row.is_active == applied.is_active {
            return Ok(None);
        }
        let number = row.version.filter(|_| row.is_settled(&document));
        let version = match number {
            Some(number) => store::find_version(tx, tenant, K::NAME, row.id, number).await?,
            None => None,
        };
        Ok(Some(Drift {
            applied_version: applied.version,
            applied_at: applied.applied_at,
            version: number,
            changed_by: version.as_ref().and_then(|it| it.created_by.clone()),
            changed_at: version.and_then(|it| it.created_at),
        }))
    }
}
