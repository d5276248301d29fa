//! Texts with the names of secrets in them, and how the values come into their places.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use percent_encoding::utf8_percent_encode;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use url::Url;
use zeroize::Zeroizing;

use super::hosts;
use super::hosts::HostPattern;
use super::redact::Redactor;
use super::redact::UNRESERVED;

/// A value that leaves the server for some hosts only.
#[derive(Debug)]
pub struct Secret {
    pub name: String,
    pub value: SecretString,
    pub hosts: Vec<HostPattern>,
    /// Whether it was filled in since somebody asked.
    used: AtomicBool,
}

/// The secrets of a tenant at one moment. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// By names in lower case.
    known: Arc<HashMap<String, Arc<Secret>>>,
    redactor: Arc<Redactor>,
    /// One that is only for some requests.
    own: Option<Arc<(Secret, Redactor)>>,
}

/// A text that may have secrets in it, by their names.
///
/// What is plain in it stays so: a value of somebody else that looks like the name of a secret is
/// not one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    /// The name of a secret.
    Secret(String),
}

/// How a value is written where it is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// As it is.
    None,
    /// As a part of a URL or of a form.
    Percent,
    /// As a part of a string in JSON.
    Json,
}

/// Why a secret was not filled in. Nothing was sent then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    #[error("there is no secret `{0}`")]
    Unknown(String),
    #[error("the secret `{0}` is not for this host")]
    OtherHost(String),
    #[error("a secret cannot name a host")]
    InHost,
    #[error("a value of the header `{0}` cannot be sent in a header")]
    NotAHeader(String),
}

impl Secret {
    pub fn new(name: String, value: SecretString, hosts: Vec<HostPattern>) -> Self {
        Self { name, value, hosts, used: AtomicBool::new(false) }
    }

    /// Whether it was filled in since this was asked last.
    pub fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    /// Notes a use.
    pub fn note_used(&self) {
        self.used.store(true, Ordering::Relaxed);
    }

    pub fn is_for(&self, url: &Url) -> bool {
        hosts::covered(&self.hosts, url)
    }
}

impl Secrets {
    pub fn new(secrets: impl IntoIterator<Item = Arc<Secret>>) -> Self {
        let secrets = secrets.into_iter().map(|it| (it.name.to_ascii_lowercase(), it));
        let known: HashMap<_, _> = secrets.collect();
        let redactor = Redactor::new(known.values().map(|it| (it.name.as_str(), &it.value)));
        Self { known: Arc::new(known), redactor: Arc::new(redactor), own: None }
    }

    /// The same and one more. Its name is one that no other can have.
    #[must_use]
    pub fn with(&self, secret: Secret) -> Self {
        let redactor = Redactor::new([(secret.name.as_str(), &secret.value)]);
        Self { own: Some(Arc::new((secret, redactor))), ..self.clone() }
    }

    /// The secret of that name, whatever its case.
    pub fn find(&self, name: &str) -> Option<&Secret> {
        let own = self.own.as_ref().map(|own| &own.0).filter(|own| own.name == name);
        let known = || self.known.get(&name.to_ascii_lowercase()).map(Arc::as_ref);
        own.or_else(known)
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Secret>> {
        self.known.values()
    }

    /// What takes the values of all of them out of an answer.
    pub fn redactors(&self) -> impl Iterator<Item = &Redactor> {
        std::iter::once(&*self.redactor).chain(self.own.iter().map(|own| &own.1))
    }

    /// The name of a secret that is in `url` and not for its host.
    pub(super) fn leak(&self, url: &Url) -> Option<&str> {
        let names = self.redactors().flat_map(|it| it.names_in(url.as_str()));
        let mut secrets = names.filter_map(|name| self.find(name));
        secrets.find(|secret| !secret.is_for(url)).map(|secret| secret.name.as_str())
    }
}

impl Text {
    /// Reads `{{secrets.NAME}}` wherever it stands. Only for text that nobody else has written into.
    pub fn scan(text: &str) -> Self {
        let (mut pieces, mut rest) = (Self::default(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let placeholder = after.split_once("}}");
            if let Some((name, after)) =
                placeholder.and_then(|(inner, after)| Some((secret_name(inner)?, after)))
            {
                pieces.push(before);
                pieces.push_secret(name);
                rest = after;
            } else {
                pieces.push(before);
                pieces.push("{{");
                rest = after;
            }
        }
        pieces.push(rest);
        pieces
    }

    /// Adds plain text.
    pub fn push(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Piece::Plain(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.0.push(Piece::Plain(text.to_owned())),
        }
    }

    /// Adds the value of a secret.
    pub fn push_secret(&mut self, name: &str) {
        self.0.push(Piece::Secret(name.to_owned()));
    }

    /// Adds all of another text.
    pub fn append(&mut self, other: &Self) {
        for piece in &other.0 {
            match piece {
                Piece::Plain(text) => self.push(text),
                Piece::Secret(name) => self.push_secret(name),
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the secrets in it.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Secret(name) => Some(name.as_str()),
            Piece::Plain(_) => None,
        })
    }

    /// The text with what `write` makes of each name in its place.
    pub fn with_names(&self, write: impl Fn(&str) -> String) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Plain(text) => Cow::Borrowed(text.as_str()),
            Piece::Secret(name) => Cow::Owned(write(name)),
        });
        pieces.collect()
    }

    /// The text with all values in it, for a request to `url`.
    pub(super) fn fill(
        &self,
        secrets: &Secrets,
        url: &Url,
        escape: Escape,
    ) -> Result<Zeroizing<String>, FillError> {
        let mut text = Zeroizing::new(String::new());
        for piece in &self.0 {
            let name = match piece {
                Piece::Plain(plain) => {
                    text.push_str(plain);
                    continue;
                }
                Piece::Secret(name) => name,
            };
            let secret = secrets.find(name).ok_or_else(|| FillError::Unknown(name.clone()))?;
            if !secret.is_for(url) {
                return Err(FillError::OtherHost(name.clone()));
            }
            secret.note_used();
            write(&mut text, secret.value.expose_secret(), escape);
        }
        Ok(text)
    }
}

/// The name in `secrets.NAME`.
fn secret_name(inner: &str) -> Option<&str> {
    let name = inner.trim().strip_prefix("secrets.")?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (!name.is_empty() && name.bytes().all(is_name)).then_some(name)
}

fn write(text: &mut String, value: &str, escape: Escape) {
    match escape {
        Escape::None => text.push_str(value),
        Escape::Percent => text.extend(utf8_percent_encode(value, UNRESERVED)),
        Escape::Json => {
            let json = Zeroizing::new(serde_json::to_string(value).unwrap_or_default());
            text.push_str(json.get(1..json.len().saturating_sub(1)).unwrap_or_default());
        }
    }
}

impl From<&str> for Text {
    /// Plain, whatever it looks like.
    fn from(text: &str) -> Self {
        let mut plain = Self::default();
        plain.push(text);
        plain
    }
}

impl fmt::Display for Text {
    /// As it is written, with names and without values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_names(|name| format!("{{{{secrets.{name}}}}}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let secret = |name: &str, value: &str| {
            let hosts = vec!["api.example.com".parse().unwrap()];
            Arc::new(Secret::new(name.to_owned(), value.into(), hosts))
        };
        Secrets::new([secret("Key", "a \"value\"/1"), secret("other", "12345678")])
    }

    fn fill(text: &Text, url: &str, escape: Escape) -> Result<String, FillError> {
        let filled = text.fill(&secrets(), &Url::parse(url).unwrap(), escape);
        filled.map(|it| it.as_str().to_owned())
    }

    #[test]
    fn a_value_is_written_as_its_place_wants_it() {
        let text = Text::scan("<{{secrets.key}}|{{ secrets.other }}>");

        let filled = |escape| fill(&text, "https://api.example.com/", escape).unwrap();
        assert_eq!(filled(Escape::None), "<a \"value\"/1|12345678>");
        assert_eq!(filled(Escape::Percent), "<a%20%22value%22%2F1|12345678>");
        assert_eq!(filled(Escape::Json), "<a \\\"value\\\"/1|12345678>");
        assert_eq!(text.to_string(), "<{{secrets.key}}|{{secrets.other}}>");
    }

    #[test]
    fn a_value_is_for_its_hosts_only() {
        let (key, unknown) = (Text::scan("{{secrets.key}}"), Text::scan("{{secrets.none}}"));

        let refused = fill(&key, "https://example.com/", Escape::None);
        assert_eq!(refused, Err(FillError::OtherHost("key".to_owned())));
        let refused = fill(&unknown, "https://api.example.com/", Escape::None);
        assert_eq!(refused, Err(FillError::Unknown("none".to_owned())));
    }

    #[test]
    fn what_is_no_placeholder_stays_as_it_is() {
        for text in
            ["{{", "}}", "{{secrets.}}", "{{secrets.a b}}", "{{ name }}", "{{{{x", "{{secrets.key"]
        {
            assert_eq!(Text::scan(text), Text::from(text));
        }
        let nested = Text::scan("{{ {{secrets.key}}");
        assert_eq!(nested.secrets().collect::<Vec<_>>(), ["key"]);
        // A value of somebody else is no template.
        let plain = Text::from("{{secrets.key}}");
        let sent = fill(&plain, "https://api.example.com/", Escape::None).unwrap();
        assert_eq!(sent, "{{secrets.key}}");
    }

    #[test]
    fn a_use_is_noted_once() {
        let secrets = secrets();
        let url = Url::parse("https://api.example.com/").unwrap();
        Text::scan("{{secrets.key}}").fill(&secrets, &url, Escape::None).unwrap();

        assert!(secrets.find("KEY").unwrap().take_used());
        assert!(!secrets.find("key").unwrap().take_used());
        assert!(!secrets.find("other").unwrap().take_used());
    }
}
