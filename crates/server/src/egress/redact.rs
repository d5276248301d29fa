//! Takes secrets out of whatever comes back.
//!
//! A far side may repeat what it was sent: as it is, in JSON, in a URL, in base64 with something before
//! and after it. A [`Redactor`] finds the values that it knows in all of these forms and puts their names
//! there. It cannot find a value that was taken apart, compressed or encrypted, nor one shorter than
//! [`SHORTEST`], which is why none is kept that is.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::AsciiSet;
use percent_encoding::CONTROLS;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use serde_json::Map;
use serde_json::Value;
use zeroize::Zeroizing;

/// The shortest value that is told from other text, in bytes.
pub const SHORTEST: usize = 8;

/// What RFC 3986 leaves as it is everywhere.
pub const UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What `encodeURIComponent` of JavaScript leaves as it is.
const COMPONENT: &AsciiSet =
    &UNRESERVED.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*');
/// What parsers of URLs encode in a path.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// Finds values in texts and puts their names there: `[secret:stripe_key]`.
///
/// It holds the values, so it is never printed, and wipes them when it is dropped.
#[derive(Default)]
pub struct Redactor {
    names: Vec<String>,
    /// In the order of their beginnings, the longest first.
    forms: Vec<Form>,
    /// Which two bytes a form begins with: most places of a text are passed by this alone.
    beginnings: Vec<u64>,
}

struct Form {
    bytes: Zeroizing<Vec<u8>>,
    /// Of its value, in `names`.
    name: usize,
    is_base64: bool,
}

impl Redactor {
    /// Knows each of `secrets` by its name.
    pub fn new<'s>(secrets: impl IntoIterator<Item = (&'s str, &'s SecretString)>) -> Self {
        let mut redactor = Self { beginnings: vec![0; 1 << 10], ..Self::default() };
        for (name, value) in secrets {
            redactor.add(name, value.expose_secret());
        }
        redactor.forms.sort_by(|a, b| order(&a.bytes).cmp(&order(&b.bytes)));
        redactor.forms.dedup_by(|a, b| a.bytes == b.bytes);
        redactor
    }

    fn add(&mut self, name: &str, value: &str) {
        let index = self.names.len();
        self.names.push(name.to_owned());
        let plain = plain_forms(value).into_iter().map(|bytes| (bytes, false));
        let base64 = base64_forms(value).into_iter().map(|bytes| (bytes, true));
        for (bytes, is_base64) in plain.chain(base64) {
            let bytes = Zeroizing::new(bytes);
            if bytes.len() < SHORTEST {
                continue;
            }
            let beginning = beginning(&bytes);
            self.beginnings[beginning >> 6] |= 1 << (beginning & 63);
            self.forms.push(Form { bytes, name: index, is_base64 });
        }
    }

    pub fn bytes<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let mut clean: Option<Vec<u8>> = None;
        let (mut at, mut copied) = (0, 0);
        while at + SHORTEST <= text.len() {
            let Some(form) = self.form_at(&text[at..]) else {
                at += 1;
                continue;
            };
            let (mut start, mut end) = (at, at + form.bytes.len());
            if form.is_base64 {
                // A few bits of the value are in the letters beside it.
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
                start -= text[copied..start].iter().rev().take_while(|it| is_part(it)).count();
                end += text[end..].iter().take_while(|it| is_part(it)).count();
            }
            let clean = clean.get_or_insert_default();
            clean.extend_from_slice(&text[copied..start]);
            clean.extend_from_slice(mark(&self.names[form.name]).as_bytes());
            (at, copied) = (end, end);
        }
        match clean {
            None => Cow::Borrowed(text),
            Some(mut clean) => {
                clean.extend_from_slice(&text[copied..]);
                Cow::Owned(clean)
            }
        }
    }

    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(clean) => Cow::Owned(String::from_utf8_lossy(&clean).into_owned()),
        }
    }

    /// The same for all texts of a value. A number that is a secret becomes a text.
    pub fn value(&self, value: &mut Value) {
        if self.forms.is_empty() {
            return;
        }
        match value {
            Value::String(text) => self.replace(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(members) => self.members(members),
            Value::Number(number) => {
                if let Cow::Owned(clean) = self.text(&number.to_string()) {
                    *value = Value::String(clean);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn members(&self, members: &mut Map<String, Value>) {
        members.values_mut().for_each(|member| self.value(member));
        if members.keys().any(|name| matches!(self.text(name), Cow::Owned(_))) {
            let all = std::mem::take(members).into_iter();
            members.extend(all.map(|(name, value)| (self.text(&name).into_owned(), value)));
        }
    }

    pub fn replace(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.text(text) {
            *text = clean;
        }
    }

    /// The names of the values that are in `text`.
    pub fn names_in(&self, text: &str) -> Vec<&str> {
        let bytes = text.as_bytes();
        let found = (0..bytes.len()).filter_map(|at| self.form_at(&bytes[at..]));
        found.map(|form| self.names[form.name].as_str()).collect()
    }

    /// The longest form that `text` begins with.
    fn form_at(&self, text: &[u8]) -> Option<&Form> {
        if text.len() < SHORTEST || self.forms.is_empty() {
            return None;
        }
        let beginning = beginning(text);
        if self.beginnings[beginning >> 6] & (1 << (beginning & 63)) == 0 {
            return None;
        }
        let first = self.forms.partition_point(|form| form.bytes[..SHORTEST] < text[..SHORTEST]);
        let alike = self.forms[first..].iter();
        let mut alike = alike.take_while(|form| form.bytes[..SHORTEST] == text[..SHORTEST]);
        alike.find(|form| text.starts_with(&form.bytes))
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redactor").field(&self.names).finish()
    }
}

/// What stands in the place of a value.
fn mark(name: &str) -> String {
    format!("[secret:{name}]")
}

fn order(form: &[u8]) -> (&[u8], std::cmp::Reverse<usize>, &[u8]) {
    (&form[..SHORTEST], std::cmp::Reverse(form.len()), form)
}

fn beginning(text: &[u8]) -> usize {
    usize::from(text[0]) << 8 | usize::from(text[1])
}

/// The value as texts of many kinds write it.
fn plain_forms(value: &str) -> Vec<Vec<u8>> {
    let json = serde_json::to_string(value).unwrap_or_default();
    let json = json.trim_start_matches('"').strip_suffix('"').unwrap_or_default();
    let ascii = |digits: fn(u16) -> String| {
        let escape = |unit: u16| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
            _ => format!("\\u{}", digits(unit)),
        };
        json.encode_utf16().map(escape).collect::<String>()
    };
    let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let form = utf8_percent_encode(value, UNRESERVED).to_string();
    let texts = [
        value.to_owned(),
        json.to_owned(),
        json.replace('/', "\\/"),
        ascii(|unit| format!("{unit:04x}")),
        ascii(|unit| format!("{unit:04x}")).replace('/', "\\/"),
        ascii(|unit| format!("{unit:04X}")),
        html.replace('"', "&quot;").replace('\'', "&#39;"),
        html.replace('"', "&#34;").replace('\'', "&#x27;"),
        html,
        utf8_percent_encode(value, PATH).to_string(),
        utf8_percent_encode(value, COMPONENT).to_string(),
        lower_hex(&form),
        form.replace("%20", "+"),
        lower_hex(&form).replace("%20", "+"),
        url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        form,
        hex(value),
        hex(value).to_ascii_uppercase(),
    ];
    let mut forms: Vec<Vec<u8>> = texts.map(String::into_bytes).into();
    forms.push(value.encode_utf16().flat_map(u16::to_le_bytes).collect());
    forms.push(value.encode_utf16().flat_map(u16::to_be_bytes).collect());
    forms
}

fn hex(value: &str) -> String {
    let digits = value.bytes().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// The digits of `%2F` in lower case.
fn lower_hex(text: &str) -> String {
    let mut digits = 0;
    text.chars()
        .map(|char| {
            if char == '%' {
                digits = 2;
                return char;
            }
            if digits > 0 {
                digits -= 1;
                return char.to_ascii_lowercase();
            }
            char
        })
        .collect()
}

/// What of the value's base64 does not depend on what stands before and after it.
fn base64_forms(value: &str) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let mut bytes = Zeroizing::new(vec![0; before]);
        bytes.extend_from_slice(value.as_bytes());
        let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for alphabet in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = Zeroizing::new(alphabet.encode(&*bytes));
            forms.push(text.as_bytes()[first..last].to_vec());
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ODD: &str = "p/ä \"q\"+&'<x>?€";

    fn redactor(values: &[(&str, &str)]) -> Redactor {
        let values: Vec<_> = values.iter().map(|(name, it)| (*name, (*it).into())).collect();
        Redactor::new(values.iter().map(|(name, value): &(&str, SecretString)| (*name, value)))
    }

    #[test]
    fn a_value_is_found_in_every_form() {
        let redactor = redactor(&[("odd", ODD)]);
        let json = serde_json::to_string(ODD).unwrap();
        for text in [
            ODD.to_owned(),
            json.clone(),
            json.replace('/', "\\/"),
            "p\\/\\u00e4 \\\"q\\\"+&'<x>?\\u20ac".to_owned(),
            ODD.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
            url::form_urlencoded::byte_serialize(ODD.as_bytes()).collect(),
            "?k=p%2f%c3%a4%20%22q%22%2b%26%27%3cx%3e%3f%e2%82%ac".to_owned(),
            "p%2F%C3%A4%20%22q%22%2B%26'%3Cx%3E%3F%E2%82%AC".to_owned(),
        ] {
            let clean = redactor.text(&text);
            assert!(clean.contains("[secret:odd]") && !clean.contains("x>"), "{text}: {clean}");
        }
        let utf16: Vec<u8> = ODD.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(&*redactor.bytes(&utf16), b"[secret:odd]");
    }

    #[test]
    fn nothing_of_a_value_is_left_beside_its_base64() {
        let redactor = redactor(&[("key", "correct horse")]);
        for user in ["", "u", "us", "use", "user"] {
            let header = format!("Basic {}", STANDARD.encode(format!("{user}:correct horse")));
            assert_eq!(redactor.text(&header), "Basic [secret:key]");
            let header = format!("({})", STANDARD.encode(format!("{user}correct horse!?")));
            assert_eq!(redactor.text(&header), "([secret:key])");
        }
    }

    #[test]
    fn of_two_values_the_longer_is_named() {
        let redactor = redactor(&[("short", "sk_live_"), ("long", "sk_live_1234")]);

        assert_eq!(redactor.text("sk_live_1234 sk_live_9"), "[secret:long] [secret:short]9");
        assert_eq!(redactor.names_in("x sk_live_1234"), ["long"]);
    }

    #[test]
    fn values_are_searched_as_a_whole() {
        let redactor = redactor(&[("pin", "12345678"), ("key", "hunter-hunter")]);
        let mut value =
            json!({"a": ["hunter-hunter!", 12_345_678, 5, null], "hunter-hunter": {"b": "x"}});

        redactor.value(&mut value);

        let expected =
            json!({"a": ["[secret:key]!", "[secret:pin]", 5, null], "[secret:key]": {"b": "x"}});
        assert_eq!(value, expected);
    }

    #[test]
    fn what_is_no_value_stays() {
        let redactor = redactor(&[("key", "correct horse")]);

        for text in ["", "correct hors", "Correct horse", "a longer text about a correct house"] {
            assert!(matches!(redactor.text(text), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(Redactor::default().text("correct horse"), "correct horse");
        assert_eq!(format!("{redactor:?}"), "Redactor([\"key\"])");
    }

    proptest! {
        #[test]
        fn no_value_survives_in_any_surroundings(
            before in ".{0,20}", value in ".{8,40}", after in ".{0,20}",
        ) {
            let redactor = redactor(&[("v", &value)]);
            let texts = [
                format!("{before}{value}{after}"),
                serde_json::to_string(&format!("{before}{value}{after}")).unwrap(),
                utf8_percent_encode(&format!("{before}{value}{after}"), UNRESERVED).to_string(),
                STANDARD.encode(format!("{before}{value}{after}")),
            ];
            for text in texts {
                prop_assert!(redactor.text(&text).contains("[secret:v]"), "{}", text);
            }
        }
    }
}
