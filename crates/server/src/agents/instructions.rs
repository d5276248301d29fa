//! What the model is told: a text, or a template that is filled in for each run.

use minijinja::context;
use minijinja::value::Serde;
use serde_json::Value;

use crate::db::At;
use crate::definitions::template::Template;
use crate::http::Invalid;
use crate::http::schema::Schema;

/// The instructions of an agent, ready to be used.
#[derive(Debug)]
pub enum Instructions {
    /// Told as it is, braces and all.
    Text(String),
    /// Filled in with the context of a request, which `schema` describes.
    Template { schema: Schema, template: Template },
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
        let roots = [("context", Some(document)), ("now", None), ("user", None)];
        let template = Template::new(text, &roots, "/instructions")?;
        Ok(Self::Template { schema, template })
    }

    /// The text for one run, or what is wrong with its context. A plain text takes no notice of it.
    pub fn fill(&self, variables: Variables<'_>) -> Result<String, Vec<Invalid>> {
        let (schema, template) = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::Template { schema, template } => (schema, template),
        };
        let Variables { context, now, user } = variables;
        let faults = schema.check(context);
        if !faults.is_empty() {
            return Err(faults.into_iter().map(|fault| fault.under("/context")).collect());
        }
        let context = Serde(context);
        let now = now.to_string();
        template.fill(context! { context, now, user }).map_err(|why| {
            let detail = format!("the instructions cannot be filled in: {why}");
            vec![Invalid::new("/context", "bad_context", detail)]
        })
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
                "/context_schema/type bad_schema: this is not a JSON Schema: must be one of `array`, `boolean`, `integer`, `null`, `number`, `object` or `string`, or a list; did you mean `object`?"
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
