//! What makes a definition one of an upstream.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Map;
use serde_json::Value;
use url::Url;

use super::UpstreamAuth;
use super::UpstreamContent;
use super::normalise::normalise;
use super::programs::SCHEME;
use crate::config::Program;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Author;
use crate::definitions::Broken;
use crate::definitions::DefinitionError;
use crate::definitions::Dependent;
use crate::definitions::Document;
use crate::definitions::Kind;
use crate::definitions::Normalised;
use crate::definitions::Slug;
use crate::definitions::Snapshot;
use crate::definitions::Table;
use crate::definitions::Words;
use crate::definitions::beyond_rights;
use crate::definitions::unknown_at;
use crate::egress::Egress;
use crate::egress::covered;
use crate::http::Invalid;
use crate::mcp::store::upstreams as store;
use crate::oauth::Onward;
use crate::secrets;
use crate::secrets::SecretHosts;
use crate::table;

/// The kind of definition that an upstream is.
#[derive(Debug)]
pub struct UpstreamRows {
    pub egress: Egress,
    pub onward: Onward,
    /// The names of programs, in lower case.
    programs: BTreeSet<String>,
}

impl UpstreamRows {
    pub fn new(egress: &Egress, onward: &Onward, programs: &[Program]) -> Self {
        let programs = programs.iter().map(|it| it.name.to_ascii_lowercase()).collect();
        Self { egress: egress.clone(), onward: onward.clone(), programs }
    }

    /// What the definitions of programs say, by their names in lower case.
    pub fn documents(&self, programs: &[Program]) -> BTreeMap<String, Document> {
        let document = |it: &Program| {
            let mut given = Document::new(it.members.clone());
            given.set("name", it.name.as_str().into());
            given.set("url", format!("{SCHEME}{}", it.name).into());
            (it.name.to_ascii_lowercase(), normalise(self, given, Vec::new()).document)
        };
        programs.iter().map(document).collect()
    }

    /// Whether there is a program of this name.
    pub fn has_program(&self, name: &str) -> bool {
        self.programs.contains(&name.to_ascii_lowercase())
    }
}

static TABLE: Table = table!("mcp_upstreams", "mcp_upstream", {
    "name": Text = "$6",
    "display_name": Text = "$7",
    "description": Text = "$8",
    "url": Text = "$9",
    "auth": Json = "$10",
    "allow": Json = "$11",
    "timeout_ms": Number = "$12",
    "max_result_bytes": Number = "$13",
    "scopes": Json = "$14",
    "metadata": Json = "$15",
});

static WORDS: Words = Words {
    name: "mcp_upstream",
    not_found: Slug::new("mcp-upstream-not-found"),
    version_not_found: Slug::new("mcp-upstream-version-not-found"),
    name_taken: Slug::new("mcp-upstream-name-taken"),
    in_use: Slug::new("mcp-upstream-in-use"),
    invalid: Slug::new("mcp-upstream-invalid"),
};

/// Where a definition names its secret.
const SECRET: &str = "/auth/secret";

impl Kind for UpstreamRows {
    const WORDS: &'static Words = &WORDS;
    const SCHEMA: &'static str = "McpUpstream";
    const TABLE: &'static Table = &TABLE;
    const WATCHED: &'static [&'static str] = &["mcp_upstreams", "secrets"];
    const EXECUTE: &'static str = "tool.execute";

    type Content = UpstreamContent;
    type Ready = ();
    type View = SecretHosts;

    fn understand(&self, given: Document, unreadable: Vec<Invalid>) -> Normalised<Self> {
        normalise(self, given, unreadable)
    }

    async fn examine(&self, _: &TenantId, given: &Map<String, Value>) -> Vec<Invalid> {
        let name = given.get("name").and_then(Value::as_str).unwrap_or_default();
        let detail = "a program of the file `MCP_SERVERS_FILE` has this name";
        let fault = Invalid::new("/name", "not_unique", detail);
        self.has_program(name).then_some(fault).into_iter().collect()
    }

    fn ready(&self, _: Id, _: i64, _: &UpstreamContent) {}

    async fn look(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        _: &Self::View,
    ) -> Result<SecretHosts, DefinitionError> {
        Ok(secrets::list_hosts(conn, tenant).await?)
    }

    fn follow(&self, _: &TenantId, content: &UpstreamContent, around: &Snapshot<Self>) -> Broken {
        let mut broken = Broken::default();
        let Some(secret) = content.auth.secret() else { return broken };
        let Some(hosts) = around.view.get(&secret.to_ascii_lowercase()) else {
            broken.unknown.push(unknown_at(SECRET.to_owned(), "unknown_secret", secret));
            return broken;
        };
        // What is got with a secret is worth as much: it goes where the secret itself may go, too.
        let token_url = match &content.auth {
            UpstreamAuth::Oauth { token_url, .. } => Some(token_url),
            UpstreamAuth::Consent { issuer, .. } => issuer.as_ref(),
            _ => None,
        };
        let urls = token_url.into_iter().chain([&content.url]).filter_map(|it| Url::parse(it).ok());
        if let Some(url) = urls.into_iter().find(|url| !covered(hosts, url)) {
            let host = url.host_str().unwrap_or_default();
            let detail = format!("the secret `{secret}` is not for the host `{host}`");
            broken.unusable.push(Invalid::new(SECRET, "secret_not_for_host", detail));
        }
        broken
    }

    fn beyond(
        &self,
        author: Author<'_>,
        content: &UpstreamContent,
        _: &Snapshot<Self>,
    ) -> Vec<Invalid> {
        let used = content.auth.secret();
        let beyond = used.and_then(|_| beyond_rights(author, [secrets::USE], SECRET.to_owned()));
        beyond.into_iter().collect()
    }

    async fn dependents(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        _: Id,
        name: &str,
        _: &Snapshot<Self>,
    ) -> Result<Vec<Dependent>, DefinitionError> {
        let agents = store::list_agents_with_tools_of(conn, tenant, name).await?;
        Ok(agents.into_iter().map(|name| Dependent { kind: "agent", name }).collect())
    }
}
