//! From the configuration to a plan of requests, with all that is wrong with it.

use http::HeaderName;
use http::Method;
use http::header;
use serde_json::Map;
use serde_json::Value;
use url::Url;

use super::config::Auth;
use super::config::Config;
use super::response::Reading;
use super::template::Path;
use super::template::Template;
use crate::egress::Egress;
use crate::egress::HostPattern;
use crate::egress::is_of_the_connection;
use crate::http::Invalid;
use crate::http::pointer_to;

/// The code of what this release cannot do yet.
const NOT_SUPPORTED: &str = "not_supported";

/// A request that lacks only its arguments.
#[derive(Debug)]
pub struct Plan {
    pub method: Method,
    pub url: Template,
    pub query: Vec<(String, Node)>,
    pub headers: Vec<(HeaderName, Template)>,
    pub body: Body,
    pub auth: Auth,
    pub reading: Reading,
    /// Where requests may go.
    pub hosts: Vec<HostPattern>,
}

#[derive(Debug)]
pub enum Body {
    None,
    Json(Node),
    Form(Vec<(String, Node)>),
    Text(Template),
}

/// A value with arguments in it.
#[derive(Debug)]
pub enum Node {
    Plain(Value),
    Text(Template),
    /// `{"$": "/input/lines"}`: the argument as it is.
    Argument(Path),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// Gathers faults while the parts of a plan are understood.
struct Planner<'a> {
    egress: &'a Egress,
    schema: &'a Value,
    faults: Vec<Invalid>,
}

impl Plan {
    /// Understands `config` of a tool with this `schema` of its arguments. Pointers of faults lead into it.
    pub fn new(config: Config, schema: &Value, egress: &Egress) -> Result<Self, Vec<Invalid>> {
        let mut planner = Planner { egress, schema, faults: Vec::new() };
        let url = planner.template(&config.url, "/url");
        let own = url.as_ref().and_then(|url| planner.host(url, config.allow_http));
        let query = planner.members(&config.query, "/query");
        let headers = planner.headers(&config.headers);
        planner.auth(&config.auth, own.as_ref(), &headers);
        let body = planner.body(config.body.as_ref(), &headers);
        if matches!(config.method.into(), Method::GET | Method::HEAD) && config.body.is_some() {
            planner.fault("/body", "not_allowed", "GET and HEAD have no body");
        }
        let reading = match Reading::new(&config.response) {
            Ok(reading) => Some(reading),
            Err(fault) => {
                planner.faults.push(fault.under("/response"));
                None
            }
        };
        let (Some(url), Some(own), Some(reading), true) =
            (url, own, reading, planner.faults.is_empty())
        else {
            return Err(planner.faults);
        };
        let hosts = std::iter::once(own).chain(config.hosts).collect();
        let (method, auth) = (config.method.into(), config.auth);
        Ok(Self { method, url, query, headers, body, auth, reading, hosts })
    }
}

impl Planner<'_> {
    fn fault(&mut self, at: &str, code: &'static str, detail: impl std::fmt::Display) {
        self.faults.push(Invalid::new(at, code, detail));
    }

    fn template(&mut self, text: &str, at: &str) -> Option<Template> {
        Template::parse(text, self.schema, at).map_err(|fault| self.faults.push(fault)).ok()
    }

    /// The host of a URL, in which no argument has a say.
    fn host(&mut self, url: &Template, allow_http: bool) -> Option<HostPattern> {
        let sample = url.sample();
        let is_http = sample.get(..7).is_some_and(|it| it.eq_ignore_ascii_case("http://"));
        if is_http && !allow_http {
            self.fault(
                "/url",
                "url_not_allowed",
                "it begins with `http://`, and `allow_http` is not set",
            );
            return None;
        }
        let parsed = match self.egress.check(&sample) {
            Ok(parsed) => parsed,
            Err(refusal) => {
                self.fault("/url", "url_not_allowed", refusal);
                return None;
            }
        };
        let behind = url.beginning().split_once("://").map(|(_, rest)| rest);
        let is_whole = url.beginning() == sample;
        if !is_whole && !behind.is_some_and(|rest| rest.contains(['/', '?', '#'])) {
            self.fault(
                "/url",
                "bad_template",
                "arguments and secrets stand behind the host and a `/` or `?`",
            );
            return None;
        }
        if parsed.fragment().is_some() || leaves_its_path(&sample) {
            self.fault(
                "/url",
                "url_not_allowed",
                "it has no `#`, and no `.` or `..` among its steps",
            );
            return None;
        }
        HostPattern::of(&parsed)
    }

    fn members(&mut self, members: &Map<String, Value>, at: &str) -> Vec<(String, Node)> {
        let pairs = members.iter();
        pairs
            .filter_map(|(name, value)| {
                Some((name.clone(), self.node(value, &pointer_to(at, name))?))
            })
            .collect()
    }

    fn node(&mut self, value: &Value, at: &str) -> Option<Node> {
        Some(match value {
            Value::String(text) => Node::Text(self.template(text, at)?),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                Node::List(
                    items.filter_map(|(i, item)| self.node(item, &format!("{at}/{i}"))).collect(),
                )
            }
            Value::Object(members) => match members.get("$") {
                Some(Value::String(pointer)) if members.len() == 1 => {
                    let path = Path::of_pointer(pointer, self.schema, &format!("{at}/$"));
                    Node::Argument(path.map_err(|fault| self.faults.push(fault)).ok()?)
                }
                _ => Node::Object(self.members(members, at)),
            },
            other => Node::Plain(other.clone()),
        })
    }

    fn headers(&mut self, headers: &Map<String, Value>) -> Vec<(HeaderName, Template)> {
        let mut templates = Vec::new();
        for (name, value) in headers {
            let at = pointer_to("/headers", name);
            let Value::String(value) = value else {
                self.fault(&at, "wrong_type", "must be a text");
                continue;
            };
            match HeaderName::try_from(name) {
                Ok(name) if is_of_the_connection(&name) => {
                    self.fault(
                        &at,
                        "not_allowed",
                        "this header is written from the rest of the request",
                    );
                }
                Ok(name) => {
                    let template = self.template(value, &at);
                    if template.as_ref().is_some_and(|it| it.sample().contains(['\r', '\n', '\0']))
                    {
                        self.fault(&at, "bad_header", "a header has no line breaks");
                    }
                    templates.extend(template.map(|it| (name, it)));
                }
                Err(_) => self.fault(&at, "bad_header", "this is no name of a header"),
            }
        }
        templates
    }

    fn auth(&mut self, auth: &Auth, own: Option<&HostPattern>, headers: &[(HeaderName, Template)]) {
        let sent = match auth {
            Auth::None => return,
            Auth::Exchange { audience, .. } => {
                let target = self.egress.check(audience).ok();
                if own.is_none_or(|own| {
                    target.as_ref().and_then(HostPattern::of).as_ref() != Some(own)
                }) {
                    let detail = "a token of the caller is for the host of `url` only";
                    self.fault("/auth/audience", "not_allowed", detail);
                }
                header::AUTHORIZATION
            }
            Auth::Header { name, .. } => match HeaderName::try_from(name) {
                Ok(name) if !is_of_the_connection(&name) => name,
                _ => {
                    return self.fault(
                        "/auth/name",
                        "bad_header",
                        "this is no header that can be sent",
                    );
                }
            },
            Auth::Basic { username, .. } => {
                if username.contains(':') || username.contains(char::is_control) {
                    self.fault("/auth/username", "bad_format", "a name of a user has no `:`");
                }
                header::AUTHORIZATION
            }
            Auth::Oauth { token_url, .. } => {
                if let Err(refusal) = self.egress.check(token_url) {
                    self.fault("/auth/token_url", "url_not_allowed", refusal);
                }
                header::AUTHORIZATION
            }
            Auth::Bearer { .. } => header::AUTHORIZATION,
        };
        if headers.iter().any(|(name, _)| *name == sent) {
            let at = pointer_to("/headers", sent.as_str());
            self.fault(&at, "not_allowed", "`auth` writes this header");
        }
    }

    fn body(&mut self, body: Option<&Value>, headers: &[(HeaderName, Template)]) -> Body {
        let Some(body) = body.filter(|body| !body.is_null()) else { return Body::None };
        let kind = headers.iter().find(|(name, _)| *name == header::CONTENT_TYPE);
        let kind = kind.map(|(_, it)| it.sample().to_ascii_lowercase()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
        if kind.starts_with("multipart/") {
            self.fault("/body", NOT_SUPPORTED, "bodies of several parts cannot be sent yet");
            return Body::None;
        }
        match body {
            Value::Object(members) if kind == "application/x-www-form-urlencoded" => {
                Body::Form(self.members(members, "/body"))
            }
            Value::String(_) if is_json(&kind) => {
                self.fault(
                    "/body",
                    "wrong_type",
                    "a body in JSON is written as JSON, not as a text of it",
                );
                Body::None
            }
            Value::String(text) => self.template(text, "/body").map_or(Body::None, Body::Text),
            other if kind.is_empty() || is_json(&kind) => {
                self.node(other, "/body").map_or(Body::None, Body::Json)
            }
            _ => {
                self.fault("/body", "wrong_type", "a body of this `content-type` is a text");
                Body::None
            }
        }
    }
}

/// Whether a media type is JSON.
pub fn is_json(kind: &str) -> bool {
    kind == "application/json" || kind.ends_with("+json") || kind == "text/json"
}

/// Whether a step of the path is `.` or `..`, in any spelling: such a URL means another place than it says.
pub fn leaves_its_path(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let mut steps = path.split(['/', '\\']).skip(1);
    steps.any(|step| matches!(step.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
}

/// The host that a secret named in `auth` is sent to, if it is not that of `url`.
pub fn token_host(auth: &Auth) -> Option<HostPattern> {
    let Auth::Oauth { token_url, .. } = auth else { return None };
    HostPattern::of(&Url::parse(token_url).ok()?)
}
