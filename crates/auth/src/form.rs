//! Parameters of a request to an OAuth endpoint: a form, or the JSON body of the original server.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::ErrorCode;
use crate::error::OAuthError;
use crate::json::MAX_MEMBERS;
use crate::json::Members;

/// The longest body that an OAuth endpoint reads, in bytes.
pub const MAX_BODY: usize = 16 * 1024;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    Form,
    Json,
}

/// Parameters by name, each once, without NUL; an empty one counts as absent (RFC 6749, 3.1).
///
/// `Debug` shows the names only: values may be secrets.
#[derive(Clone, Default)]
pub struct Params(BTreeMap<String, Zeroizing<String>>);

impl MediaType {
    /// Reads a `Content-Type`; case and parameters such as `charset` do not matter.
    pub fn parse(content_type: &[u8]) -> Option<Self> {
        let essence = content_type.split(|byte| *byte == b';').next()?.trim_ascii();
        if essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            return Some(Self::Form);
        }
        essence.eq_ignore_ascii_case(b"application/json").then_some(Self::Json)
    }
}

impl Params {
    /// Reads a body. One without bytes needs no media type.
    pub fn read(content_type: Option<&[u8]>, body: &[u8]) -> Result<Self, OAuthError> {
        check_size(body)?;
        match content_type.map(MediaType::parse) {
            Some(Some(MediaType::Form)) => Self::from_form(body),
            Some(Some(MediaType::Json)) => Self::from_json(body),
            None if body.is_empty() => Ok(Self::default()),
            _ => Err(OAuthError::invalid_request(
                "the body must be application/x-www-form-urlencoded or application/json",
            )
            .with_status(415)),
        }
    }

    /// Reads the query of a URL, which is a form, too.
    pub fn from_query(query: &str) -> Result<Self, OAuthError> {
        check_size(query.as_bytes())?;
        Self::from_form(query.as_bytes())
    }

    /// Every parameter that is there, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn from_form(body: &[u8]) -> Result<Self, OAuthError> {
        let mut params = Self::default();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let (name, value) = split_pair(pair);
            let (Some(name), Some(value)) = (form_decode(name), form_decode(value)) else {
                return Err(OAuthError::invalid_request("the form is not encoded as UTF-8"));
            };
            params.insert(name, value)?;
        }
        Ok(params)
    }

    fn from_json(body: &[u8]) -> Result<Self, OAuthError> {
        let Members(members) = serde_json::from_slice(body).map_err(|_| {
            OAuthError::invalid_request("the body is not a JSON object with each member once")
        })?;
        let mut params = Self::default();
        for (name, value) in members {
            let Value::String(value) = value else {
                return Err(OAuthError::invalid_request("every member must be a string"));
            };
            params.insert(name, value)?;
        }
        Ok(params)
    }

    fn insert(&mut self, name: String, value: String) -> Result<(), OAuthError> {
        if name.contains('\0') || value.contains('\0') {
            return Err(OAuthError::invalid_request("a parameter has a NUL character in it"));
        }
        if self.0.len() == MAX_MEMBERS {
            return Err(OAuthError::invalid_request("there are too many parameters"));
        }
        if self.0.contains_key(&name) {
            return Err(repeated(&name));
        }
        self.0.insert(name, value.into());
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter without which the request makes no sense.
    pub fn require(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::invalid_request(&format!("{name} is missing")))
    }

    /// A parameter that nobody after this shall see.
    pub(crate) fn take(&mut self, name: &str) -> Option<Zeroizing<String>> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A token has one audience here, though RFC 8707 would let a client name several.
fn repeated(name: &str) -> OAuthError {
    match name {
        "resource" => OAuthError::new(ErrorCode::InvalidTarget, "name one resource at a time"),
        _ => OAuthError::invalid_request("a parameter comes twice"),
    }
}

pub(crate) fn check_size(body: &[u8]) -> Result<(), OAuthError> {
    if body.len() <= MAX_BODY {
        return Ok(());
    }
    let description = format!("the body is longer than {MAX_BODY} bytes");
    Err(OAuthError::invalid_request(&description).with_status(413))
}

/// The names of the parameters in a query, as far as they can be read.
pub(crate) fn query_names(query: &str) -> impl Iterator<Item = String> {
    query.as_bytes().split(|byte| *byte == b'&').filter_map(|pair| form_decode(split_pair(pair).0))
}

fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    let mut halves = pair.splitn(2, |byte| *byte == b'=');
    (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
}

/// Undoes `application/x-www-form-urlencoded`; `None` if it is not that, or not UTF-8.
pub(crate) fn form_decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        match rest {
            [] => return String::from_utf8(bytes).ok(),
            [b'%', high, low, tail @ ..] => {
                let digit = |digit: u8| char::from(digit).to_digit(16);
                bytes.push(u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?);
                rest = tail;
            }
            [b'%', ..] => return None,
            [byte, tail @ ..] => {
                bytes.push(if *byte == b'+' { b' ' } else { *byte });
                rest = tail;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORM: Option<&[u8]> = Some(b"application/x-www-form-urlencoded");
    const JSON: Option<&[u8]> = Some(b"application/json");

    fn refusal(content_type: Option<&[u8]>, body: impl AsRef<[u8]>) -> (ErrorCode, u16) {
        let error = Params::read(content_type, body.as_ref()).unwrap_err();
        (error.code(), error.status())
    }

    #[test]
    fn a_form_is_read_whatever_the_case_and_parameters_of_its_media_type() {
        for content_type in [
            "application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded;charset=UTF-8",
            "Application/X-WWW-Form-UrlEncoded ; charset=\"utf-8\"",
        ] {
            let body = b"grant_type=client%5Fcredentials&scope=a.b+c.d&&x=1%3d2=3&flag";

            let params = Params::read(Some(content_type.as_bytes()), body).unwrap();

            assert_eq!(params.get("grant_type"), Some("client_credentials"));
            assert_eq!(params.get("scope"), Some("a.b c.d"));
            assert_eq!(params.get("x"), Some("1=2=3"));
            assert_eq!(params.get("flag"), None);
        }
    }

    #[test]
    fn json_is_read_as_the_original_server_did() {
        let body = br#"{"grant_type":"client_credentials","client_id":"test","scope":""}"#;

        let params = Params::read(Some(b"application/json; charset=utf-8"), body).unwrap();

        assert_eq!(params.require("client_id").unwrap(), "test");
        assert_eq!(params.get("scope"), None);
        assert_eq!(
            params.require("scope").unwrap_err().to_string(),
            "invalid_request: scope is missing"
        );
    }

    #[test]
    fn a_parameter_comes_once_however_it_is_spelt() {
        for form in ["a=1&a=1", "a=1&%61=2", "a=&a=1", "a&a"] {
            assert_eq!(refusal(FORM, form), (ErrorCode::InvalidRequest, 400), "{form}");
        }
        let twice = r#"{"a":"1","\u0061":"2"}"#;
        assert_eq!(refusal(JSON, twice), (ErrorCode::InvalidRequest, 400));
        let resources = "resource=https://a.example&resource=https://b.example";
        assert_eq!(refusal(FORM, resources), (ErrorCode::InvalidTarget, 400));
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for form in ["a=%", "a=%4", "a=%zz", "a=%+1", "a=%ff", "a=%00", "a%00=1"] {
            assert_eq!(refusal(FORM, form), (ErrorCode::InvalidRequest, 400), "{form}");
        }
        assert_eq!(refusal(FORM, b"a=\xff\xfe"), (ErrorCode::InvalidRequest, 400));
        let many: Vec<_> = (0..65).map(|i| format!("p{i}=1")).collect();
        assert_eq!(refusal(FORM, many.join("&")), (ErrorCode::InvalidRequest, 400));
        assert!(Params::read(FORM, many[..64].join("&").as_bytes()).is_ok());
    }

    #[test]
    fn what_is_no_object_of_strings_is_refused() {
        let deep = "[".repeat(5000);
        for json in [
            "",
            "{",
            "[]",
            "null",
            "\"x\"",
            "{}{}",
            r#"{"a":5}"#,
            r#"{"a":null}"#,
            r#"{"a":["b"]}"#,
            r#"{"client_secret":{"$ne":""}}"#,
            r#"{"a":"\u0000"}"#,
            r#"{"a":"\ud800"}"#,
            &deep,
        ] {
            assert_eq!(refusal(JSON, json), (ErrorCode::InvalidRequest, 400), "{json}");
        }
    }

    #[test]
    fn other_media_types_and_long_bodies_are_refused() {
        for content_type in
            ["text/plain", "multipart/form-data; boundary=x", "", "application/jsonp"]
        {
            let refused = refusal(Some(content_type.as_bytes()), "a=1");
            assert_eq!(refused, (ErrorCode::InvalidRequest, 415), "{content_type}");
        }
        assert_eq!(refusal(None, "a=1"), (ErrorCode::InvalidRequest, 415));
        assert_eq!(refusal(FORM, vec![b'a'; MAX_BODY + 1]), (ErrorCode::InvalidRequest, 413));
        assert!(Params::read(None, b"").unwrap().get("a").is_none());
    }

    #[test]
    fn values_are_not_printed() {
        let params = Params::read(FORM, b"client_secret=hunter2").unwrap();

        assert_eq!(format!("{params:?}"), r#"{"client_secret"}"#);
    }

    proptest! {
        #[test]
        fn an_encoded_value_survives(value in "[^\0]{1,40}") {
            let mut body = b"v=".to_vec();
            body.extend(value.bytes().flat_map(|byte| format!("%{byte:02x}").into_bytes()));

            let params = Params::read(FORM, &body).unwrap();

            prop_assert_eq!(params.get("v"), Some(value.as_str()));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(body: Vec<u8>) {
            for content_type in [FORM, JSON] {
                if let Err(error) = Params::read(content_type, &body) {
                    prop_assert!((400..500).contains(&error.status()));
                }
            }
        }
    }
}
