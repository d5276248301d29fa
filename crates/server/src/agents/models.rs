//! Which model a name means, and whether we can call it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use llm::Account;
use llm::ChatModel;
use llm::Timeouts;
use llm::anthropic::Anthropic;
use llm::demo;
use llm::demo::Scripted;
use llm::google::Google;
use llm::ollama::Ollama;
use llm::openai::OpenAi;
use llm::price;
use llm::price::Price;
use llm::responses::Responses;
use reqwest::Client;
use url::Url;

use crate::agents::ModelNames;
use crate::config;
use crate::config::ProviderKind;
use crate::definitions::check_name;
use crate::http::Invalid;

/// Whose models bare names are, by how they begin.
const PREFIXES: [(&str, &str); 7] = [
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "google"),
];

/// The scripted model. Of other providers we do not know which models they have.
const DEMO: &str = "scripted";

/// The providers that this server can speak with.
#[derive(Clone)]
pub struct Models {
    default: Arc<str>,
    aliases: Arc<BTreeMap<String, String>>,
    providers: Arc<BTreeMap<String, Provider>>,
    /// Of the operator, by full names.
    prices: Arc<BTreeMap<String, Price>>,
}

#[derive(Clone)]
struct Provider {
    /// Whose models they are in the published prices.
    maker: String,
    /// It is at the maker's own address, and so has the maker's models.
    is_home: bool,
    state: State,
}

#[derive(Clone)]
enum State {
    Ready(Arc<dyn ChatModel>),
    /// This setting is missing.
    Lacks(String),
}

/// A model that is known by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// `provider/name`.
    pub full_name: String,
    pub provider: String,
    /// Whether it can be called.
    pub configured: bool,
    pub takes_images: bool,
    /// How many tokens a conversation may have, if that is known.
    pub context_tokens: Option<u64>,
}

/// A provider, and whether it can be called.
#[derive(Debug, Clone, Copy)]
pub struct ProviderState<'a> {
    pub name: &'a str,
    /// The setting without which it cannot.
    pub missing: Option<&'a str>,
}

/// A model, ready to be called.
#[derive(Clone)]
pub struct Model {
    /// `provider/name`.
    pub full_name: String,
    /// The provider's own name of it.
    pub name: String,
    pub model: Arc<dyn ChatModel>,
}

/// Why a name means no model that we can call. The words are safe for callers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoModel {
    #[error("there is no provider `{name}`; there are {known}")]
    UnknownProvider { name: String, known: String },
    #[error("the name of a model is `provider/name`, or a name alone")]
    Malformed,
    #[error("the provider `demo` has one model, `{DEMO}`")]
    UnknownModel,
    #[error("the provider `{provider}` is not configured: set `{setting}`")]
    NotConfigured { provider: String, setting: String },
}

impl Models {
    /// Makes an adapter for each provider. `client` is for all of them.
    pub fn new(settings: &config::Models, client: &Client) -> Self {
        let mut providers = BTreeMap::new();
        for (name, provider) in &settings.providers {
            if let Some(provider) = self::provider(name, provider, client, settings.timeouts) {
                providers.insert(name.clone(), provider);
            }
        }
        providers.insert(demo::PROVIDER.to_owned(), Provider::of_code("demo", Arc::new(Scripted)));
        Self {
            default: settings.default.as_str().into(),
            aliases: Arc::new(settings.aliases.clone()),
            providers: Arc::new(providers),
            prices: Arc::new(settings.prices.clone()),
        }
    }

    /// Adds a provider that is defined in code, or says what is wrong with its name.
    pub fn add(&mut self, name: String, model: Arc<dyn ChatModel>) -> Result<(), Invalid> {
        check_name(&name)?;
        let providers = Arc::make_mut(&mut self.providers);
        if providers.contains_key(&name) {
            return Err(Invalid::new("/name", "not_unique", "there is a provider of this name"));
        }
        let provider = Provider::of_code(&name, model);
        providers.insert(name, provider);
        Ok(())
    }

    /// The model of agents that name none.
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// Finds the model that `name` means: that of an alias; `provider/name`; or that of a bare name, whose
    /// provider is told by its beginning, or else is that of the default model.
    pub fn resolve(&self, name: &str) -> Result<Model, NoModel> {
        let (provider, name) = self.split(self.aliases.get(name).map_or(name, String::as_str));
        if provider.is_empty() || name.is_empty() {
            return Err(NoModel::Malformed);
        }
        if provider == "demo" && name != DEMO {
            return Err(NoModel::UnknownModel);
        }
        match self.providers.get(provider).map(|provider| &provider.state) {
            Some(State::Ready(model)) => Ok(Model {
                full_name: format!("{provider}/{name}"),
                name: name.to_owned(),
                model: Arc::clone(model),
            }),
            Some(State::Lacks(setting)) => Err(NoModel::NotConfigured {
                provider: provider.to_owned(),
                setting: setting.clone(),
            }),
            None => Err(self.unknown(provider)),
        }
    }

    /// What a model costs, by its full name: the operator's own price, or the published one of the provider.
    /// `None`: nobody knows.
    pub fn price(&self, full_name: &str) -> Option<Price> {
        let own = self.prices.get(full_name).copied();
        own.or_else(|| match full_name.split_once('/')? {
            (demo::PROVIDER, _) => Some(Price::FREE),
            (provider, name) => price::find(&self.providers.get(provider)?.maker, name),
        })
    }

    /// The models that are known by name, in the order of their names: those that the settings name, and the
    /// published ones of each provider. There may be others.
    pub fn known(&self) -> Vec<Known> {
        let published = self.providers.iter().filter(|(_, provider)| provider.is_home);
        let published = published.flat_map(|(name, provider)| {
            let names = price::known(&provider.maker).filter(|it| llm::is_for_chat(it.name));
            names.map(move |it| format!("{name}/{}", it.name))
        });
        let named = self.aliases.values().chain(self.prices.keys()).map(String::as_str);
        let scripted = format!("{}/{DEMO}", demo::PROVIDER);
        let named = named.chain([self.default_name(), &scripted]).map(str::to_owned);
        let all: BTreeSet<String> = published.chain(named).collect();
        all.into_iter().filter_map(|name| self.know(name)).collect()
    }

    /// All providers, by their names.
    pub fn providers(&self) -> impl Iterator<Item = ProviderState<'_>> {
        self.providers.iter().map(|(name, provider)| ProviderState {
            name,
            missing: match &provider.state {
                State::Ready(_) => None,
                State::Lacks(setting) => Some(setting),
            },
        })
    }

    fn know(&self, full_name: String) -> Option<Known> {
        let (provider, name) = full_name.split_once('/')?;
        let Provider { maker, state, .. } = self.providers.get(provider)?;
        Some(Known {
            provider: provider.to_owned(),
            configured: matches!(state, State::Ready(_)),
            takes_images: llm::takes_images(name),
            context_tokens: price::context_tokens(maker, name),
            full_name,
        })
    }

    /// The models of an agent, in the order in which they are tried: those that it names, or the
    /// default.
    pub fn resolve_all(&self, names: Option<&ModelNames>) -> Result<Vec<Model>, NoModel> {
        match names {
            Some(names) => names.iter().map(|name| self.resolve(name)).collect(),
            None => Ok(vec![self.resolve(&self.default)?]),
        }
    }

    fn split<'n>(&'n self, name: &'n str) -> (&'n str, &'n str) {
        if let Some(parts) = name.split_once('/') {
            return parts;
        }
        let by_prefix = PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix));
        let provider = match by_prefix {
            Some((_, provider)) => provider,
            None => self.default.split('/').next().unwrap_or_default(),
        };
        (provider, name)
    }

    fn unknown(&self, provider: &str) -> NoModel {
        let known: Vec<_> = self.providers.keys().map(|name| format!("`{name}`")).collect();
        NoModel::UnknownProvider { name: provider.to_owned(), known: known.join(", ") }
    }
}

impl Provider {
    /// One that is defined in code.
    fn of_code(name: &str, model: Arc<dyn ChatModel>) -> Self {
        Self { maker: name.to_owned(), is_home: false, state: State::Ready(model) }
    }
}

/// A provider by its settings; `None` if it has no models to talk with.
fn provider(
    name: &str,
    settings: &config::Provider,
    client: &Client,
    timeouts: Timeouts,
) -> Option<Provider> {
    let (kind, key) = (settings.kind, settings.api_key.clone());
    let is_home = settings.base_url == kind.home();
    let state = match settings.base_url.parse::<Url>() {
        Err(_) => State::Lacks(settings.url_setting.clone()),
        // Servers that only speak the same language may need no key.
        Ok(_) if key.is_none() && is_home && kind.needs_key() => {
            State::Lacks(settings.key_setting.clone())
        }
        Ok(base_url) => {
            let (name, client) = (name.into(), client.clone());
            let account = Account { name, client, base_url, key, timeouts };
            State::Ready(adapter(kind, account)?)
        }
    };
    kind.chats().then(|| Provider { maker: kind.maker().to_owned(), is_home, state })
}

fn adapter(kind: ProviderKind, account: Account) -> Option<Arc<dyn ChatModel>> {
    Some(match kind {
        ProviderKind::OpenAi => Arc::new(OpenAi::new(account)),
        ProviderKind::OpenAiResponses => Arc::new(Responses::new(account)),
        ProviderKind::Anthropic => Arc::new(Anthropic::new(account)),
        ProviderKind::Google => Arc::new(Google::new(account)),
        ProviderKind::Ollama => Arc::new(Ollama::new(account)),
        ProviderKind::Cohere => return None,
    })
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.providers.keys()).finish()
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Model").field(&self.full_name).finish()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_full_name_goes_to_its_provider_verbatim() {
        let models = models("https://api.openai.com/v1", Some("key"));

        let model = models.resolve("openai/org/model:free").unwrap();

        assert_eq!(model.full_name, "openai/org/model:free");
        assert_eq!(model.name, "org/model:free");
    }

    #[test]
    fn a_bare_name_goes_where_its_beginning_says_or_to_the_default_provider() {
        let models = models("https://api.openai.com/v1", Some("key"));

        assert_eq!(models.resolve("gpt-5").unwrap().full_name, "openai/gpt-5");
        assert_eq!(models.resolve("o3-mini").unwrap().full_name, "openai/o3-mini");
        assert_eq!(models.resolve("scripted").unwrap().full_name, "demo/scripted");
    }

    #[test]
    fn an_alias_goes_before_every_other_meaning_of_its_name() {
        let models = models("https://api.openai.com/v1", Some("key"));

        assert_eq!(models.resolve("fast").unwrap().full_name, "openai/gpt-5-mini");
        assert_eq!(models.resolve("gpt-4").unwrap().full_name, "demo/scripted");
        assert_eq!(models.resolve("openai/fast").unwrap().full_name, "openai/fast");
    }

    #[test]
    fn a_name_without_a_usable_provider_says_what_to_do() {
        let models = models("https://api.openai.com/v1", None);
        let why = |name: &str| models.resolve(name).unwrap_err().to_string();

        expect!["the provider `openai` is not configured: set `OPENAI_API_KEY`"]
            .assert_eq(&why("openai/gpt-5"));
        expect!["there is no provider `anthropic`; there are `demo`, `google`, `openai`, `work`"]
            .assert_eq(&why("claude-5"));
        expect!["the provider `google` is not configured: set `GOOGLE_API_KEY`"]
            .assert_eq(&why("gemini-3"));
        expect!["the provider `demo` has one model, `scripted`"].assert_eq(&why("demo/gpt-5"));
        expect!["the name of a model is `provider/name`, or a name alone"].assert_eq(&why("demo/"));
    }

    #[test]
    fn ones_own_price_goes_before_the_published_one_and_unknown_is_none() {
        let models = models("http://127.0.0.1:11434/v1", None);

        assert_eq!(models.price("openai/qwen3"), "in:0.1,out:0.2".parse().ok());
        assert_eq!(models.price("openai/gpt-5"), price::find("openai", "gpt-5"));
        assert_eq!(models.price("demo/scripted"), Some(Price::FREE));
        assert_eq!(models.price("openai/fake"), None);
    }

    #[test]
    fn a_compatible_server_needs_no_key() {
        let models = models("http://127.0.0.1:11434/v1", None);

        assert!(models.resolve("openai/qwen3").is_ok());
    }

    #[test]
    fn accounts_of_one_provider_have_the_same_prices() {
        let models = models("https://api.openai.com/v1", Some("key"));

        assert_eq!(models.resolve("work/gpt-5").unwrap().full_name, "work/gpt-5");
        assert_eq!(models.price("work/gpt-5"), price::find("openai", "gpt-5"));
        assert_eq!(models.price("google/gemini-2.5-pro"), price::find("google", "gemini-2.5-pro"));
        assert!(models.price("google/gemini-2.5-pro").is_some());
    }

    #[test]
    fn models_are_known_by_the_settings_and_by_published_prices() {
        let models = models("http://127.0.0.1:11434/v1", None);
        let known = models.known();

        let of = |provider: &str| {
            let own = known.iter().filter(|it| it.provider == provider);
            own.map(|it| it.full_name.as_str()).collect::<Vec<_>>()
        };
        // At an address that is not OpenAI's own there are no models of OpenAI's.
        assert_eq!(of("openai"), ["openai/gpt-5-mini", "openai/qwen3"]);
        assert_eq!(of("demo"), ["demo/scripted"]);
        let gemini = known.iter().find(|it| it.full_name == "google/gemini-2.5-flash").unwrap();
        assert_eq!((gemini.configured, gemini.takes_images), (false, true));
        assert_eq!(gemini.context_tokens, Some(1_048_576));
        assert!(!of("google").contains(&"google/gemini-2.5-pro-tts"));
    }

    fn models(base_url: &str, key: Option<&str>) -> Models {
        let openai = config::Provider {
            api_key: key.map(|key| key.to_owned().into()),
            base_url: base_url.to_owned(),
            ..config::Provider::openai()
        };
        let google = config::Provider {
            kind: ProviderKind::Google,
            base_url: ProviderKind::Google.home().to_owned(),
            key_setting: "GOOGLE_API_KEY".to_owned(),
            ..config::Provider::openai()
        };
        let providers = [("openai", openai.clone()), ("work", openai), ("google", google)];
        let settings = config::Models {
            default: "demo/scripted".to_owned(),
            aliases: [("fast", "openai/gpt-5-mini"), ("gpt-4", "demo/scripted")]
                .map(|(alias, model)| (alias.to_owned(), model.to_owned()))
                .into(),
            prices: [("openai/qwen3".to_owned(), "in:0.1,out:0.2".parse().unwrap())].into(),
            providers: providers.map(|(name, provider)| (name.to_owned(), provider)).into(),
            timeouts: Timeouts::default(),
        };
        Models::new(&settings, &Client::new())
    }
}
