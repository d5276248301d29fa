//! Which values an entry may read: what comes before it, and what is around it.

use std::collections::HashSet;

use serde_json::Value;

use super::definition::Action;
use super::definition::Entry;
use super::definition::Index;
use super::definition::List;
use super::parse::all_before;
use crate::fault::Fault;

/// Words of JSON Schema beside which `properties` does not list all that there may be.
const OPEN: [&str; 7] =
    ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties"];

/// What can be read at some place.
#[derive(Clone, Default)]
struct Scope<'d> {
    steps: HashSet<&'d str>,
    /// Whether it is within a `foreach`, and within turns of any kind.
    has_item: bool,
    has_index: bool,
}

struct Check<'c> {
    index: &'c Index,
    input_schema: Option<&'c Value>,
    faults: &'c mut Vec<Fault>,
}

/// Adds what is wrong with what the entries of `steps`, and the output of the workflow, read.
pub(super) fn check(
    steps: &List,
    output: &[(String, String)],
    index: &Index,
    input_schema: Option<&Value>,
    faults: &mut Vec<Fault>,
) {
    let mut check = Check { index, input_schema, faults };
    check.list(steps, &Scope::default());
    let mut scope = Scope::default();
    steps.entries.iter().for_each(|entry| show(entry, &mut scope.steps));
    check.reads(output, &scope);
}

/// Adds the ids by which others read `entry` and what is within: the turns of a loop are read only within.
fn show<'d>(entry: &'d Entry, steps: &mut HashSet<&'d str>) {
    steps.insert(&entry.id);
    if !entry.has_turns() {
        for list in entry.action.lists() {
            list.entries.iter().for_each(|inner| show(inner, steps));
        }
    }
}

impl Check<'_> {
    fn list<'d>(&mut self, list: &'d List, around: &Scope<'d>) {
        for (position, entry) in list.entries.iter().enumerate() {
            let mut scope = around.clone();
            for before in all_before(list, position) {
                show(&list.entries[before], &mut scope.steps);
            }
            self.reads(&entry.reads, &scope);
            if let Some(compensate) = &entry.compensate {
                let mut own = scope.clone();
                own.steps.insert(&entry.id);
                self.reads(&compensate.reads, &own);
            }
            self.within(entry, scope);
        }
    }

    fn within<'d>(&mut self, entry: &'d Entry, mut scope: Scope<'d>) {
        scope.has_item |= matches!(entry.action, Action::Foreach { .. });
        scope.has_index |= entry.has_turns();
        for list in entry.action.lists() {
            self.list(list, &scope);
        }
        if let Action::Loop { body, .. } = &entry.action {
            body.entries.iter().for_each(|inner| show(inner, &mut scope.steps));
            self.reads(&entry.inner_reads, &scope);
        }
    }

    fn reads(&mut self, reads: &[(String, String)], scope: &Scope<'_>) {
        for (place, pointer) in reads {
            if let Err((code, detail)) = self.read(pointer, scope) {
                self.faults.push(Fault::new(place, code, detail));
            }
        }
    }

    fn read(&self, pointer: &str, scope: &Scope<'_>) -> Result<(), (&'static str, String)> {
        let mut steps = pointer.split('/').skip(1);
        let (root, first, second) = (steps.next(), steps.next(), steps.next());
        match (root.unwrap_or_default(), first) {
            ("input", Some(member)) => self.input(member),
            ("input" | "previous" | "context", _) => Ok(()),
            ("item", _) if scope.has_item => Ok(()),
            ("index", None) if scope.has_index => Ok(()),
            ("item", _) => {
                Err(("bad_value", "`/item` is there only within a `foreach`".to_owned()))
            }
            ("index", _) => {
                Err(("bad_value", "`/index` is a number within a `foreach` or a `loop`".to_owned()))
            }
            ("steps", Some(id)) => self.step(id, second, scope),
            _ => {
                let roots = "/input, /previous, /steps/<id>, /context, /item or /index";
                Err(("bad_value", format!("must begin with {roots}")))
            }
        }
    }

    fn input(&self, member: &str) -> Result<(), (&'static str, String)> {
        let member = member.replace("~1", "/").replace("~0", "~");
        if self.input_schema.is_none_or(|schema| may_have(schema, &member)) {
            return Ok(());
        }
        let detail = format!("the input has no member `{member}`, as its schema says");
        Err(("unknown_member", detail))
    }

    fn step(
        &self,
        id: &str,
        member: Option<&str>,
        scope: &Scope<'_>,
    ) -> Result<(), (&'static str, String)> {
        if !self.index.contains_key(id) {
            return Err(("unknown_step", format!("no entry has the id `{id}`")));
        }
        if !scope.steps.contains(id) {
            let detail = format!(
                "`{id}` is not sure to be over here, or is in turns that are not around this"
            );
            return Err(("not_before", detail));
        }
        if !matches!(member, Some("output" | "status" | "error")) {
            let detail = format!("of an entry there are /steps/{id}/output, …/status and …/error");
            return Err(("bad_value", detail));
        }
        Ok(())
    }
}

/// Whether what `schema` describes may have such a member, as far as a look at its outside tells.
fn may_have(schema: &Value, member: &str) -> bool {
    let Some(known) = schema.get("properties") else { return true };
    let is_open = OPEN.iter().any(|word| schema.get(word).is_some())
        || schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
    is_open || known.get(member).is_some()
}
