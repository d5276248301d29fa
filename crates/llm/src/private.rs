//! What a provider gives us for itself, and to whom it may go back.

use std::sync::Arc;

use crate::Account;
use crate::Part;
use crate::Private;

/// Who makes an answer: an account and a model.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    provider: Arc<str>,
    model: String,
}

impl Origin {
    pub fn new(account: &Account, model: &str) -> Self {
        Self { provider: Arc::clone(&account.name), model: model.to_owned() }
    }

    #[cfg(test)]
    pub fn of(provider: &str, model: &str) -> Self {
        Self { provider: provider.into(), model: model.to_owned() }
    }

    /// Keeps `data` for the way back.
    pub fn keep(&self, data: String) -> Private {
        Private { provider: self.provider.to_string(), model: self.model.clone(), data }
    }

    /// What `part` keeps for this account and this family of models.
    pub fn own<'a>(&self, part: &'a Part) -> Option<&'a str> {
        let Part::Reasoning { private: Some(private), .. } = part else { return None };
        let Private { provider, model, data } = private;
        let is_family = model.is_empty() || family(model) == family(&self.model);
        (**provider == *self.provider && is_family).then_some(data)
    }
}

/// Whose signatures a model takes: `claude` of `claude-sonnet-4-5`, `gemini-3` of `gemini-3-pro`,
/// `gpt-5` of `gpt-5.1`, `o4` of `o4-mini`, with what stands before a `/`.
fn family(model: &str) -> &str {
    let name = model.rfind('/').map_or(0, |slash| slash + 1);
    let end = |from: usize, is: fn(char) -> bool| {
        let rest = &model[from..];
        from + rest.find(|char| !is(char)).unwrap_or(rest.len())
    };
    let word = end(name, |char| char.is_ascii_alphabetic());
    let dash = word + usize::from(model[word..].starts_with('-'));
    let number = end(dash, |char| char.is_ascii_digit());
    if number > dash { &model[..number] } else { &model[..word] }
}

#[cfg(test)]
mod tests {
    use super::family;

    #[test]
    fn a_family_is_a_word_and_the_number_behind_it() {
        for (model, expected) in [
            ("claude-sonnet-4-5", "claude"),
            ("claude-opus-5-20260401", "claude"),
            ("gemini-3-pro-preview", "gemini-3"),
            ("gemini-2.5-flash", "gemini-2"),
            ("gpt-5.1-mini", "gpt-5"),
            ("o4-mini", "o4"),
            ("qwen3:8b", "qwen3"),
            ("anthropic/claude-sonnet-4", "anthropic/claude"),
            ("\u{e9}-1", ""),
            ("x", "x"),
            ("", ""),
        ] {
            assert_eq!(family(model), expected, "{model}");
        }
    }
}
