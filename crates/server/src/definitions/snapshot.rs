//! The definitions of a tenant at one moment, in memory.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Content;
use crate::definitions::Definition;
use crate::definitions::Kind;
use crate::definitions::Row;
use crate::definitions::Source;

/// The definitions of the code, by their names in lower case.
pub type OfCode<K> = HashMap<String, Arc<Definition<K>>>;

/// All definitions of a tenant.
#[derive(Debug)]
pub struct Snapshot<K: Kind> {
    /// All of it is as it was when `revisions` said this, or newer. None: what one process wrote was
    /// put in, and what others wrote in between may be missing.
    pub revision: Option<i64>,
    /// What was around them.
    pub view: Arc<K::View>,
    by_id: HashMap<Id, Arc<Definition<K>>>,
    /// By names in lower case.
    by_name: HashMap<String, Id>,
    by_age: BTreeMap<(At, Id), Id>,
    /// Those of the code, also where a row of that name hides one.
    code: Arc<OfCode<K>>,
}

impl<K: Kind> Snapshot<K> {
    /// Only the definitions of the code, at a revision of the rows.
    pub fn new(revision: i64, view: K::View, code: Arc<OfCode<K>>) -> Self {
        let mut snapshot =
            Self { revision: Some(revision), view: Arc::new(view), ..Self::default() };
        code.values().for_each(|definition| snapshot.add(Arc::clone(definition)));
        Self { code, ..snapshot }
    }

    /// The definitions of the code, for the next snapshot.
    pub fn code(&self) -> &Arc<OfCode<K>> {
        &self.code
    }

    /// The definition with this name, whatever its case, or with this id.
    pub fn find(&self, id_or_name: &str) -> Option<&Arc<Definition<K>>> {
        match id_or_name.parse() {
            Ok(id) => self.find_by_id(id),
            Err(_) => self.find_by_name(id_or_name),
        }
    }

    pub fn find_by_id(&self, id: Id) -> Option<&Arc<Definition<K>>> {
        self.by_id.get(&id)
    }

    pub fn find_by_name(&self, name: &str) -> Option<&Arc<Definition<K>>> {
        self.by_id.get(self.by_name.get(&name.to_ascii_lowercase())?)
    }

    /// All of them, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Definition<K>>> {
        self.by_id.values()
    }

    /// Those that are older than the one at `after`, or all; newest first.
    pub fn newest_first(
        &self,
        after: Option<(At, Id)>,
    ) -> impl Iterator<Item = &Arc<Definition<K>>> {
        let older = match after {
            Some(position) => self.by_age.range(..position),
            None => self.by_age.range(..),
        };
        older.rev().filter_map(|(_, id)| self.by_id.get(id))
    }

    /// What `row` was understood to say, if it has not changed since.
    pub fn unchanged(&self, row: &Row<K>) -> Option<Arc<Definition<K>>> {
        self.by_id.get(&row.id).filter(|it| it.fingerprint == row.fingerprint()).cloned()
    }

    /// Puts the definition of a row in the place of what it was before, and of one of the code that has
    /// its name.
    pub fn insert(&mut self, definition: Arc<Definition<K>>) {
        self.remove(definition.id);
        if let Some(hidden) = self.code.get(&definition.key()) {
            let id = hidden.id;
            self.take(id);
        }
        self.add(definition);
    }

    /// Takes the definition of a row away. One of the code that it has hidden is there again.
    pub fn remove(&mut self, id: Id) {
        let Some(definition) = self.take(id) else { return };
        if let Some(hidden) = self.code.get(&definition.key()).cloned() {
            self.add(hidden);
        }
    }

    fn add(&mut self, definition: Arc<Definition<K>>) {
        self.by_name.insert(definition.key(), definition.id);
        self.by_age.insert((definition.created_at, definition.id), definition.id);
        self.by_id.insert(definition.id, definition);
    }

    fn take(&mut self, id: Id) -> Option<Arc<Definition<K>>> {
        let definition = self.by_id.remove(&id)?;
        self.by_age.remove(&(definition.created_at, id));
        if self.by_name.get(&definition.key()) == Some(&id) {
            self.by_name.remove(&definition.key());
        }
        Some(definition)
    }

    /// Follows the references of `definition`, and notes what is wrong with them and what it hides.
    pub fn judge(&self, kind: &K, tenant: &TenantId, definition: &mut Arc<Definition<K>>) {
        let mut broken = kind.follow(tenant, &definition.content, self);
        broken.unknown.extend(kind.taken(&definition.content, Some(definition.id), self));
        let problems = definition.all_problems(broken);
        let hides = definition.source == Source::Database
            && self.code.contains_key(&definition.content.name().to_ascii_lowercase());
        let shadows = hides.then_some(Source::Code);
        if problems != definition.problems || shadows != definition.shadows {
            let state = &mut Arc::make_mut(definition).state;
            (state.problems, state.shadows) = (problems, shadows);
        }
    }

    /// The same for all.
    pub fn judge_all(&mut self, kind: &K, tenant: &TenantId) {
        let mut by_id = self.by_id.clone();
        for definition in by_id.values_mut() {
            self.judge(kind, tenant, definition);
        }
        self.by_id = by_id;
    }
}

impl<K: Kind> Default for Snapshot<K> {
    fn default() -> Self {
        Self {
            revision: None,
            view: Arc::default(),
            by_id: HashMap::new(),
            by_name: HashMap::new(),
            by_age: BTreeMap::new(),
            code: Arc::default(),
        }
    }
}

impl<K: Kind> Clone for Snapshot<K> {
    fn clone(&self) -> Self {
        Self {
            revision: self.revision,
            view: Arc::clone(&self.view),
            by_id: self.by_id.clone(),
            by_name: self.by_name.clone(),
            by_age: self.by_age.clone(),
            code: Arc::clone(&self.code),
        }
    }
}
