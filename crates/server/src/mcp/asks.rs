//! What a tool has its client asked, instead of the model: values of its arguments.
//!
//! `metadata.mcp.asks` is a list of rounds. Each is an object of arguments, and how they are asked for: by a form
//! that a person fills in (`elicit`), of the client's own model (`sample`), or which folders it works on (`roots`).

use minijinja::context;
use minijinja::value::Serde;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::definitions::template::Template;
use crate::http::schema::Schema;
use crate::tools::ToolContent;

/// So many rounds, and arguments in each of them, a tool may ask for.
const ROUNDS: usize = 10;

/// The arguments of a round, by their names, and how they are asked for.
pub type Round = Vec<(String, Ask)>;

/// How a value is asked for. Texts of it are templates over `input`: what is known by then.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// What can be filled in is what the argument's own schema says.
    Elicit {
        message: String,
    },
    Sample {
        text: String,
        system: Option<String>,
        #[serde(default = "usual_length")]
        max_tokens: u32,
    },
    Roots {},
}

fn usual_length() -> u32 {
    1000
}

/// Something that a client is asked, in the words of the protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub method: &'static str,
    pub params: Value,
}

/// Why there is no value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoValue {
    #[error("the person declined")]
    Declined,
    #[error("{0}")]
    Wrong(String),
}

/// What `tool` has asked for. `None`: nobody understands it, so that nothing can be asked, nor left out.
pub fn of(tool: &ToolContent) -> Option<Vec<Round>> {
    let Some(asks) = tool.metadata.get("mcp").and_then(|mcp| mcp.get("asks")) else {
        return Some(Vec::new());
    };
    let rounds = asks.as_array().filter(|rounds| rounds.len() <= ROUNDS)?;
    let understood = |(name, ask): (&String, &Value)| {
        Some((name.clone(), serde_json::from_value(ask.clone()).ok()?))
    };
    let round = |round: &Value| -> Option<Round> {
        let asks = round.as_object().filter(|asks| !asks.is_empty() && asks.len() <= ROUNDS)?;
        asks.iter().map(understood).collect()
    };
    rounds.iter().map(round).collect()
}

/// The names of the arguments that are asked for: no model gives them.
pub fn names(tool: &ToolContent) -> impl Iterator<Item = &str> {
    let rounds = tool.metadata.get("mcp").and_then(|mcp| mcp.get("asks")).and_then(Value::as_array);
    let asks = rounds.into_iter().flatten().filter_map(Value::as_object);
    asks.flat_map(Map::keys).map(String::as_str)
}

/// Takes `names` out of a schema of arguments.
pub fn leave_out<'a>(schema: &mut Map<String, Value>, names: impl Iterator<Item = &'a str>) {
    for name in names {
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.remove(name);
        }
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            required.retain(|it| it != name);
        }
    }
}

/// The schema of an argument.
pub fn schema<'t>(tool: &'t ToolContent, name: &str) -> &'t Value {
    &tool.input_schema["properties"][name]
}

/// Whether a call needs the argument.
pub fn is_required(tool: &ToolContent, name: &str) -> bool {
    tool.input_schema["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name))
}

impl Ask {
    /// What the client must be able to do: a member of its capabilities.
    pub fn capability(&self) -> &'static str {
        match self {
            Self::Elicit { .. } => "elicitation",
            Self::Sample { .. } => "sampling",
            Self::Roots {} => "roots",
        }
    }

    /// The question about an argument with this `schema`, with what is known by now, or why it cannot be put.
    pub fn question(&self, schema: &Value, input: &Map<String, Value>) -> Result<Question, String> {
        let (method, params) = match self {
            Self::Elicit { message } => {
                let message = filled(message, input)?;
                let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
                ("elicitation/create", params)
            }
            Self::Sample { text, system, max_tokens } => {
                let content = json!({"type": "text", "text": filled(text, input)?});
                let messages = [json!({"role": "user", "content": content})];
                let mut params = json!({"messages": messages, "maxTokens": max_tokens});
                if let Some(system) = system {
                    params["systemPrompt"] = filled(system, input)?.into();
                }
                ("sampling/createMessage", params)
            }
            Self::Roots {} => ("roots/list", json!({})),
        };
        Ok(Question { method, params })
    }

    /// The value of the argument that an answer is.
    pub fn read(&self, schema: &Value, answer: &Value) -> Result<Value, NoValue> {
        let wrong = |why: &str| NoValue::Wrong(why.to_owned());
        match self {
            Self::Elicit { .. } => {
                let content = accepted(answer)?;
                let schema = Schema::compile(schema.clone());
                let faults = schema.map_or_else(|fault| vec![fault], |it| it.check(&content));
                match faults.first() {
                    Some(fault) => {
                        Err(NoValue::Wrong(format!("{}: {}", fault.pointer, fault.detail)))
                    }
                    None => Ok(content),
                }
            }
            Self::Sample { .. } if answer["content"].is_null() => {
                Err(wrong("what the client's model said has no `content`"))
            }
            Self::Sample { .. } => Ok(answer.clone()),
            Self::Roots {} => match &answer["roots"] {
                roots @ Value::Array(_) => Ok(roots.clone()),
                _ => Err(wrong("`roots` must be a list")),
            },
        }
    }
}

/// What a person has filled in.
pub fn accepted(answer: &Value) -> Result<Value, NoValue> {
    match answer["action"].as_str() {
        Some("accept") => Ok(answer.get("content").cloned().unwrap_or_else(|| json!({}))),
        Some("decline" | "cancel") => Err(NoValue::Declined),
        _ => Err(NoValue::Wrong("`action` must be `accept`, `decline` or `cancel`".to_owned())),
    }
}

fn filled(text: &str, input: &Map<String, Value>) -> Result<String, String> {
    let template = Template::new(text, &[("input", None)], "");
    let template = template
        .map_err(|faults| faults.into_iter().next().map(|it| it.detail).unwrap_or_default())?;
    template.fill(context! { input => Serde(input) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(asks: Value) -> ToolContent {
        let metadata = Map::from_iter([("mcp".to_owned(), json!({"asks": asks}))]);
        ToolContent { metadata, ..ToolContent::default() }
    }

    #[test]
    fn what_is_not_understood_is_not_left_out() {
        assert_eq!(of(&ToolContent::default()), Some(Vec::new()));
        let ask = json!([{"name": {"elicit": {"message": "Who?"}}}]);
        assert_eq!(of(&tool(ask)).map(|rounds| rounds[0][0].1.capability()), Some("elicitation"));
        for asks in [
            json!({}),
            json!([7]),
            json!([{}]),
            json!([{"a": {"guess": {}}}]),
            json!([{"a": {"elicit": {"message": "Who?", "schema": {}}}}]),
            json!(vec![json!({"a": {"roots": {}}}); 11]),
        ] {
            assert_eq!(of(&tool(asks.clone())), None, "{asks}");
        }
    }

    #[test]
    fn a_question_speaks_of_what_is_known() {
        let ask = Ask::Elicit { message: "To {{ input.who }}?".to_owned() };
        let known = Map::from_iter([("who".to_owned(), json!("Ann"))]);

        assert_eq!(
            ask.question(&json!({}), &known).map(|it| it.params["message"].clone()),
            Ok(json!("To Ann?"))
        );
        assert!(ask.question(&json!({}), &Map::new()).is_err());
    }

    #[test]
    fn an_answer_is_what_was_asked_for_or_none() {
        let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
        let ask = Ask::Elicit { message: "Who?".to_owned() };
        let accept = |content: Value| json!({"action": "accept", "content": content});

        assert_eq!(ask.read(&schema, &accept(json!({"name": "Ann"}))), Ok(json!({"name": "Ann"})));
        for action in ["decline", "cancel"] {
            assert_eq!(ask.read(&schema, &json!({"action": action})), Err(NoValue::Declined));
        }
        for wrong in [
            json!(12345),
            json!({}),
            accept(json!({})),
            accept(json!({"name": 7})),
            json!({"action": "accept"}),
        ] {
            assert!(matches!(ask.read(&schema, &wrong), Err(NoValue::Wrong(_))), "{wrong}");
        }
        let roots = json!([{"uri": "file:///a"}]);
        assert_eq!(Ask::Roots {}.read(&schema, &json!({"roots": roots})), Ok(roots));
        assert!(Ask::Roots {}.read(&schema, &json!([])).is_err());
        let sample = Ask::Sample { text: String::new(), system: None, max_tokens: 1 };
        let said = json!({"role": "assistant", "content": {"type": "text", "text": "Yes."}});
        assert_eq!(sample.read(&schema, &said), Ok(said.clone()));
        assert!(sample.read(&schema, &json!({})).is_err());
    }
}
