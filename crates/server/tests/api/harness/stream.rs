//! Frames of an event stream, read as strictly as the specification allows.

use serde_json::Value;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub id: String,
    pub event: String,
    pub data: Value,
}

impl Frame {
    /// The text of a delta; empty for every other event.
    pub fn delta(&self) -> &str {
        match self.event.as_str() {
            "text.delta" | "reasoning.delta" => self.data["data"]["text"].as_str().unwrap(),
            _ => "",
        }
    }
}

/// The events of a whole stream. Everything in it must be a frame of ours or a comment.
pub fn frames(text: &str) -> Vec<Frame> {
    let blocks = text.split_inclusive("\n\n").filter(|block| !block.starts_with(':'));
    blocks.map(frame).collect()
}

fn frame(block: &str) -> Frame {
    let block = block.strip_suffix("\n\n").unwrap_or_else(|| panic!("cut frame: {block:?}"));
    let block = block.strip_prefix("retry: 2000\n").unwrap_or(block);
    let fields: Vec<_> = block.lines().map(|line| line.split_once(": ").unwrap()).collect();
    let [("id", id), ("event", event), ("data", data)] = fields[..] else {
        panic!("not a frame: {block:?}");
    };
    let data = serde_json::from_str(data).unwrap();
    Frame { id: id.to_owned(), event: event.to_owned(), data }
}
