//! What processes tell each other of runs, so that nobody needs to ask the database often.
//!
//! Hints come late, twice, in another order or not at all. They only make things faster: what they
//! say of a log is looked up there, and a text says where it stands.

use llm::DeltaKind;
use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::db::Id;
use crate::db::LONGEST_WORD;

/// One thing that another process may like to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// The sender watches a run, and knows it up to here.
    Watched { run: Id, seq: u64, points: usize },
    /// A run's log has so many events.
    Reached { run: Id, seq: u64 },
    /// A model call says something.
    Said(Said),
    /// Something was left for the owner of a run.
    Signaled { run: Id },
    /// A message was left for whoever has a session of MCP.
    Letters,
}

/// A piece of the text that grows after event `seq`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub run: Id,
    pub seq: u64,
    pub call: String,
    /// Code points of the call before this piece, over all parts.
    pub from: usize,
    pub part: usize,
    #[serde(with = "Kind")]
    pub kind: DeltaKind,
    pub text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "DeltaKind", rename_all = "snake_case")]
enum Kind {
    Text,
    Reasoning,
}

/// Several hints, as they travel together.
#[derive(Debug, Serialize, Deserialize)]
struct Word {
    from: Id,
    hints: Vec<Box<RawValue>>,
}

/// A word that is being put together.
#[derive(Debug)]
pub struct Draft {
    word: Word,
    length: usize,
}

impl Draft {
    /// Nothing but who says it.
    pub fn new(from: Id) -> Self {
        let word = Word { from, hints: Vec::new() };
        Self { word, length: r#"{"from":"","hints":[]}"#.len() + from.to_string().len() }
    }

    /// Whether there was room for `hint`.
    pub fn add(&mut self, hint: &Hint) -> bool {
        let Ok(hint) = serde_json::value::to_raw_value(hint) else { return false };
        let length = self.length + hint.get().len() + 1;
        if length > LONGEST_WORD {
            return false;
        }
        self.length = length;
        self.word.hints.push(hint);
        true
    }

    /// What is to be sent, if anything was added.
    pub fn finish(self) -> Option<String> {
        if self.word.hints.is_empty() { None } else { self.sign_of_life() }
    }

    /// The same, even if nothing was added.
    pub fn sign_of_life(self) -> Option<String> {
        serde_json::to_string(&self.word).ok()
    }
}

/// Who sent `word`, and what it says; hints of other releases are passed over.
pub fn read(word: &str) -> Option<(Id, Vec<Hint>)> {
    let Word { from, hints } = serde_json::from_str(word).ok()?;
    let hints = hints.iter().filter_map(|hint| serde_json::from_str(hint.get()).ok());
    Some((from, hints.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(last: u8) -> Id {
        format!("0199c000-0000-7000-8000-0000000000{last:02x}").parse().unwrap()
    }

    fn said(text: &str) -> Hint {
        let (call, kind) = ("m1".to_owned(), DeltaKind::Reasoning);
        Hint::Said(Said { run: id(2), seq: 3, call, from: 5, part: 0, kind, text: text.to_owned() })
    }

    #[test]
    fn hints_come_back_as_they_went() {
        let hints = [
            Hint::Watched { run: id(2), seq: 3, points: 7 },
            Hint::Reached { run: id(2), seq: 4 },
            said("那个 \"🌍\"\n"),
            Hint::Signaled { run: id(2) },
            Hint::Letters,
        ];
        let mut draft = Draft::new(id(1));
        assert!(hints.iter().all(|hint| draft.add(hint)));

        assert_eq!(read(&draft.finish().unwrap()), Some((id(1), hints.to_vec())));
    }

    #[test]
    fn a_word_is_never_longer_than_the_database_takes() {
        let mut draft = Draft::new(id(1));
        let mut added = 0;
        while draft.add(&said("\u{1}\"\\ and so on")) {
            added += 1;
        }

        let word = draft.finish().unwrap();
        assert!(word.len() <= LONGEST_WORD && word.len() > LONGEST_WORD - 300, "{}", word.len());
        assert_eq!(read(&word).unwrap().1.len(), added);
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        assert_eq!(read("nonsense"), None);
        let word = format!(
            r#"{{"from":"{0}","hints":[{{"new":1}},{{"reached":{{"run":"{0}","seq":1}}}}],"x":1}}"#,
            id(1)
        );
        assert_eq!(read(&word), Some((id(1), vec![Hint::Reached { run: id(1), seq: 1 }])));
    }
}
