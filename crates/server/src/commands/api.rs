//! What commands ask of a server that runs: as any client, by HTTP.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use auth::scope::Scopes;
use clap::Args;
use http::StatusCode;
use reqwest::Client;
use reqwest::RequestBuilder;
use reqwest::Response;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::app::Ids;
use crate::commands::Failure;
use crate::config;
use crate::config::Environment;
use crate::config::table;
use crate::egress;

/// How long a server may take to answer anything but a stream, and may be gone.
const PATIENCE: Duration = Duration::from_mins(1);
/// After how long a server that is gone is asked again.
pub const PAUSE: Duration = Duration::from_secs(1);

/// Which server is asked, and as whom.
#[derive(Debug, Args)]
pub struct Server {
    /// The server; without it `http://127.0.0.1` and PORT of the settings
    #[arg(long)]
    url: Option<String>,
    /// The client that asks; without it the management client
    #[arg(long, requires = "client_secret")]
    client_id: Option<String>,
    /// Its secret, which others on this machine may see; `MANAGEMENT_CLIENT_SECRET` is not seen
    #[arg(long)]
    client_secret: Option<String>,
}

/// The way to a server.
#[derive(Debug)]
pub struct Api {
    http: Client,
    /// Without a slash at its end.
    base: String,
    client_id: String,
    client_secret: SecretString,
    /// What tokens are for; `None`: the API.
    resource: Option<String>,
    token: Mutex<Option<String>>,
}

/// An answer that is no success.
#[derive(Debug, thiserror::Error)]
#[error("the server refuses: {detail}")]
pub struct Refusal {
    pub status: StatusCode,
    detail: String,
    /// The codes of all that is wrong.
    pub codes: Vec<String>,
}

/// What the server says to the credentials.
#[derive(Debug, Deserialize)]
struct Granted {
    access_token: String,
    scope: String,
}

impl Server {
    /// The way to it, as far as it is known without asking.
    pub fn api(&self, env: &Environment) -> Result<Api, Failure> {
        // In a folder of `agent-server dev` its keys are those of the server.
        let made = config::data_dir(|name| env.get(name)).join("dev.env");
        let made = Environment::default().with_file(&made)?;
        let setting = |name: &str| {
            let usual = table::setting(name).map(|it| it.default.to_owned());
            env.get(name).or_else(|| made.get(name)).or(usual).filter(|it| !it.is_empty())
        };
        let url =
            self.url.clone().or_else(|| Some(format!("http://127.0.0.1:{}", setting("PORT")?)));
        let client_id = self.client_id.clone().or_else(|| setting("MANAGEMENT_CLIENT_ID"));
        let secret = self.client_secret.clone().or_else(|| setting("MANAGEMENT_CLIENT_SECRET"));
        let Some(((url, client_id), secret)) = url.zip(client_id).zip(secret) else {
            return Err("there is no MANAGEMENT_CLIENT_SECRET here; set it, or give --client-id \
                        and --client-secret"
                .into());
        };
        Ok(Api::new(egress::client()?, &url, client_id, secret.into()))
    }
}

impl Api {
    fn new(http: Client, base: &str, client_id: String, client_secret: SecretString) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { http, base, client_id, client_secret, resource: None, token: Mutex::default() }
    }

    /// The way to what speaks MCP there, which says itself what its tokens are for.
    pub async fn for_mcp(self) -> Result<Self, Failure> {
        let url = format!("{}/.well-known/oauth-protected-resource/mcp", self.base);
        let found = self.reach(self.http.get(url).timeout(PATIENCE)).await?;
        let found: Value = checked(found).await?.json().await?;
        let resource = found["resource"].as_str().map(str::to_owned);
        Ok(Self { resource, ..self })
    }

    /// Asks for a token, and says what it allows.
    pub async fn sign_in(&self) -> Result<Scopes, Failure> {
        let secret = self.client_secret.expose_secret();
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.resource.as_deref().map(|resource| ("resource", resource)));
        let request = self
            .http
            .post(format!("{}/oauth/token", self.base))
            .basic_auth(form_encoded(&self.client_id), Some(form_encoded(secret)))
            .form(&form)
            .timeout(PATIENCE);
        let granted: Granted = checked(self.reach(request).await?).await?.json().await?;
        *self.token.lock().await = Some(granted.access_token);
        Ok(granted.scope.parse()?)
    }

    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.patiently(path, |http, url| http.get(url).timeout(PATIENCE));
        Ok(answer.await?.json().await?)
    }

    /// Sends what may be heard once at most.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = |http: &Client, url: &str| http.post(url).json(body).timeout(PATIENCE);
        Ok(checked(self.send(path, request).await?).await?.json().await?)
    }

    /// Sends what counts once, however often it is heard: under an idempotency key of its own.
    pub async fn post_once(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let key = Ids::Random.next().to_string();
        let request = |http: &Client, url: &str| {
            http.post(url).json(body).header("idempotency-key", &key).timeout(PATIENCE)
        };
        Ok(self.patiently(path, request).await?.json().await?)
    }

    /// The events of `path` after `last_event_id`.
    pub async fn stream(&self, path: &str, last_event_id: &str) -> Result<Response, Failure> {
        let request = |http: &Client, url: &str| {
            let request = http.get(url).header("accept", "text/event-stream");
            if last_event_id.is_empty() {
                return request;
            }
            request.header("last-event-id", last_event_id)
        };
        checked(self.send(path, request).await?).await
    }

    /// The answer to a request that may be heard twice: a server that is gone, or is about to go,
    /// may be there again soon.
    pub async fn patiently(
        &self,
        path: &str,
        request: impl Fn(&Client, &str) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        let began = Instant::now();
        loop {
            let answer = async { checked(self.send(path, &request).await?).await };
            match answer.await {
                Err(failure) if !is_final(&failure) && began.elapsed() < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    /// Sends a request; once more with a new token, if the old one has expired.
    pub async fn send(
        &self,
        path: &str,
        request: impl Fn(&Client, &str) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        let url = format!("{}{path}", self.base);
        let token = self.token.lock().await.clone().unwrap_or_default();
        let response = self.reach(request(&self.http, &url).bearer_auth(token)).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        self.sign_in().await?;
        let token = self.token.lock().await.clone().unwrap_or_default();
        self.reach(request(&self.http, &url).bearer_auth(token)).await
    }

    async fn reach(&self, request: RequestBuilder) -> Result<Response, Failure> {
        request.send().await.map_err(|error| {
            let cause = innermost(&error);
            format!("the server at {} cannot be reached: {cause}", self.base).into()
        })
    }
}

/// Whether the same request would be refused again.
pub fn is_final(failure: &Failure) -> bool {
    failure.downcast_ref::<Refusal>().is_some_and(|it| it.status.is_client_error())
}

async fn checked(response: Response) -> Result<Response, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body: Value = response.json().await.unwrap_or_default();
    // A problem has `detail`, an answer of OAuth `error_description`.
    let detail = [&body["detail"], &body["error_description"]].into_iter().find_map(Value::as_str);
    let mut detail = detail.unwrap_or_else(|| status.as_str()).to_owned();
    let errors = body["errors"].as_array().into_iter().flatten();
    let mut codes = Vec::new();
    for error in errors {
        let text = |member: &str| error[member].as_str().unwrap_or_default();
        codes.push(text("code").to_owned());
        let _ = write!(detail, "; {}: {}", text("pointer"), text("detail"));
    }
    Err(Refusal { status, detail, codes }.into())
}

/// As RFC 6749 wants credentials in the header `Authorization`.
fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The innermost cause says most.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
