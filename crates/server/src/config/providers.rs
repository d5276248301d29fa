//! Who makes models: what each provider speaks, and the accounts with it.

use std::collections::BTreeMap;

use crate::config::Env;
use crate::config::Provider;
use crate::config::reader::Reader;
use crate::config::urls;

/// What a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    OpenAi,
    OpenAiResponses,
    Anthropic,
    Google,
    Ollama,
    /// Embeds alone.
    Cohere,
}

/// The longest name of an account.
const MAX_NAME: usize = 32;

const ACCOUNTS: &str = "AGENT_SERVER_PROVIDERS";

impl ProviderKind {
    pub const ALL: [Self; 6] = [
        Self::OpenAi,
        Self::OpenAiResponses,
        Self::Anthropic,
        Self::Google,
        Self::Ollama,
        Self::Cohere,
    ];

    /// The name of the account that every server has.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => llm::openai::PROVIDER,
            Self::OpenAiResponses => llm::responses::PROVIDER,
            Self::Anthropic => llm::anthropic::PROVIDER,
            Self::Google => llm::google::PROVIDER,
            Self::Ollama => llm::ollama::PROVIDER,
            Self::Cohere => llm::cohere::PROVIDER,
        }
    }

    /// Where the provider itself is.
    pub fn home(self) -> &'static str {
        match self {
            Self::OpenAi | Self::OpenAiResponses => llm::openai::BASE_URL,
            Self::Anthropic => llm::anthropic::BASE_URL,
            Self::Google => llm::google::BASE_URL,
            Self::Ollama => llm::ollama::BASE_URL,
            Self::Cohere => llm::cohere::BASE_URL,
        }
    }

    /// Whether the provider itself is not to be had without a key.
    pub fn needs_key(self) -> bool {
        self != Self::Ollama
    }

    /// Whether it has models to talk with.
    pub fn chats(self) -> bool {
        self != Self::Cohere
    }

    /// Whose models they are in lists of prices.
    pub fn maker(self) -> &'static str {
        match self {
            Self::OpenAiResponses => Self::OpenAi.name(),
            other => other.name(),
        }
    }
}

/// The accounts that every server has, and those that the operator names.
pub fn providers<E: Env>(from: &mut Reader<E>) -> BTreeMap<String, Provider> {
    let mut providers = BTreeMap::new();
    for kind in ProviderKind::ALL {
        let mut provider = provider(from, kind.name(), kind);
        complete(from, &mut provider);
        providers.insert(kind.name().to_owned(), provider);
    }
    for (name, kind) in from.list(ACCOUNTS, account) {
        let provider = provider(from, &name, kind);
        if providers.insert(name, provider).is_some() {
            from.fault(ACCOUNTS, "a name is there twice, or is that of a provider itself");
        }
    }
    providers
}

fn provider<E: Env>(from: &mut Reader<E>, name: &str, kind: ProviderKind) -> Provider {
    let prefix = name.to_uppercase().replace('-', "_");
    let (key_setting, url_setting) = (format!("{prefix}_API_KEY"), format!("{prefix}_BASE_URL"));
    let base_url = from.given(&url_setting).unwrap_or_else(|| kind.home().to_owned());
    if let Err(fault) = urls::web(&base_url) {
        from.fault(&url_setting, fault);
    }
    let api_key = from.secret(&key_setting);
    let base_url = base_url.trim_end_matches('/').to_owned();
    Provider { kind, api_key, base_url, key_setting, url_setting }
}

/// Takes what is set under another name.
fn complete<E: Env>(from: &mut Reader<E>, provider: &mut Provider) {
    match provider.kind {
        ProviderKind::Google if provider.api_key.is_none() => {
            provider.api_key = from.secret("GEMINI_API_KEY");
        }
        // The same account in another protocol; a key never goes where it was not meant for.
        ProviderKind::OpenAiResponses if from.given(&provider.url_setting).is_none() => {
            if let Some(url) = from.given("OPENAI_BASE_URL") {
                url.trim_end_matches('/').clone_into(&mut provider.base_url);
            }
            if provider.api_key.is_none() {
                provider.api_key = from.secret("OPENAI_API_KEY");
                "OPENAI_API_KEY".clone_into(&mut provider.key_setting);
            }
        }
        _ => {}
    }
}

/// One account and what it speaks: `work=openai`.
fn account(text: &str) -> Result<(String, ProviderKind), String> {
    let known = |kind: &str| ProviderKind::ALL.into_iter().find(|it| it.name() == kind.trim());
    let is_name = |name: &str| {
        let is_sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        name.len() <= MAX_NAME
            && name.starts_with(|char: char| char.is_ascii_lowercase())
            && name.bytes().all(is_sign)
            && name != llm::demo::PROVIDER
    };
    text.split_once('=')
        .and_then(|(name, kind)| Some((name.trim().to_owned(), known(kind)?)))
        .filter(|(name, _)| is_name(name))
        .ok_or_else(|| {
            let kinds = ProviderKind::ALL.map(|kind| format!("`{}`", kind.name())).join(", ");
            format!(
                "each must be such as `work=openai`: a name of at most {MAX_NAME} small letters, digits and `-`, \
                 and one of {kinds}"
            )
        })
}

#[cfg(test)]
impl Provider {
    /// The account with `OpenAI` itself that every server has, without a key.
    pub fn openai() -> Self {
        provider(&mut Reader::new(|_: &str| None), "openai", ProviderKind::OpenAi)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(settings: &[(&str, &str)]) -> (BTreeMap<String, Provider>, Option<String>) {
        let settings: BTreeMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut from = Reader::new(move |name: &str| settings.get(name).cloned());
        let providers = providers(&mut from);
        let faults = from.finish(()).err().map(|faults| faults.to_string());
        (providers, faults)
    }

    fn seen(provider: &Provider) -> (ProviderKind, Option<&str>, &str) {
        let key = provider.api_key.as_ref().map(ExposeSecret::expose_secret);
        (provider.kind, key, &provider.base_url)
    }

    #[test]
    fn accounts_of_ones_own_have_settings_of_their_own() {
        let (providers, faults) = read(&[
            ("AGENT_SERVER_PROVIDERS", "work=openai, eu-west = anthropic"),
            ("WORK_API_KEY", "w"),
            ("EU_WEST_BASE_URL", "https://eu.example/"),
            ("OPENAI_API_KEY", "o"),
        ]);

        assert_eq!(faults, None);
        assert_eq!(
            seen(&providers["work"]),
            (ProviderKind::OpenAi, Some("w"), llm::openai::BASE_URL)
        );
        let eu = (ProviderKind::Anthropic, None, "https://eu.example");
        assert_eq!(seen(&providers["eu-west"]), eu);
        assert_eq!(providers["eu-west"].key_setting, "EU_WEST_API_KEY");
        assert_eq!(providers.len(), 8);
    }

    #[test]
    fn keys_have_other_names_and_go_nowhere_else() {
        let (providers, _) = read(&[
            ("GEMINI_API_KEY", "g"),
            ("OPENAI_API_KEY", "o"),
            ("OPENAI_BASE_URL", "https://gateway.example/v1"),
        ]);
        assert_eq!(seen(&providers["google"]).1, Some("g"));
        let responses = (ProviderKind::OpenAiResponses, Some("o"), "https://gateway.example/v1");
        assert_eq!(seen(&providers["openai-responses"]), responses);
        assert_eq!(seen(&providers["ollama"]), (ProviderKind::Ollama, None, llm::ollama::BASE_URL));

        let (providers, _) = read(&[
            ("GEMINI_API_KEY", "g"),
            ("GOOGLE_API_KEY", "first"),
            ("OPENAI_API_KEY", "o"),
            ("OPENAI_RESPONSES_BASE_URL", "https://other.example"),
        ]);
        assert_eq!(seen(&providers["google"]).1, Some("first"));
        assert_eq!(seen(&providers["openai-responses"]).1, None);
    }

    #[test]
    fn names_of_accounts_are_checked() {
        for wrong in ["work", "work=azure", "Work=openai", "a/b=openai", "demo=openai", "1=openai"]
        {
            let (_, faults) = read(&[("AGENT_SERVER_PROVIDERS", wrong)]);
            assert!(faults.unwrap().contains("each must be such as `work=openai`"), "{wrong}");
        }
        for twice in ["openai=google", "a=openai, a=google"] {
            let (_, faults) = read(&[("AGENT_SERVER_PROVIDERS", twice)]);
            assert!(faults.unwrap().contains("there twice"), "{twice}");
        }
    }
}
