//! What an agent is: the members of its definition that make up a version.

use engine::ApprovalPolicy;
use engine::OnTimeout;
use engine::PredicateFault;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use crate::tools::Approval;

/// The content of a definition of an agent. Each content that it ever had is a version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct AgentContent {
    /// The name in `/agents/{name}/execute`: a letter, then letters, digits, `_` and `-`.
    #[schema(max_length = 56, example = "support")]
    pub name: String,
    /// The name for people.
    #[schema(min_length = 1, max_length = 200, example = "Support")]
    pub display_name: String,
    /// What the agent is good for, for people and for agents that may ask it.
    #[schema(max_length = 4000)]
    pub description: String,
    /// What the model is told. Plain text; with a `context_schema` a template over `context`, `now`
    /// and `user`.
    #[schema(max_length = 100_000, example = "You help customers.")]
    pub instructions: String,
    /// `provider/name`, a bare name, or a list of up to 8 that is tried in order. `null`: the
    /// configured default.
    #[schema(value_type = Option<ModelForm>, required)]
    pub model: Option<ModelNames>,
    pub model_options: llm::ModelOptions,
    /// The tools that the model may call: names, or `{name, approval}`.
    #[schema(value_type = Vec<ToolForm>, max_items = 256)]
    pub tools: Vec<ToolUse>,
    /// Agents that the model may ask.
    #[schema(max_items = 128)]
    pub agents: Vec<String>,
    /// Workflows that the model may run, each by a tool `run_<name>`.
    #[schema(max_items = 128)]
    pub workflows: Vec<String>,
    /// Databases that the model may search, each by a tool `search_<name>`. What it finds stands in the
    /// `citations` of the answer.
    #[schema(max_items = 128)]
    pub rag_databases: Vec<String>,
    pub memory: Memory,
    /// JSON Schema of `context` in a request. It makes a template of the instructions.
    #[schema(value_type = Option<Object>, required)]
    pub context_schema: Option<Value>,
    /// JSON Schema of `output.object` of a run.
    #[schema(value_type = Option<Object>, required)]
    pub output_schema: Option<Value>,
    pub limits: engine::Limits,
    /// What a caller must hold, all of it, to execute the agent.
    #[schema(max_items = 100, example = json!(["agent.execute"]))]
    pub scopes: Vec<String>,
    /// Yours; at most 16 kB and 8 levels deep.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

/// The models of an agent, tried in order until one begins to answer. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ModelForm", into = "ModelForm")]
pub struct ModelNames(Vec<String>);

impl ModelNames {
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The names with the pointers to them.
    pub fn places(&self) -> Vec<(String, &str)> {
        match &self.0[..] {
            [only] => vec![("/model".to_owned(), only)],
            several => several
                .iter()
                .enumerate()
                .map(|(i, it)| (format!("/model/{i}"), it.as_str()))
                .collect(),
        }
    }
}

/// One name or several, as JSON has it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ModelForm {
    #[schema(example = "openai/gpt-5")]
    One(String),
    Several(Vec<String>),
}

impl TryFrom<ModelForm> for ModelNames {
    type Error = &'static str;

    fn try_from(form: ModelForm) -> Result<Self, Self::Error> {
        match form {
            ModelForm::Several(names) if names.is_empty() => Err("must not be empty"),
            ModelForm::Several(names) => Ok(Self(names)),
            ModelForm::One(name) => Ok(Self(vec![name])),
        }
    }
}

impl From<ModelNames> for ModelForm {
    fn from(ModelNames(mut names): ModelNames) -> Self {
        match names.pop() {
            Some(only) if names.is_empty() => Self::One(only),
            last => Self::Several(names.into_iter().chain(last).collect()),
        }
    }
}

/// A tool in the hands of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "ToolForm", into = "ToolForm")]
pub struct ToolUse {
    pub name: String,
    pub approval: Approval,
    pub terms: ApprovalTerms,
}

/// Who decides on the calls that need approval, and until when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalTerms {
    pub scope: Option<String>,
    pub timeout_ms: Option<u64>,
    pub on_timeout: Option<OnTimeout>,
}

impl ToolUse {
    /// A tool of which nothing more is demanded.
    pub fn of(name: &str) -> Self {
        Self::from(ToolForm::Name(name.to_owned()))
    }

    /// When a person must agree to a call of the tool, which demands `own` itself: whenever either demands it, and
    /// always when nobody can say when.
    pub fn policy_with(&self, own: &Approval) -> ApprovalPolicy {
        let used = Self { approval: self.approval.or(own), ..self.clone() };
        let always = || Self { approval: Approval::Always, ..used.clone() }.policy();
        used.policy().or_else(|_| always()).unwrap_or_default()
    }

    /// When a person must agree, as the engine asks it; or what is wrong with the predicate.
    pub fn policy(&self) -> Result<ApprovalPolicy, PredicateFault> {
        let usual = ApprovalPolicy::default();
        Ok(ApprovalPolicy {
            rule: self.approval.rule()?,
            scope: self.terms.scope.clone(),
            timeout_ms: self.terms.timeout_ms.unwrap_or(usual.timeout_ms),
            on_timeout: self.terms.on_timeout.unwrap_or(usual.on_timeout),
        })
    }
}

/// A tool's name, alone or with more, as JSON has it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ToolForm {
    Name(String),
    Full(FullTool),
}

/// A tool and when a person must agree to its calls.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FullTool {
    pub name: String,
    #[serde(default)]
    pub approval: Approval,
    /// What whoever decides must hold; `approval.decide` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver_scope: Option<String>,
    /// How long a call waits for a decision; a day if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1000, maximum = 7_776_000_000_u64)]
    pub approval_timeout_ms: Option<u64>,
    /// What happens when nobody has decided in time; `reject` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_timeout: Option<OnTimeout>,
}

impl From<ToolForm> for ToolUse {
    fn from(form: ToolForm) -> Self {
        match form {
            ToolForm::Name(name) => {
                Self { name, approval: Approval::Never, terms: ApprovalTerms::default() }
            }
            ToolForm::Full(full) => Self {
                name: full.name,
                approval: full.approval,
                terms: ApprovalTerms {
                    scope: full.approver_scope,
                    timeout_ms: full.approval_timeout_ms,
                    on_timeout: full.on_timeout,
                },
            },
        }
    }
}

impl From<ToolUse> for ToolForm {
    fn from(ToolUse { name, approval, terms }: ToolUse) -> Self {
        if approval == Approval::Never && terms == ApprovalTerms::default() {
            return Self::Name(name);
        }
        let ApprovalTerms { scope, timeout_ms, on_timeout } = terms;
        Self::Full(FullTool {
            name,
            approval,
            approver_scope: scope,
            approval_timeout_ms: timeout_ms,
            on_timeout,
        })
    }
}

/// What an agent remembers of its thread. It has no effect on a run without a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// The latest messages that the model is shown.
    #[schema(maximum = 1000)]
    pub last_messages: u32,
    /// Of these at most so many tokens.
    #[schema(minimum = 1)]
    pub max_tokens: Option<u64>,
    /// Earlier messages that the model is shown beside these because they are like what is asked. `null`: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semantic_recall: Option<SemanticRecall>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { last_messages: 20, max_tokens: None, semantic_recall: None }
    }
}

/// Which earlier messages are recalled, and how long that may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SemanticRecall {
    /// Messages that are looked for.
    #[schema(minimum = 1, maximum = 20)]
    pub top_k: u32,
    /// So many messages before and after each of them are shown with it.
    #[schema(maximum = 10)]
    pub message_range: u32,
    pub scope: RecallScope,
    /// After so long the run goes on without.
    #[schema(minimum = 100, maximum = 30_000)]
    pub timeout_ms: u32,
    /// A model as databases of documents name it. `null`: the configured default.
    #[schema(max_length = 200, example = "openai/text-embedding-3-small")]
    pub embedding_model: Option<String>,
}

/// Where earlier messages are looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecallScope {
    /// In the thread of the run.
    #[default]
    Thread,
    /// In all threads of its end user; of a thread without one, in that thread.
    User,
}

impl RecallScope {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::User => "user",
        }
    }
}

impl Default for SemanticRecall {
    fn default() -> Self {
        let scope = RecallScope::default();
        Self { top_k: 3, message_range: 1, scope, timeout_ms: 2000, embedding_model: None }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_model_is_a_name_and_several_are_a_list() {
        for value in [json!("openai/gpt-5"), json!(["a/b", "c/d"])] {
            let names: ModelNames = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(serde_json::to_value(names).unwrap(), value);
        }
        assert!(serde_json::from_value::<ModelNames>(json!([])).is_err());
    }

    #[test]
    fn a_tool_that_needs_no_approval_is_its_name() {
        let given = json!([{"name": "a", "approval": "never"}, {"name": "b"}, "c"]);
        let tools: Vec<ToolUse> = serde_json::from_value(given).unwrap();
        assert_eq!(serde_json::to_value(tools).unwrap(), json!(["a", "b", "c"]));

        let given = json!([{"name": "a", "approval": {"when": {"x": 1}}}]);
        let tools: Vec<ToolUse> = serde_json::from_value(given.clone()).unwrap();
        assert_eq!(serde_json::to_value(tools).unwrap(), given);
    }
}
