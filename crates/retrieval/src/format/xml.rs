//! XML of Office files, as a row of events without namespaces.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::events::BytesStart;
use quick_xml::events::Event;

use super::ParseError;
use super::Writer;

/// What is met on the way through a document.
pub(super) enum Node {
    Open(Element),
    Close(String),
    Text(String),
}

/// A tag, without the prefix of its namespace.
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// The attribute of this name, whatever its namespace.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What `r:id` points at; a plain `id` that means something else may stand before or after it.
    pub(super) fn target<'a>(&self, targets: &'a HashMap<String, String>) -> Option<&'a String> {
        self.attributes
            .iter()
            .filter(|(key, _)| key == "id")
            .find_map(|(_, value)| targets.get(value))
    }
}

/// Calls `visit` with each node of `bytes`; a tag that closes itself is opened and closed.
///
/// Entities that a document defines are not expanded: they stand as they are written.
pub(super) fn walk(
    bytes: &[u8],
    out: &mut Writer<'_>,
    mut visit: impl FnMut(Node, &mut Writer<'_>) -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    let mut reader = Reader::from_reader(bytes);
    let mut depth = 0;
    let mut buffer = Vec::new();
    loop {
        out.step()?;
        buffer.clear();
        let event = reader
            .read_event_into(&mut buffer)
            .map_err(|error| ParseError::Damaged(error.to_string()))?;
        match event {
            Event::Start(tag) => {
                depth += 1;
                out.nesting(depth)?;
                visit(Node::Open(element(&tag)), out)?;
            }
            Event::Empty(tag) => {
                let element = element(&tag);
                let name = element.name.clone();
                visit(Node::Open(element), out)?;
                visit(Node::Close(name), out)?;
            }
            Event::End(tag) => {
                depth -= 1;
                let name = text(tag.local_name().as_ref());
                visit(Node::Close(name), out)?;
            }
            Event::Text(content) => visit(Node::Text(text(&content)), out)?,
            Event::CData(content) => visit(Node::Text(text(&content)), out)?,
            Event::GeneralRef(name) => visit(Node::Text(entity(&text(&name))), out)?,
            Event::Eof if depth > 0 => {
                return Err(ParseError::Damaged("it ends in the middle".to_owned()));
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

fn element(tag: &BytesStart<'_>) -> Element {
    let mut attributes = Vec::new();
    for attribute in tag.attributes().with_checks(false).filter_map(Result::ok) {
        attributes
            .push((text(attribute.key.local_name().as_ref()), unescape(&text(&attribute.value))));
    }
    Element { name: text(tag.local_name().as_ref()), attributes }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn unescape(value: &str) -> String {
    quick_xml::escape::unescape(value)
        .map_or_else(|_| value.to_owned(), std::borrow::Cow::into_owned)
}

/// What `&name;` means.
fn entity(name: &str) -> String {
    unescape(&format!("&{name};"))
}
