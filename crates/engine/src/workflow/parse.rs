//! From JSON to a workflow: everything that is wrong is said at once.

mod actions;
mod graph;

pub(super) use graph::all_before;

use serde_json::Value;

use super::definition::Action;
use super::definition::Address;
use super::definition::Entry;
use super::definition::Index;
use super::definition::List;
use super::definition::Retry;
use super::definition::Validator;
use super::definition::Workflow;
use super::form::Form;
use super::scope;
use crate::fault::Fault;
use crate::limits::Limits;
use crate::outcome::RunErrorKind;
use crate::tool::compile;
use crate::value::Expr;
use crate::value::reads;

/// A definition has at most so many entries, in so many levels, and so many bytes as JSON.
const ENTRIES: usize = 1000;
const LEVELS: usize = 8;
const BYTES: usize = 512 << 10;

/// The longest that anything waits: 366 days.
pub(super) const YEAR_MS: u64 = 366 * 24 * 60 * 60 * 1000;

/// Errors after which an entry may be begun again.
const RETRYABLE: [(&str, RunErrorKind); 7] = [
    ("provider", RunErrorKind::Provider),
    ("provider_timeout", RunErrorKind::ProviderTimeout),
    ("timeout", RunErrorKind::Timeout),
    ("tool", RunErrorKind::Tool),
    ("output", RunErrorKind::Output),
    ("guardrail", RunErrorKind::Guardrail),
    ("internal", RunErrorKind::Internal),
];

/// The members of a definition that say what is done.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'p> {
    pub steps: &'p Value,
    /// `None`: what the last entry gives.
    pub output: Option<&'p Value>,
    pub input_schema: Option<&'p Value>,
    pub output_schema: Option<&'p Value>,
    pub limits: Limits,
}

impl Workflow {
    /// Understands a definition, or says all that is wrong with it. Whether the agents, tools and workflows that it
    /// names are there, and whether `input_schema` is a schema, is not seen here.
    pub fn parse(parts: Parts<'_>) -> Result<Self, Vec<Fault>> {
        let mut parser = Parser::default();
        let steps = match parts.steps.as_array() {
            Some(items) if parts.steps.to_string().len() <= BYTES => {
                parser.list(items, "/steps", AtLeast::One)
            }
            Some(_) => {
                let detail = "must have at most 524,288 bytes as JSON";
                return Err(vec![Fault::new("/steps", "too_long", detail)]);
            }
            None => return Err(vec![Fault::new("/steps", "wrong_type", "must be a list")]),
        };
        let (output, read) = parser.output(parts.output);
        let schema = parser.schema(parts.output_schema);
        let Parser { mut faults, index, .. } = parser;
        scope::check(&steps, &read, &index, parts.input_schema, &mut faults);
        if faults.is_empty() {
            return Ok(Self { steps, output, schema, limits: parts.limits, index });
        }
        Err(faults)
    }
}

/// The steps as they are stored: without members that say what would be so anyway.
pub fn normalise(steps: &Value) -> Value {
    let Some(entries) = steps.as_array() else { return steps.clone() };
    Value::Array(entries.iter().map(normalise_entry).collect())
}

fn normalise_entry(entry: &Value) -> Value {
    let Some(members) = entry.as_object() else { return entry.clone() };
    let mut members = members.clone();
    let defaults = [
        ("on_error", Value::from("fail")),
        ("fail_fast", true.into()),
        ("concurrency", 1.into()),
        ("max_items", actions::MAX_ITEMS.into()),
        ("otherwise", Value::Array(Vec::new())),
    ];
    members.retain(|name, value| {
        !value.is_null() && !defaults.iter().any(|(it, default)| it == name && default == value)
    });
    for (name, value) in &mut members {
        match (name.as_str(), &mut *value) {
            ("do" | "otherwise", list) => *list = normalise(list),
            ("compensate", entry) => *entry = normalise_entry(entry),
            ("branches", Value::Object(branches)) => {
                branches.values_mut().for_each(|list| *list = normalise(list));
            }
            ("cases", Value::Array(cases)) => {
                let lists = cases.iter_mut().filter_map(|case| case.get_mut("then"));
                lists.for_each(|list| *list = normalise(list));
            }
            _ => {}
        }
    }
    Value::Object(members)
}

/// Whether a list may be empty.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AtLeast {
    None,
    One,
}

#[derive(Default)]
struct Parser {
    faults: Vec<Fault>,
    index: Index,
    /// The way to the list that is being read.
    way: Vec<usize>,
}

impl Parser {
    fn list(&mut self, items: &[Value], at: &str, least: AtLeast) -> List {
        if items.is_empty() && least == AtLeast::One {
            self.faults.push(Fault::new(at, "too_few", "must have at least one entry"));
        }
        if self.way.len() / 2 >= LEVELS {
            self.faults.push(Fault::new(
                at,
                "too_deep",
                "entries are nested at most 8 levels deep",
            ));
            return List::default();
        }
        let mut list = List::default();
        let mut named = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            self.way.push(position);
            let (entry, depends_on) = self.entry(item, &format!("{at}/{position}"));
            self.way.pop();
            list.entries.push(entry);
            named.push(depends_on);
        }
        graph::connect(&mut list, &named, &mut self.faults);
        list
    }

    /// The entry, and the ids of those that it depends on if it says so.
    fn entry(&mut self, item: &Value, at: &str) -> (Entry, Option<Vec<String>>) {
        let Some(members) = item.as_object() else {
            self.faults.push(Fault::new(at, "wrong_type", "an entry is an object"));
            return (empty(at), None);
        };
        let mut form = Form::new(members, at);
        let id = form.required_text("id", 56);
        self.note(&id, &mut form);
        let mut entry = empty(at);
        let mut inner_reads = Vec::new();
        entry.action = self.action(&mut form, &mut inner_reads);
        common(&mut form, &mut entry);
        if has_effects(&entry.action)
            && let Some(value) = form.get("compensate")
        {
            entry.compensate = Some(Box::new(self.compensation(value, &form.place("compensate"))));
        }
        let depends_on = depends_on(&mut form);
        form.finish();
        self.faults.append(&mut form.faults);
        (Entry { id, reads: form.reads, inner_reads, ..entry }, depends_on)
    }

    /// What makes up for an entry: something that can be done at once.
    fn compensation(&mut self, value: &Value, at: &str) -> Entry {
        let Some(members) = value.as_object() else {
            self.faults.push(Fault::new(at, "wrong_type", "an entry is an object"));
            return empty(at);
        };
        let mut form = Form::new(members, at);
        let id = form.required_text("id", 56);
        let mut entry = empty(at);
        entry.action = self.action(&mut form, &mut Vec::new());
        if has_effects(&entry.action) {
            common(&mut form, &mut entry);
            form.finish();
        } else {
            form.faults.clear();
            form.fault("type", "not_one_of", "must be one of agent, tool, workflow, step, script");
        }
        self.note(&id, &mut form);
        if let Some(address) = self.index.get_mut(&id) {
            address.compensates = true;
        }
        self.faults.append(&mut form.faults);
        Entry { id, reads: form.reads, ..entry }
    }

    /// Notes where an entry is.
    fn note(&mut self, id: &str, form: &mut Form<'_>) {
        let is_inner = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
        if id.is_empty() {
            return;
        }
        if !id.starts_with(|it: char| it.is_ascii_alphabetic()) || !id.chars().all(is_inner) {
            return form.fault(
                "id",
                "bad_format",
                "is a letter, then letters, digits, `_` and `-`",
            );
        }
        if self.index.len() == ENTRIES {
            return form.fault("id", "too_many", "a workflow has at most 1000 entries");
        }
        let address = Address { way: self.way.clone(), compensates: false };
        if self.index.contains_key(id) {
            return form.fault("id", "not_unique", format!("another entry has the id `{id}`"));
        }
        self.index.insert(id.to_owned(), address);
    }

    fn output(&mut self, output: Option<&Value>) -> (Expr, Vec<(String, String)>) {
        let Some(output) = output else { return (Expr::Read("/previous".to_owned()), Vec::new()) };
        let mut found = Vec::new();
        reads(output, "/output", &mut found);
        (Expr::parse(output, "/output", &mut self.faults), found)
    }

    fn schema(&mut self, schema: Option<&Value>) -> Option<Validator> {
        match compile(schema?) {
            Ok(validator) => Some(Validator(validator.into())),
            Err(error) => {
                let detail = format!("this is not a JSON Schema: {error}");
                self.faults.push(Fault::new("/output_schema", "bad_schema", detail));
                None
            }
        }
    }
}

fn empty(at: &str) -> Entry {
    Entry {
        id: String::new(),
        at: at.to_owned(),
        after: Vec::new(),
        input: None,
        timeout_ms: None,
        retry: Retry::default(),
        continues: false,
        compensate: None,
        action: Action::Mapping { output: Expr::Literal(Value::Null) },
        reads: Vec::new(),
        inner_reads: Vec::new(),
    }
}

/// Whether it calls something, so that doing it again or making up for it has a meaning.
fn has_effects(action: &Action) -> bool {
    matches!(action.kind(), "agent" | "tool" | "workflow" | "step" | "script")
}

/// The members that entries of several types have.
fn common(form: &mut Form<'_>, entry: &mut Entry) {
    let kind = entry.action.kind();
    if has_effects(&entry.action)
        || matches!(kind, "parallel" | "conditional" | "loop" | "approval")
    {
        entry.input = form.value("input");
    }
    if !matches!(kind, "mapping" | "sleep" | "sleep_until" | "fail" | "approval") {
        entry.timeout_ms = form.number("timeout_ms", 1..=YEAR_MS);
    }
    if has_effects(&entry.action) {
        entry.retry = retry(form);
    }
    if kind != "fail" {
        let words = [("fail", false), ("continue", true)];
        entry.continues = form.word("on_error", &words).unwrap_or(false);
    }
}

fn retry(form: &mut Form<'_>) -> Retry {
    let mut retry = Retry::default();
    let at = form.place("retry");
    let Some(members) = form.object("retry") else { return retry };
    let mut inner = Form::new(members, &at);
    retry.max = u32::try_from(inner.required_number("max", 0..=100)).unwrap_or(0);
    retry.backoff_ms = inner.number("backoff_ms", 0..=86_400_000).unwrap_or(retry.backoff_ms);
    if let Some(factor) = inner.get("factor") {
        match factor.as_f64().filter(|it| (1.0..=10.0).contains(it)) {
            Some(factor) => retry.factor = factor,
            None => inner.fault("factor", "out_of_range", "must be a number from 1 to 10"),
        }
    }
    for (position, word) in inner.list("on").unwrap_or_default().iter().enumerate() {
        if let Some((_, kind)) = RETRYABLE.iter().find(|(name, _)| word == name) {
            retry.on.push(*kind);
            continue;
        }
        let detail = format!("must be one of {}", RETRYABLE.map(|(name, _)| name).join(", "));
        inner.fault(&format!("on/{position}"), "not_one_of", detail);
    }
    inner.finish();
    form.faults.append(&mut inner.faults);
    retry
}

fn depends_on(form: &mut Form<'_>) -> Option<Vec<String>> {
    let items = form.list("depends_on")?;
    let mut ids = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let place = format!("depends_on/{position}");
        match item.as_str() {
            None => form.fault(&place, "wrong_type", "must be a string"),
            Some(id) if ids.iter().any(|it| it == id) => {
                form.fault(&place, "not_unique", "is named twice");
            }
            Some(_) => {}
        }
        ids.push(item.as_str().unwrap_or_default().to_owned());
    }
    Some(ids)
}
