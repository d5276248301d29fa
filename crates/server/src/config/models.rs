//! Models: where their providers are, what they are called here, and what they cost.

use std::collections::BTreeMap;
use std::time::Duration;

use llm::Timeouts;
use llm::price::NotPrice;
use llm::price::Price;

use crate::config::Env;
use crate::config::Models;
use crate::config::Provider;
use crate::config::providers;
use crate::config::reader::Reader;

pub fn models<E: Env>(from: &mut Reader<E>) -> Models {
    let default = from.text("AGENT_SERVER_DEFAULT_MODEL");
    if !default
        .split_once('/')
        .is_some_and(|(provider, name)| !provider.is_empty() && !name.is_empty())
    {
        from.fault("AGENT_SERVER_DEFAULT_MODEL", "it must be `provider/name`");
    }
    let providers = providers::providers(from);
    let prices = from.optional("AGENT_SERVER_PRICES", prices).unwrap_or_default();
    let aliases = aliases(from, &providers);
    Models { default, aliases, prices, providers, timeouts: timeouts(from) }
}

fn timeouts<E: Env>(from: &mut Reader<E>) -> Timeouts {
    let mut time = |name| Duration::from_millis(from.number(name, 1..=3_600_000));
    Timeouts {
        first_token: time("MODEL_FIRST_TOKEN_TIMEOUT_MS"),
        between_tokens: time("MODEL_SILENCE_TIMEOUT_MS"),
        total: time("MODEL_CALL_TIMEOUT_MS"),
        ..Timeouts::default()
    }
}

type Providers = BTreeMap<String, Provider>;

fn aliases<E: Env>(from: &mut Reader<E>, providers: &Providers) -> BTreeMap<String, String> {
    let name = "AGENT_SERVER_MODEL_ALIASES";
    let mut aliases = BTreeMap::new();
    for (alias, model) in from.list(name, |text| alias(text, providers)) {
        if aliases.insert(alias, model).is_some() {
            from.fault(name, "an alias is there twice");
        }
    }
    aliases
}

/// One alias and its model: `fast=openai/gpt-5-mini`.
fn alias(text: &str, providers: &Providers) -> Result<(String, String), String> {
    let chats = |provider: &str| providers.get(provider).is_some_and(|it| it.kind.chats());
    let known = |provider: &str| provider == "demo" || chats(provider);
    let is_name =
        |it: &str| !it.is_empty() && !it.contains(|c: char| c == '/' || c.is_whitespace());
    text.split_once('=')
        .map(|(alias, model)| (alias.trim(), model.trim()))
        .filter(|(alias, _)| is_name(alias))
        .filter(|(_, model)| {
            model.split_once('/').is_some_and(|(provider, name)| known(provider) && !name.is_empty())
        })
        .map(|(alias, model)| (alias.to_owned(), model.to_owned()))
        .ok_or_else(|| {
            let providers = providers.keys().filter(|name| chats(name));
            let providers = providers.map(|name| format!("`{name}`"));
            let providers = providers.collect::<Vec<_>>().join(", ");
            format!(
                "each must be such as `fast=openai/gpt-5-mini`: a name without `/`, and `provider/name` of one of \
                 {providers}, `demo`"
            )
        })
}

/// Prices with semicolons between: `openai/qwen3=in:0.1,out:0.2; openai/other=in:1,out:2`.
fn prices(text: &str) -> Result<BTreeMap<String, Price>, String> {
    let mut prices = BTreeMap::new();
    for entry in text.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
        let form = || format!("each must be such as `openai/qwen3=in:0.1,out:0.2`: {NotPrice}");
        let (model, price) = entry.split_once('=').ok_or_else(form)?;
        let price = price.trim().parse().map_err(|_| form())?;
        let model = model.trim();
        if !model.contains('/') || prices.insert(model.to_owned(), price).is_some() {
            return Err("each model is `provider/name`, and is there once".to_owned());
        }
    }
    Ok(prices)
}
