//! The text of one model call: while it grows, and read back from the event that ended it.

use llm::Delta;
use llm::DeltaKind;
use llm::Message;
use llm::Part;
use llm::Role;

use super::hint::Said;

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

    /// How many code points there are.
    pub fn points(&self) -> usize {
        self.points
    }

    /// The next piece after `spot`, within one part and of about `most` bytes at most; `spot` moves to
    /// its end.
    pub fn piece(&self, spot: &mut Spot, most: usize) -> Option<Piece<'_>> {
        let mut part = self.parts.get(spot.part)?;
        while part.text.len() == spot.byte {
            part = self.parts.get(spot.part + 1)?;
            *spot = Spot { points: spot.points, part: spot.part + 1, ..Spot::default() };
        }
        let rest = part.text.get(spot.byte..)?;
        let text = &rest[..rest.floor_char_boundary(most.max(char::MAX.len_utf8()))];
        let (offset, points) = (spot.offset, text.chars().count());
        spot.points += points;
        spot.offset += points;
        spot.byte += text.len();
        Some(Piece { part: part.part, kind: part.kind, offset, text, end: spot.points })
    }

    /// Adds what another process says that this call said, as far as it is new. Where something
    /// before it is missing, nothing is added.
    pub fn hear(&mut self, said: &Said) {
        let known = self.points.checked_sub(said.from).filter(|_| said.call == self.call_id);
        let new = known.and_then(|known| said.text.char_indices().nth(known));
        if let Some((byte, _)) = new {
            self.push(said.part, said.kind, &said.text[byte..]);
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
        let next = || text.piece(spot, usize::MAX);
        let pieces = std::iter::from_fn(next);
        pieces.map(|it| (it.part, it.offset, it.text.to_owned(), it.end)).collect()
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
            most in 0_usize..9,
        ) {
            let mut growing = CallText::new("m1");
            let mut spot = Spot::default();
            let mut seen = String::new();
            let mut part = 0;
            for ((step, reasoning, text), read_now) in deltas.iter().zip(reads) {
                part += step;
                let kind = if *reasoning { DeltaKind::Reasoning } else { DeltaKind::Text };
                growing.append(&Delta { part, kind, text: text.clone() });
                while read_now && let Some(piece) = growing.piece(&mut spot, most) {
                    seen.push_str(piece.text);
                }
            }
            while let Some(piece) = growing.piece(&mut spot, most) {
                prop_assert!(piece.text.len() <= most.max(4));
                seen.push_str(piece.text);
            }
            let whole: String = deltas.iter().map(|(_, _, text)| text.as_str()).collect();
            prop_assert_eq!(&seen, &whole);
            prop_assert_eq!(spot.points, whole.chars().count());
            prop_assert_eq!(growing.points(), spot.points);
        }

        #[test]
        fn a_text_that_is_heard_in_any_order_is_never_wrong_and_whole_in_the_end(
            deltas in prop::collection::vec((0_usize..2, "\\PC{1,5}"), 1..12),
            heard in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..9), 0..30),
        ) {
            let mut said = CallText::new("m1");
            let mut part = 0;
            for (step, text) in deltas {
                part += step;
                said.append(&Delta { part, kind: DeltaKind::Text, text });
            }
            let said = &said;
            let words = |mut spot: Spot, most| std::iter::from_fn(move || {
                let from = spot.points;
                let Piece { part, kind, text, .. } = said.piece(&mut spot, most)?;
                let (call, text) = ("m1".to_owned(), text.to_owned());
                Some(Said { run: "0199c000-0000-7000-8000-000000000001".parse().unwrap(), seq: 3, call, from, part, kind, text })
            });
            let mut there = CallText::new("m1");
            for (place, most) in heard {
                if let Some(word) = words(said.spot(place.index(said.points)), most).next() {
                    there.hear(&word);
                    prop_assert_eq!(there.spot(usize::MAX), said.spot(there.points));
                }
            }
            words(said.spot(there.points), 7).for_each(|word| there.hear(&word));
            prop_assert_eq!(&there, said);
        }
    }
}
