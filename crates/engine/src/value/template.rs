//! Texts with places to fill in: `Refund {{ steps.fetch.output.total }}?`
//!
//! There are no filters, no loops and no conditions: what needs them is a tool of kind `template`.

use serde_json::Value;

use super::Read;
use super::TooLarge;
use super::spend;

/// A text with values in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    /// A pointer. Texts stand as they are, `null` and what is not there is nothing, all else is JSON.
    Read(String),
}

impl Template {
    /// Reads `text`, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            pieces.push(Piece::Text(before.to_owned()));
            let (inside, after) = inside(after).ok_or("`{{` without `}}`")?;
            pieces.push(piece(inside)?);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Ok(Self(pieces))
    }

    /// The text, of what `read` finds. It takes its bytes from what is `left`.
    pub(crate) fn fill(&self, read: &Read<'_, '_>, left: &mut usize) -> Result<String, TooLarge> {
        let mut text = String::new();
        for piece in &self.0 {
            let read = match piece {
                Piece::Text(part) => {
                    spend(part.len(), left)?;
                    text.push_str(part);
                    continue;
                }
                Piece::Read(pointer) => read(pointer),
            };
            let written = match read {
                None | Some(Value::Null) => continue,
                Some(Value::String(part)) => part.clone(),
                Some(value) => value.to_string(),
            };
            spend(written.len(), left)?;
            text.push_str(&written);
        }
        Ok(text)
    }

    /// The pointers that it reads.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Read(pointer) => Some(pointer.as_str()),
        })
    }
}

/// What stands before the next `}}` and what after; one in a quoted text does not count.
fn inside(text: &str) -> Option<(&str, &str)> {
    let begin = text.trim_start();
    let Some(quoted) = begin.strip_prefix('"') else { return text.split_once("}}") };
    let length = quoted.find('"')?;
    let end = text.len() - quoted.len() + length + 1;
    let (_, after) = text[end..].split_once("}}")?;
    Some((&text[..text.len() - after.len() - 2], after))
}

fn piece(inside: &str) -> Result<Piece, String> {
    let inside = inside.trim();
    if let Some(text) = inside.strip_prefix('"').and_then(|it| it.strip_suffix('"')) {
        return Ok(Piece::Text(text.to_owned()));
    }
    let is_step = |step: &str| {
        let is_right = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
        !step.is_empty() && step.chars().all(is_right)
    };
    if !inside.split('.').all(is_step) {
        let words =
            "`{{ … }}` holds a path such as `steps.fetch.output.total`, or a text in quotes";
        return Err(format!("{words}, not `{inside}`"));
    }
    Ok(Piece::Read(format!("/{}", inside.replace('.', "/"))))
}
