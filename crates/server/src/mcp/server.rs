//! How a tenant shows itself, and what of it: one row, or none for the usual.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use tracing::warn;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::Tasks;
use crate::audit;
use crate::audit::Act;
use crate::db::At;
use crate::db::Db;
use crate::db::Json;
use crate::db::TenantId;
use crate::definitions;
use crate::definitions::members_of;
use crate::http::Invalid;
use crate::http::json;
use crate::mcp::store::servers;
use crate::oauth::caller::Principal;

/// How often the rows in memory are compared with the database.
const FRESHNESS: Duration = Duration::from_millis(500);
/// What the audit trail calls it.
const TARGET: &str = "mcp";
/// The longest name in a list, in bytes.
const NAME: usize = 60;

/// How a tenant shows itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = McpServerChange)]
pub struct Server {
    /// By which clients show it.
    #[schema(min_length = 1, max_length = 100, example = "agent-server")]
    pub name: String,
    #[schema(max_length = 4000)]
    pub description: String,
    /// What models are told of how to use it.
    #[schema(max_length = 20_000)]
    pub instructions: String,
    pub expose: Expose,
}

/// What can be found by MCP: names, beginnings of names with `*` behind, or `*` for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = McpExpose)]
pub struct Expose {
    #[schema(max_items = 1000, example = json!(["*"]))]
    pub agents: Vec<String>,
    #[schema(max_items = 1000, example = json!(["*"]))]
    pub tools: Vec<String>,
    #[schema(max_items = 1000, example = json!(["*"]))]
    pub workflows: Vec<String>,
    #[schema(max_items = 1000, example = json!(["handbook"]))]
    pub rag_databases: Vec<String>,
}

/// The row of a tenant.
#[derive(Debug, Clone)]
pub struct Kept {
    pub server: Server,
    /// `None`: nobody ever changed it.
    pub updated_at: Option<At>,
}

/// The rows of all tenants, as they were half a second ago at most.
#[derive(Debug)]
pub struct Servers {
    db: Db,
    /// With the revision before which each was read.
    known: Mutex<HashMap<TenantId, (i64, Arc<Kept>)>>,
}

/// Why something could not be done with how a tenant shows itself.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("the request is not valid")]
    Invalid(Vec<Invalid>),
    #[error("what is shown could not be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("the database could not be asked how MCP is spoken")]
    Database(#[from] sqlx::Error),
}

impl Default for Server {
    fn default() -> Self {
        Self {
            name: "agent-server".to_owned(),
            description: String::new(),
            instructions: String::new(),
            expose: Expose::default(),
        }
    }
}

impl Default for Expose {
    fn default() -> Self {
        let all = || vec!["*".to_owned()];
        Self { agents: all(), tools: all(), workflows: all(), rag_databases: Vec::new() }
    }
}

impl Expose {
    /// None of it.
    pub fn nothing() -> Self {
        let none = Vec::new;
        Self { agents: none(), tools: none(), workflows: none(), rag_databases: none() }
    }

    /// What its schema cannot say is wrong with it.
    pub fn faults(&self) -> Vec<Invalid> {
        let lists = [
            ("agents", &self.agents),
            ("tools", &self.tools),
            ("workflows", &self.workflows),
            ("rag_databases", &self.rag_databases),
        ];
        let is_pattern = |text: &str| {
            let name = text.strip_suffix('*').unwrap_or(text);
            let is_of_names = |it: u8| it.is_ascii_alphanumeric() || it == b'_' || it == b'-';
            !text.is_empty() && text.len() <= NAME && name.bytes().all(is_of_names)
        };
        let faults = lists.into_iter().flat_map(|(list, patterns)| {
            let wrong = patterns.iter().enumerate().filter(|(_, it)| !is_pattern(it));
            wrong.map(move |(index, _)| {
                let place = format!("/expose/{list}/{index}");
                Invalid::new(place, "bad_format", "a name, or the beginning of one with `*` behind")
            })
        });
        faults.collect()
    }
}

/// Changes what is `given` of how the tenant of `caller` shows itself: `null` stands for the default.
pub async fn change(
    app: &App,
    caller: &Principal,
    given: Map<String, Value>,
) -> Result<(), ServerError> {
    let (tenant, now) = (&caller.tenant, app.clock.now());
    let changed = app.db.write(async |tx| {
        let before = servers::find(tx, tenant).await?.map(|kept| kept.server).unwrap_or_default();
        let mut members = members_of(&before);
        for (name, value) in given {
            match value {
                Value::Null => members.remove(&name),
                value => members.insert(name, value),
            };
        }
        let server: Server = json::read(Value::Object(members)).map_err(ServerError::Invalid)?;
        let faults = server.expose.faults();
        if !faults.is_empty() {
            return Err(ServerError::Invalid(faults));
        }
        if server != before {
            servers::upsert(tx, tenant, &server, &Json::of(&server.expose)?, now).await?;
            let (before, after) = (members_of(&before), members_of(&server));
            let act = Act::between("mcp_server.update", TARGET, Some(before), Some(after));
            audit::record(tx, caller.actor(), act, now).await?;
        }
        Ok(())
    });
    changed.await?;
    app.mcp.servers.forget();
    Ok(())
}

/// Reads anew what is in memory, here.
pub async fn reload(app: &App, caller: &Principal) -> Result<(), ServerError> {
    let act = Act::new("mcp_server.reload", TARGET, Value::Null);
    let now = app.clock.now();
    app.db.write(async |tx| audit::record(tx, caller.actor(), act, now).await).await?;
    app.mcp.servers.forget();
    Ok(())
}

/// Whether one of `patterns` means `name`; the case of letters makes no difference, as for names.
pub fn means(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        None => pattern.eq_ignore_ascii_case(name),
        Some(beginning) => name
            .as_bytes()
            .get(..beginning.len())
            .is_some_and(|it| it.eq_ignore_ascii_case(beginning.as_bytes())),
    })
}

impl Servers {
    pub fn new(db: Db) -> Self {
        Self { db, known: Mutex::default() }
    }

    /// The row of `tenant`, or what holds without one.
    pub async fn find(&self, tenant: &TenantId) -> Result<Arc<Kept>, sqlx::Error> {
        if let Some((_, known)) = self.lock().get(tenant) {
            return Ok(Arc::clone(known));
        }
        // In this order: what is newer than the revision is only read once more.
        let read = self.db.read(async |conn| {
            let revision = definitions::store::find_revision(conn, &[servers::TABLE]).await?;
            Ok::<_, sqlx::Error>((revision, servers::find(conn, tenant).await?))
        });
        let (revision, found) = read.await?;
        let usual = || Kept { server: Server::default(), updated_at: None };
        let kept = Arc::new(found.unwrap_or_else(usual));
        self.lock().insert(tenant.clone(), (revision, Arc::clone(&kept)));
        Ok(kept)
    }

    /// Forgets all that was read: it is read anew when it is asked for.
    pub fn forget(&self) {
        self.lock().clear();
    }

    /// Forgets what is not new any more, again and again, until the server stops.
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        let (servers, stopping) = (Arc::clone(self), tasks.stopping().clone());
        tasks.spawn(async move {
            let rest = || tokio::time::sleep(FRESHNESS);
            while stopping.run_until_cancelled(rest()).await.is_some() {
                if let Err(cause) = servers.refresh().await {
                    warn!(error = &cause as &dyn Error, "how MCP is shown was not refreshed");
                }
            }
        });
    }

    async fn refresh(&self) -> Result<(), sqlx::Error> {
        if self.lock().is_empty() {
            return Ok(());
        }
        let tables = [servers::TABLE];
        let revision =
            self.db.read(async |conn| definitions::store::find_revision(conn, &tables).await);
        let revision = revision.await?;
        self.lock().retain(|_, (read, _)| *read == revision);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, (i64, Arc<Kept>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_beginnings_of_names_are_meant() {
        let means = |patterns: &[&str], name: &str| {
            let patterns: Vec<String> = patterns.iter().map(|it| (*it).to_owned()).collect();
            means(&patterns, name)
        };

        assert!(
            means(&["*"], "refund") && means(&["re*"], "Refund") && means(&["REFUND"], "refund")
        );
        assert!(
            !means(&[], "refund") && !means(&["fund"], "refund") && !means(&["refunds*"], "refund")
        );
    }

    #[test]
    fn what_is_no_pattern_is_told_with_its_place() {
        let expose = Expose {
            tools: ["*", "a_*", "", "a b", "*a", "a**"].map(str::to_owned).to_vec(),
            ..Expose::default()
        };

        let places: Vec<_> = expose.faults().into_iter().map(|it| it.pointer).collect();
        let wrong = [2, 3, 4, 5].map(|index| format!("/expose/tools/{index}"));
        assert_eq!(places, wrong);
    }
}
