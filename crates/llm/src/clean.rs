//! Text from models that no store or encoder can hold, made whole.
//!
//! NUL and halves of surrogate pairs become U+FFFD. Callers' text is refused instead, at our door.

use serde_json::Value;

const NUL: char = '\0';
const REPLACEMENT: &str = "\u{fffd}";

/// `text` without NUL.
pub(crate) fn clean(text: String) -> String {
    if text.contains(NUL) { text.replace(NUL, REPLACEMENT) } else { text }
}

/// Cleans every string and every member's name in `value`.
pub(crate) fn clean_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean(text)),
        Value::Array(items) => items.into_iter().map(clean_value).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (clean(name), clean_value(value))).collect()
        }
        other => other,
    }
}

/// Runs `parse` on `json`, and when that fails once more on what [`repair_surrogates`] makes of it.
///
/// `serde_json` refuses escaped halves of surrogate pairs, which models and their proxies do send.
pub(crate) fn tolerant<R>(
    json: &str,
    mut parse: impl FnMut(&str) -> serde_json::Result<R>,
) -> serde_json::Result<R> {
    parse(json).or_else(|error| match repair_surrogates(json) {
        Some(repaired) => parse(&repaired),
        None => Err(error),
    })
}

/// `json` with `\ufffd` for each escaped half of a surrogate pair; `None` when it has none.
fn repair_surrogates(json: &str) -> Option<String> {
    let mut repaired = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = json[at..].find('\\') {
        let escape = at + found;
        at = match unit(json, escape) {
            Some(0xD800..=0xDBFF) if matches!(unit(json, escape + 6), Some(0xDC00..=0xDFFF)) => {
                escape + 12
            }
            Some(0xD800..=0xDFFF) => {
                repaired.push_str(&json[copied..escape]);
                repaired.push_str("\\ufffd");
                copied = escape + 6;
                copied
            }
            _ => next_char(json, escape + 1),
        };
    }
    if copied == 0 {
        return None;
    }
    repaired.push_str(&json[copied..]);
    Some(repaired)
}

/// The code unit that the escape `\uXXXX` at `at` stands for, if one is there.
fn unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

/// Where the character at `at` ends.
fn next_char(json: &str, at: usize) -> usize {
    json[at..].chars().next().map_or(json.len(), |char| at + char.len_utf8())
}

#[cfg(test)]
mod tests {
    use proptest::proptest;
    use serde_json::Value;
    use serde_json::json;

    use super::clean;
    use super::clean_value;
    use super::repair_surrogates;
    use super::tolerant;

    fn parse(json: &str) -> serde_json::Result<Value> {
        tolerant(json, |json| serde_json::from_str(json))
    }

    #[test]
    fn halves_of_surrogate_pairs_become_replacement_characters() {
        for (json, text) in [
            (r#""a\ud83d""#, "a\u{fffd}"),
            (r#""\ude00b""#, "\u{fffd}b"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83dé\ud83d\n""#, "\u{fffd}é\u{fffd}\n"),
        ] {
            assert_eq!(parse(json).unwrap(), json!(text), "{json}");
        }
    }

    #[test]
    fn what_only_looks_like_a_surrogate_is_left_alone() {
        assert_eq!(repair_surrogates(r#""\\ud83d \ud83d\ude00""#), None);
    }

    #[test]
    fn other_faults_stay_faults() {
        assert!(parse(r#""\ud83d"#).is_err());
        assert!(parse("{").is_err());
    }

    #[test]
    fn nul_is_replaced_everywhere() {
        assert_eq!(clean("a\0b".to_owned()), "a\u{fffd}b");
        let value = json!({"k\0": ["\0", 1, {"x": "\0"}]});
        assert_eq!(clean_value(value), json!({"k\u{fffd}": ["\u{fffd}", 1, {"x": "\u{fffd}"}]}));
    }

    proptest! {
        #[test]
        fn any_mix_of_escapes_can_be_repaired(units in proptest::collection::vec(0xD7F0_u16..0xE010, 0..12)) {
            let escaped: Vec<String> = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let escaped = escaped.concat();
            let expected = String::from_utf16_lossy(&units);
            assert_eq!(parse(&format!("\"{escaped}\"")).unwrap(), json!(expected));
        }
    }
}
