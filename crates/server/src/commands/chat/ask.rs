//! What the person at the terminal says: a line at a time.

use std::io::BufRead;
use std::thread;

use serde_json::Value;
use serde_json::json;
use tokio::sync::mpsc;

/// The lines of standard input. They are read by a thread of their own, which nobody waits for.
#[derive(Debug)]
pub struct Lines(mpsc::Receiver<String>);

impl Lines {
    pub fn open() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next line; `None` when there are no more.
    pub async fn next(&mut self) -> Option<String> {
        self.0.recv().await
    }
}

/// What can be decided, for the question.
pub fn choices(approval: &Value) -> &'static str {
    if is_unknown_effect(approval) {
        "retry, done RESULT, or reject REASON"
    } else {
        "approve, or reject REASON"
    }
}

/// The decision that an answer means, as the API wants it; `None` if it means none.
pub fn decision(approval: &Value, answer: &str) -> Option<Value> {
    let answer = answer.trim();
    let (word, rest) = answer.split_once(char::is_whitespace).unwrap_or((answer, ""));
    let rest = Some(rest.trim()).filter(|rest| !rest.is_empty());
    let mut decision = json!({ "arguments_hash": approval["arguments_hash"] });
    match (word.to_lowercase().as_str(), is_unknown_effect(approval)) {
        ("a" | "approve" | "y" | "yes", false) => decision["decision"] = json!("approve"),
        ("retry", true) => decision["decision"] = json!("retry"),
        ("done", true) => {
            // A result that is no JSON is a text.
            let result = rest.map_or(Value::Null, |rest| {
                serde_json::from_str(rest).unwrap_or_else(|_| json!(rest))
            });
            decision["decision"] = json!("done");
            decision["result"] = result;
        }
        ("r" | "reject" | "n" | "no", _) => {
            decision["decision"] = json!("reject");
            decision["reason"] = json!(rest);
        }
        _ => return None,
    }
    Some(decision)
}

fn is_unknown_effect(approval: &Value) -> bool {
    approval["kind"] == "unknown_effect"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_decision_or_none() {
        let call = json!({"kind": "tool_call", "arguments_hash": "h"});
        let lost = json!({"kind": "unknown_effect", "arguments_hash": "h"});

        let says = |approval, answer| decision(approval, answer);

        assert_eq!(
            says(&call, " Yes "),
            Some(json!({"arguments_hash": "h", "decision": "approve"}))
        );
        let rejected = json!({"arguments_hash": "h", "decision": "reject", "reason": "too much"});
        assert_eq!(says(&call, "reject too much"), Some(rejected));
        let done = json!({"arguments_hash": "h", "decision": "done", "result": {"paid": 1}});
        assert_eq!(says(&lost, r#"done {"paid": 1}"#), Some(done));
        assert_eq!(says(&lost, "retry"), Some(json!({"arguments_hash": "h", "decision": "retry"})));
        for (approval, answer) in [(&call, ""), (&call, "maybe"), (&call, "retry"), (&lost, "yes")]
        {
            assert_eq!(says(approval, answer), None, "{answer}");
        }
    }
}
