//! How much of a thread a model is shown: a rule without a database.

use llm::Message;
use llm::Role;

use crate::agents::Memory;

/// A message as it was stored: its place, and its parts as JSON.
#[derive(Debug, Clone)]
pub struct Said {
    pub seq: i64,
    pub role: Role,
    pub content: String,
}

/// What stays together: something said, and the results of the calls in it.
type Unit<'s> = &'s [Said];

/// What a model is shown.
#[derive(Debug, Default)]
pub struct Shown {
    pub messages: Vec<Message>,
    /// The numbers of these messages in their thread.
    pub seqs: Vec<i64>,
    /// An estimate of the tokens of all of them.
    pub tokens: u64,
}

/// The latest messages within the limits of `memory`.
///
/// `said` are the latest messages of the thread, oldest first, with the user's last one. Turns are
/// taken whole, from the newest to the oldest, as long as they fit; a turn begins with what a user
/// says. Only the newest turn is cut when it does not fit: its beginning stays, and the latest of
/// what followed. No call is without its results, and nothing begins with results.
pub fn window(said: Vec<Said>, memory: &Memory) -> serde_json::Result<Shown> {
    let mut left = Left::of(memory);
    let mut turns = turns(&said);
    let mut taken: Vec<Unit<'_>> = Vec::new();
    if let Some(newest) = turns.pop() {
        let whole = left.take(&newest);
        taken = if whole { newest } else { left.cut(&newest) };
        while whole && turns.last().is_some_and(|turn| left.take(turn)) {
            taken.splice(0..0, turns.pop().unwrap_or_default());
        }
    }
    let tokens = taken.iter().map(|unit| tokens(unit)).sum();
    let mut shown = Shown { tokens, ..Shown::default() };
    for Said { seq, role, content } in taken.into_iter().flatten() {
        shown.messages.push(Message { role: *role, content: serde_json::from_str(content)? });
        shown.seqs.push(*seq);
    }
    Ok(shown)
}

/// What may still be taken.
struct Left {
    messages: usize,
    tokens: u64,
}

impl Left {
    fn of(memory: &Memory) -> Self {
        Self {
            messages: memory.last_messages as usize,
            tokens: memory.max_tokens.unwrap_or(u64::MAX),
        }
    }

    /// Takes all of `units`, or nothing.
    fn take(&mut self, units: &[Unit<'_>]) -> bool {
        let messages: usize = units.iter().map(|unit| unit.len()).sum();
        let tokens: u64 = units.iter().map(|unit| tokens(unit)).sum();
        let fits = messages <= self.messages && tokens <= self.tokens;
        if fits {
            self.messages -= messages;
            self.tokens -= tokens;
        }
        fits
    }

    /// Takes the beginning of a turn, and as much of its end as fits. A question alone would be asked
    /// again: without any of its end there is nothing.
    fn cut<'s>(&mut self, turn: &[Unit<'s>]) -> Vec<Unit<'s>> {
        let (head, rest) = turn.split_at(turn.len().min(1));
        if !self.take(head) {
            return Vec::new();
        }
        let fits = rest.iter().rev().take_while(|unit| self.take(&[**unit])).count();
        if fits == 0 { Vec::new() } else { [head, &rest[rest.len() - fits..]].concat() }
    }
}

/// The turns of a conversation. Results whose call is not there are left out.
fn turns(said: &[Said]) -> Vec<Vec<Unit<'_>>> {
    let mut turns: Vec<Vec<Unit<'_>>> = Vec::new();
    let mut last = Role::Assistant;
    // A number is missing where messages were not read.
    let units = said.chunk_by(|one, next| next.role == Role::Tool && next.seq == one.seq + 1);
    for unit in units.filter(|unit| unit[0].role != Role::Tool) {
        let role = unit[0].role;
        match turns.last_mut() {
            Some(turn) if role != Role::User || last == Role::User => turn.push(unit),
            _ => turns.push(vec![unit]),
        }
        last = role;
    }
    turns
}

/// An estimate: a token is four bytes of the message's JSON.
fn tokens(unit: Unit<'_>) -> u64 {
    unit.iter().map(|it| (it.content.len() as u64).div_ceil(4)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `u` a user, `a` an assistant, `c` an assistant with a call, `t` its result; 40 bytes each.
    fn said(roles: &str) -> Vec<Said> {
        let said = roles.chars().zip(1..).map(|(letter, seq)| Said {
            seq,
            role: match letter {
                'u' => Role::User,
                't' => Role::Tool,
                _ => Role::Assistant,
            },
            content: format!(r#"[{{"type":"text","text":"{seq:012}"}}]"#),
        });
        said.collect()
    }

    /// The numbers of the messages that are shown.
    fn shown(said: Vec<Said>, last_messages: u32, max_tokens: Option<u64>) -> Vec<i64> {
        let memory = Memory { last_messages, max_tokens, ..Memory::default() };
        let Shown { messages, seqs, tokens } = window(said, &memory).unwrap();
        assert_eq!(tokens, 10 * messages.len() as u64);
        let numbers: Vec<i64> = messages.iter().map(|it| it.text().parse().unwrap()).collect();
        assert_eq!(numbers, seqs);
        numbers
    }

    #[test]
    fn turns_are_taken_whole_from_the_newest() {
        assert_eq!(shown(said("uauaua"), 20, None), [1, 2, 3, 4, 5, 6]);
        assert_eq!(shown(said("uauaua"), 5, None), [3, 4, 5, 6]);
        assert_eq!(shown(said("uauaua"), 6, Some(49)), [3, 4, 5, 6]);
        assert_eq!(shown(said("uctactauca"), 4, None), [8, 9, 10]);
        assert_eq!(shown(said("aua"), 3, None), [1, 2, 3]);
        assert_eq!(shown(said("uuauua"), 4, None), [4, 5, 6]);
        assert_eq!(shown(said("ua"), 0, None), [0; 0]);
        assert_eq!(shown(Vec::new(), 20, None), [0; 0]);
    }

    #[test]
    fn a_turn_that_is_too_long_keeps_its_beginning_and_its_end() {
        assert_eq!(shown(said("uauctcta"), 4, None), [3, 6, 7, 8]);
        assert_eq!(shown(said("uauctcta"), 3, None), [3, 8]);
        assert_eq!(shown(said("uctctct"), 20, Some(35)), [1, 6, 7]);
        assert_eq!(shown(said("ua"), 20, Some(9)), [0; 0]);
        assert_eq!(shown(said("uct"), 2, None), [0; 0]);
    }

    #[test]
    fn a_turn_that_was_not_read_whole_is_no_different() {
        let mut read = said("uctctcta");
        // The user's message, and the last four.
        read.drain(1..4);

        assert_eq!(read.iter().map(|it| it.seq).collect::<Vec<_>>(), [1, 5, 6, 7, 8]);
        assert_eq!(shown(read, 4, None), [1, 6, 7, 8]);
    }

    /// Whatever was said and whatever fits: it begins with no result, and no call loses its own.
    #[test]
    fn calls_and_results_are_never_separated() {
        for roles in ["uctaucta", "ctctu", "uuctctuuact", "ctucta", "uctctctctcta"] {
            for last in 0..14 {
                for tokens in [None, Some(25), Some(55), Some(95)] {
                    let shown = shown(said(roles), last, tokens);
                    let letter = |seq: &i64| roles.as_bytes()[usize::try_from(seq - 1).unwrap()];
                    let letters: Vec<u8> = shown.iter().map(letter).collect();
                    let letters = String::from_utf8(letters).unwrap();
                    assert!(shown.len() <= last as usize, "{roles} {last}: {letters}");
                    let pairs = letters.matches("ct").count();
                    assert_eq!(letters.matches('c').count(), pairs, "{roles} {last}: {letters}");
                    assert_eq!(letters.matches('t').count(), pairs, "{roles} {last}: {letters}");
                }
            }
        }
    }
}
