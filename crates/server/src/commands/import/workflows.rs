//! Step rows of the original as workflows.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::convert::common;
use super::convert::globals;
use super::original::Original;
use super::original::Row;
use super::original::has;
use super::original::is_active;
use super::original::object;
use super::original::text;
use super::original::texts;
use super::report::Report;

/// A workflow with the scripts of its steps, one after another as the original executed them: each is given what the
/// one before gave.
pub fn workflow(
    original: &Original,
    row: &Row,
    name: &str,
    report: &mut Report,
) -> Map<String, Value> {
    let kind = "workflow";
    let mut members = common(row, kind, name, report);
    let own = |it: &&Row| it.get("workflow_id") == row.get("id");
    let (steps, passive): (Vec<_>, Vec<_>) =
        original.rows("workflow_steps").iter().filter(own).partition(|it| is_active(it));
    for step in passive {
        report.note(kind, name, format!("its step `{}` was not active", text(step, "step_id")));
    }
    let mut entries: Vec<Value> = Vec::new();
    for step in &steps {
        entries.push(entry(step, &entries, name, report));
    }
    if let Some(schema) = steps.first().and_then(|it| object(it, "input_schema")) {
        members.insert("input_schema".to_owned(), json!(schema));
    }
    if let Some(schema) = steps.last().and_then(|it| object(it, "output_schema")) {
        members.insert("output_schema".to_owned(), json!(schema));
    }
    if steps.len() > 1 && steps.iter().any(|it| has(it, "input_schema") || has(it, "output_schema"))
    {
        let note = "schemas between its steps are not checked; the first and the last are those of the workflow";
        report.note(kind, name, note);
    }
    for (column, note) in [
        ("steps", "its column `steps`, which the original did not execute, is not taken over"),
        ("triggers", "its triggers, which the original did not have, are not taken over"),
    ] {
        if has(row, column) {
            report.note(kind, name, note);
        }
    }
    members.insert("steps".to_owned(), entries.into());
    members
}

fn entry(step: &Row, before: &[Value], workflow: &str, report: &mut Report) -> Value {
    let kind = "workflow";
    let old = text(step, "step_id");
    let is_inner = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
    let mut id: String = old.chars().map(|it| if is_inner(it) { it } else { '_' }).collect();
    if !id.starts_with(|it: char| it.is_ascii_alphabetic()) {
        id.insert_str(0, "step_");
    }
    while before.iter().any(|it| it["id"] == id.as_str()) {
        id.push('_');
    }
    if id != old {
        report.note(kind, workflow, format!("its step `{old}` is called `{id}`"));
    }
    let waits_for = texts(step, "depends_on");
    let last = before.last().and_then(|it| it["id"].as_str());
    if waits_for.iter().any(|it| Some(it.as_str()) != last) {
        let note = format!(
            "its step `{old}` named others in depends_on; the original executed all in their order, and so does this"
        );
        report.note(kind, workflow, note);
    }
    let code = text(step, "execute_code");
    globals(kind, workflow, code, report);
    json!({"id": id, "type": "script", "code": code})
}
