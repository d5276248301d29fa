//! What differs between two contents of a definition.

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::http::pointer_to;

/// A value that is another, or was not there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    pub pointer: String,
    /// `null` where nothing was.
    pub before: Value,
    /// `null` where nothing is.
    pub after: Value,
}

/// All that differs, by the places; members are followed, lists where they stay as long as they are.
pub fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Difference> {
    let mut found = Vec::new();
    members("", before, after, &mut found);
    found
}

fn members(
    at: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (before, after) = (before.get(name), after.get(name));
        values(&pointer_to(at, name), before, after, found);
    }
}

fn values(at: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            members(at, before, after, found);
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                values(&format!("{at}/{index}"), Some(before), Some(after), found);
            }
        }
        (before, after) => found.push(Difference {
            pointer: at.to_owned(),
            before: before.cloned().unwrap_or_default(),
            after: after.cloned().unwrap_or_default(),
        }),
    }
}

/// The lines of a text that are others, with `-` and `+` before them and one line around; what is alike at both
/// ends is left out.
pub fn lines(before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let alike = |(a, b): &(&&str, &&str)| a == b;
    let start = before.iter().zip(&after).take_while(alike).count();
    let rest = before.len().min(after.len()) - start;
    let end = before.iter().rev().zip(after.iter().rev()).take_while(alike).count().min(rest);
    let around = |line: Option<&&str>| line.map(|it| format!("  {it}"));
    let mut lines: Vec<_> =
        around(start.checked_sub(1).map(|it| &before[it])).into_iter().collect();
    lines.extend(before[start..before.len() - end].iter().map(|it| format!("- {it}")));
    lines.extend(after[start..after.len() - end].iter().map(|it| format!("+ {it}")));
    lines.extend(around(after.get(after.len() - end)));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_said_with_its_place() {
        let before = json!({"a": 1, "b": {"c": [1, 2], "d": 1}, "e": ["x"], "g": "same"});
        let after = json!({"a": 2, "b": {"c": [1, 3], "f": null}, "e": ["x", "y"], "g": "same"});

        let found = differences(before.as_object().unwrap(), after.as_object().unwrap());

        let found: Vec<_> =
            found.iter().map(|it| format!("{} {} {}", it.pointer, it.before, it.after)).collect();
        assert_eq!(
            found,
            ["/a 1 2", "/b/c/1 2 3", "/b/d 1 null", "/b/f null null", r#"/e ["x"] ["x","y"]"#]
        );
    }

    #[test]
    fn of_a_text_the_lines_that_differ_are_said() {
        let said = lines("a\nb\nc\nd\n", "a\nb\nx\ny\nd\n");
        assert_eq!(said, ["  b", "- c", "+ x", "+ y", "  d"]);
        assert_eq!(lines("a\na\n", "a\n"), ["  a", "- a"]);
        assert_eq!(lines("a", "b"), ["- a", "+ b"]);
        assert_eq!(lines("", "b"), ["+ b"]);
    }
}
