//! Definitions as files: what a document says, and how one is written.
//!
//! A document has `kind`, `name` and `spec`, which is what the API takes as a body. A file may hold several. The
//! content is understood elsewhere, by the same function as that of a row.

mod read;
mod write;

use std::sync::Arc;

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::http::Invalid;
use crate::http::pointer_to;

pub use read::Unreadable;
pub use write::write;

use read::Places;
use read::Read;

/// The members of a document.
const MEMBERS: [&str; 3] = ["kind", "name", "spec"];

/// A definition as a file has it.
#[derive(Debug)]
pub struct Filed {
    /// `agent`, `tool` and the like.
    pub kind: &'static str,
    pub name: String,
    /// What a body of the API would have: the name is among them.
    pub members: Map<String, Value>,
    /// Where it stands.
    pub file: Arc<str>,
    places: Places,
}

/// Something that is wrong with a definition in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// `null` if it is about a definition that is in no file.
    pub file: Option<Arc<str>>,
    /// From 1.
    pub line: Option<usize>,
    pub kind: Option<&'static str>,
    pub name: Option<String>,
    /// What is wrong, and where in the document.
    #[serde(flatten)]
    pub what: Invalid,
}

/// Reads all definitions of the text of `file`; `kinds` are those that there are. What cannot be understood hides no other.
pub fn read_file(file: &Arc<str>, text: &str, kinds: &[&'static str]) -> (Vec<Filed>, Vec<Fault>) {
    let (mut filed, mut faults) = (Vec::new(), Vec::new());
    match read::read(text) {
        Ok(documents) => {
            for document in documents {
                match understand(file, document, kinds) {
                    Ok(definition) => filed.push(definition),
                    Err(found) => faults.extend(found),
                }
            }
        }
        Err(Unreadable { line, detail }) => {
            faults.push(Fault::of_file(file, line, Invalid::new("", "not_yaml", detail)));
        }
    }
    (filed, faults)
}

impl Filed {
    /// A definition that stands in no file, but comes from elsewhere.
    pub fn made(
        kind: &'static str,
        name: &str,
        mut members: Map<String, Value>,
        from: &str,
    ) -> Self {
        members.insert("name".to_owned(), name.into());
        let (name, places) = (name.to_owned(), Places::default());
        Self { kind, name, members, file: from.into(), places }
    }

    /// What is wrong with the content, at its place in the file.
    pub fn fault(&self, mut what: Invalid) -> Fault {
        if what.pointer != "/name" {
            what = what.under("/spec");
        }
        Fault {
            kind: Some(self.kind),
            name: Some(self.name.clone()),
            ..Fault::of_file(&self.file, self.places.line(&what.pointer), what)
        }
    }

    /// Where the document begins, from 1.
    pub fn line(&self) -> usize {
        self.places.line("")
    }
}

impl Fault {
    pub fn of_file(file: &Arc<str>, line: usize, what: Invalid) -> Self {
        Self { file: Some(Arc::clone(file)), line: Some(line), kind: None, name: None, what }
    }
}

fn understand(
    file: &Arc<str>,
    Read { value, places }: Read,
    kinds: &[&'static str],
) -> Result<Filed, Vec<Fault>> {
    let fault = |what: Invalid| Fault::of_file(file, places.line(&what.pointer), what);
    let Value::Object(mut document) = value else {
        let detail = "a definition is an object with `kind`, `name` and `spec`";
        return Err(vec![fault(Invalid::new("", "wrong_type", detail))]);
    };
    let mut faults = Vec::new();
    let kind = document.remove("kind").unwrap_or_default();
    let known = kinds.iter().find(|it| kind == **it);
    if known.is_none() {
        let detail = format!("must be one of {}", in_words(kinds));
        faults.push(fault(Invalid::new("/kind", "not_one_of", detail)));
    }
    let name = document.remove("name").unwrap_or_default();
    if !name.is_string() {
        faults.push(fault(Invalid::new("/name", "missing_member", "must be there, and a text")));
    }
    let mut members = match document.remove("spec") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(members)) => members,
        Some(_) => {
            faults.push(fault(Invalid::new("/spec", "wrong_type", "must be an object")));
            Map::new()
        }
    };
    if members.contains_key("name") {
        let detail = "the name stands beside `spec`";
        faults.push(fault(Invalid::new("/spec/name", "conflict", detail)));
    }
    let strange = document.keys().map(|member| {
        let detail = format!("there is no such member; a definition has {}", in_words(&MEMBERS));
        fault(Invalid::new(pointer_to("", member), "unknown_member", detail))
    });
    faults.extend(strange);
    let (Some(kind), Value::String(name), true) = (known, name, faults.is_empty()) else {
        return Err(faults);
    };
    members.insert("name".to_owned(), name.as_str().into());
    Ok(Filed { kind, name, members, file: Arc::clone(file), places })
}

fn in_words(names: &[&str]) -> String {
    names.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn definitions_are_read_with_their_places() {
        let text = "kind: tool\nname: refund\nspec:\n  kind: http\n  config:\n    url: x\n---\nkind: agent\nname: a\n";

        let (filed, faults) = read_file(&"a.yaml".into(), text, &["agent", "tool"]);

        assert_eq!(faults, []);
        let [tool, agent] = &filed[..] else { panic!("{filed:?}") };
        let members = json!({"name": "refund", "kind": "http", "config": {"url": "x"}});
        assert_eq!((tool.kind, Value::Object(tool.members.clone())), ("tool", members));
        assert_eq!((agent.name.as_str(), agent.line()), ("a", 8));
        let fault = tool.fault(Invalid::new("/config/url", "x", "y"));
        assert_eq!((fault.line, fault.what.pointer.as_str()), (Some(6), "/spec/config/url"));
        let fault = tool.fault(Invalid::new("/description", "x", "y"));
        assert_eq!((fault.line, fault.what.pointer.as_str()), (Some(3), "/spec/description"));
        assert_eq!(tool.fault(Invalid::new("/name", "x", "y")).line, Some(2));
    }

    #[test]
    fn everything_wrong_with_a_document_is_said_at_once() {
        let text =
            "kind: agnet\nspce: {}\nspec: {name: a}\n---\n- 1\n---\nkind: tool\nname: b\nspec: 5\n";

        let (filed, faults) = read_file(&"a.yaml".into(), text, &["agent", "tool"]);

        assert!(filed.is_empty());
        let lines = faults.iter().map(|Fault { line, what, .. }| {
            format!("{} {} {}: {}", line.unwrap(), what.pointer, what.code, what.detail)
        });
        expect![[r#"
            1 /kind not_one_of: must be one of `agent`, `tool`
            1 /name missing_member: must be there, and a text
            3 /spec/name conflict: the name stands beside `spec`
            2 /spce unknown_member: there is no such member; a definition has `kind`, `name`, `spec`
            5  wrong_type: a definition is an object with `kind`, `name` and `spec`
            9 /spec wrong_type: must be an object"#]]
        .assert_eq(&lines.collect::<Vec<_>>().join("\n"));
    }
}
