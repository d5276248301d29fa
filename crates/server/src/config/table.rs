//! Every setting there is: its name, its default, and what it is for.
//!
//! `docs/CONFIGURATION.md` and `.env.example` are written from this table, and the environment is
//! read by it, so that the three cannot differ.

mod identity;
mod mcp;

use identity::IDENTITY;
use mcp::MCP;

/// A setting, as its reader is told of it.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    /// What holds without it, as text; empty: nothing.
    pub default: &'static str,
    pub meaning: &'static str,
    pub kind: Kind,
}

/// Whether a setting's value may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Secret,
}

/// Settings that are explained together.
#[derive(Debug)]
pub struct Group {
    pub title: &'static str,
    pub settings: &'static [Setting],
}

const fn plain(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning, kind: Kind::Plain }
}

const fn secret(name: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default: "", meaning, kind: Kind::Secret }
}

pub const GROUPS: &[Group] = &[
    Group { title: "Server", settings: SERVER },
    Group { title: "Database", settings: DATABASE },
    Group { title: "Identity", settings: IDENTITY },
    Group { title: "Models", settings: MODELS },
    Group { title: "Outgoing requests", settings: OUTGOING },
    Group { title: "Documents", settings: DOCUMENTS },
    Group { title: "MCP", settings: MCP },
    Group { title: "Limits", settings: LIMITS },
    Group { title: "Logs", settings: LOGS },
    Group { title: "Traces", settings: TRACES },
];

const SERVER: &[Setting] = &[
    plain("HOST", "127.0.0.1", "Address to listen on; `0.0.0.0` or `::` for all of them."),
    plain("PORT", "3000", "Port to listen on."),
    plain(
        "TOKEN_SERVICE_URL",
        "http://localhost:<PORT>",
        "Public URL of this server, and so the issuer of its tokens. All absolute URLs are made from it, never \
         from what a request claims. In production it begins with `https://`.",
    ),
    plain(
        "NODE_ENV",
        "development",
        "`production` refuses to start with missing, short or sample secrets and without https.",
    ),
    plain(
        "AGENT_SERVER_DATA_DIR",
        "./data",
        "Folder of the embedded database, and of what `agent-server dev` makes.",
    ),
    plain(
        "AGENT_SERVER_CORS_ORIGINS",
        "",
        "Origins whose pages may call the API, with commas between: `https://app.example.com`. \
         `/.well-known/*` is open to all.",
    ),
    plain(
        "AGENT_SERVER_TRUSTED_PROXIES",
        "",
        "Addresses and ranges of proxies, with commas between: `127.0.0.1, 10.0.0.0/8`. On a connection from one \
         of them the caller is who it names in `X-Forwarded-For`: the right-most address that is not one of them. \
         `Forwarded` is not read.",
    ),
    plain(
        "AGENT_SERVER_UI_DIR",
        "",
        "Folder with the built files of the Admin UI (`ui/dist`), instead of those that are in the program, if any.",
    ),
    plain(
        "METRICS_ADDRESS",
        "",
        "Address and port for `/metrics` alone, such as `127.0.0.1:9464`. Without it `/metrics` is served beside \
         the API.",
    ),
];

const DATABASE: &[Setting] = &[
    Setting {
        name: "DATABASE_URL",
        default: "sqlite://<AGENT_SERVER_DATA_DIR>/agent-server.db",
        meaning: "`postgresql://user:password@host:5432/name` or `sqlite://path`. Special characters of the \
                  password are percent-encoded.",
        kind: Kind::Secret,
    },
    Setting {
        name: "DATABASE_LISTEN_URL",
        default: "<DATABASE_URL>",
        meaning: "PostgreSQL: where each process hears the others, on one connection more. It must reach the same \
                  database without a pooler of transactions. `off`: processes ask the database instead, twice a second, \
                  and show the text of runs that others execute when a model call is over.",
        kind: Kind::Secret,
    },
    plain(
        "DATABASE_POOL",
        "10",
        "Connections to PostgreSQL that are kept at most; of readers of SQLite there are at most as many, and never more than 4.",
    ),
    plain(
        "DATABASE_SYNC",
        "full",
        "SQLite: `full` survives a crash of the machine; `normal` is faster and survives one of the process only.",
    ),
    secret(
        "IMPORT_FROM",
        "The database of the original server that `agent-server import` reads where `--from` does not say: \
         `postgresql://user:password@host:5432/name`. What stands on a command line is seen by whoever lists processes.",
    ),
];

const MODELS: &[Setting] = &[
    plain(
        "AGENT_SERVER_DEFAULT_MODEL",
        "demo/scripted",
        "Model of agents that name none, as `provider/name`.",
    ),
    plain(
        "AGENT_SERVER_MODEL_ALIASES",
        "",
        "Names of your own for models, with commas between: `fast=openai/gpt-5-mini, smart=anthropic/claude-sonnet-4-5`. \
         An alias goes before every other meaning of its name; it has no `/`.",
    ),
    plain(
        "AGENT_SERVER_PRICES",
        "",
        "What models cost in USD per million tokens, with semicolons between: \
         `openai/qwen3=in:0.1,out:0.2; openai/gpt-5=in:1,out:8,cached:0.1,written:1`. Without `cached` and `written` \
         (what the provider's cache reads and writes) these cost what input costs. It goes before the published \
         prices of OpenAI, Anthropic and Google, which are known; the cost of any other model is unknown.",
    ),
    plain(
        "AGENT_SERVER_PROVIDERS",
        "",
        "Further accounts with providers, with commas between, each with a name of your own and what it speaks \
         (`openai`, `openai-responses`, `anthropic`, `google`, `ollama`, `cohere`): `work=openai, eu-west=anthropic`. Their \
         settings are `WORK_API_KEY` and `WORK_BASE_URL`, `EU_WEST_API_KEY` and so on, and their models \
         `work/gpt-5`. Without a base URL it is the provider's own.",
    ),
    secret("OPENAI_API_KEY", "Key for `openai/*`."),
    plain(
        "OPENAI_BASE_URL",
        "https://api.openai.com/v1",
        "Any server that speaks OpenAI's chat completions.",
    ),
    secret("ANTHROPIC_API_KEY", "Key for `anthropic/*`."),
    plain(
        "ANTHROPIC_BASE_URL",
        "https://api.anthropic.com",
        "Any server that speaks Anthropic's messages.",
    ),
    secret(
        "OPENAI_RESPONSES_API_KEY",
        "Key for `openai-responses/*`; else that is `OPENAI_API_KEY`, unless a base URL is set.",
    ),
    plain(
        "OPENAI_RESPONSES_BASE_URL",
        "<OPENAI_BASE_URL>",
        "Any server that speaks OpenAI's responses.",
    ),
    secret("GOOGLE_API_KEY", "Key for `google/*`; else that is `GEMINI_API_KEY`."),
    secret("GEMINI_API_KEY", "The same under its other name."),
    plain(
        "GOOGLE_BASE_URL",
        "https://generativelanguage.googleapis.com/v1beta",
        "Any server that speaks Gemini's `streamGenerateContent`.",
    ),
    secret(
        "OLLAMA_API_KEY",
        "Key for `ollama/*`, where one is needed; on one's own machine none is.",
    ),
    plain("OLLAMA_BASE_URL", "http://127.0.0.1:11434", "Where Ollama listens."),
    secret("COHERE_API_KEY", "Key for `cohere/*`, which are embedding models alone."),
    plain(
        "COHERE_BASE_URL",
        "https://api.cohere.com",
        "Any server that speaks Cohere's `/v2/embed`.",
    ),
];

const OUTGOING: &[Setting] = &[
    plain(
        "AGENT_SERVER_EGRESS_ALLOW",
        "",
        "What callers and definitions may name beyond public `https`, with commas between: a host \
         (`hooks.internal`, by https on any port), an origin (`http://127.0.0.1:9000`, exactly this one) or a range \
         of addresses (`10.0.0.0/8`, by https). Model providers do not need it: their URLs are the operator's own.",
    ),
    secret(
        "WEBHOOK_SECRETS",
        "Keys that sign webhooks, with commas between: `default=whsec_…,shop=whsec_…`, 24 to 64 bytes in base64 each. \
         `default` signs where a request names none. With a name twice both keys sign, so that receivers \
         can change from one to the other. They belong to the tenant `default`.",
    ),
    plain(
        "WEBHOOK_TIMEOUT_MS",
        "15000",
        "How long the receiver of a webhook may take to answer, at most 60000.",
    ),
];

const DOCUMENTS: &[Setting] = &[
    plain(
        "RAG_EMBEDDING_MODEL",
        "local/hashing",
        "Embedding model of databases that name none, as `provider/name`. If it changes, their documents are \
         embedded anew.",
    ),
    plain(
        "RAG_MODELS_DIR",
        "<AGENT_SERVER_DATA_DIR>/models",
        "Folder of embedding models that run here: `local/minilm` is that of its folder `minilm`, with `config.json`, \
         `tokenizer.json` and `model.safetensors` of a model of the kind of BERT, such as `all-MiniLM-L6-v2`. It is \
         read when it is first used, and takes as much memory as its weights.",
    ),
    plain(
        "RAG_FILE_LIMIT",
        "104857600",
        "Bytes that a document's file may have, at most 268435456. Each megabyte of it must arrive within \
         `REQUEST_BODY_TIMEOUT_MS`. A text in JSON has at most 16777216.",
    ),
    plain(
        "RAG_INDEX_MEMORY_MB",
        "512",
        "Megabytes that passages may take in memory, of all databases together: those that were not searched for \
         longest make room. Of one with 100,000 passages it is about 190.",
    ),
];

const LIMITS: &[Setting] = &[
    plain("REQUEST_BODY_LIMIT", "1048576", "Bytes that a request's body may have."),
    plain("REQUEST_BODY_TIMEOUT_MS", "30000", "How long a request's body may take to arrive."),
    plain(
        "REQUEST_TIMEOUT_MS",
        "60000",
        "How long an answer may take, except where a caller asks to wait for a run.",
    ),
    plain(
        "REQUEST_CONCURRENCY",
        "4096",
        "Requests that are worked on at once; more are refused with 503.",
    ),
    plain(
        "MODEL_FIRST_TOKEN_TIMEOUT_MS",
        "60000",
        "How long each attempt of a model call may wait for its first token. Then the agent's next model is asked, \
         if it names one, else the same again, up to four times.",
    ),
    plain(
        "MODEL_SILENCE_TIMEOUT_MS",
        "60000",
        "How long a model may fall silent after its first token.",
    ),
    plain(
        "MODEL_CALL_TIMEOUT_MS",
        "600000",
        "How long each attempt of a model call may take in all.",
    ),
    plain("RUN_CONCURRENCY", "1024", "Runs that are worked on at once; more wait in the queue."),
    plain(
        "RUN_CONCURRENCY_PER_CLIENT",
        "0",
        "Runs of one client that a process works on at once; more wait in the queue. `0`: as many as there are.",
    ),
    plain("RUN_CONCURRENCY_PER_AGENT", "0", "The same for the runs of one agent."),
    plain(
        "RUN_QUEUE_LIMIT",
        "1000",
        "Runs that may wait in the queue, of all processes together; more are refused with 429. The last tenth is for clients that \
         do not have half of it already.",
    ),
    plain(
        "RUN_RETENTION_DAYS",
        "90",
        "Days after its end when a run is deleted with its events; `0` keeps all for ever.",
    ),
    plain(
        "TOOL_WORKERS_MAX",
        "four for each processor",
        "Processes that run JavaScript at once, 1 to 1024; a quarter of them is left to others when one tenant wants all. Each is \
         for one tenant, takes about 5 MB and what its script may take, has the lowest priority once it has computed for 20 ms, \
         and ends when it has had nothing to do for a minute. One more is kept ready.",
    ),
    plain("SHUTDOWN_GRACE_MS", "25000", "How long a stopping server waits for what it has begun."),
];

const LOGS: &[Setting] = &[
    plain(
        "LOG_LEVEL",
        "info",
        "`error`, `warn`, `info`, `debug`, `trace`, or such as `info,sqlx=warn`.",
    ),
    plain("LOG_FORMAT", "pretty on a terminal, else json", "`json` or `pretty`."),
];

const TRACES: &[Setting] = &[
    plain(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "OpenTelemetry collector that gets a trace of each run (OTLP over HTTP, protobuf), such as \
         `http://127.0.0.1:4318`. Without it there are no traces.",
    ),
    plain(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "<OTEL_EXPORTER_OTLP_ENDPOINT>/v1/traces",
        "The whole URL, if it is another.",
    ),
    secret(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "Headers for the collector: `name=value,…`, values percent-encoded.",
    ),
    plain("OTEL_SERVICE_NAME", "agent-server", "What traces call this server."),
    plain("OTEL_RESOURCE_ATTRIBUTES", "", "What else they say of it: `name=value,…`."),
    plain(
        "OTEL_TRACES_SAMPLER",
        "parentbased_always_on",
        "Also `always_on`, `always_off`, `traceidratio`, and these with `parentbased_`.",
    ),
    plain("OTEL_TRACES_SAMPLER_ARG", "1", "With `traceidratio`: the share of runs that is traced."),
];

/// Looks a setting up.
pub fn setting(name: &str) -> Option<&'static Setting> {
    GROUPS.iter().flat_map(|group| group.settings).find(|setting| setting.name == name)
}
