//! Values that are too large for the row of their event.
//!
//! Such a value is kept by its hash in `run_values`, and a note stands in its place, with its size
//! and the address where it can be read. Only what reads a log to go on with it puts the value back.

use std::collections::BTreeSet;
use std::fmt::Write;

use aws_lc_rs::digest;
use serde_json::Value;
use serde_json::json;

use crate::db::Id;

/// The most bytes of JSON that a value may have in the row of its event.
const LARGE: usize = 64 << 10;
/// Characters of a large text that its note shows.
const PREVIEW: usize = 200;

/// A value that is kept apart.
#[derive(Debug, PartialEq, Eq)]
pub struct LargeValue {
    /// SHA-256 of `text`, in hexadecimal digits.
    pub sha256: String,
    /// The JSON text.
    pub text: String,
}

/// Takes the large values out of the `data` of an event, if there are any.
pub fn take_apart(run_id: Id, data: String) -> serde_json::Result<(String, Vec<LargeValue>)> {
    if data.len() <= LARGE {
        return Ok((data, Vec::new()));
    }
    let mut value: Value = serde_json::from_str(&data)?;
    let mut taken = Vec::new();
    // The whole of it always stays an object with its own members.
    if let Value::Object(members) = &mut value {
        members.values_mut().for_each(|member| take(run_id, member, &mut taken));
    }
    Ok((value.to_string(), taken))
}

/// Puts back what was taken out; `find` knows the values of this run by their hashes.
pub fn put_together(value: &mut Value, find: &impl Fn(&str) -> Option<Value>) {
    if let Some(whole) = noted(value).and_then(find) {
        *value = whole;
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| put_together(item, find)),
        Value::Object(members) => members.values_mut().for_each(|it| put_together(it, find)),
        _ => {}
    }
}

/// Adds the hashes of all notes in `value`.
pub fn note(value: &Value, hashes: &mut BTreeSet<String>) {
    if let Some(sha256) = noted(value) {
        hashes.insert(sha256.to_owned());
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| note(item, hashes)),
        Value::Object(members) => members.values().for_each(|member| note(member, hashes)),
        _ => {}
    }
}

/// Whether the `data` of an event may have notes in it.
pub fn may_have_notes(data: &str) -> bool {
    data.contains(r#""truncated":true"#)
}

/// The smallest values that are large go: a list of a thousand small ones goes as a whole.
fn take(run_id: Id, value: &mut Value, taken: &mut Vec<LargeValue>) {
    let text = value.to_string();
    if text.len() <= LARGE {
        return;
    }
    let before = taken.len();
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| take(run_id, item, taken)),
        Value::Object(members) => members.values_mut().for_each(|it| take(run_id, it, taken)),
        _ => {}
    }
    if taken.len() > before && value.to_string().len() <= LARGE {
        return;
    }
    taken.truncate(before);
    let sha256 = sha256(&text);
    *value = json!({
        "truncated": true,
        "size": text.len(),
        "sha256": sha256,
        "url": format!("/runs/{run_id}/values/{sha256}"),
        "preview": text.chars().take(PREVIEW).collect::<String>(),
    });
    taken.push(LargeValue { sha256, text });
}

/// The hash in a note.
fn noted(value: &Value) -> Option<&str> {
    let note = value.as_object().filter(|it| it.get("truncated") == Some(&Value::Bool(true)))?;
    note.get("sha256")?.as_str()
}

fn sha256(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn apart(value: &Value) -> (Value, Vec<LargeValue>) {
        let (data, taken) = take_apart(Id::new(Uuid::nil()), value.to_string()).unwrap();
        (serde_json::from_str(&data).unwrap(), taken)
    }

    fn together(mut value: Value, taken: &[LargeValue]) -> Value {
        put_together(&mut value, &|sha256| {
            let found = taken.iter().find(|it| it.sha256 == sha256)?;
            serde_json::from_str(&found.text).ok()
        });
        value
    }

    #[test]
    fn what_is_not_large_stays() {
        let value = json!({"text": "a".repeat(LARGE - 100)});

        assert_eq!(apart(&value), (value, Vec::new()));
    }

    #[test]
    fn a_large_text_is_kept_apart_and_put_back() {
        let value = json!({"a": {"text": "🌍".repeat(LARGE), "b": 1}, "c": [2]});

        let (noted, taken) = apart(&value);

        assert_eq!(taken.len(), 1);
        assert_eq!((&noted["a"]["b"], &noted["c"]), (&json!(1), &json!([2])));
        assert_eq!(noted["a"]["text"]["truncated"], true);
        assert_eq!(noted["a"]["text"]["size"], 4 * LARGE + 2);
        assert!(noted.to_string().len() < 2000);
        assert_eq!(together(noted, &taken), value);
    }

    #[test]
    fn a_list_of_many_small_values_is_kept_apart_as_a_whole() {
        let value = json!({"list": vec!["a".repeat(100); LARGE / 100]});

        let (noted, taken) = apart(&value);

        assert_eq!(taken.len(), 1);
        assert_eq!(noted["list"]["truncated"], true);
        assert_eq!(together(noted, &taken), value);
    }

    #[test]
    fn a_note_of_nothing_we_keep_is_a_value_like_any_other() {
        let value = json!({"truncated": true, "sha256": "00"});

        assert_eq!(together(value.clone(), &[]), value);
    }
}
