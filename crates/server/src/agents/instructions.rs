//! What the model is told: a text, or a template that is filled in for each run.

use minijinja::Environment;
use minijinja::Error;
use minijinja::ErrorKind;
use minijinja::UndefinedBehavior;
use minijinja::context;
use minijinja::value::Serde;
use serde_json::Value;

use crate::db::At;
use crate::http::Invalid;
use crate::http::schema::Schema;

/// What one rendering may cost: about as many steps, and 64 bytes of text for each.
const FUEL: u64 = 50_000;

const TEMPLATE: &str = "instructions";
const VARIABLES: [&str; 3] = ["context", "now", "user"];

/// Words of JSON Schema beside which `properties` does not list all that there may be.
const OPEN: [&str; 7] =
    ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties"];

/// The instructions of an agent, ready to be used.
#[derive(Debug)]
pub enum Instructions {
    /// Told as it is, braces and all.
    Text(String),
    /// Filled in with the context of a request, which `schema` describes.
    Template { schema: Schema, templates: Box<Environment<'static>> },
}

/// What a template may speak of.
#[derive(Debug, Clone, Copy)]
pub struct Variables<'v> {
    pub context: &'v Value,
    pub now: At,
    /// The caller's own name for its end user.
    pub user: Option<&'v str>,
}

impl Instructions {
    /// Understands `text`: a template if there is a `context_schema`. Or says what is wrong with either.
    pub fn new(text: &str, context_schema: Option<&Value>) -> Result<Self, Vec<Invalid>> {
        let Some(document) = context_schema else { return Ok(Self::Text(text.to_owned())) };
        let schema = Schema::compile(document.clone())
            .map_err(|fault| vec![fault.under("/context_schema")])?;
        let templates = compile(text).map_err(|error| vec![in_template(&error)])?;
        let unknown = unknown_variables(&templates, document);
        if unknown.is_empty() {
            return Ok(Self::Template { schema, templates: Box::new(templates) });
        }
        let faults = unknown.into_iter().map(|name| {
            let detail = format!("the template speaks of `{name}`, which nothing gives a value");
            Invalid::new("/instructions", "unknown_variable", detail)
        });
        Err(faults.collect())
    }

    /// The text for one run, or what is wrong with its context. A plain text takes no notice of it.
    pub fn fill(&self, variables: Variables<'_>) -> Result<String, Vec<Invalid>> {
        let (schema, templates) = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::Template { schema, templates } => (schema, templates),
        };
        let Variables { context, now, user } = variables;
        let faults = schema.check(context);
        if !faults.is_empty() {
            return Err(faults.into_iter().map(|fault| fault.under("/context")).collect());
        }
        let context = Serde(context);
        let now = now.to_string();
        let text = templates
            .get_template(TEMPLATE)
            .and_then(|template| template.render(context! { context, now, user }));
        text.map_err(|error| {
            let detail = format!("the instructions cannot be filled in: {}", explain(&error));
            vec![Invalid::new("/context", "bad_context", detail)]
        })
    }
}

fn compile(text: &str) -> Result<Environment<'static>, Error> {
    let mut templates = Environment::new();
    templates.set_fuel(Some(FUEL));
    templates.add_template_owned(TEMPLATE, text.to_owned())?;
    try_out(&mut templates)?;
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    Ok(templates)
}

/// Finds filters, tests and functions that there are not, as far as a rendering without values comes.
fn try_out(templates: &mut Environment<'static>) -> Result<(), Error> {
    templates.set_undefined_behavior(UndefinedBehavior::Chainable);
    match templates.get_template(TEMPLATE)?.render(context! {}) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// What the template speaks of although nothing gives it a value, in order.
fn unknown_variables(templates: &Environment<'_>, context_schema: &Value) -> Vec<String> {
    let Ok(template) = templates.get_template(TEMPLATE) else { return Vec::new() };
    let with_members = true;
    let mut unknown: Vec<_> = template
        .undeclared_variables(with_members)
        .into_iter()
        .filter(|path| match path.split('.').collect::<Vec<_>>()[..] {
            ["context", member, ..] => !may_have(context_schema, member),
            [name, ..] => !VARIABLES.contains(&name) && !is_function(templates, name),
            [] => false,
        })
        .collect();
    unknown.sort();
    unknown
}

/// Whether what `schema` describes may have such a member, as far as a look at its outside tells.
fn may_have(schema: &Value, member: &str) -> bool {
    let is_open = OPEN.iter().any(|word| schema.get(word).is_some())
        || schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
    is_open || schema.get("properties").is_some_and(|known| known.get(member).is_some())
}

fn is_function(templates: &Environment<'_>, name: &str) -> bool {
    templates.globals().any(|(known, _)| known == name)
}

fn in_template(error: &Error) -> Invalid {
    let detail = format!("this is not a template: {}", explain(error));
    Invalid::new("/instructions", "bad_template", detail)
}

/// What is wrong, and in which line of the instructions.
fn explain(error: &Error) -> String {
    let what = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    match error.line() {
        Some(line) => format!("{what} (line {line})"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::Expect;
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn without_a_schema_it_is_plain_text_with_its_braces() {
        let text = "Say {{ this }} and {% that";

        let instructions = Instructions::new(text, None).unwrap();

        assert_eq!(fill(&instructions, json!({"this": 1})).unwrap(), text);
    }

    #[test]
    fn a_template_is_filled_in() {
        let text = "{% for part in context.parts %}{{ loop.index }}:{{ part|upper }} {% endfor %}{{ now }} {{ user or 'nobody' }}";
        let schema = json!({"properties": {"parts": {"type": "array"}}});

        let instructions = Instructions::new(text, Some(&schema)).unwrap();

        let filled = fill(&instructions, json!({"parts": ["a", "<b>"]})).unwrap();
        assert_eq!(filled, "1:A 2:<B> 2026-11-25T10:00:00Z nobody");
    }

    #[test]
    fn a_wrong_context_is_refused_by_its_schema() {
        let schema = json!({"properties": {"name": {"type": "string"}}, "required": ["name"]});
        let instructions = Instructions::new("Hi {{ context.name }}", Some(&schema)).unwrap();

        check(fill(&instructions, json!({})), expect!["/context/name missing_member: is required"]);
        check(
            fill(&instructions, json!({"name": 5})),
            expect!["/context/name wrong_type: must be a string, not a number"],
        );
    }

    #[test]
    fn a_member_that_is_not_there_is_no_empty_text() {
        let schema = json!({"properties": {"name": {}}});
        let instructions = Instructions::new("Hi\n{{ context.name }}", Some(&schema)).unwrap();

        check(
            fill(&instructions, json!({})),
            expect![
                "/context bad_context: the instructions cannot be filled in: undefined value: `context.name` is undefined (line 2)"
            ],
        );
    }

    #[test]
    fn a_template_that_does_not_end_in_time_is_stopped() {
        let schema = json!({});
        let text = "{% for a in range(1000) %}{% for b in range(1000) %}x{% endfor %}{% endfor %}";
        let instructions = Instructions::new(text, Some(&schema)).unwrap();

        check(
            fill(&instructions, json!({})),
            expect![
                "/context bad_context: the instructions cannot be filled in: engine ran out of fuel (line 1)"
            ],
        );
    }

    #[test]
    fn faults_of_a_template_are_found_before_it_is_used() {
        let faults = |text: &str, schema: Value| Instructions::new(text, Some(&schema)).map(drop);

        check(
            faults("a\n{{ context.", json!({})),
            expect![
                "/instructions bad_template: this is not a template: syntax error: unexpected end of input, expected identifier or integer (line 2)"
            ],
        );
        check(
            faults("{{ context.a|uper }}", json!({"properties": {"a": {}}})),
            expect![
                "/instructions bad_template: this is not a template: unknown filter: filter uper is unknown (line 1)"
            ],
        );
        check(
            faults("{{ customer }} {{ now }} {{ range(3) }}", json!({})),
            expect![
                "/instructions unknown_variable: the template speaks of `customer`, which nothing gives a value"
            ],
        );
        check(
            faults("{{ context.nmae }}", json!({"properties": {"name": {}}})),
            expect![
                "/instructions unknown_variable: the template speaks of `context.nmae`, which nothing gives a value"
            ],
        );
        check(
            faults("x", json!({"type": "objekt"})),
            expect![
                "/context_schema/type bad_schema: this is not a JSON Schema: value is not valid under any of the schemas listed in the 'anyOf' keyword"
            ],
        );
        check(
            faults("x", json!({"$ref": "https://example.com/schema"})),
            expect![
                "/context_schema bad_schema: a `$ref` of this schema leads to nothing inside it"
            ],
        );
        check(
            faults("x", json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}})),
            expect![
                "/context_schema bad_schema: a `$ref` of this schema leads to nothing inside it"
            ],
        );
    }

    #[test]
    fn members_of_an_open_schema_are_taken_on_trust() {
        for schema in [
            json!({"additionalProperties": true}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {}}}),
        ] {
            assert!(Instructions::new("{{ context.any.thing }}", Some(&schema)).is_ok());
        }
    }

    fn fill(instructions: &Instructions, context: Value) -> Result<String, Vec<Invalid>> {
        let now = "2026-11-25T10:00:00Z".parse().unwrap();
        instructions.fill(Variables { context: &context, now, user: None })
    }

    #[track_caller]
    fn check<T: std::fmt::Debug>(result: Result<T, Vec<Invalid>>, expected: Expect) {
        let faults = result.unwrap_err().into_iter();
        let lines: Vec<_> =
            faults.map(|it| format!("{} {}: {}", it.pointer, it.code, it.detail)).collect();
        expected.assert_eq(&lines.join("\n"));
    }
}
