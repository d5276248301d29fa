//! What a model is shown of messages that were recalled: a rule without a database.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write;

use llm::Message;
use llm::Part;

use super::store::vectors::Written;
use crate::db::Id;

/// Code points of one message that are shown, and embedded.
pub const MOST: usize = 2000;

/// Where a message stands: its thread, and its number in it.
pub type Place = (Id, i64);

/// The text of a message that is looked at.
pub fn text_of(written: &Written) -> String {
    let parts: Vec<Part> = serde_json::from_str(&written.content).unwrap_or_default();
    let texts = parts.into_iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text),
        _ => None,
    });
    short(texts.collect::<Vec<_>>().join("\n").trim()).to_owned()
}

/// The beginning of a text, as far as it is looked at.
pub fn short(text: &str) -> &str {
    text.char_indices().nth(MOST).map_or(text, |(end, _)| &text[..end])
}

/// The messages `around` the places that were `found`, the best first, as one message, and an estimate of its
/// tokens; without those that are `shown` already, and without a place that would have it take more than
/// `max_tokens`.
pub fn excerpts(
    found: &[Place],
    around: &[Written],
    range: i64,
    shown: &BTreeSet<Place>,
    max_tokens: Option<u64>,
) -> Option<(Message, u64)> {
    let texts = around.iter().map(|it| ((it.thread_id, it.seq), (it, text_of(it))));
    let texts = texts.filter(|(place, (_, text))| !shown.contains(place) && !text.is_empty());
    let texts: BTreeMap<Place, (&Written, String)> = texts.collect();
    let (mut taken, mut tokens) = (BTreeMap::new(), tokens(HEAD));
    for (thread, seq) in found {
        let range = (*thread, seq.saturating_sub(range))..=(*thread, seq.saturating_add(range));
        let new: Vec<_> = texts.range(range).filter(|(it, _)| !taken.contains_key(*it)).collect();
        let lines: Vec<_> = new.into_iter().map(|(place, it)| (*place, line(it))).collect();
        let more: u64 = lines.iter().map(|(_, line)| self::tokens(line)).sum();
        if max_tokens.is_none_or(|most| tokens + more <= most) {
            tokens += more;
            taken.extend(lines);
        }
    }
    let mut text = HEAD.to_owned();
    let mut last = None;
    for ((thread, seq), line) in &taken {
        if last != Some((*thread, seq - 1)) {
            text.push('\n');
        }
        text.push_str(line);
        last = Some((*thread, *seq));
    }
    (!taken.is_empty()).then(|| (Message::user(&text), tokens))
}

/// What the model is told of them.
const HEAD: &str = "Excerpts of earlier messages that may matter for the next one. They are not the latest, \
                    and what they say may have changed.\n";

fn line((written, text): &(&Written, String)) -> String {
    let at = written.created_at.time().format("%Y-%m-%d %H:%M");
    let mut line = String::with_capacity(text.len() + 32);
    let _ = writeln!(line, "[{at}] {}: {text}", written.role);
    line
}

/// An estimate, as for all messages: a token is four bytes.
fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use expect_test::expect;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::db::At;

    fn thread(number: u128) -> Id {
        Id::new(Uuid::from_u128(number))
    }

    fn said(thread: Id, seq: i64, text: &str) -> Written {
        let role = if seq % 2 == 1 { "user" } else { "assistant" };
        let content = json!([{"type": "text", "text": text}]).to_string();
        let created_at = At::new(DateTime::from_timestamp(1_764_064_800 + seq * 60, 0).unwrap());
        Written { thread_id: thread, seq, role: role.to_owned(), content, created_at }
    }

    fn around() -> Vec<Written> {
        let one = (1..=6).map(|seq| said(thread(1), seq, &format!("one {seq}")));
        let two = (1..=2).map(|seq| said(thread(2), seq, &format!("two {seq}")));
        one.chain(two).collect()
    }

    #[test]
    fn excerpts_stand_in_their_order_each_once() {
        let found = [(thread(2), 1), (thread(1), 5), (thread(1), 4), (thread(1), 1)];
        let shown = BTreeSet::from([(thread(1), 6)]);

        let (message, tokens) = excerpts(&found, &around(), 1, &shown, None).unwrap();

        expect![[r#"
            Excerpts of earlier messages that may matter for the next one. They are not the latest, and what they say may have changed.

            [2025-11-25 10:01] user: one 1
            [2025-11-25 10:02] assistant: one 2
            [2025-11-25 10:03] user: one 3
            [2025-11-25 10:04] assistant: one 4
            [2025-11-25 10:05] user: one 5

            [2025-11-25 10:01] user: two 1
            [2025-11-25 10:02] assistant: two 2
        "#]]
        .assert_eq(&message.text());
        assert!(tokens >= message.text().len() as u64 / 4);
    }

    #[test]
    fn the_best_come_first_where_not_all_fit() {
        let found = [(thread(1), 5), (thread(1), 1)];

        let (message, tokens) = excerpts(&found, &around(), 0, &BTreeSet::new(), Some(45)).unwrap();

        assert!(message.text().contains("one 5") && !message.text().contains("one 1"));
        assert!(tokens <= 45);
        assert_eq!(excerpts(&found, &around(), 0, &BTreeSet::new(), Some(35)), None);
    }

    #[test]
    fn what_has_no_text_is_no_excerpt() {
        let picture = Written {
            content: json!([{"type": "image", "url": "https://a.example/b.png"}]).to_string(),
            ..said(thread(1), 1, "")
        };

        assert_eq!(excerpts(&[(thread(1), 1)], &[picture], 1, &BTreeSet::new(), None), None);
        assert_eq!(excerpts(&[], &[], 1, &BTreeSet::new(), None), None);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(text_of(&said(thread(1), 1, &"é".repeat(3000))), "é".repeat(MOST));
    }
}
