//! The message of an answer while it is being made.

use crate::Delta;
use crate::DeltaKind;
use crate::Message;
use crate::Part;
use crate::Role;
use crate::calls::Calls;
use crate::calls::RawCall;
use crate::clean::clean;

/// Parts in the order in which they began, and the text that nobody has fetched yet.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pieces: Vec<Piece>,
    deltas: Vec<Delta>,
}

#[derive(Debug)]
enum Piece {
    Said(Part),
    Call(RawCall),
}

impl Draft {
    /// Begins a part of its own, without text.
    pub fn begin(&mut self, kind: DeltaKind) -> usize {
        self.push(Piece::Said(match kind {
            DeltaKind::Text => Part::text(""),
            DeltaKind::Reasoning => Part::Reasoning { text: String::new(), private: None },
        }))
    }

    pub fn begin_call(&mut self, call: RawCall) -> usize {
        self.push(Piece::Call(call))
    }

    /// Adds `text` to the last part if that is of this kind, else to a new one.
    pub fn say(&mut self, kind: DeltaKind, text: String) {
        let text = clean(text);
        if text.is_empty() {
            return;
        }
        let part = match self.last_kind() {
            Some(last) if last == kind => self.pieces.len() - 1,
            _ => self.begin(kind),
        };
        if let Some(Piece::Said(
            Part::Text { text: said, .. } | Part::Reasoning { text: said, .. },
        )) = self.pieces.get_mut(part)
        {
            said.push_str(&text);
        }
        match self.deltas.last_mut() {
            Some(delta) if delta.part == part => delta.text.push_str(&text),
            _ => self.deltas.push(Delta { part, kind, text }),
        }
    }

    /// The call that began as part `at`.
    pub fn call(&mut self, at: usize) -> Option<&mut RawCall> {
        match self.pieces.get_mut(at)? {
            Piece::Call(call) => Some(call),
            Piece::Said(_) => None,
        }
    }

    /// The text or reasoning that began as part `at`.
    pub fn said(&mut self, at: usize) -> Option<&mut Part> {
        match self.pieces.get_mut(at)? {
            Piece::Said(part) => Some(part),
            Piece::Call(_) => None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn deltas(&mut self) -> Vec<Delta> {
        std::mem::take(&mut self.deltas)
    }

    /// What was said so far, without calls and without private parts, which may be half.
    pub fn partial(&self) -> Message {
        let said = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Said(Part::Reasoning { text, .. }) => {
                Some(Part::Reasoning { text: text.clone(), private: None })
            }
            Piece::Said(part) => Some(part.clone()),
            Piece::Call(_) => None,
        });
        Message { role: Role::Assistant, content: said.filter(|part| !is_blank(part)).collect() }
    }

    /// The whole message. If the answer was `cut` short, calls that may lack something are left out.
    pub fn finish(&mut self, calls: &mut Calls, cut: bool) -> Message {
        let pieces = std::mem::take(&mut self.pieces).into_iter();
        let parts = pieces.filter_map(|piece| match piece {
            Piece::Said(part) => Some(part),
            Piece::Call(call) if cut => calls.part_of_cut_answer(call),
            Piece::Call(call) => Some(calls.part(call)),
        });
        Message { role: Role::Assistant, content: parts.collect() }
    }

    /// The last part, if it is reasoning.
    pub fn last_reasoning(&self) -> Option<usize> {
        (self.last_kind() == Some(DeltaKind::Reasoning)).then(|| self.pieces.len() - 1)
    }

    fn push(&mut self, piece: Piece) -> usize {
        self.pieces.push(piece);
        self.pieces.len() - 1
    }

    fn last_kind(&self) -> Option<DeltaKind> {
        match self.pieces.last()? {
            Piece::Said(Part::Text { .. }) => Some(DeltaKind::Text),
            Piece::Said(Part::Reasoning { .. }) => Some(DeltaKind::Reasoning),
            _ => None,
        }
    }
}

fn is_blank(part: &Part) -> bool {
    matches!(part, Part::Text { text, .. } | Part::Reasoning { text, .. } if text.is_empty())
}
