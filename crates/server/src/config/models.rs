//! Models: where their providers are, what they are called here, and what they cost.

use std::collections::BTreeMap;

use llm::price::NotPrice;
use llm::price::Price;

use crate::config::Env;
use crate::config::Models;
use crate::config::PROVIDERS;
use crate::config::Provider;
use crate::config::reader::Reader;
use crate::config::urls;

pub fn models<E: Env>(from: &mut Reader<E>) -> Models {
    let default = from.text("AGENT_SERVER_DEFAULT_MODEL");
    if !default
        .split_once('/')
        .is_some_and(|(provider, name)| !provider.is_empty() && !name.is_empty())
    {
        from.fault("AGENT_SERVER_DEFAULT_MODEL", "it must be `provider/name`");
    }
    let providers = PROVIDERS.map(|name| {
        let prefix = name.to_uppercase();
        let url = format!("{prefix}_BASE_URL");
        let base_url = from.text(&url);
        if let Err(fault) = urls::web(&base_url) {
            from.fault(&url, fault);
        }
        let api_key = from.secret(&format!("{prefix}_API_KEY"));
        (name, Provider { api_key, base_url: base_url.trim_end_matches('/').to_owned() })
    });
    let prices = from.optional("AGENT_SERVER_PRICES", prices).unwrap_or_default();
    Models { default, aliases: aliases(from), prices, providers: BTreeMap::from(providers) }
}

fn aliases<E: Env>(from: &mut Reader<E>) -> BTreeMap<String, String> {
    let name = "AGENT_SERVER_MODEL_ALIASES";
    let mut aliases = BTreeMap::new();
    for (alias, model) in from.list(name, alias) {
        if aliases.insert(alias, model).is_some() {
            from.fault(name, "an alias is there twice");
        }
    }
    aliases
}

/// One alias and its model: `fast=openai/gpt-5-mini`.
fn alias(text: &str) -> Result<(String, String), String> {
    let known = |provider: &str| provider == "demo" || PROVIDERS.contains(&provider);
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
            let providers = PROVIDERS.map(|name| format!("`{name}`")).join(", ");
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
