//! Who we are at an authorization server: a client that was registered there, one that is described by a document of
//! ours, or one that registers itself (RFC 7591); and how it proves that it is it.

use auth::seal::Place;
use http::HeaderValue;
use http::Method;
use http::header;
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde::Serialize;
use serde_json::json;
use url::Url;
use url::form_urlencoded;

use super::ConsentError;
use super::Consents;
use super::Settings;
use super::far;
use super::far::Metadata;
use crate::db::Id;
use crate::db::TenantId;
use crate::egress::Answer;
use crate::egress::Body;
use crate::egress::Escape;
use crate::egress::HostPattern;
use crate::egress::Request;
use crate::egress::Secret;
use crate::egress::SecretHeader;
use crate::egress::Secrets;
use crate::egress::Text;
use crate::egress::UNRESERVED;
use crate::mcp::store::consents as store;

/// What a secret that was given to us is called in requests.
const GIVEN: &str = "client.secret";

/// A client at an authorization server.
#[derive(Clone, Serialize, Deserialize)]
pub struct Client {
    pub id: String,
    proof: Proof,
}

/// How it proves that it is it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Proof {
    None,
    /// A secret of the tenant, by its name.
    Named {
        secret: String,
        by: By,
    },
    /// A secret that the authorization server has made for us.
    Given {
        secret: String,
        by: By,
    },
}

/// Where a secret stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    Basic,
    Form,
}

/// What an authorization server answers to a registration.
#[derive(Deserialize)]
struct Registered {
    client_id: String,
    client_secret: Option<String>,
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    client_secret_expires_at: i64,
}

/// A registration, as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    client: Client,
    /// In seconds since 1970; 0: never.
    expires_at: i64,
}

impl By {
    /// How a secret is shown to a server.
    fn of(server: &Metadata) -> Result<Self, ConsentError> {
        let Some(methods) = &server.token_endpoint_auth_methods_supported else {
            return Ok(Self::Basic);
        };
        let takes = |method: &str| methods.iter().any(|it| it == method);
        match (takes("client_secret_basic"), takes("client_secret_post")) {
            (true, _) => Ok(Self::Basic),
            (_, true) => Ok(Self::Form),
            _ => Err(ConsentError::far("its authorization server takes no client with a secret")),
        }
    }
}

impl Consents {
    /// Where the authorization server sends a person back. There is one for each upstream, so that the answer of one
    /// server is never taken for that of another.
    pub(super) fn redirect_uri(&self, upstream: &str) -> String {
        format!("{}/callback", self.url(upstream))
    }

    /// Where the document is that describes us (client-id metadata documents).
    fn document_url(&self, upstream: &str) -> String {
        format!("{}/client.json", self.url(upstream))
    }

    /// The document that describes us to the authorization server of `upstream`. It is the same whether there is one.
    pub fn document(&self, upstream: &str) -> serde_json::Value {
        json!({
            "client_id": self.document_url(upstream),
            "client_name": "Agent Server",
            "client_uri": self.0.issuer,
            "redirect_uris": [self.redirect_uri(upstream)],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        })
    }

    /// Who we are at `server`, for the upstream with this name.
    pub(super) async fn client(
        &self,
        settings: Settings<'_>,
        (tenant, upstream, name): (&TenantId, Id, &str),
        server: &Metadata,
    ) -> Result<Client, ConsentError> {
        if let Some(id) = settings.client_id {
            let proof = match settings.secret {
                Some(secret) => Proof::Named { secret: secret.to_owned(), by: By::of(server)? },
                None => Proof::None,
            };
            return Ok(Client { id: id.to_owned(), proof });
        }
        if server.client_id_metadata_document_supported && self.can_be_read_by(&server.issuer) {
            return Ok(Client { id: self.document_url(name), proof: Proof::None });
        }
        let Some(endpoint) = &server.registration_endpoint else {
            return Err(ConsentError::far(
                "its authorization server registers nobody: the upstream needs a `client_id`",
            ));
        };
        let (redirect_uri, row) =
            (self.redirect_uri(name), format!("{}|{upstream}", tenant.as_str()));
        let place = Place { table: "mcp_registrations", row: &row, column: "client" };
        let (whose, now) = ((server.issuer.as_str(), redirect_uri.as_str()), self.0.clock.now());
        let known = self
            .0
            .db
            .read(async |conn| store::find_registration(conn, tenant, upstream, whose).await);
        if let Some(sealed) = known.await?
            && let Ok(Kept { client, expires_at }) = self.open(&sealed, place)
            && (expires_at == 0 || expires_at > now.time().timestamp() + 60)
        {
            return Ok(client);
        }
        let kept = self.register(endpoint, &redirect_uri, server).await?;
        let sealed = self.seal(&kept, place)?;
        let kept_as = (whose.0, whose.1, sealed.as_str());
        let keep = self
            .0
            .db
            .write(async |tx| store::upsert_registration(tx, tenant, upstream, kept_as, now).await);
        keep.await?;
        Ok(kept.client)
    }

    /// Whether a server can ask for our document: one on the Internet reaches no `http` of ours.
    fn can_be_read_by(&self, server: &str) -> bool {
        self.0.issuer.starts_with("https:") || server.starts_with("http:")
    }

    async fn register(
        &self,
        endpoint: &str,
        redirect_uri: &str,
        server: &Metadata,
    ) -> Result<Kept, ConsentError> {
        let method = match By::of(server) {
            Ok(By::Basic) => "client_secret_basic",
            Ok(By::Form) => "client_secret_post",
            Err(_) => "none",
        };
        let body = json!({
            "client_name": "Agent Server", "client_uri": self.0.issuer, "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "token_endpoint_auth_method": method, "application_type": "web",
        });
        let mut request = far::request(Method::POST, endpoint);
        let json = HeaderValue::from_static("application/json");
        request.headers.insert(header::CONTENT_TYPE, json);
        request.body = Body::Bytes(body.to_string().into());
        let answer = self.0.egress.send(request).await;
        let answer = answer.map_err(|error| far::silent(endpoint, &error))?;
        if !answer.status.is_success() {
            let word = far::word(&answer.body);
            let why =
                format!("its authorization server does not register us: {} {word}", answer.status);
            return Err(ConsentError::Far(why.trim_end().to_owned()));
        }
        let made: Registered = serde_json::from_slice(&answer.body)
            .map_err(|_| ConsentError::far("what it answers to a registration cannot be read"))?;
        let proof = match (made.client_secret, made.token_endpoint_auth_method.as_deref()) {
            (Some(secret), Some("client_secret_post")) => Proof::Given { secret, by: By::Form },
            (Some(secret), other) if other != Some("none") => {
                Proof::Given { secret, by: By::Basic }
            }
            _ => Proof::None,
        };
        let client = Client { id: made.client_id, proof };
        Ok(Kept { client, expires_at: made.client_secret_expires_at })
    }

    /// Sends a form to an endpoint of an authorization server, as `client`.
    pub(super) async fn send(
        &self,
        tenant: &TenantId,
        endpoint: &str,
        client: &Client,
        form: &[(&str, &str)],
    ) -> Result<Answer, ConsentError> {
        let secrets = match &client.proof {
            Proof::Named { secret, .. } => {
                self.0.vault.secrets_named(tenant, [secret.as_str()]).await?
            }
            Proof::None | Proof::Given { .. } => Secrets::default(),
        };
        let answer = self.0.egress.send(client.request(endpoint, form, secrets)).await;
        answer.map_err(|error| far::silent(endpoint, &error))
    }
}

impl Client {
    /// A request with `form` in which it proves that it is it.
    fn request(&self, endpoint: &str, form: &[(&str, &str)], secrets: Secrets) -> Request {
        let own = Url::parse(endpoint).ok().as_ref().and_then(HostPattern::of);
        let hosts: Vec<HostPattern> = own.into_iter().collect();
        let mut request = far::request(Method::POST, endpoint);
        let media_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(header::CONTENT_TYPE, media_type);
        request.limits.hosts = Some(hosts.clone());
        let (name, by, secrets) = match &self.proof {
            Proof::None => (None, By::Form, secrets),
            Proof::Named { secret, by } => (Some(secret.as_str()), *by, secrets),
            Proof::Given { secret, by } => {
                let own = Secret::new(GIVEN.to_owned(), secret.as_str().into(), hosts);
                (Some(GIVEN), *by, secrets.with(own))
            }
        };
        request.secrets = secrets;
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(form);
        if by == By::Form {
            pairs.append_pair("client_id", &self.id);
        }
        let mut body = Text::from(pairs.finish().as_str());
        let mut secret = Text::default();
        if let Some(name) = name {
            secret.push_secret(name);
        }
        match by {
            // RFC 6749, section 2.3.1: both are encoded as in a form.
            By::Basic => {
                let username = utf8_percent_encode(&self.id, UNRESERVED).to_string();
                let (username, escape) = (username.as_str().into(), Escape::Percent);
                let basic = SecretHeader::Basic { username, password: secret, escape };
                request.secret_headers.push((header::AUTHORIZATION, basic));
            }
            By::Form if name.is_some() => {
                body.push("&client_secret=");
                body.append(&secret);
            }
            By::Form => {}
        }
        request.body = Body::Text(body, Escape::Percent);
        request
    }
}
