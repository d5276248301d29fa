//! The configuration of a tool that sends an HTTP request, as it stands in the definition.

use auth::scope::Scopes;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use crate::egress::HostPattern;

/// What is sent, and what of the answer is the result.
///
/// In each text `{{ input.order.id }}` stands for an argument and `{{ secrets.NAME }}` for a secret.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HttpConfig)]
pub struct Config {
    #[serde(default)]
    pub method: Verb,
    /// Arguments stand behind the host only, and are percent-encoded.
    #[schema(max_length = 4096, example = "https://api.example.com/v1/orders/{{ input.id }}")]
    pub url: String,
    /// A value that is an argument alone is left out with it; a list becomes the same name several times.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub query: Map<String, Value>,
    #[serde(default)]
    #[schema(value_type = Object)]
    pub headers: Map<String, Value>,
    /// JSON, or a form if `headers` say `application/x-www-form-urlencoded`; a text is sent as it is.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    pub body: Option<Value>,
    #[serde(default)]
    pub auth: Auth,
    #[serde(default)]
    pub response: Response,
    /// Whether `url` may begin with `http://`, where `AGENT_SERVER_EGRESS_ALLOW` permits it.
    #[serde(default)]
    pub allow_http: bool,
    /// Hosts beside that of `url` that a redirect may lead to.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 20)]
    pub hosts: Vec<HostPattern>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

/// How a request proves whose it is.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = HttpAuth)]
pub enum Auth {
    #[default]
    None,
    Bearer {
        secret: String,
    },
    Basic {
        username: String,
        secret: String,
    },
    Header {
        name: String,
        secret: String,
    },
    /// A token for client credentials, which is kept until it expires.
    Oauth {
        token_url: String,
        client_id: String,
        secret: String,
        scope: Option<String>,
    },
    /// An access token of ours for the caller, good for two minutes. Our key set (`jwks_uri`) proves it.
    Exchange {
        /// For whom it is: a URL at the host of `url`.
        #[schema(example = "https://api.example.com")]
        audience: String,
        /// What it allows, all of which the caller must hold.
        #[serde(default, with = "auth::scope::space_separated")]
        #[schema(value_type = String, example = "orders.read")]
        scope: Scopes,
    },
}

/// What of an answer is the result.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = HttpResponse)]
pub struct Response {
    /// RFC 6901, into the JSON of the answer.
    #[schema(example = "/data")]
    pub pointer: String,
    /// Statuses that say that it is done: `200`, `2xx`.
    #[schema(example = json!(["2xx"]))]
    pub success: Vec<String>,
}

impl Default for Response {
    fn default() -> Self {
        Self { pointer: String::new(), success: vec!["2xx".to_owned()] }
    }
}

impl Auth {
    /// The name of its secret.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::None | Self::Exchange { .. } => None,
            Self::Bearer { secret }
            | Self::Basic { secret, .. }
            | Self::Header { secret, .. }
            | Self::Oauth { secret, .. } => Some(secret),
        }
    }
}

impl From<Verb> for http::Method {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Get => Self::GET,
            Verb::Head => Self::HEAD,
            Verb::Post => Self::POST,
            Verb::Put => Self::PUT,
            Verb::Patch => Self::PATCH,
            Verb::Delete => Self::DELETE,
            Verb::Options => Self::OPTIONS,
        }
    }
}
