//! The right to execute: so many runs at once in this process, and so many of one client and one agent.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

use super::Record;
use super::store::owners::Queued;
use crate::config::Limits;
use crate::db::Id;

/// All rights of this process. Clones share them.
#[derive(Debug, Clone)]
pub struct Permits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: Arc<Semaphore>,
    /// 0 is no limit.
    per_client: usize,
    per_agent: usize,
    running: Mutex<Running>,
}

/// Runs that are executed here.
#[derive(Debug, Default)]
struct Running {
    /// Ids of clients are unique over all tenants.
    by_client: HashMap<String, usize>,
    by_agent: HashMap<Id, usize>,
    /// Clients of whom runs were sent to the queue: new ones go behind those.
    waiting: HashSet<String>,
    turns: Turns,
}

/// Whose turn it is in the queue, by start-time fair queueing: each run of a client starts where the one before it
/// ended, or now; the earliest start comes first. Time is counted in runs.
#[derive(Debug, Default)]
struct Turns {
    now: i64,
    /// Where the last run of a client ended, if that is to come.
    ends: HashMap<String, i64>,
}

/// The place of one run among those of its client and its agent.
#[derive(Debug)]
pub struct Share {
    permits: Permits,
    client: String,
    agent: Id,
}

/// Whose runs must wait, because as many are executed as may be.
#[derive(Debug, Default)]
pub struct Saturated {
    pub clients: Vec<String>,
    pub agents: Vec<Id>,
}

impl Permits {
    pub fn new(limits: &Limits) -> Self {
        Self(Arc::new(Inner {
            all: Arc::new(Semaphore::new(limits.runs)),
            per_client: limits.runs_per_client,
            per_agent: limits.runs_per_agent,
            running: Mutex::default(),
        }))
    }

    /// The right to execute one more run now.
    pub fn one(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.all).try_acquire_owned().ok()
    }

    /// How many more runs may be executed now.
    pub fn free(&self) -> usize {
        self.0.all.available_permits()
    }

    /// A place for a run that is new, if its client and its agent have one left.
    pub fn share(&self, record: &Record) -> Option<Share> {
        let mut running = self.lock();
        let client = &record.run.summary.client_id;
        if running.has_place(&self.0, client, record.definition)
            && !running.waiting.contains(client)
        {
            return Some(self.enter(&mut running, record));
        }
        running.waiting.insert(client.clone());
        None
    }

    /// A place for a run that was begun before, and goes on whatever others do.
    pub fn share_of_begun(&self, record: &Record) -> Share {
        self.enter(&mut self.lock(), record)
    }

    /// Whether a client and an agent have a place left.
    pub fn has_place(&self, client: &str, agent: Id) -> bool {
        self.lock().has_place(&self.0, client, agent)
    }

    fn enter(&self, running: &mut Running, record: &Record) -> Share {
        let (client, agent) = (record.run.summary.client_id.clone(), record.definition);
        *running.by_client.entry(client.clone()).or_default() += 1;
        *running.by_agent.entry(agent).or_default() += 1;
        Share { permits: self.clone(), client, agent }
    }

    /// Whose runs must wait now.
    pub fn saturated(&self) -> Saturated {
        let running = self.lock();
        Saturated {
            clients: full(&running.by_client, self.0.per_client),
            agents: full(&running.by_agent, self.0.per_agent),
        }
    }

    /// Brings runs of the queue, the first of each client, into the order of their turns, with their starts.
    pub fn in_turn(&self, queued: Vec<Queued>) -> Vec<(i64, Queued)> {
        let running = self.lock();
        let start = |run: &Queued| running.turns.next_of(&run.client_id) + run.turn - 1;
        let mut queued: Vec<_> = queued.into_iter().map(|run| (start(&run), run)).collect();
        // What starts at once stays in the order of its age.
        queued.sort_by_key(|(start, run)| (*start, run.id));
        queued
    }

    /// A run of the client that started there was begun.
    pub fn note_turn(&self, client: String, start: i64) {
        let turns = &mut self.lock().turns;
        turns.now = start;
        turns.ends.retain(|_, end| *end > start);
        turns.ends.insert(client, start + 1);
    }

    /// Of no others than those who are `saturated` do runs wait.
    pub fn note_waiting(&self, saturated: &Saturated) {
        if saturated.agents.is_empty() {
            self.lock().waiting.retain(|client| saturated.clients.contains(client));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    fn next_of(&self, client: &str) -> i64 {
        self.ends.get(client).map_or(self.now, |end| self.now.max(*end))
    }
}

impl Running {
    fn has_place(&self, of: &Inner, client: &str, agent: Id) -> bool {
        let is_free = |limit: usize, count: Option<&usize>| {
            limit == 0 || count.is_none_or(|count| *count < limit)
        };
        is_free(of.per_client, self.by_client.get(client))
            && is_free(of.per_agent, self.by_agent.get(&agent))
    }
}

fn full<K: Clone>(running: &HashMap<K, usize>, limit: usize) -> Vec<K> {
    let full = running.iter().filter(|(_, count)| limit > 0 && **count >= limit);
    full.map(|(key, _)| key.clone()).collect()
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut running = self.permits.lock();
        leave(&mut running.by_client, &self.client);
        leave(&mut running.by_agent, &self.agent);
    }
}

fn leave<K: Eq + std::hash::Hash>(running: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = running.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            running.remove(key);
        }
    }
}
