//! Whether what an agent refers to is there, and for its author to use.

use std::collections::BTreeSet;

use crate::agents::AgentContent;
use crate::agents::Around;
use crate::agents::ToolUse;
use crate::agents::models::Models;
use crate::agents::models::NoModel;
use crate::definitions;
use crate::definitions::Author;
use crate::definitions::Broken;
use crate::definitions::unknown;
use crate::http::Invalid;
use crate::rag::Embedders;
use crate::rag::NoEmbedder;
use crate::tools::reaches;

/// Follows all references of `content`; the functions know the names of tools, of agents, and of databases.
pub fn follow(
    models: &Models,
    content: &AgentContent,
    is_tool: impl Fn(&str) -> bool,
    is_agent: impl Fn(&str) -> bool,
    is_database: impl Fn(&str) -> bool,
) -> Broken {
    let mut broken = follow_models(models, content);
    let tools = content.tools.iter().map(|tool| &tool.name);
    let nothing = |_: &str| false; // This kind cannot be made yet.
    broken.unknown.extend(
        [
            unknown("tools", "unknown_tool", tools, is_tool),
            unknown("agents", "unknown_agent", &content.agents, is_agent),
            unknown("workflows", "unknown_workflow", &content.workflows, nothing),
            unknown("rag_databases", "unknown_rag_database", &content.rag_databases, is_database),
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

/// The tools, agents and databases in `content` that its author may not use himself.
pub fn beyond_rights(author: Author<'_>, content: &AgentContent, around: &Around) -> Vec<Invalid> {
    let tools = content.tools.iter().enumerate().filter_map(|(index, tool)| {
        let scopes = &around.view.find_by_name(&tool.name)?.content.scopes;
        definitions::beyond_rights(author, scopes, format!("/tools/{index}"))
    });
    let agents = content.agents.iter().enumerate().filter_map(|(index, name)| {
        let scopes = &around.find_by_name(name)?.content.scopes;
        definitions::beyond_rights(author, scopes, format!("/agents/{index}"))
    });
    let databases = content.rag_databases.iter().enumerate().filter_map(|(index, name)| {
        let needed = around.view.view.to_search(name)?;
        definitions::beyond_rights(author, needed, format!("/rag_databases/{index}"))
    });
    tools.chain(agents).chain(databases).collect()
}

/// The agents and tools of `content` through which it would, directly or not, ask itself.
pub fn cycles(content: &AgentContent, around: &Around) -> Vec<Invalid> {
    let through =
        |tool: &ToolUse| around.view.find_by_name(&tool.name)?.ready.asks().map(str::to_owned);
    let asks = |name: &str| {
        let Some(agent) = around.find_by_name(name) else { return Vec::new() };
        let AgentContent { agents, tools, .. } = &agent.content;
        agents.iter().cloned().chain(tools.iter().filter_map(through)).collect()
    };
    let is_it = |name: &str| name.eq_ignore_ascii_case(&content.name);
    let fault = |place: String, name: &str| {
        let detail = format!("`{name}` would ask `{}` in turn, which waits for it", content.name);
        reaches(name, is_it, asks).then(|| Invalid::new(place, "cycle", detail))
    };
    let agents = content.agents.iter().enumerate();
    let agents = agents.filter_map(|(index, name)| fault(format!("/agents/{index}"), name));
    let tools = content.tools.iter().enumerate();
    let tools = tools.filter_map(|(index, it)| fault(format!("/tools/{index}"), &through(it)?));
    agents.chain(tools).collect()
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

    #[test]
    fn a_provider_without_a_key_is_a_problem_but_no_mistake() {
        let models = json!(["demo/scripted", "gpt-5", "gemini-3"]);
        let content =
            AgentContent { model: from_value(models).unwrap(), ..AgentContent::default() };

        let broken = follow(&set_up("demo/scripted"), &content, |_| false, |_| false, |_| false);

        assert_eq!(places(&broken.unusable), ["/model/1 model_not_configured"]);
        assert_eq!(places(&broken.unknown), ["/model/2 unknown_model"]);
    }

    #[test]
    fn a_model_is_named_once_whichever_name_it_is_given() {
        let models = json!(["scripted", "demo/scripted"]);
        let content =
            AgentContent { model: from_value(models).unwrap(), ..AgentContent::default() };

        let broken = follow(&set_up("demo/scripted"), &content, |_| false, |_| false, |_| false);

        assert_eq!(places(&broken.unknown), ["/model/1 not_unique"]);
    }

    #[test]
    fn the_default_model_must_be_usable_too() {
        let content = AgentContent::default();

        let broken = follow(&set_up("openai/gpt-5"), &content, |_| false, |_| false, |_| false);

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
