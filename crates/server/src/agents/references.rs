//! Whether what an agent refers to is there, and for its author to use.

use std::collections::BTreeSet;
use std::sync::Arc;

use auth::scope::Scopes;

use crate::agents::Agent;
use crate::agents::AgentContent;
use crate::agents::models::Models;
use crate::agents::models::NoModel;
use crate::db::TenantId;
use crate::http::Invalid;
use crate::tools::Tools;

/// What an agent may refer to beside other agents.
#[derive(Debug, Clone)]
pub struct Surroundings {
    pub models: Models,
    pub tools: Tools,
}

/// What is wrong with the references of an agent.
#[derive(Debug, Default)]
pub struct Broken {
    /// There is no such thing, or it is there twice: a definition that names it is refused.
    pub unknown: Vec<Invalid>,
    /// It exists, but cannot be used as the server is set up now. Setting it up may come later.
    pub unusable: Vec<Invalid>,
}

impl Surroundings {
    /// Follows all references of `content`. `is_agent` knows the names of agents.
    pub fn follow(
        &self,
        tenant: &TenantId,
        content: &AgentContent,
        is_agent: impl Fn(&str) -> bool,
    ) -> Broken {
        let mut broken = self.models(content);
        let tools = content.tools.iter().map(|tool| &tool.name);
        let is_tool = |name: &str| self.tools.find(tenant, name).is_some();
        let nothing = |_: &str| false; // Neither of these two kinds can be made yet.
        broken.unknown.extend(
            [
                unknown("tools", "unknown_tool", tools, is_tool),
                unknown("agents", "unknown_agent", &content.agents, is_agent),
                unknown("workflows", "unknown_workflow", &content.workflows, nothing),
                unknown("rag_databases", "unknown_rag_database", &content.rag_databases, nothing),
            ]
            .into_iter()
            .flatten(),
        );
        broken
    }

    fn models(&self, content: &AgentContent) -> Broken {
        let places = match &content.model {
            Some(names) => names.places(),
            None => vec![("/model".to_owned(), self.models.default_name())],
        };
        let mut broken = Broken::default();
        let mut seen = BTreeSet::new();
        for (place, name) in places {
            match self.models.resolve(name) {
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

    /// The tools and agents in `content` that somebody with the rights `held` may not use himself.
    pub fn beyond_rights(
        &self,
        tenant: &TenantId,
        content: &AgentContent,
        held: &Scopes,
        find_agent: impl Fn(&str) -> Option<Arc<Agent>>,
    ) -> Vec<Invalid> {
        let tools = content.tools.iter().enumerate().filter_map(|(index, tool)| {
            let found = self.tools.find(tenant, &tool.name)?;
            beyond(held, found.scopes(), format!("/tools/{index}"))
        });
        let agents = content.agents.iter().enumerate().filter_map(|(index, name)| {
            beyond(held, &find_agent(name)?.content.scopes, format!("/agents/{index}"))
        });
        tools.chain(agents).collect()
    }
}

fn unknown<'n>(
    list: &str,
    code: &'static str,
    names: impl IntoIterator<Item = &'n String>,
    is_known: impl Fn(&str) -> bool,
) -> Vec<Invalid> {
    let thing = code.trim_start_matches("unknown_").replace('_', " ");
    let fault = |(index, name): (usize, &String)| {
        Invalid::new(format!("/{list}/{index}"), code, format!("no {thing} is named `{name}`"))
    };
    let names = names.into_iter().enumerate();
    names.filter(|(_, name)| !is_known(name)).map(fault).collect()
}

fn beyond<S: AsRef<str>>(held: &Scopes, needed: &[S], place: String) -> Option<Invalid> {
    let missing = needed.iter().find(|scope| !held.covers(scope))?.as_ref();
    let detail = format!("its use needs the scope `{missing}`, which you do not hold");
    Some(Invalid::new(place, "missing_scope", detail))
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

        let broken =
            surroundings("demo/scripted").follow(&TenantId::default(), &content, |_| false);

        assert_eq!(places(&broken.unusable), ["/model/1 model_not_configured"]);
        assert_eq!(places(&broken.unknown), ["/model/2 unknown_model"]);
    }

    #[test]
    fn a_model_is_named_once_whichever_name_it_is_given() {
        let models = json!(["scripted", "demo/scripted"]);
        let content =
            AgentContent { model: from_value(models).unwrap(), ..AgentContent::default() };

        let broken =
            surroundings("demo/scripted").follow(&TenantId::default(), &content, |_| false);

        assert_eq!(places(&broken.unknown), ["/model/1 not_unique"]);
    }

    #[test]
    fn the_default_model_must_be_usable_too() {
        let content = AgentContent::default();

        let broken = surroundings("openai/gpt-5").follow(&TenantId::default(), &content, |_| false);

        assert_eq!(places(&broken.unusable), ["/model model_not_configured"]);
    }

    fn surroundings(default: &str) -> Surroundings {
        let providers = BTreeMap::from([("openai".to_owned(), config::Provider::openai())]);
        let settings = config::Models {
            default: default.to_owned(),
            aliases: BTreeMap::new(),
            prices: BTreeMap::new(),
            providers,
            timeouts: Timeouts::default(),
        };
        let models = Models::new(&settings, &Client::new());
        Surroundings { models, tools: Tools::built_in().unwrap() }
    }

    fn places(faults: &[Invalid]) -> Vec<String> {
        faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect()
    }
}
