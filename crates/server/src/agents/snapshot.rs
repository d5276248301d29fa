//! The agents of a tenant at one moment, in memory.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use crate::agents::Agent;
use crate::agents::references::Surroundings;
use crate::agents::store::Row;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;

/// All agents of a tenant.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// All of it is as it was when `revisions` said this, or newer. None: what one process wrote was
    /// put in, and what others wrote in between may be missing.
    pub revision: Option<i64>,
    by_id: HashMap<Id, Arc<Agent>>,
    /// By names in lower case.
    by_name: HashMap<String, Id>,
    by_age: BTreeMap<(At, Id), Id>,
}

impl Snapshot {
    pub fn new(revision: i64) -> Self {
        Self { revision: Some(revision), ..Self::default() }
    }

    /// The agent with this name, whatever its case, or with this id.
    pub fn find(&self, id_or_name: &str) -> Option<&Arc<Agent>> {
        match id_or_name.parse() {
            Ok(id) => self.find_by_id(id),
            Err(_) => self.find_by_name(id_or_name),
        }
    }

    pub fn find_by_id(&self, id: Id) -> Option<&Arc<Agent>> {
        self.by_id.get(&id)
    }

    pub fn find_by_name(&self, name: &str) -> Option<&Arc<Agent>> {
        self.by_id.get(self.by_name.get(&name.to_ascii_lowercase())?)
    }

    /// Those that are older than the one at `after`, or all; newest first.
    pub fn newest_first(&self, after: Option<(At, Id)>) -> impl Iterator<Item = &Arc<Agent>> {
        let older = match after {
            Some(position) => self.by_age.range(..position),
            None => self.by_age.range(..),
        };
        older.rev().filter_map(|(_, id)| self.by_id.get(id))
    }

    /// Those that name the agent `agent` among their own agents, but for itself.
    pub fn dependents(&self, agent: &Agent) -> Vec<String> {
        let names_it = |other: &&Arc<Agent>| {
            other.content.agents.iter().any(|name| name.eq_ignore_ascii_case(&agent.content.name))
        };
        let others = self.newest_first(None).filter(|other| other.id != agent.id);
        others.filter(names_it).map(|other| other.content.name.clone()).collect()
    }

    /// What `row` was understood to say, if it has not changed since.
    pub fn unchanged(&self, row: &Row) -> Option<Arc<Agent>> {
        self.by_id.get(&row.id).filter(|agent| agent.fingerprint == row.fingerprint()).cloned()
    }

    /// Puts an agent in the place of what it was before.
    pub fn insert(&mut self, agent: Arc<Agent>) {
        self.remove(agent.id);
        self.by_name.insert(agent.content.name.to_ascii_lowercase(), agent.id);
        self.by_age.insert((agent.created_at, agent.id), agent.id);
        self.by_id.insert(agent.id, agent);
    }

    pub fn remove(&mut self, id: Id) {
        if let Some(agent) = self.by_id.remove(&id) {
            self.by_age.remove(&(agent.created_at, id));
            let name = agent.content.name.to_ascii_lowercase();
            if self.by_name.get(&name) == Some(&id) {
                self.by_name.remove(&name);
            }
        }
    }

    /// Follows the references of `agent` and notes what is wrong with them.
    pub fn judge(&self, agent: &mut Arc<Agent>, tenant: &TenantId, surroundings: &Surroundings) {
        let is_agent = |name: &str| self.find_by_name(name).is_some();
        let problems = agent.all_problems(surroundings.follow(tenant, &agent.content, is_agent));
        if problems != agent.problems {
            Arc::make_mut(agent).problems = problems;
        }
    }

    /// The same for all.
    pub fn judge_all(&mut self, tenant: &TenantId, surroundings: &Surroundings) {
        let mut by_id = self.by_id.clone();
        for agent in by_id.values_mut() {
            self.judge(agent, tenant, surroundings);
        }
        self.by_id = by_id;
    }
}
