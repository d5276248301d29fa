//! Scopes of the original in the words of ours.

use auth::scope::Scope;
use serde_json::Value;

use super::original::Row;
use super::report::Report;

/// What the original called an action, and what the same is called here.
const ACTIONS: [(&str, &str); 7] = [
    ("agent.chat", "agent.execute"),
    ("agent.memory.read", "thread.read"),
    ("agent.memory.write", "thread.write"),
    ("rag.retrieve", "rag.search"),
    ("tool.invoke", "tool.execute"),
    ("workflow.monitor", "run.read"),
    ("workflow.trigger", "workflow.execute"),
];

/// A scope as it is called here; none if it means nothing here.
pub fn known(asked: &str, kind: &'static str, name: &str, report: &mut Report) -> Option<Scope> {
    if let Ok(scope) = asked.parse() {
        return Some(scope);
    }
    let (_, new) = ACTIONS.iter().find(|(old, _)| *old == asked)?;
    let scope = new.parse().ok()?;
    report.note(kind, name, format!("`{asked}` is `{new}` here"));
    Some(scope)
}

/// The scopes that a definition demands of its callers.
#[derive(Debug, Default)]
pub struct Demanded {
    pub scopes: Vec<Scope>,
    /// Whether it demands more, which nobody can hold here: without that it would be open to more than before.
    pub is_closed: bool,
}

impl Demanded {
    pub fn of(row: &Row, kind: &'static str, name: &str, report: &mut Report) -> Self {
        let mut demanded = Self::default();
        let asked = match row.get("scopes") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.iter().collect(),
            Some(other) => vec![other],
        };
        for asked in asked {
            let known = asked.as_str().and_then(|it| known(it, kind, name, report));
            match known {
                Some(scope) if demanded.scopes.contains(&scope) => {}
                Some(scope) => demanded.scopes.push(scope),
                None => {
                    demanded.is_closed = true;
                    let note = format!(
                        "it is not active: the scope {asked}, which it demands, means nothing here"
                    );
                    report.note(kind, name, note);
                }
            }
        }
        demanded
    }
}
