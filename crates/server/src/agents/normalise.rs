//! From what a row or a body says to an agent: one function for both.

use std::ops::RangeInclusive;

use auth::scope::Scope;
use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema as OpenApiSchema;

use crate::agents::AgentKind;
use crate::agents::content::AgentContent;
use crate::agents::content::ModelNames;
use crate::agents::content::ToolUse;
use crate::agents::instructions::Instructions;
use crate::definitions::Document;
use crate::definitions::Normalised;
use crate::definitions::Reader;
use crate::definitions::change_body;
use crate::definitions::check_name;
use crate::definitions::check_scopes;
use crate::definitions::duplicates;
use crate::definitions::metadata;
use crate::definitions::new_body;
use crate::http::Invalid;
use crate::http::schema::Schema;
use crate::tools::run_name;
use crate::tools::search_name;

/// That an agent may name.
const MODELS: usize = 8;
/// How long a call may wait for a decision: from a second to 90 days.
const APPROVAL_TIMEOUT_MS: RangeInclusive<u64> = 1_000..=7_776_000_000;

/// A new agent, as a body describes it. Only its schema is used.
#[derive(Debug)]
pub enum NewAgent {}

/// What of an agent is to change, as a body says it. Only its schema is used.
#[derive(Debug)]
pub enum AgentChange {}

/// What every agent says of itself; `null` is no value of these.
const REQUIRED: [&str; 3] = ["name", "display_name", "instructions"];

impl PartialSchema for NewAgent {
    fn schema() -> RefOr<OpenApiSchema> {
        new_body::<AgentContent>(&REQUIRED, "A new agent. `null` stands for the default.")
    }
}

impl PartialSchema for AgentChange {
    fn schema() -> RefOr<OpenApiSchema> {
        let description = "The members that change. `null` stands for the default.";
        change_body::<AgentContent>(&REQUIRED, description)
    }
}

impl ToSchema for NewAgent {
    fn schemas(schemas: &mut Vec<(String, RefOr<OpenApiSchema>)>) {
        AgentContent::schemas(schemas);
    }
}

impl ToSchema for AgentChange {
    fn schemas(schemas: &mut Vec<(String, RefOr<OpenApiSchema>)>) {
        AgentContent::schemas(schemas);
    }
}

/// Understands `given`, of which `unreadable` is already known to be no JSON.
///
/// A member that breaks a rule keeps its value; one of another type has its default. Whether what
/// the agent refers to exists is not seen here.
pub fn normalise(given: Document, unreadable: Vec<Invalid>) -> Normalised<AgentKind> {
    let mut reader = Reader::new::<NewAgent>(given, unreadable);
    let content = AgentContent {
        name: reader.take("name"),
        display_name: reader.take("display_name"),
        description: reader.take("description"),
        instructions: reader.take("instructions"),
        model: reader.take("model"),
        model_options: reader.take("model_options"),
        tools: reader.take("tools"),
        agents: reader.take("agents"),
        workflows: reader.take("workflows"),
        rag_databases: reader.take("rag_databases"),
        memory: reader.take("memory"),
        context_schema: reader.take("context_schema"),
        output_schema: reader.take("output_schema"),
        limits: reader.take("limits"),
        scopes: reader.take("scopes"),
        metadata: reader.take("metadata"),
    };
    let is_active = reader.take::<Option<bool>>("is_active").unwrap_or(true);
    for faults in broken_rules(&content) {
        reader.report(faults);
    }
    let (document, problems) = reader.finish(&content, &AgentContent::default(), &REQUIRED);
    Normalised { content, document, is_active, problems }
}

/// What the rules that no schema knows find wrong with each member.
fn broken_rules(content: &AgentContent) -> [Vec<Invalid>; 10] {
    [
        check_name(&content.name).err().into_iter().collect(),
        models(content),
        tools(content),
        duplicates("/agents", content.agents.iter().map(String::as_str)),
        by_tools("workflows", &content.workflows, run_name, content),
        by_tools("rag_databases", &content.rag_databases, search_name, content),
        Instructions::new(&content.instructions, content.context_schema.as_ref())
            .err()
            .unwrap_or_default(),
        output_schema(content),
        check_scopes(&content.scopes),
        metadata::check(&content.metadata),
    ]
}

/// Each of the list `list` is used by a tool, whose name must be its own.
fn by_tools(
    list: &str,
    names: &[String],
    tool_of: fn(&str) -> String,
    content: &AgentContent,
) -> Vec<Invalid> {
    let mut faults = duplicates(&format!("/{list}"), names.iter().map(String::as_str));
    faults.extend(names.iter().enumerate().filter_map(|(index, name)| {
        let tool = tool_of(name);
        let is_taken = content.tools.iter().any(|it| it.name.eq_ignore_ascii_case(&tool));
        let detail = format!("it is used by a tool `{tool}`, and there is another of this name");
        is_taken.then(|| Invalid::new(format!("/{list}/{index}"), "not_unique", detail))
    }));
    faults
}

fn models(content: &AgentContent) -> Vec<Invalid> {
    let places = content.model.as_ref().map(ModelNames::places).unwrap_or_default();
    if places.len() > MODELS {
        return vec![Invalid::new("/model", "too_many", "must have at most 8 items")];
    }
    let is_wrong =
        |name: &str| name.is_empty() || name.len() > 200 || name.contains(char::is_whitespace);
    let fault = |at| Invalid::new(at, "bad_format", "a model is 1 to 200 bytes without spaces");
    places.into_iter().filter(|(_, name)| is_wrong(name)).map(|(at, _)| fault(at)).collect()
}

fn tools(content: &AgentContent) -> Vec<Invalid> {
    let mut faults = duplicates("/tools", content.tools.iter().map(|tool| tool.name.as_str()));
    for (index, tool) in content.tools.iter().enumerate() {
        faults.extend(approval(&format!("/tools/{index}"), tool));
    }
    faults
}

fn approval(at: &str, tool: &ToolUse) -> Vec<Invalid> {
    let mut faults = tool.approval.check(&format!("{at}/approval"));
    if tool.terms.timeout_ms.is_some_and(|ms| !APPROVAL_TIMEOUT_MS.contains(&ms)) {
        let detail = "must be from 1,000 (a second) to 7,776,000,000 (90 days)";
        faults.push(Invalid::new(format!("{at}/approval_timeout_ms"), "out_of_range", detail));
    }
    if let Some(Err(error)) = tool.terms.scope.as_deref().map(str::parse::<Scope>) {
        faults.push(Invalid::new(format!("{at}/approver_scope"), "bad_scope", error));
    }
    faults
}

fn output_schema(content: &AgentContent) -> Vec<Invalid> {
    let schema = content.output_schema.clone().map(Schema::compile);
    let fault = schema.and_then(Result::err);
    fault.map(|fault| fault.under("/output_schema")).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use expect_test::Expect;
    use expect_test::expect;
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_agent_of_the_original_is_understood() {
        let normal = normalised(json!({
            "name": "dynamic-agent",
            "display_name": "Dynamic Agent",
            "instructions": "You are a dynamic agent",
            "model": "gpt-5",
            "tools": ["tool1", "tool2"],
            "scopes": ["agent.execute"],
            "is_active": true
        }));

        assert_eq!(normal.problems, []);
        assert_eq!(normal.content.limits, engine::Limits::default());
        assert_eq!(
            normal.document.text(),
            r#"{"display_name":"Dynamic Agent","instructions":"You are a dynamic agent","model":"gpt-5","name":"dynamic-agent","scopes":["agent.execute"],"tools":["tool1","tool2"]}"#
        );
    }

    #[test]
    fn what_means_the_same_is_the_same_version() {
        let short = normalised(
            json!({"name": "a", "display_name": "A", "instructions": "", "tools": ["t"]}),
        );
        let long = normalised(json!({
            "name": "a", "display_name": "A", "instructions": "", "description": "", "model": null,
            "model_options": {"temperature": null, "tool_choice": "auto", "parallel_tool_calls": true},
            "tools": [{"name": "t", "approval": "never"}], "limits": {"max_steps": 20}, "is_active": false,
        }));

        assert_eq!(short.document.hash(), long.document.hash());
        assert!(short.is_active && !long.is_active);
    }

    #[test]
    fn normalising_twice_changes_nothing() {
        let once = normalised(json!({
            "name": "a b", "display_name": 5, "model_options": {"temperature": 1, "x": 1},
            "limits": {"max_steps": 5}, "model": ["a"], "memory": {"last_messages": 3},
        }));

        let twice = normalise(once.document.clone(), Vec::new());

        assert_eq!(once.document, twice.document);
        assert_eq!(once.problems, twice.problems);
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        check(
            json!({
                "name": "my agent", "display_nmae": "x", "display_name": "", "instructions": "x",
                "tools": ["t", {"name": "T"}, {"name": "u", "approval": "always"}],
                "model": [], "limits": {"max_steps": 0}, "scopes": ["agent.execute", "Agent", "agent.run"],
                "context_schema": "no", "output_schema": {"type": "objekt"}, "memory": {"last": 1},
                "model_options": {"temperature": 3, "tool_choice": "maybe"},
                "metadata": {"a": [[[[[[[[1]]]]]]]]}, "is_active": "yes"
            }),
            expect![[r#"
                /context_schema wrong_type: must be an object or null, not a string
                /display_name too_short: must not be empty
                /display_nmae unknown_member: there is no such member; did you mean `display_name`?
                /is_active wrong_type: must be a boolean or null, not a string
                /limits/max_steps out_of_range: must be at least 1
                /memory/last unknown_member: there is no such member
                /metadata too_deep: must have at most 8 levels
                /model not_valid: must not be empty
                /model_options/temperature out_of_range: must be at most 2
                /model_options/tool_choice not_one_of: must be one of `auto`, `required` or `none`, or an object with `named`
                /name bad_format: a name is a letter, then letters, digits, `_` and `-`
                /output_schema/type bad_schema: this is not a JSON Schema: must be one of `array`, `boolean`, `integer`, `null`, `number`, `object` or `string`, or a list; did you mean `object`?
                /scopes/1 bad_scope: a scope is two or more words of a-z, 0-9, _ and - with dots between; the last one may be *
                /scopes/2 bad_scope: agent has no such action; it has read, write, execute
                /tools/1 not_unique: is named twice"#]],
        );
    }

    #[test]
    fn required_members_are_missed() {
        check(
            json!({}),
            expect![[r#"
            /display_name missing_member: is required
            /instructions missing_member: is required
            /name missing_member: is required"#]],
        );
    }

    #[test]
    fn a_value_that_breaks_a_rule_is_still_shown() {
        let normal = normalised(json!({"name": "my agent", "limits": {"max_steps": 5000}}));

        assert_eq!(normal.content.name, "my agent");
        assert_eq!(normal.content.limits.max_steps, 5000);
    }

    #[test]
    fn what_is_not_understood_is_kept_for_the_history() {
        let normal = normalised(json!({"name": "a", "tools": {"x": 1}}));

        assert!(normal.content.tools.is_empty());
        assert_eq!(normal.document.get("tools"), Some(&json!({"x": 1})));
    }

    #[test]
    fn much_metadata_is_refused() {
        let normal = normalised(json!({"metadata": {"a": "x".repeat(20_000)}}));

        assert!(
            normal
                .problems
                .iter()
                .any(|fault| fault.pointer == "/metadata" && fault.code == "too_long")
        );
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-z{}%_. ]{0,12}".prop_map(Value::from),
        ];
        let known = "name|max_steps|temperature|approval|type|properties|context";
        scalar.prop_recursive(3, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(known, inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    fn any_document() -> impl Strategy<Value = Document> {
        let default = serde_json::to_value(AgentContent::default()).unwrap();
        let members: Vec<String> = default.as_object().unwrap().keys().cloned().collect();
        prop::collection::hash_map(prop::sample::select(members), any_value(), 0..6)
            .prop_map(|members| Document::new(members.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn whatever_is_given_is_understood_the_same_the_second_time(given in any_document()) {
            let once = normalise(given, Vec::new());
            let twice = normalise(once.document.clone(), Vec::new());

            prop_assert_eq!(&once.document, &twice.document);
            prop_assert_eq!(once.problems, twice.problems);
        }
    }

    fn normalised(value: Value) -> Normalised<AgentKind> {
        normalise(Document::new(value.as_object().unwrap().clone()), Vec::new())
    }

    #[track_caller]
    fn check(value: Value, expected: Expect) {
        let faults = normalised(value).problems.into_iter();
        let lines: Vec<_> =
            faults.map(|it| format!("{} {}: {}", it.pointer, it.code, it.detail)).collect();
        expected.assert_eq(&lines.join("\n"));
    }
}
