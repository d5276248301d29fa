//! The text of one model call: while it grows, and read back from the event that ended it.

use llm::Delta;
use llm::DeltaKind;
use llm::Message;
use llm::Part;
use llm::Role;

/// What a model call has said so far, part after part.
///
/// A position in it is a number of Unicode code points, counted over all parts; it means the same
/// while the text grows, after it has ended, and on every process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallText {
    pub call_id: String,
    parts: Vec<PartText>,
    points: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PartText {
    part: usize,
    kind: DeltaKind,
    text: String,
}

/// A place in a [`CallText`], in the terms of its parts, so that readers go on without counting anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spot {
    /// Code points before this place, over all parts.
    pub points: usize,
    part: usize,
    byte: usize,
    /// Code points before this place in its part.
    offset: usize,
}

/// A piece of the text, as a `*.delta` event shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    pub part: usize,
    pub kind: DeltaKind,
    /// Code points of this part before the piece.
    pub offset: usize,
    pub text: &'a str,
    /// Code points of the call up to the end of the piece.
    pub end: usize,
}

impl Spot {
    /// A number of code points whose place is still to be found, by [`CallText::spot`].
    pub fn sought(points: usize) -> Self {
        Self { points, ..Self::default() }
    }
}

impl CallText {
    pub fn new(call_id: impl Into<String>) -> Self {
        Self { call_id: call_id.into(), ..Self::default() }
    }

    /// The text that readers of a finished call have seen grow.
    pub fn of(call_id: impl Into<String>, message: &Message) -> Self {
        let mut text = Self::new(call_id);
        for (part, content) in message.content.iter().enumerate() {
            match content {
                Part::Text { text: said, .. } => text.push(part, DeltaKind::Text, said),
                Part::Reasoning { text: said, .. } => text.push(part, DeltaKind::Reasoning, said),
                _ => {}
            }
        }
        text
    }

    pub fn append(&mut self, delta: &Delta) {
        self.push(delta.part, delta.kind, &delta.text);
    }

    pub fn is_empty(&self) -> bool {
        self.points == 0
    }

    /// The text as an unfinished message, whose parts have the indexes under which they were shown.
    pub fn partial(&self) -> Option<Message> {
        let last = self.parts.last()?;
        let mut content = vec![Part::text(""); last.part + 1];
        for part in &self.parts {
            content[part.part] = match part.kind {
                DeltaKind::Text => Part::text(&part.text),
                DeltaKind::Reasoning => Part::Reasoning { text: part.text.clone(), private: None },
            };
        }
        Some(Message { role: Role::Assistant, content })
    }

    /// The place after `points` code points; the end, if there are not so many.
    pub fn spot(&self, points: usize) -> Spot {
        let mut spot = Spot::default();
        for (index, part) in self.parts.iter().enumerate() {
            let left = points - spot.points;
            let inside = part.text.char_indices().nth(left).map(|(byte, _)| byte);
            let offset = if inside.is_some() { left } else { part.text.chars().count() };
            let byte = inside.unwrap_or(part.text.len());
            spot = Spot { points: spot.points + offset, part: index, byte, offset };
            if spot.points == points {
                break;
            }
        }
        spot
    }

    /// Whether nothing stands after `spot`.
    pub fn ends_at(&self, spot: &Spot) -> bool {
        spot.points >= self.points
    }

    /// Gives what stands after `spot` to `show`, one piece a part, and moves `spot` to the end.
    pub fn rest(&self, spot: &mut Spot, mut show: impl FnMut(Piece<'_>)) {
        while let Some(part) = self.parts.get(spot.part) {
            let text = &part.text[spot.byte..];
            if !text.is_empty() {
                let offset = spot.offset;
                let points = text.chars().count();
                spot.points += points;
                spot.offset += points;
                spot.byte = part.text.len();
                show(Piece { part: part.part, kind: part.kind, offset, text, end: spot.points });
            }
            if spot.part + 1 == self.parts.len() {
                return;
            }
            *spot = Spot { points: spot.points, part: spot.part + 1, ..Spot::default() };
        }
    }

    fn push(&mut self, part: usize, kind: DeltaKind, text: &str) {
        self.points += text.chars().count();
        match self.parts.last_mut().filter(|last| last.part == part && last.kind == kind) {
            Some(last) => last.text.push_str(text),
            None if text.is_empty() => {}
            None => self.parts.push(PartText { part, kind, text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message() -> Message {
        Message {
            role: Role::Assistant,
            content: vec![
                Part::Reasoning { text: "hm, 那个".to_owned(), private: None },
                Part::ToolCall {
                    call_id: "c".to_owned(),
                    tool: "t".to_owned(),
                    arguments: serde_json::Value::Null,
                    malformed: None,
                },
                Part::text("🌍é!"),
            ],
        }
    }

    fn read(text: &CallText, spot: &mut Spot) -> Vec<(usize, usize, String, usize)> {
        let mut pieces = Vec::new();
        text.rest(spot, |it| pieces.push((it.part, it.offset, it.text.to_owned(), it.end)));
        pieces
    }

    #[test]
    fn a_reader_that_begins_anywhere_gets_exactly_the_remainder() {
        let text = CallText::of("m1", &message());

        let rest = |points| read(&text, &mut text.spot(points));
        assert_eq!(rest(0), [(0, 0, "hm, 那个".to_owned(), 6), (2, 0, "🌍é!".to_owned(), 9)]);
        assert_eq!(rest(5), [(0, 5, "个".to_owned(), 6), (2, 0, "🌍é!".to_owned(), 9)]);
        assert_eq!(rest(6), [(2, 0, "🌍é!".to_owned(), 9)]);
        assert_eq!(rest(7), [(2, 1, "é!".to_owned(), 9)]);
        assert_eq!(rest(9), []);
        assert_eq!(rest(99), []);
    }

    #[test]
    fn a_partial_message_keeps_the_indexes_of_its_parts() {
        let text = CallText::of("m1", &message());

        assert_eq!(CallText::of("m1", &text.partial().unwrap()), text);
        assert_eq!(CallText::new("m1").partial(), None);
    }

    proptest! {
        #[test]
        fn a_text_that_grows_is_read_whole_however_it_is_cut(
            deltas in prop::collection::vec((0_usize..3, any::<bool>(), "\\PC{1,5}"), 0..12),
            reads in prop::collection::vec(any::<bool>(), 12),
        ) {
            let mut growing = CallText::new("m1");
            let mut spot = Spot::default();
            let mut seen = String::new();
            let mut part = 0;
            for ((step, reasoning, text), read_now) in deltas.iter().zip(reads) {
                part += step;
                let kind = if *reasoning { DeltaKind::Reasoning } else { DeltaKind::Text };
                growing.append(&Delta { part, kind, text: text.clone() });
                if read_now {
                    growing.rest(&mut spot, |piece| seen.push_str(piece.text));
                }
            }
            growing.rest(&mut spot, |piece| seen.push_str(piece.text));
            let whole: String = deltas.iter().map(|(_, _, text)| text.as_str()).collect();
            prop_assert_eq!(&seen, &whole);
            prop_assert_eq!(spot.points, whole.chars().count());
            prop_assert!(growing.ends_at(&spot));
        }
    }
}
