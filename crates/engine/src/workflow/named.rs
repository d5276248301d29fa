//! What entries name, whether a definition is valid or not.

use serde_json::Value;

use super::definition::ReferenceKind;

/// The agents, tools and workflows that the entries in `steps` name. What is no entry is passed over.
pub fn named(steps: &Value) -> Vec<(ReferenceKind, &str)> {
    let mut found = Vec::new();
    list(steps, &mut found);
    found
}

fn list<'s>(entries: &'s Value, found: &mut Vec<(ReferenceKind, &'s str)>) {
    entries.as_array().into_iter().flatten().for_each(|each| entry(each, found));
}

fn entry<'s>(it: &'s Value, found: &mut Vec<(ReferenceKind, &'s str)>) {
    let kind = match it["type"].as_str() {
        Some("agent") => Some((ReferenceKind::Agent, "agent")),
        Some("tool") => Some((ReferenceKind::Tool, "tool")),
        Some("workflow") => Some((ReferenceKind::Workflow, "workflow")),
        _ => None,
    };
    found.extend(kind.and_then(|(kind, member)| Some((kind, it[member].as_str()?))));
    list(&it["do"], found);
    let branches = it["branches"].as_object();
    branches.into_iter().flatten().for_each(|(_, branch)| list(branch, found));
    let cases = it["cases"].as_array();
    cases.into_iter().flatten().for_each(|case| list(&case["then"], found));
    list(&it["otherwise"], found);
    if it["compensate"].is_object() {
        entry(&it["compensate"], found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_entries_name_is_found_in_all_lists_and_nowhere_else() {
        let steps = json!([
            {"type": "tool", "tool": "a", "input": {"type": "tool", "tool": "no"}, "compensate": {"type": "agent", "agent": "b"}},
            {"type": "parallel", "branches": {"x": [{"type": "workflow", "workflow": "c"}], "y": "none"}},
            {"type": "conditional", "cases": [{"then": [{"type": "tool", "tool": "d"}]}, 7], "otherwise": [{"type": "agent", "agent": "e"}]},
            {"type": "foreach", "do": [{"type": "loop", "do": [{"type": "workflow", "workflow": "f"}, {"type": "workflow", "workflow": 1}]}]},
            {"type": "mapping", "output": [{"type": "agent", "agent": "no"}]},
            "none",
        ]);

        let names: Vec<_> = named(&steps).into_iter().map(|(_, name)| name).collect();

        assert_eq!(names, ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(named(&steps)[2].0, ReferenceKind::Workflow);
        assert_eq!(named(&json!({"steps": []})), []);
    }
}
