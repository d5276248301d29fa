//! The agents of a tenant at one moment, in memory.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use crate::agents::Agent;
use crate::agents::AgentContent;
use crate::agents::references::Surroundings;
use crate::agents::store::Row;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Source;
use crate::http::Invalid;

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
    /// Those of the code by names in lower case, also where a row of that name hides one.
    code: Arc<HashMap<String, Arc<Agent>>>,
}

impl Snapshot {
    /// Only the agents of the code, at a revision of the rows.
    pub fn new(revision: i64, code: Arc<HashMap<String, Arc<Agent>>>) -> Self {
        let mut snapshot = Self { revision: Some(revision), ..Self::default() };
        code.values().for_each(|agent| snapshot.add(Arc::clone(agent)));
        Self { code, ..snapshot }
    }

    /// The agents of the code, for the next snapshot.
    pub fn code(&self) -> &Arc<HashMap<String, Arc<Agent>>> {
        &self.code
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

    /// The agents of `content` that would, directly or through others, ask it itself.
    pub fn cycles(&self, content: &AgentContent) -> Vec<Invalid> {
        let leads_back = |first: &String| {
            let (mut seen, mut ahead) = (HashSet::new(), vec![first.to_ascii_lowercase()]);
            while let Some(name) = ahead.pop() {
                if name.eq_ignore_ascii_case(&content.name) {
                    return true;
                }
                if seen.insert(name.clone())
                    && let Some(agent) = self.find_by_name(&name)
                {
                    ahead.extend(agent.content.agents.iter().map(|it| it.to_ascii_lowercase()));
                }
            }
            false
        };
        let fault = |(index, name): (usize, &String)| {
            let detail =
                format!("`{name}` would ask `{}` in turn, which waits for it", content.name);
            leads_back(name).then(|| Invalid::new(format!("/agents/{index}"), "cycle", detail))
        };
        content.agents.iter().enumerate().filter_map(fault).collect()
    }

    /// What `row` was understood to say, if it has not changed since.
    pub fn unchanged(&self, row: &Row) -> Option<Arc<Agent>> {
        self.by_id.get(&row.id).filter(|agent| agent.fingerprint == row.fingerprint()).cloned()
    }

    /// Puts the agent of a row in the place of what it was before, and of one of the code that has its
    /// name.
    pub fn insert(&mut self, agent: Arc<Agent>) {
        self.remove(agent.id);
        if let Some(hidden) = self.code.get(&key(&agent)) {
            let id = hidden.id;
            self.take(id);
        }
        self.add(agent);
    }

    /// Takes the agent of a row away. One of the code that it has hidden is there again.
    pub fn remove(&mut self, id: Id) {
        let Some(agent) = self.take(id) else { return };
        if let Some(hidden) = self.code.get(&key(&agent)).cloned() {
            self.add(hidden);
        }
    }

    fn add(&mut self, agent: Arc<Agent>) {
        self.by_name.insert(key(&agent), agent.id);
        self.by_age.insert((agent.created_at, agent.id), agent.id);
        self.by_id.insert(agent.id, agent);
    }

    fn take(&mut self, id: Id) -> Option<Arc<Agent>> {
        let agent = self.by_id.remove(&id)?;
        self.by_age.remove(&(agent.created_at, id));
        if self.by_name.get(&key(&agent)) == Some(&id) {
            self.by_name.remove(&key(&agent));
        }
        Some(agent)
    }

    /// Follows the references of `agent`, and notes what is wrong with them and what it hides.
    pub fn judge(&self, agent: &mut Arc<Agent>, tenant: &TenantId, surroundings: &Surroundings) {
        let is_agent = |name: &str| self.find_by_name(name).is_some();
        let problems = agent.all_problems(surroundings.follow(tenant, &agent.content, is_agent));
        let hides = agent.source == Source::Database && self.code.contains_key(&key(agent));
        let shadows = hides.then_some(Source::Code);
        if problems != agent.problems || shadows != agent.shadows {
            let agent = Arc::make_mut(agent);
            (agent.problems, agent.shadows) = (problems, shadows);
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

fn key(agent: &Agent) -> String {
    agent.content.name.to_ascii_lowercase()
}
