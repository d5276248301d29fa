//! Puts the faults that a JSON Schema finds into words for people and codes for programs.
//!
//! Details say what was expected. They repeat names, never values.

use std::collections::HashMap;
use std::fmt::Display;

use jsonschema::JsonType;
use jsonschema::ValidationError;
use jsonschema::error::TypeKind;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use crate::http::Invalid;
use crate::http::invalid::pointer_to;
use crate::http::suggest::closest;

/// More faults than this help nobody.
const MOST: usize = 100;

/// Says what is wrong, at most one fault a place: a wrong type makes the rest of its place moot.
pub fn explain<'e>(
    document: &Value,
    errors: impl Iterator<Item = ValidationError<'e>>,
) -> Vec<Invalid> {
    let mut faults = Faults { document, list: Vec::new(), places: HashMap::new() };
    for error in errors {
        faults.add(&error);
        if faults.list.len() >= MOST {
            break;
        }
    }
    faults.list
}

struct Faults<'d> {
    document: &'d Value,
    list: Vec<Invalid>,
    places: HashMap<String, usize>,
}

impl Faults<'_> {
    fn push(&mut self, fault: Invalid) {
        if let Some(&known) = self.places.get(&fault.pointer) {
            if fault.code == "wrong_type" {
                self.list[known] = fault;
            }
        } else if self.list.len() < MOST {
            self.places.insert(fault.pointer.clone(), self.list.len());
            self.list.push(fault);
        }
    }

    fn add(&mut self, error: &ValidationError<'_>) {
        let at = error.instance_path().as_str();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                self.unknown_members(error, unexpected);
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                self.push(Invalid::new(pointer_to(at, name), "missing_member", "is required"));
            }
            ValidationErrorKind::AnyOf { context }
            | ValidationErrorKind::OneOfNotValid { context } => self.any_of(error, context),
            ValidationErrorKind::Type { kind } => {
                self.push(wrong_type(at, &types(kind), error.instance()));
            }
            ValidationErrorKind::Enum { options } => {
                let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
                self.push(not_one_of(at, options, "", error.instance()));
            }
            ValidationErrorKind::PropertyNames { error } => {
                let name = error.instance().as_str().unwrap_or_default();
                let (code, detail) = rule(error.kind());
                self.push(Invalid::new(pointer_to(at, name), code, format!("its name {detail}")));
            }
            kind => {
                let (code, detail) = rule(kind);
                self.push(Invalid::new(at, code, detail));
            }
        }
    }

    fn unknown_members(&mut self, error: &ValidationError<'_>, unexpected: &[String]) {
        let (parent, _) = error.schema_path().as_str().rsplit_once('/').unwrap_or_default();
        let known = self.document.pointer(&format!("{parent}/properties"));
        let known = known.and_then(Value::as_object);
        for name in unexpected.iter().take(MOST) {
            let known = known.into_iter().flat_map(|known| known.keys().map(String::as_str));
            let detail = unknown_member(name, known);
            let pointer = pointer_to(error.instance_path().as_str(), name);
            self.push(Invalid::new(pointer, "unknown_member", detail));
        }
    }

    /// Reports the variant that was most likely meant.
    fn any_of(&mut self, error: &ValidationError<'_>, variants: &[Vec<ValidationError<'static>>]) {
        let at = error.instance_path().as_str();
        let mut expected = Vec::new();
        let mut fitting: Vec<usize> = Vec::new();
        let mut others: Vec<(usize, JsonType)> = Vec::new();
        for (index, errors) in variants.iter().enumerate() {
            match mistaken_types(errors, at) {
                Some(types) => {
                    others.extend(types.iter().map(|kind| (index, *kind)));
                    expected.extend(types);
                }
                None => fitting.push(index),
            }
        }
        if fitting.is_empty() {
            self.push(wrong_type(at, &expected, error.instance()));
            return;
        }
        match self.by_tag(error, &fitting) {
            Tagged::Fault(fault) => self.push(fault),
            Tagged::Variant(index) => variants[index].iter().for_each(|error| self.add(error)),
            Tagged::No => {
                let words: Option<Vec<&[Value]>> =
                    fitting.iter().map(|&index| words(&variants[index], at)).collect();
                if let Some(words) = words {
                    let others = others.into_iter().filter_map(|it| self.form(error, it));
                    let others = others.map(|form| format!(", or {form}")).collect::<Vec<_>>();
                    self.push(not_one_of(at, &words.concat(), &others.concat(), error.instance()));
                    return;
                }
                let nearest = fitting.into_iter().min_by_key(|index| variants[*index].len());
                let errors = nearest.map(|index| &variants[index]);
                errors.into_iter().flatten().for_each(|error| self.add(error));
            }
        }
    }

    /// What is wanted in the place of a word: a list, or an object, with the member that it must have.
    fn form(
        &self,
        error: &ValidationError<'_>,
        (index, kind): (usize, JsonType),
    ) -> Option<String> {
        let variant = || self.document.pointer(error.schema_path().as_str())?.get(index);
        match kind {
            JsonType::Object => {
                let required = variant().and_then(|it| self.followed(it)?.pointer("/required/0"));
                let with = required.and_then(Value::as_str).map(|it| format!(" with `{it}`"));
                Some(format!("an object{}", with.unwrap_or_default()))
            }
            JsonType::Array => Some(String::from(type_name(kind))),
            _ => None,
        }
    }

    /// The schema, or that which it refers to.
    fn followed<'s>(&'s self, schema: &'s Value) -> Option<&'s Value> {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.document.pointer(reference.strip_prefix('#')?),
            None => Some(schema),
        }
    }

    /// Finds the variant by the member that tells the variants apart, such as `type`.
    fn by_tag(&self, error: &ValidationError<'_>, fitting: &[usize]) -> Tagged {
        let at = error.instance_path().as_str();
        let schemas = self.document.pointer(error.schema_path().as_str());
        let tags: Option<Vec<(usize, &str, &Value)>> = fitting
            .iter()
            .map(|&index| self.tag(schemas?.get(index)?).map(|(name, value)| (index, name, value)))
            .collect();
        let Some(tags) = tags else { return Tagged::No };
        let Some(&(_, name, _)) = tags.first() else { return Tagged::No };
        if tags.iter().any(|(_, other, _)| *other != name) {
            return Tagged::No;
        }
        let options: Vec<Value> = tags.iter().map(|(_, _, value)| (*value).clone()).collect();
        let pointer = pointer_to(at, name);
        let Some(given) = error.instance().get(name) else {
            let detail = format!("is required: {}", list(&options));
            return Tagged::Fault(Invalid::new(pointer, "missing_member", detail));
        };
        match tags.iter().find(|(_, _, value)| *value == given) {
            Some((index, _, _)) => Tagged::Variant(*index),
            None => Tagged::Fault(not_one_of(&pointer, &options, "", given)),
        }
    }

    /// The member of which this variant allows a single value.
    fn tag<'s>(&'s self, schema: &'s Value) -> Option<(&'s str, &'s Value)> {
        self.followed(schema)?.get("properties")?.as_object()?.iter().find_map(|(name, member)| {
            let only = match member.get("enum").and_then(Value::as_array).map(Vec::as_slice) {
                Some([only]) => Some(only),
                _ => member.get("const"),
            };
            only.map(|only| (name.as_str(), only))
        })
    }
}

/// What to say about a member that nobody knows, with its likely meaning.
pub fn unknown_member<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    match closest(name, known) {
        Some(near) => format!("there is no such member; did you mean `{near}`?"),
        None => String::from("there is no such member"),
    }
}

enum Tagged {
    No,
    Variant(usize),
    Fault(Invalid),
}

/// The types that were wanted at `at`, if that is what these errors are about.
fn mistaken_types(errors: &[ValidationError<'_>], at: &str) -> Option<Vec<JsonType>> {
    errors.iter().filter(|error| error.instance_path().as_str() == at).find_map(|error| match error
        .kind()
    {
        ValidationErrorKind::Type { kind } => Some(types(kind)),
        ValidationErrorKind::AnyOf { context } => {
            let all: Option<Vec<_>> =
                context.iter().map(|errors| mistaken_types(errors, at)).collect();
            all.map(|types| types.concat())
        }
        _ => None,
    })
}

/// The words that were wanted at `at`, if that is what these errors are about.
fn words<'e>(errors: &'e [ValidationError<'_>], at: &str) -> Option<&'e [Value]> {
    errors.iter().filter(|error| error.instance_path().as_str() == at).find_map(|error| match error
        .kind()
    {
        ValidationErrorKind::Enum { options } => options.as_array().map(Vec::as_slice),
        _ => None,
    })
}

fn types(kind: &TypeKind) -> Vec<JsonType> {
    match kind {
        TypeKind::Single(one) => vec![*one],
        TypeKind::Multiple(many) => many.iter().collect(),
    }
}

fn wrong_type(at: &str, expected: &[JsonType], value: &Value) -> Invalid {
    let mut names: Vec<&str> = Vec::new();
    let (null, others): (Vec<_>, Vec<_>) =
        expected.iter().partition(|kind| **kind == JsonType::Null);
    for name in others.into_iter().chain(null).copied().map(type_name) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let expected = or(names.iter());
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) if names.contains(&"a whole number") => "a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Invalid::new(at, "wrong_type", format!("must be {expected}, not {found}"))
}

fn type_name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Null => "null",
        JsonType::Boolean => "a boolean",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "a string",
        JsonType::Array => "a list",
        JsonType::Object => "an object",
    }
}

/// `others` is what else there may be.
fn not_one_of(at: &str, options: &[Value], others: &str, value: &Value) -> Invalid {
    let near =
        value.as_str().and_then(|word| closest(word, options.iter().filter_map(Value::as_str)));
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Invalid::new(at, "not_one_of", format!("must be {}{others}{hint}", list(options)))
}

/// `one of "a", "b" or "c"`.
fn list(options: &[Value]) -> String {
    let names = options.iter().map(|option| match option {
        Value::String(text) => format!("`{text}`"),
        other => other.to_string(),
    });
    match options {
        [_] => or(names),
        _ => format!("one of {}", or(names)),
    }
}

fn or<D: Display>(items: impl Iterator<Item = D>) -> String {
    let mut items: Vec<String> = items.map(|item| item.to_string()).collect();
    let last = items.pop().unwrap_or_default();
    if items.is_empty() { last } else { format!("{} or {last}", items.join(", ")) }
}

/// Code and words for a rule that needs only its own limit.
fn rule(kind: &ValidationErrorKind) -> (&'static str, String) {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::MinLength { limit: 1 } => ("too_short", "must not be empty".into()),
        Kind::MinLength { limit } => {
            ("too_short", format!("must have at least {limit} characters"))
        }
        Kind::MaxLength { limit } => ("too_long", format!("must have at most {limit} characters")),
        Kind::MinItems { limit: 1 } | Kind::MinProperties { limit: 1 } => {
            ("too_few", "must not be empty".into())
        }
        Kind::MinItems { limit } => ("too_few", format!("must have at least {limit} items")),
        Kind::MaxItems { limit } => ("too_many", format!("must have at most {limit} items")),
        Kind::AdditionalItems { limit } => ("too_many", format!("must have at most {limit} items")),
        Kind::MinProperties { limit } => ("too_few", format!("must have at least {limit} members")),
        Kind::MaxProperties { limit } => ("too_many", format!("must have at most {limit} members")),
        Kind::Minimum { limit } => ("out_of_range", format!("must be at least {limit}")),
        Kind::Maximum { limit } => ("out_of_range", format!("must be at most {limit}")),
        Kind::ExclusiveMinimum { limit } => ("out_of_range", format!("must be more than {limit}")),
        Kind::ExclusiveMaximum { limit } => ("out_of_range", format!("must be less than {limit}")),
        Kind::MultipleOf { multiple_of } => {
            ("out_of_range", format!("must be a multiple of {multiple_of}"))
        }
        Kind::Constant { expected_value } => {
            ("not_one_of", format!("must be {}", list(std::slice::from_ref(expected_value))))
        }
        Kind::UniqueItems => ("not_unique", "must not hold the same item twice".into()),
        Kind::Pattern { pattern } => ("bad_format", format!("must match the pattern `{pattern}`")),
        Kind::Format { format } => ("bad_format", format!("must be {}", format_name(format))),
        Kind::FalseSchema => ("unknown_member", "must not be there".into()),
        other => ("not_valid", format!("breaks the rule `{}` of its schema", other.keyword())),
    }
}

fn format_name(format: &str) -> String {
    match format {
        "date-time" => "a time such as `2026-11-25T10:00:00Z`".into(),
        "date" => "a date such as `2026-11-25`".into(),
        "uuid" => "a UUID".into(),
        "uri" => "a URL".into(),
        "email" => "an e-mail address".into(),
        other => format!("a valid `{other}`"),
    }
}
