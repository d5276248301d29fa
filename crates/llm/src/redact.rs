//! What of a provider's words may be passed on to callers.

use bytes::Bytes;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use serde_json::Value;

/// The most characters of a provider's message that we pass on.
const MAX_MESSAGE: usize = 300;

/// A request longer than this is not kept while its answer is read.
const MAX_REQUEST: usize = 32 << 10;

/// Texts shorter than this are too common to tell an echo from a coincidence.
const SHORTEST_ECHO: usize = 12;

/// Of a message, so many bytes are looked for in what was said …
const ECHO_WINDOW: usize = 24;

/// … at every so many bytes.
const ECHO_STEP: usize = 8;

/// The members of requests, in any provider's words, in which something was said.
const SAID: [&str; 10] = [
    "system",
    "messages",
    "instructions",
    "input",
    "systemInstruction",
    "contents",
    "requests",
    "texts",
    "query",
    "documents",
];

/// Knows what must not leave: the key, and what was said in the request.
#[derive(Debug, Clone)]
pub(crate) struct Redactor {
    key: Option<SecretString>,
    /// The body of our request; `None` when it was too long to be kept.
    request: Option<Bytes>,
}

impl Redactor {
    pub fn new(key: Option<SecretString>, request: Bytes) -> Self {
        Self { key, request: Some(request) }
    }

    /// Lets go of a long request, which would sit in memory for as long as the answer takes.
    ///
    /// From then on no message of the provider is safe.
    pub fn shrink(&mut self) {
        self.request.take_if(|request| request.len() > MAX_REQUEST);
    }

    /// `message` on one line, shortened, without our key and without the query of a URL.
    /// `None` when it repeats our request, or when we no longer know.
    pub fn safe(&self, message: &str) -> Option<String> {
        let request = self.request.as_ref()?;
        let message: String = self.without_key(message).chars().take(MAX_MESSAGE).collect();
        if echoes(&message, request) {
            return None;
        }
        let words = message.split(|char: char| char.is_whitespace() || char.is_control());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).map(without_query).collect();
        let line = words.join(" ");
        (!line.is_empty()).then_some(line)
    }

    fn without_key(&self, message: &str) -> String {
        match self.key.as_ref().map(ExposeSecret::expose_secret) {
            Some(key) if !key.is_empty() => message.replace(key, "***"),
            _ => message.to_owned(),
        }
    }
}

fn without_query(word: &str) -> &str {
    match word.split_once('?') {
        Some((url, _)) if url.contains("://") => url,
        _ => word,
    }
}

/// Whether `message` repeats something that was said in `request`: instructions, messages,
/// arguments, results. Names of models and tools, and schemas, are no secret.
fn echoes(message: &str, request: &[u8]) -> bool {
    let Ok(request) = serde_json::from_slice::<Value>(request) else { return true };
    let mut said = SAID.iter().filter_map(|member| request.get(member));
    said.any(|value| echoes_value(message, value))
}

fn echoes_value(message: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => echoes_text(message, text),
        Value::Array(items) => items.iter().any(|item| echoes_value(message, item)),
        Value::Object(members) => members.iter().any(|(name, value)| {
            !matches!(name.as_str(), "role" | "type" | "name") && echoes_value(message, value)
        }),
        _ => false,
    }
}

fn echoes_text(message: &str, text: &str) -> bool {
    // A window may begin before a text that is hardly longer, and end after it.
    if text.len() >= SHORTEST_ECHO && message.contains(text) {
        return true;
    }
    let windows = (0..message.len()).step_by(ECHO_STEP).filter_map(|start| {
        let start = message.ceil_char_boundary(start);
        message.get(start..message.ceil_char_boundary(start + ECHO_WINDOW))
    });
    windows.filter(|window| window.len() >= ECHO_WINDOW).any(|window| text.contains(window))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::Redactor;

    fn redactor() -> Redactor {
        let request = json!({
            "model": "acme/a-rather-long-name-of-a-model",
            "messages": [
                {"role": "system", "content": "You are the secret agent of the Acme corporation."},
                {"role": "user", "content": [{"type": "text", "text": "Where is my order?"}]},
            ],
        });
        Redactor::new(Some("sk-very-secret".into()), Bytes::from(request.to_string()))
    }

    #[test]
    fn the_key_is_masked() {
        let safe = redactor().safe("Incorrect API key: sk-very-secret.\n See docs");
        assert_eq!(safe.as_deref(), Some("Incorrect API key: ***. See docs"));
    }

    #[test]
    fn queries_of_urls_are_cut() {
        let safe = redactor().safe("at https://host/v1?key=abc I failed. Why?");
        assert_eq!(safe.as_deref(), Some("at https://host/v1 I failed. Why?"));
    }

    #[test]
    fn what_repeats_the_request_is_dropped() {
        let redactor = redactor();
        assert_eq!(redactor.safe("bad content: 'Where is my order?'"), None);
        assert_eq!(redactor.safe("bad content: 'You are the secret agent of the Acme corp…"), None);
        assert_eq!(redactor.safe("x agent of the Acme corporation. You are the secret x"), None);
    }

    #[test]
    fn names_of_models_are_kept() {
        let message = "there is no model acme/a-rather-long-name-of-a-model";
        assert_eq!(redactor().safe(message).as_deref(), Some(message));
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let safe = redactor().safe(&"é".repeat(1000)).unwrap();
        assert_eq!(safe.chars().count(), 300);
    }

    #[test]
    fn nothing_is_safe_once_a_long_request_is_let_go() {
        let mut redactor = Redactor::new(None, Bytes::from(vec![b' '; 40_000]));
        redactor.shrink();
        assert_eq!(redactor.safe("anything"), None);
    }
}
