//! What an upstream is: the members of its definition that make up a version.

use auth::scope::Scopes;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use super::programs::SCHEME;
use crate::definitions::Content;

/// The content of the definition of a server of others. Each content that it ever had is a version.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct UpstreamContent {
    /// A letter, then letters, digits, `_` and `-`; it stays as it is. Tools are called `<name>__<tool>`.
    #[schema(max_length = 32, example = "github")]
    pub name: String,
    /// The name for people; the name if absent.
    #[schema(max_length = 200, example = "GitHub")]
    pub display_name: String,
    #[schema(max_length = 4000)]
    pub description: String,
    /// Where it speaks MCP by Streamable HTTP: public `https`, or what `AGENT_SERVER_EGRESS_ALLOW` permits. `stdio:<name>` is
    /// a program of the file that the server was started with; no request names one.
    #[schema(max_length = 2048, example = "https://mcp.example.com/mcp")]
    pub url: String,
    /// How requests prove whose they are.
    pub auth: UpstreamAuth,
    /// Its tools that are taken: names, or beginnings of names with `*` behind.
    #[schema(max_items = 100, example = json!(["*"]))]
    pub allow: Vec<String>,
    /// A call that takes longer is given up.
    #[schema(minimum = 1, maximum = 600_000, example = 30_000)]
    pub timeout_ms: u64,
    /// An answer that is longer is not taken.
    #[schema(minimum = 1024, maximum = 4_194_304, example = 1_048_576)]
    pub max_result_bytes: u64,
    /// What a caller must hold, all of it, to use one of its tools; they get it when they are taken in.
    #[schema(max_items = 100, example = json!(["tool.execute"]))]
    pub scopes: Vec<String>,
    /// Yours; at most 16 kB and 8 levels deep.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

/// How requests to an upstream prove whose they are. It never gets the token of a caller.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum UpstreamAuth {
    #[default]
    None,
    /// A secret as a bearer token.
    Bearer { secret: String },
    /// A secret in a header of this name.
    Header { name: String, secret: String },
    /// A token for client credentials, which is kept until it expires.
    Oauth {
        token_url: String,
        client_id: String,
        secret: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(required = false)]
        scope: Option<String>,
    },
    /// A token of the person for whom a run works, who has consented to that in a browser (OAuth 2.1, authorization code
    /// with PKCE). A run that needs it waits until he has.
    Consent {
        /// The authorization server, if not the first that the server names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(required = false)]
        issuer: Option<String>,
        /// As which client we were registered there. If it is absent, a document of ours describes us, or we register
        /// ourselves, as the authorization server takes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(required = false)]
        client_id: Option<String>,
        /// The secret of that client, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(required = false)]
        secret: Option<String>,
        /// What people are asked for; what the server says it takes, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(required = false)]
        scope: Option<String>,
    },
    /// An access token of ours for whoever calls, good for two minutes, whose audience is `url`. Our key set proves it.
    Exchange {
        /// What it allows, all of which the caller must hold.
        #[serde(default, with = "auth::scope::space_separated")]
        #[schema(value_type = String, required = false, example = "orders.read")]
        scope: Scopes,
    },
}

impl UpstreamAuth {
    /// Whether it is of whoever calls, so that nobody else can be asked for him.
    pub fn is_personal(&self) -> bool {
        matches!(self, Self::Consent { .. })
    }

    /// The name of its secret.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::None | Self::Exchange { .. } => None,
            Self::Consent { secret, .. } => secret.as_deref(),
            Self::Bearer { secret } | Self::Header { secret, .. } | Self::Oauth { secret, .. } => {
                Some(secret)
            }
        }
    }
}

impl UpstreamContent {
    /// Whether it is a program that we start, and not somewhere else.
    pub fn is_program(&self) -> bool {
        self.url.starts_with(SCHEME)
    }
}

impl Default for UpstreamContent {
    fn default() -> Self {
        Self {
            name: String::new(),
            display_name: String::new(),
            description: String::new(),
            url: String::new(),
            auth: UpstreamAuth::None,
            allow: vec!["*".to_owned()],
            timeout_ms: 30_000,
            max_result_bytes: 1 << 20,
            scopes: Vec::new(),
            metadata: Map::new(),
        }
    }
}

impl Content for UpstreamContent {
    fn name(&self) -> &str {
        &self.name
    }

    fn scopes(&self) -> &[String] {
        &self.scopes
    }
}
