//! Agents and tools that would wait for themselves: an agent asks another, or calls a tool that does.

use std::collections::BTreeMap;
use std::collections::HashSet;

/// What tools must know of agents, which come after them, by their names in lower case.
pub type KnownAgents = BTreeMap<String, KnownAgent>;

/// What tools must know of an agent.
#[derive(Debug, Clone, Default)]
pub struct KnownAgent {
    pub scopes: Vec<String>,
    /// The agents that it asks.
    pub agents: Vec<String>,
    /// The tools that it calls.
    pub tools: Vec<String>,
}

/// Whether an agent that `is_it` is asked when `first` is: it itself, or one that it asks, directly or
/// through others. `asks` says whom an agent asks.
pub fn reaches(
    first: &str,
    is_it: impl Fn(&str) -> bool,
    asks: impl Fn(&str) -> Vec<String>,
) -> bool {
    let (mut seen, mut ahead) = (HashSet::new(), vec![first.to_ascii_lowercase()]);
    while let Some(name) = ahead.pop() {
        if is_it(&name) {
            return true;
        }
        if !seen.contains(&name) {
            ahead.extend(asks(&name).iter().map(|it| it.to_ascii_lowercase()));
            seen.insert(name);
        }
    }
    false
}
