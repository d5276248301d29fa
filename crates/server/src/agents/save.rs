//! Writing agents through the API: all that is wrong is said at once, and then nothing is stored.

use std::sync::Arc;

use auth::scope::Scopes;
use serde_json::Map;
use serde_json::Value;
use tracing::info;

use crate::agents::Agent;
use crate::agents::AgentContent;
use crate::agents::AgentError;
use crate::agents::Agents;
use crate::agents::KIND;
use crate::agents::normalise::Normalised;
use crate::agents::normalise::normalise;
use crate::agents::settle::Change;
use crate::agents::settle::settle;
use crate::agents::snapshot::Snapshot;
use crate::agents::store;
use crate::agents::store::Row;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Document;
use crate::definitions::Source;
use crate::definitions::in_order;
use crate::definitions::member_of;
use crate::definitions::members_of;
use crate::definitions::store as definitions;
use crate::http::IfMatch;
use crate::http::Invalid;
use crate::http::pointer_to;

/// Members of an [`Agent`] that are not set by whoever writes one.
const READ_ONLY: [&str; 9] = [
    "id",
    "source",
    "shadows",
    "version",
    "content_hash",
    "problems",
    "created_by",
    "created_at",
    "updated_at",
];

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    pub tenant: &'a TenantId,
    pub subject: &'a str,
    pub scopes: &'a Scopes,
}

/// Whether an agent may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    On,
    Off,
}

/// Whether an agent goes although others name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    No,
    Yes,
}

impl Author<'_> {
    /// Who may not execute an agent could take away what keeps him from it. Executing any needs
    /// `agent.execute`, which authors may lack.
    fn ensure_may_change(&self, content: &AgentContent) -> Result<(), AgentError> {
        let is_missing = |scope: &&String| *scope != "agent.execute" && !self.scopes.covers(scope);
        match content.scopes.iter().find(is_missing) {
            Some(scope) if !self.scopes.covers("admin.write") => {
                Err(AgentError::MissingScope(scope.clone()))
            }
            _ => Ok(()),
        }
    }
}

impl Agents {
    /// Makes an agent of the members in `body`.
    pub async fn create(
        &self,
        author: Author<'_>,
        mut body: Map<String, Value>,
    ) -> Result<Arc<Agent>, AgentError> {
        let faults = take_read_only(&mut body, &Map::new());
        let normal = normalise(Document::new(body), Vec::new());
        let change = self.change_by(author);
        let id = self.ids().next();
        self.snapshot(author.tenant).await?; // Then those of the code are known, too.
        let row = self
            .db()
            .write(async |tx| {
                let agents = self.hold(tx, author.tenant).await?;
                self.refuse_invalid(author, &normal, faults, &agents)?;
                let name = &normal.content.name;
                store::insert(tx, author.tenant, id, name, author.subject, change.at).await?;
                save(tx, author.tenant, id, &normal, change).await
            })
            .await?;
        info!(agent.id = %id, by = author.subject, "an agent was created");
        Ok(self.show(author.tenant, &row).await)
    }

    /// Gives the members in `body` to an agent: `null` is the default, and what is not there stays.
    pub async fn update(
        &self,
        author: Author<'_>,
        id_or_name: &str,
        if_match: &IfMatch,
        mut body: Map<String, Value>,
    ) -> Result<Arc<Agent>, AgentError> {
        let id = self.id_of(author.tenant, id_or_name).await?;
        let change = self.change_by(author);
        let row = self
            .db()
            .write(async |tx| {
                let agents = self.hold(tx, author.tenant).await?;
                let row = find_to_change(tx, author, id, if_match, change).await?;
                let mut current = Arc::new(Agent::of_row(&row, row.normalise()));
                agents.judge(&mut current, author.tenant, self.surroundings());
                let faults = take_read_only(&mut body, &members_of(&*current));
                let normal = merged(&row, body);
                self.refuse_invalid(author, &normal, faults, &agents)?;
                refuse_rename(&current, &normal, &agents)?;
                save(tx, author.tenant, id, &normal, change).await
            })
            .await?;
        info!(agent.id = %id, by = author.subject, "an agent was changed");
        Ok(self.show(author.tenant, &row).await)
    }

    /// Makes an agent say again what it said at `version`, as a new version.
    pub async fn restore(
        &self,
        author: Author<'_>,
        id_or_name: &str,
        if_match: &IfMatch,
        version: i64,
    ) -> Result<Arc<Agent>, AgentError> {
        let id = self.id_of(author.tenant, id_or_name).await?;
        let note = format!("restored from version {version}");
        let change = Change { note: Some(&note), ..self.change_by(author) };
        let row = self
            .db()
            .write(async |tx| {
                let agents = self.hold(tx, author.tenant).await?;
                let row = find_to_change(tx, author, id, if_match, change).await?;
                let past = definitions::find_version(tx, author.tenant, KIND, id, version).await?;
                let past = past.ok_or(AgentError::VersionNotFound(version))?;
                let document = Document::parse(&past.content);
                let document = document.map_err(|_| AgentError::unreadable(&past))?;
                let normal =
                    Normalised { is_active: row.is_active, ..normalise(document, Vec::new()) };
                self.refuse_invalid(author, &normal, Vec::new(), &agents)?;
                refuse_rename(&Agent::of_row(&row, row.normalise()), &normal, &agents)?;
                save(tx, author.tenant, id, &normal, change).await
            })
            .await?;
        info!(agent.id = %id, version, by = author.subject, "a version of an agent was restored");
        Ok(self.show(author.tenant, &row).await)
    }

    /// Switches an agent on or off, which makes no version.
    pub async fn switch(
        &self,
        author: Author<'_>,
        id_or_name: &str,
        if_match: &IfMatch,
        to: Switch,
    ) -> Result<Arc<Agent>, AgentError> {
        let id = self.id_of(author.tenant, id_or_name).await?;
        let change = self.change_by(author);
        let row = self
            .db()
            .write(async |tx| {
                let mut row = find_to_change(tx, author, id, if_match, change).await?;
                let is_active = to == Switch::On;
                if row.is_active != is_active {
                    store::update_active(tx, author.tenant, id, is_active, change.at).await?;
                    (row.is_active, row.updated_at) = (is_active, change.at);
                }
                Ok::<_, AgentError>(row)
            })
            .await?;
        info!(agent.id = %id, ?to, by = author.subject, "an agent was switched");
        Ok(self.show(author.tenant, &row).await)
    }

    /// Deletes an agent, unless others name it. Its history and its runs stay.
    pub async fn delete(
        &self,
        author: Author<'_>,
        id_or_name: &str,
        if_match: &IfMatch,
        force: Force,
    ) -> Result<(), AgentError> {
        let id = self.id_of(author.tenant, id_or_name).await?;
        let change = self.change_by(author);
        self.db()
            .write(async |tx| {
                let agents = self.hold(tx, author.tenant).await?;
                let row = find_to_change(tx, author, id, if_match, change).await?;
                if force == Force::No {
                    refuse_used(&Agent::of_row(&row, row.normalise()), &agents)?;
                }
                store::delete(tx, author.tenant, id).await?;
                Ok::<_, AgentError>(())
            })
            .await?;
        info!(agent.id = %id, by = author.subject, "an agent was deleted");
        self.hide(author.tenant, id).await;
        Ok(())
    }

    /// The id of an agent that is a row.
    async fn id_of(&self, tenant: &TenantId, id_or_name: &str) -> Result<Id, AgentError> {
        let snapshot = self.snapshot(tenant).await?;
        let agent = snapshot.find(id_or_name).ok_or_else(|| not_found(id_or_name))?;
        match agent.source {
            Source::Database => Ok(agent.id),
            Source::Code => Err(AgentError::ReadOnly(agent.content.name.clone())),
        }
    }

    fn change_by<'a>(&self, author: Author<'a>) -> Change<'a> {
        Change { by: Some(author.subject), note: None, at: self.clock().now() }
    }

    /// Refuses what breaks rules, what names things that there are not, and what `author` may not
    /// name.
    fn refuse_invalid(
        &self,
        author: Author<'_>,
        normal: &Normalised,
        mut faults: Vec<Invalid>,
        snapshot: &Snapshot,
    ) -> Result<(), AgentError> {
        let find_agent = |name: &str| snapshot.find_by_name(name).cloned();
        let is_agent = |name: &str| find_agent(name).is_some();
        let around = self.surroundings();
        faults.extend_from_slice(&normal.problems);
        faults.extend(around.follow(author.tenant, &normal.content, is_agent).unknown);
        faults.extend(snapshot.cycles(&normal.content));
        faults.extend(around.beyond_rights(
            author.tenant,
            &normal.content,
            author.scopes,
            find_agent,
        ));
        if faults.is_empty() { Ok(()) } else { Err(AgentError::Invalid(in_order(faults))) }
    }
}

fn not_found(id_or_name: &str) -> AgentError {
    AgentError::NotFound(id_or_name.to_owned())
}

/// Refuses to take the name from an agent that others name.
fn refuse_rename(agent: &Agent, to: &Normalised, agents: &Snapshot) -> Result<(), AgentError> {
    if agent.content.name.eq_ignore_ascii_case(&to.content.name) {
        return Ok(());
    }
    refuse_used(agent, agents)
}

fn refuse_used(agent: &Agent, agents: &Snapshot) -> Result<(), AgentError> {
    let dependents = agents.dependents(agent);
    if dependents.is_empty() { Ok(()) } else { Err(AgentError::InUse(dependents)) }
}

/// Locks an agent that is at one of the versions that `if_match` allows, and that `author` may change.
async fn find_to_change(
    tx: &mut Conn<'_>,
    author: Author<'_>,
    id: Id,
    if_match: &IfMatch,
    change: Change<'_>,
) -> Result<Row, AgentError> {
    let row = settle(tx, author.tenant, id, Change::in_sql(change.at)).await?;
    let row = row.ok_or_else(|| not_found(&id.to_string()))?;
    author.ensure_may_change(&row.normalise().content)?;
    let current = row.version.unwrap_or_default();
    if if_match.allows(current) { Ok(row) } else { Err(AgentError::Changed { current }) }
}

/// Writes what is different, and the version that comes of it.
async fn save(
    tx: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    normal: &Normalised,
    change: Change<'_>,
) -> Result<Row, AgentError> {
    let row = store::find(tx, tenant, id).await?;
    let row = row.ok_or_else(|| not_found(&id.to_string()))?;
    if row.is_active != normal.is_active {
        store::update_active(tx, tenant, id, normal.is_active, change.at).await?;
    }
    if row.normalise().document != normal.document {
        store::update_content(tx, tenant, id, &normal.content).await?;
    }
    let row = settle(tx, tenant, id, change).await?;
    row.ok_or_else(|| not_found(&id.to_string()))
}

/// What a row says with the members of `body` in their places.
fn merged(row: &Row, body: Map<String, Value>) -> Normalised {
    let (mut given, mut unreadable) = row.given();
    given.set("is_active", row.is_active.into());
    for (member, value) in body {
        unreadable.retain(|fault| member_of(&fault.pointer) != member);
        given.set(member, value);
    }
    normalise(given, unreadable)
}

/// Takes away what nobody sets, and tells of what is not as it is in `current`.
fn take_read_only(body: &mut Map<String, Value>, current: &Map<String, Value>) -> Vec<Invalid> {
    let mut faults = Vec::new();
    for member in READ_ONLY {
        let given = body.remove(member).unwrap_or_default();
        if !given.is_null() && Some(&given) != current.get(member) {
            let detail = "cannot be set; leave it out, or send it as it is";
            faults.push(Invalid::new(pointer_to("", member), "read_only", detail));
        }
    }
    faults
}
