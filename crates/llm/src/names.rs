//! Names of tools on foreign ground.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::Part;
use crate::Request;

/// The longest name that every provider takes.
const MAX_NAME: usize = 64;

/// The names under which a provider knows the tools of one request, and the way back.
///
/// Every name a provider sees matches `^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$`, and no two tools share one. A name
/// that matches already stays as it is. The same tools get the same names on every machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct ToolNames {
    /// Only the tools whose names had to change.
    foreign: HashMap<String, String>,
    ours: HashMap<String, String>,
}

impl ToolNames {
    pub fn new(request: &Request) -> Self {
        let offered = request.tools.iter().map(|tool| tool.name.as_str());
        let said = request.messages.iter().flat_map(|message| &message.content);
        let called = said.filter_map(|part| match part {
            Part::ToolCall { tool, .. } => Some(tool.as_str()),
            _ => None,
        });
        let all: Vec<&str> = offered.chain(called).collect();

        let mut names = Self::default();
        for name in all.iter().filter(|name| !is_valid_name(name)) {
            names.add(name, &all);
        }
        names
    }

    fn add(&mut self, name: &str, all: &[&str]) {
        if self.foreign.contains_key(name) {
            return;
        }
        let mut attempt = 0;
        let mut foreign = foreign_name(name, attempt);
        while all.contains(&foreign.as_str()) || self.ours.contains_key(&foreign) {
            attempt += 1;
            foreign = foreign_name(name, attempt);
        }
        self.ours.insert(foreign.clone(), name.to_owned());
        self.foreign.insert(name.to_owned(), foreign);
    }

    /// What the provider calls our tool `name`.
    pub fn foreign<'a>(&'a self, name: &'a str) -> &'a str {
        self.foreign.get(name).map_or(name, String::as_str)
    }

    /// What we call the provider's tool `name`; a name that nobody gave it is kept.
    pub fn ours(&self, name: String) -> String {
        self.ours.get(&name).cloned().unwrap_or(name)
    }
}

/// An id as a provider takes it: `max` letters, digits, `_` and `-` at most. A valid one stays.
pub(crate) fn foreign_id(id: &str, max: usize) -> Cow<'_, str> {
    if id.len() <= max && is_valid(id) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(format!("call_{:016x}", hash(id, 0)))
}

/// `Google`'s names begin with a letter or `_`.
fn is_valid_name(name: &str) -> bool {
    is_valid(name) && name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
}

fn is_valid(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_valid_byte)
}

fn is_valid_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// As much of `name` as is valid, and a hash of all of it.
fn foreign_name(name: &str, attempt: u32) -> String {
    let hash = hash(name, attempt) >> 32;
    let begin =
        if name.starts_with(|char: char| char.is_ascii_digit() || char == '-') { "_" } else { "" };
    let room = MAX_NAME - "_01234567".len() - begin.len();
    let readable: String = name
        .chars()
        .take(room)
        .map(|char| if u8::try_from(char).is_ok_and(is_valid_byte) { char } else { '_' })
        .collect();
    format!("{begin}{readable}_{hash:08x}")
}

/// FNV-1a: the same on every machine and in every release, unlike the standard library's.
fn hash(text: &str, attempt: u32) -> u64 {
    let bytes = text.bytes().chain(attempt.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::prop;
    use proptest::proptest;
    use serde_json::json;

    use super::ToolNames;
    use super::foreign_id;
    use super::foreign_name;
    use super::is_valid;
    use crate::ModelOptions;
    use crate::Request;
    use crate::Tool;

    fn names(tools: &[&str]) -> ToolNames {
        let tools = tools.iter().map(|name| Tool {
            name: (*name).to_owned(),
            description: String::new(),
            input_schema: json!({}),
        });
        ToolNames::new(&Request {
            model: "m".to_owned(),
            instructions: None,
            messages: Vec::new(),
            tools: tools.collect(),
            options: ModelOptions::default(),
            output_schema: None,
        })
    }

    #[test]
    fn valid_names_stay() {
        let names = names(&["current_time", "A-1"]);
        assert_eq!(names.foreign("current_time"), "current_time");
        assert_eq!(names.ours("A-1".to_owned()), "A-1");
    }

    #[test]
    fn other_names_become_valid_and_come_back() {
        let long = "x".repeat(70);
        let tools = ["a.b/c d", "a_b/c d", &long, "", "Füße", "github__issues.list"];
        let names = names(&tools);
        for tool in tools {
            let foreign = names.foreign(tool);
            assert!(is_valid(foreign), "{foreign}");
            assert_eq!(names.ours(foreign.to_owned()), tool);
        }
        assert_eq!(names.foreign("a.b/c d"), "a_b_c_d_0b13fbd6");
    }

    #[test]
    fn a_changed_name_never_takes_that_of_another_tool() {
        let taken = foreign_name("a.b", 0);
        let names = names(&["a.b", &taken]);
        assert_ne!(names.foreign("a.b"), taken);
        assert_eq!(names.ours(taken.clone()), taken);
        assert_eq!(names.ours(names.foreign("a.b").to_owned()), "a.b");
    }

    #[test]
    fn ids_are_valid_and_short_enough() {
        assert_eq!(foreign_id("call_1", 40), "call_1");
        let long = "x".repeat(50);
        for id in ["functions.time:0", &long, ""] {
            let foreign = foreign_id(id, 40);
            assert!(is_valid(&foreign) && foreign.len() <= 40, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn any_tools_get_distinct_valid_names(tools in prop::collection::hash_set(".{0,80}", 0..12)) {
            let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
            let names = names(&tools);
            for tool in tools {
                let foreign = names.foreign(tool);
                assert!(is_valid(foreign), "{foreign}");
                assert_eq!(names.ours(foreign.to_owned()), tool);
            }
        }
    }
}
