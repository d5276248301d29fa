//! JSON values as YAML that people like to read.
//!
//! The same value always gives the same text, whatever releases of others say: files of it are compared.

use std::fmt::Write;

use serde_json::Map;
use serde_json::Value;

/// The longest key that may stand before its `:` on one line, and a few characters less.
const KEY: usize = 1000;

/// Words that are no text when they stand alone, also to readers of YAML 1.1.
const WORDS: [&str; 11] =
    ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan"];

/// The document of a definition; its members stand in the order in which they are given, those within them by name.
pub fn write(kind: &str, name: &str, members: &[(String, Value)]) -> String {
    let mut text = String::new();
    member(&mut text, "kind", &kind.into(), 0);
    member(&mut text, "name", &name.into(), 0);
    text.push_str(if members.is_empty() { "spec: {}\n" } else { "spec:\n" });
    for (name, value) in members {
        member(&mut text, name, value, 2);
    }
    text
}

/// A member on lines of its own.
fn member(text: &mut String, name: &str, value: &Value, indent: usize) {
    text.push_str(&" ".repeat(indent));
    if name.len() > KEY {
        let _ = write!(text, "? {}\n{}", quoted(name), " ".repeat(indent));
    } else {
        text.push_str(&on_one_line(name));
    }
    text.push(':');
    rest(text, value, indent + 2, indent);
}

/// What comes after `:` or `-`: members and items stand `inner` deep, items of a list that is a member no deeper than it.
fn rest(text: &mut String, value: &Value, inner: usize, list: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            text.push('\n');
            sorted(members).for_each(|(name, value)| member(text, name, value, inner));
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            for it in items {
                item(text, it, list);
            }
        }
        Value::String(words) => match block(words, inner) {
            Some(block) => {
                text.push(' ');
                text.push_str(&block);
            }
            None => {
                let _ = writeln!(text, " {}", on_one_line(words));
            }
        },
        scalar => {
            let _ = writeln!(text, " {scalar}");
        }
    }
}

/// An item; the first member of an object stands on the line of its `-`.
fn item(text: &mut String, value: &Value, indent: usize) {
    let start = text.len() + indent;
    match value {
        Value::Object(members) if !members.is_empty() => {
            sorted(members).for_each(|(name, value)| member(text, name, value, indent + 2));
            text.replace_range(start..=start, "-");
        }
        value => {
            text.push_str(&" ".repeat(indent));
            text.push('-');
            match value {
                Value::Array(items) if !items.is_empty() => {
                    text.push('\n');
                    for it in items {
                        item(text, it, indent + 2);
                    }
                }
                value => rest(text, value, indent + 2, indent + 2),
            }
        }
    }
}

fn sorted(members: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members.into_iter()
}

/// A text of several lines as they are, where that says the same.
fn block(words: &str, indent: usize) -> Option<String> {
    let first = words.lines().find(|it| !it.is_empty())?;
    let is_plain = |it: char| it == '\n' || it == '\t' || is_printable(it);
    if !words.contains('\n') || first.starts_with([' ', '\t']) || !words.chars().all(is_plain) {
        return None;
    }
    let (lines, end) = match words.strip_suffix('\n') {
        None => (words, "-"),
        Some(lines) if lines.ends_with('\n') => (lines, "+"),
        Some(lines) => (lines, ""),
    };
    let mut text = format!("|{end}\n");
    for line in lines.split('\n') {
        if !line.is_empty() {
            let _ = write!(text, "{}{line}", " ".repeat(indent));
        }
        text.push('\n');
    }
    Some(text)
}

fn on_one_line(words: &str) -> String {
    if is_unmistakable(words) { words.to_owned() } else { quoted(words) }
}

/// Whether a text can stand without quotes, by rules that are stricter than those of YAML.
fn is_unmistakable(words: &str) -> bool {
    let is_first = |it: char| it.is_alphabetic() || it == '_' || it == '/';
    let is_inner = |it: char| it.is_alphanumeric() || " _-./@,+()'?!;=".contains(it);
    let colons = words.split(':').skip(1).all(|it| it.starts_with(|it: char| it != ' '));
    words.starts_with(is_first)
        && words.chars().all(|it| is_inner(it) || it == ':')
        && colons
        && !words.ends_with(' ')
        && !WORDS.iter().any(|word| words.eq_ignore_ascii_case(word))
}

/// A text between quotes, with the escapes that YAML and JSON have in common.
fn quoted(words: &str) -> String {
    let mut text = String::from("\"");
    for it in words.chars() {
        match it {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            it if is_printable(it) => text.push(it),
            it => {
                let _ = write!(text, "\\u{:04x}", u32::from(it));
            }
        }
    }
    text.push('"');
    text
}

/// Whether a character stands as it is in YAML and breaks no line.
fn is_printable(it: char) -> bool {
    !it.is_control()
        && !matches!(it, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::definitions::files::read::read;

    #[test]
    fn a_definition_reads_well() {
        let value = json!({
            "approval": {"when": {"op": "gt", "left": {"$": "/arguments/amount"}, "right": 100}}, "url": "https://a.example.com/x?y=1",
            "tools": ["current_time", {"name": "refund", "approval": "always"}, []], "off": "no", "n": 1.0, "e": {}, "l": [[1, [2]], {"a": ["x"]}],
            "regex": "^a$", "empty": "", "end": "a \n", "z": null, "no": true,
        });
        let members = [
            ("display_name".to_owned(), json!("Support: first")),
            ("instructions".to_owned(), json!("Be brief.\n\n  Never guess: ask.\n")),
            ("code".to_owned(), json!("return 1\nreturn 2")),
            ("rest".to_owned(), value),
        ];

        let text = write("agent", "support", &members);

        expect![[r#"
            kind: agent
            name: support
            spec:
              display_name: "Support: first"
              instructions: |
                Be brief.

                  Never guess: ask.
              code: |-
                return 1
                return 2
              rest:
                approval:
                  when:
                    left:
                      "$": /arguments/amount
                    op: gt
                    right: 100
                e: {}
                empty: ""
                end: |
                  a 
                l:
                -
                  - 1
                  -
                    - 2
                - a:
                  - x
                "n": 1.0
                "no": true
                "off": "no"
                regex: "^a$"
                tools:
                - current_time
                - approval: always
                  name: refund
                - []
                url: https://a.example.com/x?y=1
                z: null
        "#]]
        .assert_eq(&text);
        assert_eq!(read(&text).unwrap()[0].value["spec"]["rest"], members[3].1);
        assert_eq!(write("agent", "a", &[]), "kind: agent\nname: a\nspec: {}\n");
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[^\\x00]{0,12}".prop_map(Value::from),
            "[ a#:\\-|>\\n\\t'\"&*!%@`,{}\\[\\]~.0-9eE+?]{0,12}".prop_map(Value::from),
            "(yes|No|NULL|~|0x1|\\.inf|---|\\.\\.\\.|- |a: b|# a| a|a |\n|\n\n|\na|a\n|a\n\n|a\r\n|\u{85}|\u{feff}|\u{2028}){1,3}"
                .prop_map(Value::from),
        ];
        let key = "[^\\x00]{0,6}|[ a#:\\-|>\\n'\"&*!%@`,{}~<]{0,6}|[a-z]{1001,1003}";
        scalar.prop_recursive(5, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(key, inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(value in any_value()) {
            let text = write("tool", "a", &[("a".to_owned(), value.clone())]);
            let read = read(&text).map_err(|it| TestCaseError::fail(format!("{it:?}\n{text}")))?;
            let found = &read[0].value["spec"]["a"];
            prop_assert_eq!(found, &value, "{}", &text);
            prop_assert_eq!(write("tool", "a", &[("a".to_owned(), found.clone())]), text);
        }
    }
}
