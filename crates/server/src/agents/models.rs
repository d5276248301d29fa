//! Which model a name means, and whether we can call it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use llm::ChatModel;
use llm::Timeouts;
use llm::anthropic::Anthropic;
use llm::demo;
use llm::demo::Scripted;
use llm::openai::OpenAi;
use llm::price;
use llm::price::Price;
use reqwest::Client;
use url::Url;

use crate::agents::ModelNames;
use crate::config;
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
enum Provider {
    Ready(Arc<dyn ChatModel>),
    /// This setting is missing.
    Lacks(String),
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
    pub fn new(settings: &config::Models, client: &Client, timeouts: Timeouts) -> Self {
        let mut providers = BTreeMap::new();
        for (&name, provider) in &settings.providers {
            if let Some(provider) = adapter(name, provider, client, timeouts) {
                providers.insert(name.to_owned(), provider);
            }
        }
        providers.insert(demo::PROVIDER.to_owned(), Provider::Ready(Arc::new(Scripted)));
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
        providers.insert(name, Provider::Ready(model));
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
        match self.providers.get(provider) {
            Some(Provider::Ready(model)) => Ok(Model {
                full_name: format!("{provider}/{name}"),
                name: name.to_owned(),
                model: Arc::clone(model),
            }),
            Some(Provider::Lacks(setting)) => Err(NoModel::NotConfigured {
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
            (provider, name) => price::find(provider, name),
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

/// The adapter for a provider, or the setting it lacks; nothing for one that we do not know.
fn adapter(
    name: &str,
    settings: &config::Provider,
    client: &Client,
    timeouts: Timeouts,
) -> Option<Provider> {
    let prefix = name.to_uppercase();
    let Ok(url) = settings.base_url.parse::<Url>() else {
        return Some(Provider::Lacks(format!("{prefix}_BASE_URL")));
    };
    let (client, key) = (client.clone(), settings.api_key.clone());
    let (home, model): (_, Arc<dyn ChatModel>) = match name {
        "openai" => ("api.openai.com", Arc::new(OpenAi::new(client, &url, key.clone(), timeouts))),
        "anthropic" => {
            ("api.anthropic.com", Arc::new(Anthropic::new(client, &url, key.clone(), timeouts)))
        }
        _ => return None,
    };
    // Servers that only speak the same language may need no key.
    if key.is_none() && url.host_str() == Some(home) {
        return Some(Provider::Lacks(format!("{prefix}_API_KEY")));
    }
    Some(Provider::Ready(model))
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
        expect!["there is no provider `google`; there are `demo`, `openai`"]
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

    fn models(base_url: &str, key: Option<&str>) -> Models {
        let openai = config::Provider {
            api_key: key.map(|key| key.to_owned().into()),
            base_url: base_url.to_owned(),
        };
        let settings = config::Models {
            default: "demo/scripted".to_owned(),
            aliases: [("fast", "openai/gpt-5-mini"), ("gpt-4", "demo/scripted")]
                .map(|(alias, model)| (alias.to_owned(), model.to_owned()))
                .into(),
            prices: [("openai/qwen3".to_owned(), "in:0.1,out:0.2".parse().unwrap())].into(),
            providers: BTreeMap::from([("openai", openai)]),
        };
        Models::new(&settings, &Client::new(), Timeouts::default())
    }
}
