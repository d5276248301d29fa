//! What makes a definition one of a tool.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Map;
use serde_json::Value;

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
use crate::definitions::members_of;
use crate::definitions::unknown;
use crate::definitions::unknown_at;
use crate::http::Invalid;
use crate::secrets;
use crate::secrets::SecretHosts;
use crate::table;
use crate::tools::Does;
use crate::tools::Known;
use crate::tools::KnownOthers;
use crate::tools::Makers;
use crate::tools::Node;
use crate::tools::OfServer;
use crate::tools::Ready;
use crate::tools::SecretUse;
use crate::tools::ToolContent;
use crate::tools::ToolKind;
use crate::tools::normalise::normalise;
use crate::tools::store;

/// The kind of definition that a tool is, with what tools are made of.
#[derive(Debug, Clone)]
pub struct ToolRows {
    pub makers: Makers,
    /// The agents of the code.
    code_agents: KnownOthers,
    /// Servers of others that are programs, which the tenant `default` has: their names in lower case.
    programs: BTreeSet<String>,
}

impl ToolRows {
    pub fn new(makers: Makers, code_agents: KnownOthers, programs: BTreeSet<String>) -> Self {
        Self { makers, code_agents, programs }
    }
}

/// The scopes of databases of documents, by their names in lower case.
pub type DatabaseScopes = BTreeMap<String, Vec<String>>;

/// What is around the tools of a tenant.
#[derive(Debug, Default)]
pub struct Around {
    agents: KnownOthers,
    workflows: KnownOthers,
    secrets: SecretHosts,
    databases: DatabaseScopes,
    servers: KnownServers,
}

/// Servers of others, by their names in lower case.
pub type KnownServers = BTreeMap<String, KnownServer>;

/// What tools need to know of a server that they are of.
#[derive(Debug)]
pub struct KnownServer {
    pub is_active: bool,
    /// What it calls those that have changed since they were accepted.
    pub changed: BTreeSet<String>,
}

/// What an author must hold to name a database.
const SEARCH: &str = "rag.search";

impl Around {
    /// Whether there is a secret of this name.
    pub fn has_secret(&self, name: &str) -> bool {
        self.secrets.contains_key(&key(name))
    }

    /// The agent `name`, if there is one.
    pub fn agent(&self, name: &str) -> Option<&Known> {
        self.agents.get(&key(name))
    }

    /// The workflow `name`, if there is one.
    pub fn workflow(&self, name: &str) -> Option<&Known> {
        self.workflows.get(&key(name))
    }

    /// What an author must hold to have the database `name` searched, if there is one.
    pub fn to_search(&self, name: &str) -> Option<impl Iterator<Item = &str>> {
        let own = self.databases.get(&key(name))?;
        Some(own.iter().map(String::as_str).chain([SEARCH]))
    }
}

static TABLE: Table = table!("tool_definitions", "tool", {
    "name": Text = "$6",
    "display_name": Text = "$7",
    "description": Text = "$8",
    "kind": Text = "$9",
    "input_schema": Json = "$10",
    "output_schema": Json = "$11",
    "config": Json = "$12",
    "execute_code": Text = "$13",
    "effect": Text = "$14",
    "approval": Json = "$15",
    "timeout_ms": Number = "$16",
    "retry": Json = "$17",
    "scopes": Json = "$18",
    "metadata": Json = "$19",
});

static WORDS: Words = Words {
    name: "tool",
    not_found: Slug::new("tool-not-found"),
    version_not_found: Slug::new("tool-version-not-found"),
    name_taken: Slug::new("tool-name-taken"),
    in_use: Slug::new("tool-in-use"),
    invalid: Slug::new("tool-invalid"),
};

impl Kind for ToolRows {
    const WORDS: &'static Words = &WORDS;
    const SCHEMA: &'static str = "Tool";
    const TABLE: &'static Table = &TABLE;
    const WATCHED: &'static [&'static str] = &[
        "tool_definitions",
        "agent_definitions",
        "workflow_definitions",
        "secrets",
        "rag_databases",
        "mcp_upstreams",
        "mcp_upstream_states",
    ];
    const EXECUTE: &'static str = "tool.execute";

    type Content = ToolContent;
    type Ready = Ready;
    type View = Around;

    fn understand(&self, given: Document, unreadable: Vec<Invalid>) -> Normalised<Self> {
        normalise(&self.makers, given, unreadable)
    }

    async fn examine(&self, tenant: &TenantId, given: &Map<String, Value>) -> Vec<Invalid> {
        self.makers.examine(tenant, given).await
    }

    /// An effect that is the usual one is not written: it is another when the kind is.
    fn members(normal: &Normalised<Self>) -> Map<String, Value> {
        let mut members = members_of(&normal.content);
        if normal.document.get("effect").is_none() {
            members.remove("effect");
        }
        members
    }

    fn ready(&self, _: Id, version: i64, content: &ToolContent) -> Ready {
        let does = self.makers.make(content).and_then(Result::ok);
        Ready::new(content, Some(version), does)
    }

    async fn look(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        before: &Around,
    ) -> Result<Around, DefinitionError> {
        let mut agents = store::list_agents(conn, tenant).await?;
        if *tenant == TenantId::default() {
            for (name, agent) in &self.code_agents {
                agents.entry(name.clone()).or_insert_with(|| agent.clone());
            }
        }
        let workflows = store::list_workflows(conn, tenant, &before.workflows).await?;
        let secrets = secrets::list_hosts(conn, tenant).await?;
        let databases = store::list_database_scopes(conn, tenant).await?;
        let programs = (*tenant == TenantId::default()).then_some(&self.programs);
        let servers = store::list_servers(conn, tenant, programs.into_iter().flatten()).await?;
        Ok(Around { agents, workflows, secrets, databases, servers })
    }

    fn follow(&self, _: &TenantId, content: &ToolContent, around: &Snapshot<Self>) -> Broken {
        let mut broken = Broken::default();
        match self.makers.make(content) {
            None if says_no_kind(content) => {}
            None => {
                let kind = content.kind.as_str();
                let detail = format!("this release cannot execute tools of kind `{kind}`");
                broken.unusable.push(Invalid::new("/kind", "not_supported", detail));
            }
            Some(Ok(Does::Ask(agent))) if around.view.agent(&agent).is_none() => {
                broken.unknown.push(unknown_at("/config/agent".into(), "unknown_agent", &agent));
            }
            Some(Ok(Does::Run(name))) if around.view.workflow(&name).is_none() => {
                let place = "/config/workflow".to_owned();
                broken.unknown.push(unknown_at(place, "unknown_workflow", &name));
            }
            Some(Ok(Does::Call(tool))) => {
                for used in tool.secrets() {
                    follow_secret(used, &around.view.secrets, &mut broken);
                }
                let is_known = |name: &str| around.view.to_search(name).is_some();
                let faults =
                    unknown("config/databases", "unknown_rag_database", tool.databases(), is_known);
                broken.unknown.extend(faults);
                if let Ok(of) = OfServer::of(content) {
                    follow_server(&of, &around.view.servers, &mut broken);
                }
            }
            Some(_) => {}
        }
        broken
    }

    fn beyond(
        &self,
        author: Author<'_>,
        content: &ToolContent,
        around: &Snapshot<Self>,
    ) -> Vec<Invalid> {
        let (place, name, first, known) = match self.makers.make(content) {
            Some(Ok(Does::Ask(name))) => {
                let known = around.view.agent(&name).map(|it| &it.scopes);
                ("/config/agent", name.clone(), Node::agent(&name), known)
            }
            Some(Ok(Does::Run(name))) => {
                let known = around.view.workflow(&name).map(|it| &it.scopes);
                ("/config/workflow", name.clone(), Node::workflow(&name), known)
            }
            Some(Ok(Does::Call(tool))) => {
                let used = tool.secrets().iter();
                let beyond =
                    used.filter_map(|it| beyond_rights(author, [secrets::USE], it.pointer.clone()));
                let searched = tool.databases().iter().enumerate();
                let unsearchable = searched.filter_map(|(index, name)| {
                    let place = format!("/config/databases/{index}");
                    beyond_rights(author, around.view.to_search(name)?, place)
                });
                return beyond.chain(unsearchable).collect();
            }
            _ => return Vec::new(),
        };
        let Some(scopes) = known else { return Vec::new() };
        let beyond = beyond_rights(author, scopes, place.to_owned());
        let circle = around.would_wait(first, &Node::tool(&content.name)).then(|| {
            let detail =
                format!("`{name}` would call `{}` in turn, which waits for it", content.name);
            Invalid::new(place, "cycle", detail)
        });
        beyond.into_iter().chain(circle).collect()
    }

    async fn dependents(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        _: Id,
        name: &str,
        around: &Snapshot<Self>,
    ) -> Result<Vec<Dependent>, DefinitionError> {
        // One of the code that it hides is there again when it is gone.
        if around.code().contains_key(&key(name)) {
            return Ok(Vec::new());
        }
        let agents = store::list_agents_with_tool(conn, tenant, name).await?;
        let agents = agents.into_iter().map(|name| Dependent { kind: "agent", name });
        let workflows = store::list_workflows_with(conn, tenant, &Node::tool(name)).await?;
        Ok(agents.chain(workflows).collect())
    }
}

/// What is wrong with the use of a secret.
fn follow_secret(used: &SecretUse, secrets: &SecretHosts, broken: &mut Broken) {
    let SecretUse { pointer, name, hosts } = used;
    let Some(own) = secrets.get(&key(name)) else {
        return broken.unknown.push(unknown_at(pointer.clone(), "unknown_secret", name));
    };
    if let Some(host) = hosts.iter().find(|host| !own.iter().any(|it| it.covers(host.as_str()))) {
        let detail = format!("the secret `{name}` is not for the host `{host}`");
        broken.unusable.push(Invalid::new(pointer.as_str(), "secret_not_for_host", detail));
    }
}

/// What is wrong with the server of a tool, or with the tool there.
fn follow_server(of: &OfServer, servers: &KnownServers, broken: &mut Broken) {
    let OfServer { server, tool } = of;
    let place = "/config/server";
    let Some(known) = servers.get(&key(server)) else {
        broken.unknown.push(unknown_at(place.to_owned(), "unknown_mcp_upstream", server));
        return;
    };
    if !known.is_active {
        let detail = format!("the server `{server}` is switched off");
        broken.unusable.push(Invalid::new(place, "not_active", detail));
    }
    if known.changed.contains(tool) {
        let detail = format!("`{server}` says something else of it now, which nobody has accepted");
        broken.unusable.push(Invalid::new("/config/tool", "changed", detail));
    }
}

/// Whether it is of the program, which executes it.
fn says_no_kind(content: &ToolContent) -> bool {
    content.kind == ToolKind::Builtin
}

fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}
