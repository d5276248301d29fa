//! Whether what an agent refers to is there, and for its author to use.

use std::collections::BTreeSet;

use crate::agents::AgentContent;
use crate::agents::Around;
use crate::agents::models::Models;
use crate::agents::models::NoModel;
use crate::definitions;
use crate::definitions::Author;
use crate::definitions::Broken;
use crate::definitions::unknown;
use crate::http::Invalid;
use crate::rag::Embedders;
use crate::rag::NoEmbedder;
use crate::tools::Node;

/// Whether there is what an agent refers to: each knows the names of its kind.
#[derive(Clone, Copy)]
pub struct Others<'o> {
    pub tools: &'o dyn Fn(&str) -> bool,
    pub agents: &'o dyn Fn(&str) -> bool,
    pub workflows: &'o dyn Fn(&str) -> bool,
    pub databases: &'o dyn Fn(&str) -> bool,
}

/// Follows all references of `content`.
pub fn follow(models: &Models, content: &AgentContent, others: Others<'_>) -> Broken {
    let mut broken = follow_models(models, content);
    let tools = content.tools.iter().map(|tool| &tool.name);
    let (workflows, databases) = (&content.workflows, &content.rag_databases);
    broken.unknown.extend(
        [
            unknown("tools", "unknown_tool", tools, others.tools),
            unknown("agents", "unknown_agent", &content.agents, others.agents),
            unknown("workflows", "unknown_workflow", workflows, others.workflows),
            unknown("rag_databases", "unknown_rag_database", databases, others.databases),
        ]
        .into_iter()
        .flatten(),
    );
    broken
}

fn follow_models(models: &Models, content: &AgentContent) -> Broken {
    let places = match &content.model {
        Some(names) => names.places(),
        None => vec![("/model".to_owned(), models.default_name())],
    };
    let mut broken = Broken::default();
    let mut seen = BTreeSet::new();
    for (place, name) in places {
        match models.resolve(name) {
            Ok(model) if seen.insert(model.full_name.clone()) => {}
            Ok(model) => {
                let detail = format!("`{}` is named twice", model.full_name);
                broken.unknown.push(Invalid::new(place, "not_unique", detail));
            }
            Err(why @ NoModel::NotConfigured { .. }) => {
                broken.unusable.push(Invalid::new(place, "model_not_configured", why));
            }
            Err(why) => broken.unknown.push(Invalid::new(place, "unknown_model", why)),
        }
    }
    broken
}

/// Looks whether there is the model by which the agent recalls what was said.
pub fn follow_recall(embedders: &Embedders, content: &AgentContent, broken: &mut Broken) {
    let recall = content.memory.semantic_recall.as_ref();
    let Some(model) = recall.and_then(|it| it.embedding_model.as_deref()) else { return };
    let fault =
        |code, why: NoEmbedder| Invalid::new("/memory/semantic_recall/embedding_model", code, why);
    match embedders.find(model) {
        Ok(_) => {}
        Err(why @ NoEmbedder::NotConfigured { .. }) => {
            broken.unusable.push(fault("model_not_configured", why));
        }
        Err(why) => broken.unknown.push(fault("unknown_model", why)),
    }
}

/// What `content` asks, calls and runs, each with its place and its name.
pub fn calls(content: &AgentContent) -> Vec<(String, &str, Node)> {
    let agents = content.agents.iter().enumerate();
    let agents = agents.map(|(index, it)| (format!("/agents/{index}"), &**it, Node::agent(it)));
    let tools = content.tools.iter().map(|it| &*it.name).enumerate();
    let tools = tools.map(|(index, it)| (format!("/tools/{index}"), it, Node::tool(it)));
    let runs = content.workflows.iter().enumerate();
    let runs = runs.map(|(index, it)| (format!("/workflows/{index}"), &**it, Node::workflow(it)));
    agents.chain(tools).chain(runs).collect()
}

/// The tools, agents, workflows and databases in `content` that its author may not use himself.
pub fn beyond_rights(author: Author<'_>, content: &AgentContent, around: &Around) -> Vec<Invalid> {
    let called = calls(content).into_iter().filter_map(|(place, name, node)| {
        let scopes = match node {
            Node::Tool(_) => &around.view.find_by_name(name)?.content.scopes,
            Node::Agent(_) => &around.find_by_name(name)?.content.scopes,
            Node::Workflow(_) => &around.view.view.workflow(name)?.scopes,
            Node::Step(_) => return None,
        };
        definitions::beyond_rights(author, scopes, place)
    });
    let databases = content.rag_databases.iter().enumerate().filter_map(|(index, name)| {
        let needed = around.view.view.to_search(name)?;
        definitions::beyond_rights(author, needed, format!("/rag_databases/{index}"))
    });
    called.chain(databases).collect()
}

/// The agents, tools and workflows of `content` through which it would, directly or not, ask itself.
pub fn cycles(content: &AgentContent, around: &Around) -> Vec<Invalid> {
    let own = Node::agent(&content.name);
    let circle = |(place, name, node): (String, &str, Node)| {
        let detail = format!("`{name}` would ask `{}` in turn, which waits for it", content.name);
        let is_circle = around.view.would_wait(node, &own);
        is_circle.then(|| Invalid::new(place, "cycle", detail))
    };
    calls(content).into_iter().filter_map(circle).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use llm::Timeouts;
    use reqwest::Client;
    use serde_json::from_value;
    use serde_json::json;

    use super::*;
    use crate::config;

    const NOTHING: Others<'_> = Others {
        tools: &|_| false,
        agents: &|_| false,
        workflows: &|_| false,
        databases: &|_| false,
    };

    #[test]
    fn a_provider_without_a_key_is_a_problem_but_no_mistake() {
        let models = json!(["demo/scripted", "gpt-5", "gemini-3"]);
        let content =
            AgentContent { model: from_value(models).unwrap(), ..AgentContent::default() };

        let broken = follow(&set_up("demo/scripted"), &content, NOTHING);

        assert_eq!(places(&broken.unusable), ["/model/1 model_not_configured"]);
        assert_eq!(places(&broken.unknown), ["/model/2 unknown_model"]);
    }

    #[test]
    fn a_model_is_named_once_whichever_name_it_is_given() {
        let models = json!(["scripted", "demo/scripted"]);
        let content =
            AgentContent { model: from_value(models).unwrap(), ..AgentContent::default() };

        let broken = follow(&set_up("demo/scripted"), &content, NOTHING);

        assert_eq!(places(&broken.unknown), ["/model/1 not_unique"]);
    }

    #[test]
    fn the_default_model_must_be_usable_too() {
        let content = AgentContent::default();

        let broken = follow(&set_up("openai/gpt-5"), &content, NOTHING);

        assert_eq!(places(&broken.unusable), ["/model model_not_configured"]);
    }

    fn set_up(default: &str) -> Models {
        let providers = BTreeMap::from([("openai".to_owned(), config::Provider::openai())]);
        let settings = config::Models {
            default: default.to_owned(),
            aliases: BTreeMap::new(),
            prices: BTreeMap::new(),
            providers,
            timeouts: Timeouts::default(),
        };
        Models::new(&settings, &Client::new())
    }

    fn places(faults: &[Invalid]) -> Vec<String> {
        faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect()
    }
}
