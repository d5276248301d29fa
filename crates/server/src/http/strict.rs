//! Reads JSON as a contract, not as a suggestion: what two readers could understand differently, or
//! what a database cannot hold, is refused with the place where it stands.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde::de::Error;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde_json::Map;
use serde_json::Value;

use crate::http::Invalid;
use crate::http::Problem;
use crate::http::invalid::pointer_to;

/// Objects and lists may stand this deep in each other.
pub const MAX_DEPTH: usize = 64;

/// Why bytes are not JSON that we take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(Invalid);

impl From<Malformed> for Problem {
    fn from(Malformed(fault): Malformed) -> Self {
        Self::malformed(format!("the body cannot be read: {}", fault.detail), vec![fault])
    }
}

impl From<Malformed> for Invalid {
    fn from(Malformed(fault): Malformed) -> Self {
        fault
    }
}

/// Reads one JSON value.
///
/// Refused beyond what the grammar refuses: text that is not UTF-8, members that come twice, NUL,
/// lone surrogates, more than [`MAX_DEPTH`] levels, and numbers whose digits we could not keep.
pub fn parse_strict(bytes: &[u8]) -> Result<Value, Malformed> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match str::from_utf8(bytes) {
        Ok(text) => Reader::new(text).read(text),
        Err(error) => Err(not_utf8(bytes, error.valid_up_to())),
    }
}

/// The place of the first byte that is not UTF-8 is where reading what stands before it ends.
fn not_utf8(bytes: &[u8], valid: usize) -> Malformed {
    let before = String::from_utf8_lossy(&bytes[..valid]);
    let mut reader = Reader::new(&before);
    let _ = reader.read(&before);
    reader.malformed("not_utf8", format!("byte {} is not UTF-8", valid + 1))
}

/// Reads a text once, and knows at any moment where it is.
struct Reader<'t> {
    path: Vec<Step>,
    numbers: Numbers<'t>,
    /// Set when it was us who refused; without it the grammar did.
    fault: Option<(&'static str, String)>,
}

enum Step {
    Index(usize),
    Member(String),
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self { path: Vec::new(), numbers: Numbers(text), fault: None }
    }

    fn read(&mut self, text: &str) -> Result<Value, Malformed> {
        let mut json = serde_json::Deserializer::from_str(text);
        let value = Place(self).deserialize(&mut json).and_then(|value| {
            json.end()?;
            Ok(value)
        });
        value.map_err(|error| {
            let (code, detail) = self.fault.take().unwrap_or_else(|| explain(&error));
            self.malformed(code, detail)
        })
    }

    fn malformed(&self, code: &'static str, detail: impl fmt::Display) -> Malformed {
        let pointer = self.path.iter().fold(String::new(), |parent, step| match step {
            Step::Index(index) => format!("{parent}/{index}"),
            Step::Member(name) => pointer_to(&parent, name),
        });
        Malformed(Invalid::new(pointer, code, detail))
    }

    fn refuse<E: Error>(&mut self, code: &'static str, detail: impl Into<String>) -> E {
        self.fault = Some((code, detail.into()));
        E::custom(code)
    }

    fn text<E: Error>(&mut self, text: &str) -> Result<String, E> {
        if text.contains('\0') {
            return Err(self.refuse("nul", "text may not hold the character U+0000"));
        }
        Ok(text.to_owned())
    }

    /// Steps into a list or an object, unless that is one too deep.
    fn enter<E: Error>(&mut self) -> Result<(), E> {
        if self.path.len() < MAX_DEPTH {
            return Ok(());
        }
        let detail = format!("objects and lists may be {MAX_DEPTH} levels deep");
        Err(self.refuse("too_deep", detail))
    }

    fn whole(&mut self, number: impl Into<Value>) -> Value {
        self.numbers.next();
        number.into()
    }

    /// A number that is not a small integer: it may have lost digits on the way here.
    fn fraction<E: Error>(&mut self, number: f64) -> Result<Value, E> {
        let text = self.numbers.next().unwrap_or_default();
        let is_whole = !text.contains(['.', 'e', 'E']) && text != "-0";
        if is_whole {
            let detail = "a whole number is at least -9223372036854775808 and at most \
                          18446744073709551615; send a larger one as a string";
            return Err(self.refuse("number_too_long", detail));
        }
        if !keeps(text, number) {
            let detail = "a number with a fraction or an exponent has at most 17 digits that a \
                          double keeps; send it as a string";
            return Err(self.refuse("number_too_long", detail));
        }
        Ok(Value::from(number))
    }
}

/// Whether `number` still says what `text` says: written with as many digits, it has the same ones.
fn keeps(text: &str, number: f64) -> bool {
    let given = Decimal::of(text);
    if given.digits.len() > 17 {
        return false;
    }
    let places = given.digits.len().saturating_sub(1);
    Decimal::of(&format!("{number:.places$e}")) == given
}

/// The digits of a number without zeros around them, and where its point is.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    digits: String,
    /// The number is `0.digits` times ten to the power of this.
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Self {
        let text = text.trim_start_matches('-');
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        if digits.is_empty() {
            return Self { digits: String::new(), exponent: 0 };
        }
        let long = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let point = long(whole.len()) - long(all.len() - digits.len());
        // An exponent that is no number of 64 bits is that of no double.
        let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX).saturating_add(point);
        Self { digits: digits.trim_end_matches('0').to_owned(), exponent }
    }
}

/// Says in our words what `serde_json` found wrong with the grammar.
fn explain(error: &serde_json::Error) -> (&'static str, String) {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    if what.contains("surrogate") || what.contains("unexpected end of hex escape") {
        return ("lone_surrogate", "an escape is half of a surrogate pair".into());
    }
    if what == "number out of range" {
        return ("number_too_long", "a number is at most 1.7976931348623157e308".into());
    }
    let what = match what.strip_prefix("EOF while parsing") {
        Some(within) => format!("it ends within{within}"),
        None => what.to_owned(),
    };
    ("not_json", format!("{what} (line {line}, column {column})"))
}

/// The place that is read next.
struct Place<'r, 't>(&'r mut Reader<'t>);

impl<'de> DeserializeSeed<'de> for Place<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_, '_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(self.0.whole(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(self.0.whole(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.0.fraction(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.0.text(value).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.0.enter()?;
        let mut list = Vec::new();
        loop {
            self.0.path.push(Step::Index(list.len()));
            let item = items.next_element_seed(Place(self.0))?;
            self.0.path.pop();
            match item {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        self.0.enter()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            let name = self.0.text(&name)?;
            let is_known = object.contains_key(&name);
            self.0.path.push(Step::Member(name.clone()));
            if is_known {
                return Err(self.0.refuse("duplicate_member", "this member comes twice"));
            }
            object.insert(name, members.next_value_seed(Place(self.0))?);
            self.0.path.pop();
        }
        Ok(Value::Object(object))
    }
}

/// The numbers of a JSON text as they are written, in order.
struct Numbers<'t>(&'t str);

impl<'t> Numbers<'t> {
    /// The next one. Called only for numbers that the grammar has already taken.
    fn next(&mut self) -> Option<&'t str> {
        let is_number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        loop {
            let start = self.0.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?;
            let found = &self.0[start..];
            if let Some(text) = found.strip_prefix('"') {
                self.0 = after_string(text);
                continue;
            }
            let end = found.find(|c| !is_number(c)).unwrap_or(found.len());
            self.0 = &found[end..];
            return Some(&found[..end]);
        }
    }
}

/// What follows the string whose opening quote is already passed.
fn after_string(mut text: &str) -> &str {
    while let Some(at) = text.find(['"', '\\']) {
        if text.as_bytes()[at] == b'"' {
            return &text[at + 1..];
        }
        text = text.get(at + 2..).unwrap_or_default();
    }
    ""
}

#[cfg(test)]
mod tests {
    use proptest::prelude::any;
    use proptest::prop_assert_eq;
    use proptest::proptest;
    use serde_json::json;

    use super::*;

    #[test]
    fn ordinary_json_is_read_as_it_is() {
        let text = r#"{"a": [1, -2, 0.5, true, null, "\ud83d\ude00 \"q\" \\"], "b": {}}"#;

        let value = parse_strict(text.as_bytes());

        assert_eq!(value, Ok(json!({"a": [1, -2, 0.5, true, null, "😀 \"q\" \\"], "b": {}})));
    }

    #[test]
    fn a_byte_order_mark_means_nothing() {
        assert_eq!(parse_strict(b"\xef\xbb\xbf{}"), Ok(json!({})));
    }

    #[test]
    fn every_refusal_says_where_and_why() {
        check(br#"{"a": {"b": 1, "c": 2, "b": 3}}"#, "/a/b", "duplicate_member");
        check(br#"{"a": 1, "\u0061": 2}"#, "/a", "duplicate_member");
        check(br#"{"a/b": ["x", "y\u0000"]}"#, "/a~1b/1", "nul");
        check(br#"{"a": {"\u0000": 1}}"#, "/a", "nul");
        check(br#"{"a": ["\ud83d"]}"#, "/a/0", "lone_surrogate");
        check(br#"{"a": "x\ud83d y"}"#, "/a", "lone_surrogate");
        check(br#"{"a": "\ude00"}"#, "/a", "lone_surrogate");
        check(br#"{"a": "\ud83d\u0041"}"#, "/a", "lone_surrogate");
        check(b"{\"a\": [1, \"b\xff\"]}", "/a/1", "not_utf8");
        check(b"{\"a\": \"b\x01\"}", "/a", "not_json");
        check(br#"{"a": 1e400}"#, "/a", "number_too_long");
        check(br#"{"a": "12", "n": [18446744073709551616]}"#, "/n/0", "number_too_long");
        check(br#"{"n": -9223372036854775809}"#, "/n", "number_too_long");
        check(br#"{"n": 0.123456789012345678}"#, "/n", "number_too_long");
        check(br#"{"n": 9007199254740993.0}"#, "/n", "number_too_long");
        check(br#"{"n": 9007199254740993e0}"#, "/n", "number_too_long");
        check(br#"{"n": 1e-400}"#, "/n", "number_too_long");
        check(br#"{"n": 4e-324}"#, "/n", "number_too_long");
        check(br#"{"n": 1e-99999999999999999999}"#, "/n", "number_too_long");
        check(br#"{"a": [1 2]}"#, "/a/1", "not_json");
        check(br#"{"a": 1,}"#, "", "not_json");
        check(br#"{"a": nul}"#, "/a", "not_json");
        check(b"{} {}", "", "not_json");
        check(b"", "", "not_json");
    }

    #[test]
    fn a_grammar_fault_names_line_and_column() {
        let Malformed(fault) = parse_strict(b"{\"a\":\n \"b\"").unwrap_err();

        assert_eq!(fault.detail, "it ends within an object (line 2, column 4)");
    }

    #[test]
    fn depth_ends_at_its_limit() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));

        assert!(parse_strict(nested(MAX_DEPTH).as_bytes()).is_ok());
        check(nested(MAX_DEPTH + 1).as_bytes(), &"/0".repeat(MAX_DEPTH), "too_deep");
        check("[".repeat(1_000_000).as_bytes(), &"/0".repeat(MAX_DEPTH), "too_deep");
    }

    #[test]
    fn numbers_keep_their_digits() {
        let text = br"[2512292042121000001, 18446744073709551615, -9223372036854775808, 0.1, 1.7976931348623157e308, 0.0001234567890123456]";

        let value = parse_strict(text).unwrap();

        assert_eq!(value[0], json!(2_512_292_042_121_000_001_u64));
        assert_eq!(value[1], json!(u64::MAX));
        assert_eq!(value[2], json!(i64::MIN));
        assert_eq!(value[3].to_string(), "0.1");
        assert_eq!(value[4], json!(f64::MAX));
        assert_eq!(value[5].to_string(), "0.0001234567890123456");
        for text in ["-0", "0.0", "-0.000e7", "0e-999", "1.50", "100e-2", "5e-324", "1e22", "1E+2"]
        {
            assert!(parse_strict(text.as_bytes()).is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_break_it(bytes in any::<Vec<u8>>()) {
            let _ = parse_strict(&bytes);
        }

        #[test]
        fn a_number_that_is_taken_says_what_was_sent(
            digits in "[1-9][0-9]{0,18}", point in 0_usize..20, exponent in -340_i32..320,
        ) {
            let point = point.min(digits.len() - 1);
            let (whole, fraction) = digits.split_at(digits.len() - point);
            let text = if fraction.is_empty() {
                format!("{whole}e{exponent}")
            } else {
                format!("{whole}.{fraction}e{exponent}")
            };
            if let Ok(Value::Number(number)) = parse_strict(text.as_bytes()) {
                let number = number.as_f64().unwrap();
                let places = digits.trim_end_matches('0').len() - 1;
                let back = format!("{number:.places$e}");
                let (mantissa, back_exponent) = back.split_once('e').unwrap();
                let shift = i32::try_from(whole.len()).unwrap() - 1 + exponent;
                prop_assert_eq!(mantissa.replace('.', ""), digits.trim_end_matches('0'));
                prop_assert_eq!(back_exponent.parse::<i32>().unwrap(), shift);
            }
        }

        #[test]
        fn whole_numbers_of_64_bits_are_kept(signed in any::<i64>(), unsigned in any::<u64>()) {
            prop_assert_eq!(parse_strict(signed.to_string().as_bytes()), Ok(json!(signed)));
            prop_assert_eq!(parse_strict(unsigned.to_string().as_bytes()), Ok(json!(unsigned)));
        }

        #[test]
        fn what_serde_writes_is_read_back(text in "[^\0]*", whole in any::<i64>(), number in -1e300..1e300) {
            let value = json!({ "text": text, "list": [whole, number, {"x": text}] });
            prop_assert_eq!(parse_strict(value.to_string().as_bytes()), Ok(value));
        }
    }

    #[track_caller]
    fn check(text: &[u8], pointer: &str, code: &str) {
        let Malformed(fault) = parse_strict(text).unwrap_err();
        assert_eq!((fault.pointer.as_str(), &*fault.code), (pointer, code), "{}", fault.detail);
    }
}
