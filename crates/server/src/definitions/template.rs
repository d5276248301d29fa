//! Templates in definitions: strict, of bounded cost, and checked before they are used.

use minijinja::Environment;
use minijinja::Error;
use minijinja::ErrorKind;
use minijinja::UndefinedBehavior;
use minijinja::context;
use minijinja::value::Value;
use serde_json::Value as Json;

use crate::http::Invalid;

/// What one rendering may cost: about as many steps, and 64 bytes of text for each.
const FUEL: u64 = 50_000;

const TEMPLATE: &str = "template";

/// Words of JSON Schema beside which `properties` does not list all that there may be.
const OPEN: [&str; 7] =
    ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties"];

/// A template that speaks of nothing but what it will be given.
#[derive(Debug)]
pub struct Template(Box<Environment<'static>>);

/// What a template may speak of, each with the schema that describes it, if one does.
pub type Roots<'r> = [(&'static str, Option<&'r Json>)];

impl Template {
    /// Understands `text`, which stands at `place`, or says what is wrong with it.
    pub fn new(text: &str, roots: &Roots<'_>, place: &str) -> Result<Self, Vec<Invalid>> {
        let templates = compile(text).map_err(|error| {
            let detail = format!("this is not a template: {}", explain(&error));
            vec![Invalid::new(place, "bad_template", detail)]
        })?;
        let unknown = unknown_variables(&templates, roots);
        if unknown.is_empty() {
            return Ok(Self(Box::new(templates)));
        }
        let faults = unknown.into_iter().map(|name| {
            let detail = format!("the template speaks of `{name}`, which nothing gives a value");
            Invalid::new(place, "unknown_variable", detail)
        });
        Err(faults.collect())
    }

    /// The text with these values, or why there is none.
    pub fn fill(&self, values: Value) -> Result<String, String> {
        let text = self.0.get_template(TEMPLATE).and_then(|template| template.render(values));
        text.map_err(|error| explain(&error))
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
fn unknown_variables(templates: &Environment<'_>, roots: &Roots<'_>) -> Vec<String> {
    let Ok(template) = templates.get_template(TEMPLATE) else { return Vec::new() };
    let with_members = true;
    let mut unknown: Vec<_> = template
        .undeclared_variables(with_members)
        .into_iter()
        .filter(|path| {
            let mut steps = path.split('.');
            let (name, member) = (steps.next().unwrap_or_default(), steps.next());
            match (roots.iter().find(|(root, _)| *root == name), member) {
                (Some((_, Some(schema))), Some(member)) => !may_have(schema, member),
                (Some(_), _) => false,
                (None, _) => !is_function(templates, name),
            }
        })
        .collect();
    unknown.sort();
    unknown
}

/// Whether what `schema` describes may have such a member, as far as a look at its outside tells.
pub fn may_have(schema: &Json, member: &str) -> bool {
    let is_open = OPEN.iter().any(|word| schema.get(word).is_some())
        || schema.get("additionalProperties").is_some_and(|more| *more != Json::Bool(false));
    is_open || schema.get("properties").is_some_and(|known| known.get(member).is_some())
}

fn is_function(templates: &Environment<'_>, name: &str) -> bool {
    templates.globals().any(|(known, _)| known == name)
}

/// What is wrong, and in which line.
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
