//! What commands say of plans and of faults.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::batch::Notes;
use super::difference::Difference;
use super::difference::differences;
use super::difference::lines;
use crate::commands::terminal;
use crate::definitions::Action;
use crate::definitions::Drift;
use crate::definitions::Plan;
use crate::definitions::Planned;
use crate::definitions::files::Fault;

/// Characters that are shown of a value, and lines of a text.
const LONGEST: usize = 120;
const LINES: usize = 40;

/// Whether what is planned has been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tense {
    Planned,
    Done,
}

/// Says a plan to people.
pub fn plan(plan: &Plan, notes: &Notes, tense: Tense) {
    for planned in plan.all.iter().filter(|it| it.action != Action::Keep) {
        change(planned);
    }
    for (kind, name) in &plan.orphans {
        terminal::line(format!("? {kind} {name}: in no file any more; --prune deletes it"));
    }
    self::notes(notes);
    let [create, update, delete, keep] = counts(plan);
    let words = match tense {
        Tense::Planned => ["to create", "to update", "to delete"],
        Tense::Done => ["created", "updated", "deleted"],
    };
    terminal::line(format!(
        "{create} {}, {update} {}, {delete} {}, {keep} unchanged",
        words[0], words[1], words[2]
    ));
    let elsewhere = plan.elsewhere.len();
    if elsewhere > 0 {
        terminal::dim(format!("{elsewhere} of the set were applied from other files than these"));
    }
    let others = plan.others.len();
    if others > 0 {
        terminal::dim(format!("{others} in the server that no file has ever had"));
    }
}

fn change(planned: &Planned) {
    let Planned { kind, name, file, before, after, .. } = planned;
    match planned.action {
        Action::Create => terminal::line(format!("+ {kind} {name}  ({file})")),
        Action::Update => terminal::line(format!("~ {kind} {name}  ({file})")),
        Action::Delete => terminal::line(format!("- {kind} {name}  (was in {file})")),
        Action::Keep => {}
    }
    if let Some(set) = &planned.taken_from {
        terminal::line(format!("    taken over from the set `{set}`"));
    }
    if let Some(drift) = &planned.drift {
        terminal::line(format!("    {}", in_words(drift)));
    }
    if let (Some(before), Some(after)) = (before, after) {
        differences(before, after).iter().for_each(difference);
    }
}

fn in_words(drift: &Drift) -> String {
    let Drift { applied_version, version, changed_by, changed_at, .. } = drift;
    let what = match version {
        Some(version) if version == applied_version => ": it was switched".to_owned(),
        Some(version) => {
            let by = changed_by.as_ref().map_or_else(String::new, |it| format!(", by {it}"));
            let at = changed_at.as_ref().map_or_else(String::new, |it| format!(" at {it}"));
            format!(": version {version} instead of {applied_version}{by}{at}")
        }
        None => ", in SQL".to_owned(),
    };
    format!("changed in the server since it was applied{what}")
}

fn difference(Difference { pointer, before, after }: &Difference) {
    match (before, after) {
        (Value::String(before), Value::String(after))
            if (before.clone() + after).contains('\n') =>
        {
            terminal::line(format!("    ~ {pointer}:"));
            let all = lines(before, after);
            for line in all.iter().take(LINES) {
                terminal::line(format!("        {}", terminal::harmless(line)));
            }
            if all.len() > LINES {
                terminal::line(format!("        … {} more lines", all.len() - LINES));
            }
        }
        (Value::Null, after) => terminal::line(format!("    + {pointer}: {}", brief(after))),
        (before, Value::Null) => terminal::line(format!("    - {pointer}: {}", brief(before))),
        (before, after) => {
            terminal::line(format!("    ~ {pointer}: {} -> {}", brief(before), brief(after)));
        }
    }
}

fn brief(value: &Value) -> String {
    let text = terminal::harmless(&value.to_string());
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain("…".chars()).collect()
}

/// Says what is wrong, each on a line that editors understand.
pub fn faults(faults: &[Fault]) {
    for fault in faults {
        terminal::aside(line(fault));
    }
}

/// The same of what is worth a word and nothing wrong.
pub fn notes(notes: &[Fault]) {
    for note in notes {
        terminal::line(format!("note: {}", line(note)));
    }
}

fn line(fault: &Fault) -> String {
    let Fault { file, line, kind, name, what } = fault;
    let place = match (file, line, kind, name) {
        (Some(file), Some(line), ..) => format!("{file}:{line}: "),
        (_, _, Some(kind), Some(name)) => format!("{kind} {name}: "),
        _ => String::new(),
    };
    let pointer = Some(&what.pointer).filter(|it| !it.is_empty()).map(|it| format!("{it}: "));
    format!("{place}{}{} ({})", pointer.unwrap_or_default(), what.detail, what.code)
}

/// A plan for programs.
pub fn plan_json(plan: &Plan, notes: &Notes, tense: Tense) -> Value {
    let changes: Vec<_> =
        plan.all.iter().filter(|it| it.action != Action::Keep).map(change_json).collect();
    let [create, update, delete, keep] = counts(plan);
    let named = |all: &[(&str, String)]| -> Vec<Value> {
        all.iter().map(|(kind, name)| json!({"kind": kind, "name": name})).collect()
    };
    json!({
        "applied": tense == Tense::Done,
        "changes": changes,
        "create": create, "update": update, "delete": delete, "unchanged": keep,
        "orphans": named(&plan.orphans), "elsewhere": named(&plan.elsewhere),
        "others": named(&plan.others),
        "notes": notes, "errors": [],
    })
}

fn change_json(planned: &Planned) -> Value {
    let Planned { action, kind, name, file, drift, taken_from, .. } = planned;
    let nothing = Map::new();
    let before = planned.before.as_ref().unwrap_or(&nothing);
    let differs = planned.after.as_ref().map(|after| differences(before, after));
    json!({
        "action": action, "kind": kind, "name": name, "file": file,
        "differences": differs.unwrap_or_default(), "drift": drift, "taken_from": taken_from,
    })
}

/// Faults for programs.
pub fn faults_json(faults: &[Fault], notes: &Notes) -> Value {
    json!({"applied": false, "changes": [], "notes": notes, "errors": faults})
}

fn counts(plan: &Plan) -> [usize; 4] {
    [Action::Create, Action::Update, Action::Delete, Action::Keep]
        .map(|action| plan.all.iter().filter(|it| it.action == action).count())
}
