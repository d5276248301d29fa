//! `agent-server doctor`: what is wrong with the surroundings, and how to mend it.
//!
//! It changes nothing, and shows no secret.

use std::error::Error;
use std::time::Duration;

use reqwest::Client;
use reqwest::RequestBuilder;
use reqwest::StatusCode;
use secrecy::ExposeSecret;

use crate::commands::Failure;
use crate::commands::terminal;
use crate::config;
use crate::config::Config;
use crate::config::Environment;
use crate::config::Mode;
use crate::config::Provider;
use crate::config::ProviderKind;
use crate::db;
use crate::db::Db;
use crate::db::Way;
use crate::db::migrate::check_head;
use crate::egress;
use crate::oauth::setting_key;

pub const HELP: &str = "\
It checks the settings, the database, its migrations, the keys and the model providers,
says one line of each, changes nothing, and ends with 1 if something must be mended.

Examples:
  agent-server doctor
  NODE_ENV=production agent-server doctor";

/// A provider that needs longer for the list of its models is as good as away.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was found out about one thing.
enum Finding {
    Good(String),
    /// Nothing that must be mended, but worth a word.
    Note(String),
    Bad(String),
}

use Finding::Bad;
use Finding::Good;
use Finding::Note;

/// Checks everything and says what it found.
pub async fn run(env: &Environment) -> Result<(), Failure> {
    let mut is_well = true;
    let mut say = |what: &str, finding: Finding| match finding {
        Good(detail) => terminal::good(what, detail),
        Note(detail) => terminal::note(what, detail),
        Bad(detail) => {
            is_well = false;
            terminal::bad(what, detail);
        }
    };
    match Config::load(|name| env.get(name)) {
        Ok(config) => {
            say("settings", settings(&config));
            say("keys", keys(&config));
            for (what, finding) in providers(&config).await? {
                say(&what, finding);
            }
        }
        Err(errors) => errors.iter().for_each(|(name, fault)| say(name, Bad(fault.to_owned()))),
    }
    if let Ok(settings) = config::load_database(|name| env.get(name)) {
        for (what, finding) in database(&settings).await {
            say(what, finding);
        }
    }
    if is_well { Ok(()) } else { Err("something must be mended; see the lines above".into()) }
}

fn settings(config: &Config) -> Finding {
    let mode = match config.mode {
        Mode::Production => "production",
        Mode::Development => "development",
    };
    Good(format!("for {mode}, known as {}, on {} port {}", config.issuer, config.host, config.port))
}

fn keys(config: &Config) -> Finding {
    match setting_key(config) {
        Ok(Some(_)) => Good("they are there and fit each other".into()),
        Ok(None) => Note(
            "none in the settings, so one must be in the database; `agent-server keys list` shows it".into(),
        ),
        Err(error) => Bad(error.to_string()),
    }
}

async fn database(settings: &db::DatabaseSettings) -> Vec<(&'static str, Finding)> {
    let db = match Db::open(settings).await {
        Ok(db) => db,
        Err(error) => return vec![("database", Bad(with_causes(&error)))],
    };
    let facts = match db::facts(&db).await {
        Ok(facts) if facts.way == Way::Plain => Note(format!(
            "{}, and what is said to it is not encrypted: add ?sslmode=verify-full to DATABASE_URL unless the \
             network is yours",
            facts.version
        )),
        Ok(facts) => Good(facts.version),
        Err(error) => Bad(with_causes(&error)),
    };
    let mut findings = vec![("database", facts)];
    match check_head(&db).await {
        Ok(()) => {
            findings.push(("migrations", Good("all are applied".into())));
            findings.push(("disk", disk(&db).await));
        }
        Err(error) => findings.push(("migrations", Bad(with_causes(&error)))),
    }
    db.close().await;
    findings
}

async fn disk(db: &Db) -> Finding {
    match db.check_writable().await {
        Ok(()) => Good("the database can be written".into()),
        Err(error) => Bad(format!("the database cannot be written: {}", with_causes(&error))),
    }
}

async fn providers(config: &Config) -> Result<Vec<(String, Finding)>, Failure> {
    let client = egress::client()?;
    let mut findings = Vec::new();
    for (name, provider) in &config.models.providers {
        let is_needed = config.models.default.starts_with(&format!("{name}/"));
        let finding = match provider_finding(&client, provider).await {
            // Who does not use Ollama need not have it.
            Bad(detail) if is_usual_ollama(provider) && !is_needed => Note(detail),
            finding => finding,
        };
        findings.push((format!("models of {name}"), finding));
    }
    let is_known = config.models.default.starts_with("demo/")
        || config
            .models
            .providers
            .keys()
            .any(|name| config.models.default.starts_with(&format!("{name}/")));
    if !is_known {
        let names: Vec<_> = config.models.providers.keys().map(String::as_str).collect();
        let detail =
            format!("it names a provider that is not there; there are demo, {}", names.join(", "));
        findings.push(("AGENT_SERVER_DEFAULT_MODEL".into(), Bad(detail)));
    }
    Ok(findings)
}

/// Asks the provider for its models, which costs nothing and takes the key.
async fn provider_finding(client: &Client, provider: &Provider) -> Finding {
    let Provider { key_setting, url_setting, .. } = provider;
    let Some(request) = list_models(client, provider) else {
        return Note(format!("none without {key_setting}"));
    };
    match request.timeout(PATIENCE).send().await.map(|answer| answer.status()) {
        // Google answers 400 to a key that it does not know.
        Ok(StatusCode::BAD_REQUEST) if provider.kind == ProviderKind::Google => {
            Bad(format!("the provider refuses the key; set another {key_setting}"))
        }
        Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            Bad(format!("the provider refuses the key; set another {key_setting}"))
        }
        Ok(status) if status.is_success() => Good("the provider answers, and takes the key".into()),
        Ok(status) if status.is_client_error() => {
            Good("the provider answers, and does not say what models it has".into())
        }
        Ok(status) => Note(format!("the provider answers {status}; it may be out of order")),
        Err(error) => {
            Bad(format!("the provider cannot be reached; check {url_setting}: {}", reason(&error)))
        }
    }
}

/// The request for the list of models. None: the provider itself, and no key for it.
fn list_models(client: &Client, provider: &Provider) -> Option<RequestBuilder> {
    let Provider { kind, api_key, base_url, .. } = provider;
    if api_key.is_none() && *base_url == kind.home() && kind.needs_key() {
        return None;
    }
    let root = |version: &str| base_url.trim_end_matches(version).to_owned();
    let request = client.get(match kind {
        ProviderKind::Anthropic => format!("{}/v1/models", root("/v1")),
        ProviderKind::Ollama => format!("{}/api/tags", root("/v1")),
        _ => format!("{base_url}/models"),
    });
    let Some(key) = api_key else { return Some(request) };
    let key = key.expose_secret();
    Some(match kind {
        ProviderKind::Anthropic => {
            request.header("x-api-key", key).header("anthropic-version", "2023-06-01")
        }
        ProviderKind::Google => request.header("x-goog-api-key", key),
        _ => request.bearer_auth(key),
    })
}

/// Whether nobody set up this account: it is where Ollama is on every machine that has it.
fn is_usual_ollama(provider: &Provider) -> bool {
    provider.kind == ProviderKind::Ollama && provider.base_url == provider.kind.home()
}

/// The innermost cause, which says most; the URL in the outer ones may hold a secret.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.extend([": ", &cause.to_string()]);
        next = cause.source();
    }
    text
}
