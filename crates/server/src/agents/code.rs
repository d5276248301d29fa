//! Agents that are defined in code. They belong to the tenant `default`.

use std::collections::BTreeMap;

use crate::agents::AgentContent;
use crate::agents::AgentKind;
use crate::agents::models::Models;
use crate::agents::normalise::normalise;
use crate::agents::references;
use crate::agents::references::Others;
use crate::definitions::Document;
use crate::definitions::InCode;
use crate::definitions::in_order;
use crate::http::Invalid;
use crate::tools::Known;
use crate::tools::KnownOthers;

/// What the code says of its agents, by their names in lower case.
#[derive(Debug, Default)]
pub struct CodeAgents(BTreeMap<String, (AgentContent, Document)>);

impl CodeAgents {
    /// Adds an agent, or says all that is wrong with it. Other agents, workflows and databases of documents that it names
    /// may be rows, so they are not looked for, and a provider may be set up later. `is_tool` knows the tools of
    /// the code.
    pub fn add(
        &mut self,
        given: Document,
        models: &Models,
        is_tool: impl Fn(&str) -> bool,
    ) -> Result<(), Vec<Invalid>> {
        let normal = normalise(given, Vec::new());
        let mut faults = normal.problems;
        let (content, is_row) = (&normal.content, |_: &str| true);
        let others =
            Others { tools: &is_tool, agents: &is_row, workflows: &is_row, databases: &is_row };
        faults.extend(references::follow(models, content, others).unknown);
        let name = normal.content.name.to_ascii_lowercase();
        if self.0.contains_key(&name) {
            faults.push(Invalid::new("/name", "not_unique", "there is an agent of this name"));
        }
        if !faults.is_empty() {
            return Err(in_order(faults));
        }
        self.0.insert(name, (normal.content, normal.document));
        Ok(())
    }

    /// What tools must know of each.
    pub fn known(&self) -> KnownOthers {
        let known = |(name, (content, _)): (&String, &(AgentContent, Document))| {
            let calls = references::calls(content).into_iter().map(|(.., node)| node).collect();
            let known = Known { scopes: content.scopes.clone(), calls, fingerprint: 0 };
            (name.clone(), known)
        };
        self.0.iter().map(known).collect()
    }
}

impl From<CodeAgents> for InCode<AgentKind> {
    fn from(agents: CodeAgents) -> Self {
        let documents = agents.0.into_iter().map(|(name, (_, document))| (name, document));
        Self::Versioned(documents.collect())
    }
}
