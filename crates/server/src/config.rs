//! All settings, read once at the start and checked before anything else happens.
//!
//! A [`Config`] is right as a whole: who holds one need not check again. [`table`] says what each
//! setting means.

mod database;
#[cfg(test)]
mod documents;
pub mod dotenv;
mod environment;
mod mcp;
mod models;
mod oidc;
mod programs;
mod providers;
mod rag;
mod reader;
mod registration;
pub mod table;
mod telemetry;
mod urls;
mod webhooks;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use auth::secret::MasterKey;
use ipnet::IpNet;
use llm::Timeouts;
use llm::price::Price;
use secrecy::ExposeSecret;
use secrecy::SecretString;

use crate::db::DatabaseSettings;
use crate::egress;

pub use environment::Environment;
pub use mcp::Mcp;
pub use oidc::Oidc;
pub use programs::Program;
pub use programs::Variable;
pub use providers::ProviderKind;
pub use rag::FILE_BYTES;
pub use rag::Rag;
pub use reader::ConfigErrors;
use reader::Reader;
pub use registration::DocumentHosts;
pub use registration::Registration;
pub use registration::RegistrationPolicy;
pub use telemetry::Telemetry;
pub use webhooks::SigningKeys;

/// Secrets that stand in examples, ours and the original's.
const SAMPLES: [&str; 4] = ["your-admin-secret", "your-jwt-secret", "changeme", "change-me"];
const MIN_SECRET: usize = 24;
const HTTPS: &str =
    "in production it must be the public URL of this server and begin with `https://`";
const SETUP: &str = "run `agent-server setup-auth`, which makes it";

/// What the server runs by.
#[derive(Debug, Clone)]
pub struct Config {
    pub mode: Mode,
    pub host: String,
    pub port: u16,
    /// Public URL and issuer, without a slash at its end.
    pub issuer: String,
    pub cors_origins: Vec<String>,
    pub metrics_address: Option<SocketAddr>,
    /// Where the files of the Admin UI are; `None`: in the program, if anywhere.
    pub ui_dir: Option<PathBuf>,
    /// Whose word on the address of a caller is believed.
    pub trusted_proxies: Vec<IpNet>,
    pub database: DatabaseSettings,
    /// Where this process hears others; `None`: nowhere.
    pub listen: Option<DatabaseSettings>,
    /// Where `import` reads; nothing else does.
    pub import_from: Option<SecretString>,
    pub identity: Identity,
    pub models: Models,
    pub outgoing: Outgoing,
    pub limits: Limits,
    /// Processes that run JavaScript at once.
    pub tool_workers: NonZeroUsize,
    pub rag: Rag,
    pub mcp: Mcp,
    /// How long a run is kept after its end; `None`: for ever.
    pub run_retention: Option<Duration>,
    pub log: Log,
    pub telemetry: Telemetry,
    /// `MASTRA_JWT_SECRET` is set, and not used.
    pub has_unused_jwt_secret: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Development,
    Production,
}

/// Who signs, who administers, and who may register.
#[derive(Debug, Clone)]
pub struct Identity {
    pub management: ManagementClient,
    /// `None`: all that signs is in the database.
    pub private_key: Option<SecretString>,
    pub public_key: Option<String>,
    pub encryption_key: SecretString,
    pub encryption_key_previous: Option<SecretString>,
    pub access_token_ttl: Duration,
    pub registration: Registration,
    /// By which server of others people may sign in, too.
    pub oidc: Option<Oidc>,
}

/// The client that comes from the settings and not from the database.
#[derive(Debug, Clone)]
pub struct ManagementClient {
    pub id: String,
    pub secret: SecretString,
    pub secret_previous: Option<SecretString>,
}

#[derive(Debug, Clone)]
pub struct Models {
    /// `provider/name`.
    pub default: String,
    /// What a name of one's own means: `provider/name`.
    pub aliases: BTreeMap<String, String>,
    /// What models cost, by full names, where the operator knows better.
    pub prices: BTreeMap<String, Price>,
    /// By name: `openai`, `google`, and what the operator calls further accounts.
    pub providers: BTreeMap<String, Provider>,
    /// How long a call may take.
    pub timeouts: Timeouts,
}

#[derive(Debug, Clone)]
pub struct Provider {
    /// What it speaks.
    pub kind: ProviderKind,
    pub api_key: Option<SecretString>,
    /// Without a slash at its end.
    pub base_url: String,
    /// The setting of the key.
    pub key_setting: String,
    /// The setting of the base URL.
    pub url_setting: String,
}

/// What leaves the server for places that callers name.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// What may be asked beyond public `https`.
    pub allow: egress::Allow,
    pub signing_keys: SigningKeys,
    /// How long a receiver of a webhook may take to answer.
    pub webhook_time: Duration,
}

/// Everything is bounded; these are the bounds that can be set.
#[derive(Debug, Clone)]
pub struct Limits {
    pub body_bytes: usize,
    pub body_time: Duration,
    pub request_time: Duration,
    pub concurrency: usize,
    pub runs: usize,
    /// Of one client, and of one agent; 0: no limit but that of all.
    pub runs_per_client: usize,
    pub runs_per_agent: usize,
    pub queued_runs: u32,
    pub shutdown_grace: Duration,
}

#[derive(Debug, Clone)]
pub struct Log {
    /// A filter of `tracing-subscriber`.
    pub level: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Pretty,
    /// Pretty on a terminal, else JSON.
    ByTerminal,
}

impl Config {
    /// Reads every setting, or says all that is wrong with them.
    pub fn load(env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut from = Reader::new(env);
        let modes = [
            ("production", Mode::Production),
            ("development", Mode::Development),
            ("test", Mode::Development),
        ];
        let mode = from.choice("NODE_ENV", &modes, Mode::Production);
        let port = from.number("PORT", 0..=u16::MAX);
        let database = database::database(&mut from);
        let config = Self {
            mode,
            host: from.text("HOST"),
            port,
            issuer: issuer(&mut from, mode, port),
            cors_origins: from.list("AGENT_SERVER_CORS_ORIGINS", urls::origin),
            metrics_address: from.optional("METRICS_ADDRESS", socket_address),
            ui_dir: from.given("AGENT_SERVER_UI_DIR").map(PathBuf::from),
            trusted_proxies: from.list("AGENT_SERVER_TRUSTED_PROXIES", network),
            listen: database::listen(&mut from, &database),
            import_from: from.secret("IMPORT_FROM"),
            database,
            identity: identity(&mut from, mode),
            models: models::models(&mut from),
            outgoing: outgoing(&mut from),
            limits: limits(&mut from),
            tool_workers: from
                .optional("TOOL_WORKERS_MAX", tool_workers)
                .unwrap_or_else(four_for_each_processor),
            rag: rag::rag(&mut from),
            mcp: mcp::mcp(&mut from),
            run_retention: run_retention(&mut from),
            log: log(&mut from),
            telemetry: telemetry::telemetry(&mut from),
            has_unused_jwt_secret: from.given("MASTRA_JWT_SECRET").is_some(),
        };
        from.finish(config)
    }
}

/// Reads the settings of the database alone, for the commands that need no others.
pub fn load_database(
    env: impl Fn(&str) -> Option<String>,
) -> Result<DatabaseSettings, ConfigErrors> {
    let mut from = Reader::new(env);
    let database = database::database(&mut from);
    from.finish(database)
}

impl Log {
    /// Reads the settings of the log alone; it takes the usual for what is wrong.
    pub fn load(env: impl Fn(&str) -> Option<String>) -> Self {
        log(&mut Reader::new(env))
    }
}

/// The folder for what this server keeps in files.
pub fn data_dir(env: impl Fn(&str) -> Option<String>) -> PathBuf {
    PathBuf::from(Reader::new(env).text("AGENT_SERVER_DATA_DIR"))
}

fn issuer<E: Env>(from: &mut Reader<E>, mode: Mode, port: u16) -> String {
    let is_given = from.given("TOKEN_SERVICE_URL").is_some();
    let given = from.optional("TOKEN_SERVICE_URL", |text| match urls::issuer(text)? {
        url if mode == Mode::Production && !url.starts_with("https://") => Err(HTTPS.into()),
        url => Ok(url),
    });
    if mode == Mode::Production && !is_given {
        from.fault("TOKEN_SERVICE_URL", HTTPS);
    }
    given.unwrap_or_else(|| format!("http://localhost:{port}"))
}

fn identity<E: Env>(from: &mut Reader<E>, mode: Mode) -> Identity {
    let ttl = from.number("ACCESS_TOKEN_TTL", 60..=86_400);
    check_encryption_key(from, "AGENT_SERVER_ENCRYPTION_KEY");
    check_encryption_key(from, "AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS");
    Identity {
        management: management_client(from, mode),
        private_key: from.secret("TOKEN_SERVICE_PRIVATE_KEY"),
        public_key: from.given("TOKEN_SERVICE_PUBLIC_KEY"),
        encryption_key: from.required_secret("AGENT_SERVER_ENCRYPTION_KEY", SETUP),
        encryption_key_previous: from.secret("AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS"),
        access_token_ttl: Duration::from_secs(ttl),
        registration: Registration::read(from),
        oidc: Oidc::read(from),
    }
}

/// A key that seals what is in the database. Its text stays as it is; here it must only be one.
fn check_encryption_key<E: Env>(from: &mut Reader<E>, name: &str) {
    if let Some(Err(error)) = from.secret(name).map(|key| MasterKey::parse(&key)) {
        from.fault(name, error);
    }
}

fn management_client<E: Env>(from: &mut Reader<E>, mode: Mode) -> ManagementClient {
    let secret = from.required_secret("MANAGEMENT_CLIENT_SECRET", SETUP);
    let secret_previous = from.secret("MANAGEMENT_CLIENT_SECRET_PREVIOUS");
    if mode == Mode::Production {
        if let Some(fault) = weakness(&secret) {
            from.fault("MANAGEMENT_CLIENT_SECRET", format!("{fault}; {SETUP}"));
        }
        if let Some(fault) = secret_previous.as_ref().and_then(weakness) {
            from.fault("MANAGEMENT_CLIENT_SECRET_PREVIOUS", format!("{fault}; leave it out"));
        }
    }
    ManagementClient { id: from.text("MANAGEMENT_CLIENT_ID"), secret, secret_previous }
}

/// Why a secret is too easy to guess. None is no secret at all, which is another fault.
fn weakness(secret: &SecretString) -> Option<&'static str> {
    match secret.expose_secret() {
        "" => None,
        sample if SAMPLES.contains(&sample) => Some("it is the secret of an example"),
        short if short.chars().count() < MIN_SECRET => Some("it has fewer than 24 characters"),
        _ => None,
    }
}

fn outgoing<E: Env>(from: &mut Reader<E>) -> Outgoing {
    Outgoing {
        allow: egress::Allow::new(from.list("AGENT_SERVER_EGRESS_ALLOW", str::parse)),
        signing_keys: from.optional("WEBHOOK_SECRETS", SigningKeys::parse).unwrap_or_default(),
        webhook_time: Duration::from_millis(from.number("WEBHOOK_TIMEOUT_MS", 1..=60_000)),
    }
}

fn limits<E: Env>(from: &mut Reader<E>) -> Limits {
    const HOUR_MS: u64 = 60 * 60 * 1000;
    let mut time = |name: &str| Duration::from_millis(from.number(name, 1..=HOUR_MS));
    let body_time = time("REQUEST_BODY_TIMEOUT_MS");
    let request_time = time("REQUEST_TIMEOUT_MS");
    let shutdown_grace = time("SHUTDOWN_GRACE_MS");
    Limits {
        body_bytes: from.number("REQUEST_BODY_LIMIT", 1024..=1024 * 1024 * 1024),
        body_time,
        request_time,
        concurrency: from.number("REQUEST_CONCURRENCY", 1..=1_000_000),
        runs: from.number("RUN_CONCURRENCY", 1..=100_000),
        runs_per_client: from.number("RUN_CONCURRENCY_PER_CLIENT", 0..=100_000),
        runs_per_agent: from.number("RUN_CONCURRENCY_PER_AGENT", 0..=100_000),
        queued_runs: from.number("RUN_QUEUE_LIMIT", 1..=100_000),
        shutdown_grace,
    }
}

fn tool_workers(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|it: &NonZeroUsize| it.get() <= 1024);
    number.ok_or_else(|| "it must be a whole number from 1 to 1024".into())
}

fn four_for_each_processor() -> NonZeroUsize {
    const FOUR: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN).saturating_mul(FOUR)
}

fn run_retention<E: Env>(from: &mut Reader<E>) -> Option<Duration> {
    let days: u64 = from.number("RUN_RETENTION_DAYS", 0..=36_500);
    (days > 0).then(|| Duration::from_hours(24 * days))
}

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

fn log<E: Env>(from: &mut Reader<E>) -> Log {
    let level = from.text("LOG_LEVEL").to_lowercase();
    // A bare word is the name of a module to the filter: a misspelt level would leave nothing to be logged.
    let mut parts = level.split(',').map(str::trim);
    let is_known = parts.all(|part| part.contains('=') || LEVELS.contains(&part));
    if !is_known || level.parse::<tracing_subscriber::EnvFilter>().is_err() {
        from.fault(
            "LOG_LEVEL",
            "it must be `error`, `warn`, `info`, `debug` or `trace`, or such as `info,sqlx=warn`",
        );
    }
    let format = from.given("LOG_FORMAT").map_or(LogFormat::ByTerminal, |_| {
        let formats = [("json", LogFormat::Json), ("pretty", LogFormat::Pretty)];
        from.choice("LOG_FORMAT", &formats, LogFormat::Json)
    });
    Log { level, format }
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "it must be an address with a port, such as `127.0.0.1:9464`".into())
}

/// One address, or a range of them.
fn network(text: &str) -> Result<IpNet, String> {
    let range = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    range.ok_or_else(|| "each must be an address or a range, such as `10.0.0.0/8`".into())
}

/// Where settings are looked up.
trait Env: Fn(&str) -> Option<String> {}

impl<F: Fn(&str) -> Option<String>> Env for F {}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use expect_test::expect;

    use super::*;

    const GOOD: &[(&str, &str)] = &[
        ("MANAGEMENT_CLIENT_SECRET", "ags_0123456789012345678901234567"),
        ("TOKEN_SERVICE_PRIVATE_KEY", "{}"),
        ("AGENT_SERVER_ENCRYPTION_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
    ];

    #[test]
    fn defaults_hold_for_what_is_not_set() {
        let config = load(GOOD, &[("PORT", "4000"), ("HOST", "")]).unwrap();

        assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 4000));
        assert_eq!(config.issuer, "http://localhost:4000");
        assert_eq!(config.database.url.expose_secret(), "sqlite://./data/agent-server.db");
        assert_eq!(config.identity.access_token_ttl, Duration::from_mins(10));
        assert_eq!(config.models.providers["openai"].base_url, "https://api.openai.com/v1");
        assert_eq!(config.models.timeouts, Timeouts::default());
        assert_eq!(config.limits.body_bytes, 1024 * 1024);
        assert_eq!(config.mode, Mode::Development);
    }

    const WRONG: [(&str, &str); 28] = [
        ("NODE_ENV", "prod"),
        ("PORT", "99999"),
        ("TOKEN_SERVICE_URL", "hunter2"),
        ("AGENT_SERVER_CORS_ORIGINS", "https://a.example, *"),
        ("METRICS_ADDRESS", "hunter2"),
        ("AGENT_SERVER_TRUSTED_PROXIES", "10.0.0.0/8, hunter2"),
        ("DATABASE_URL", "postgresql://u:hunter2#x@db/agents"),
        ("DATABASE_POOL", "0"),
        ("DATABASE_SYNC", "hunter2"),
        ("MANAGEMENT_CLIENT_SECRET", ""),
        ("AGENT_SERVER_ENCRYPTION_KEY", "hunter2"),
        ("AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS", "hunter2="),
        ("ACCESS_TOKEN_TTL", "hunter2"),
        ("REGISTRATION_POLICY", "token"),
        ("REGISTRATION_TOKEN", "hunter2"),
        ("REGISTRATION_SCOPES", "agent.read client.write"),
        ("AGENT_SERVER_DEFAULT_MODEL", "hunter2"),
        ("AGENT_SERVER_MODEL_ALIASES", "fast=hunter2/x"),
        ("AGENT_SERVER_PRICES", "hunter2"),
        ("OPENAI_BASE_URL", "hunter2"),
        ("AGENT_SERVER_EGRESS_ALLOW", "hooks.internal, http://u:hunter2@a"),
        ("WEBHOOK_SECRETS", "default=hunter2"),
        ("WEBHOOK_TIMEOUT_MS", "60001"),
        ("RUN_RETENTION_DAYS", "-1"),
        ("TOOL_WORKERS_MAX", "0"),
        ("REQUEST_TIMEOUT_MS", "-1"),
        ("LOG_LEVEL", "hunter2"),
        ("LOG_FORMAT", "hunter2"),
    ];

    #[test]
    fn all_that_is_wrong_is_said_at_once_and_no_value_is_shown() {
        let errors = load(GOOD, &WRONG).unwrap_err().to_string();

        assert!(!errors.contains("hunter2"));
        expect![[r#"
            some settings are wrong
              NODE_ENV: it must be `production` or `development` or `test`
              PORT: it must be a whole number from 0 to 65535
              DATABASE_POOL: it must be a whole number from 1 to 1000
              DATABASE_SYNC: it must be `full` or `normal`
              DATABASE_URL: holds a sign that ends a part of a URL: percent-encode the password (`@` is `%40`, `:` `%3A`, `/` `%2F`, `?` `%3F`, `#` `%23`, `%` `%25`, a space `%20`), or leave it out and set PGPASSWORD
              TOKEN_SERVICE_URL: it must be a URL that begins with `https://` or `http://`
              AGENT_SERVER_CORS_ORIGINS: it must be a URL that begins with `https://` or `http://`
              METRICS_ADDRESS: it must be an address with a port, such as `127.0.0.1:9464`
              AGENT_SERVER_TRUSTED_PROXIES: each must be an address or a range, such as `10.0.0.0/8`
              ACCESS_TOKEN_TTL: it must be a whole number from 60 to 86400
              AGENT_SERVER_ENCRYPTION_KEY: it is not base64
              AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS: it is not base64
              MANAGEMENT_CLIENT_SECRET: it is not set; run `agent-server setup-auth`, which makes it
              REGISTRATION_TOKEN: it must have at least 32 characters, letters, digits and `-._~+/=` only
              REGISTRATION_SCOPES: of ours it may only have agent.execute agent.read mcp.access rag.read rag.search run.read run.write thread.read thread.write tool.execute tool.read workflow.execute workflow.read
              AGENT_SERVER_DEFAULT_MODEL: it must be `provider/name`
              OPENAI_BASE_URL: it must be a URL that begins with `https://` or `http://`
              AGENT_SERVER_PRICES: each must be such as `openai/qwen3=in:0.1,out:0.2`: a price is `in:1.25,out:10`, maybe with `cached:` and `written:`, in USD per million tokens with up to six decimals
              AGENT_SERVER_MODEL_ALIASES: each must be such as `fast=openai/gpt-5-mini`: a name without `/`, and `provider/name` of one of `anthropic`, `google`, `ollama`, `openai`, `openai-responses`, `demo`
              AGENT_SERVER_EGRESS_ALLOW: an origin is `http://` or `https://`, a host and a port, and nothing more
              WEBHOOK_SECRETS: entry 1: a key is `whsec_` and 24 to 64 bytes in base64, as `openssl rand -base64 32` makes them
              WEBHOOK_TIMEOUT_MS: it must be a whole number from 1 to 60000
              REQUEST_TIMEOUT_MS: it must be a whole number from 1 to 3600000
              TOOL_WORKERS_MAX: it must be a whole number from 1 to 1024
              RUN_RETENTION_DAYS: it must be a whole number from 0 to 36500
              LOG_LEVEL: it must be `error`, `warn`, `info`, `debug` or `trace`, or such as `info,sqlx=warn`
              LOG_FORMAT: it must be `json` or `pretty`"#]].assert_eq(&errors);
    }

    #[test]
    fn an_alias_is_a_name_and_a_whole_model() {
        let aliases = |text: &str| {
            let config = load(GOOD, &[("AGENT_SERVER_MODEL_ALIASES", text)]);
            config.map(|config| config.models.aliases)
        };

        let two = aliases("fast = openai/gpt-5-mini, smart=openai/org/m=1,").unwrap();
        assert_eq!(
            (two["fast"].as_str(), two["smart"].as_str()),
            ("openai/gpt-5-mini", "openai/org/m=1")
        );
        for wrong in [
            "fast",
            "=openai/x",
            "a/b=openai/x",
            "a b=openai/x",
            "fast=gpt-5",
            "fast=openai/",
            "fast=nobody/x",
            "a=openai/x,a=openai/y",
        ] {
            assert!(aliases(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn production_refuses_what_development_bears() {
        let weak = [("MANAGEMENT_CLIENT_SECRET", "your-admin-secret")];
        assert!(load(GOOD, &weak).is_ok());

        let production = [
            ("NODE_ENV", "production"),
            ("MANAGEMENT_CLIENT_SECRET", "your-admin-secret"),
            ("MANAGEMENT_CLIENT_SECRET_PREVIOUS", "short"),
            ("AGENT_SERVER_ENCRYPTION_KEY", ""),
        ];

        expect![[r#"
            some settings are wrong
              TOKEN_SERVICE_URL: in production it must be the public URL of this server and begin with `https://`
              MANAGEMENT_CLIENT_SECRET: it is the secret of an example; run `agent-server setup-auth`, which makes it
              MANAGEMENT_CLIENT_SECRET_PREVIOUS: it has fewer than 24 characters; leave it out
              AGENT_SERVER_ENCRYPTION_KEY: it is not set; run `agent-server setup-auth`, which makes it"#]].assert_eq(&load(GOOD, &production).unwrap_err().to_string());
    }

    #[test]
    fn secrets_are_not_in_the_debug_text() {
        let config = load(
            GOOD,
            &[("DATABASE_URL", "postgresql://u:hunter2@db/agents"), ("OPENAI_API_KEY", "hunter2")],
        );

        let text = format!("{config:?}");

        assert!(!text.contains("hunter2") && !text.contains("ags_"));
    }

    #[test]
    fn exactly_the_settings_of_the_table_are_read() {
        let asked = RefCell::new(BTreeSet::new());
        let env = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            (name == "LOG_FORMAT").then(|| String::from("json"))
        };

        let _ = Config::load(env);

        let table = table::GROUPS.iter().flat_map(|group| group.settings);
        let table: BTreeSet<String> = table.map(|setting| setting.name.to_owned()).collect();
        assert_eq!(asked.into_inner(), table);
    }

    fn load(base: &[(&str, &str)], own: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        Config::load(|name| {
            let found = own.iter().chain(base).find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }
}
