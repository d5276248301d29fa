//! Agents that are defined in code. They belong to the tenant `default`.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use crate::agents::Agent;
use crate::agents::AgentError;
use crate::agents::KIND;
use crate::agents::models::Models;
use crate::agents::normalise::normalise;
use crate::agents::references::Surroundings;
use crate::agents::settle::settle_code;
use crate::db::At;
use crate::db::Db;
use crate::db::TenantId;
use crate::definitions::Document;
use crate::definitions::code_id;
use crate::definitions::in_order;
use crate::definitions::store as history;
use crate::http::Invalid;
use crate::tools::Tools;

/// What the code says of its agents, by their names in lower case.
#[derive(Debug, Default)]
pub struct CodeAgents(BTreeMap<String, Document>);

impl CodeAgents {
    /// Adds an agent, or says all that is wrong with it. Other agents that it names may be in the
    /// database, so they are not looked for, and a provider may be set up later.
    pub fn add(
        &mut self,
        given: Document,
        models: &Models,
        tools: &Tools,
    ) -> Result<(), Vec<Invalid>> {
        let around = Surroundings { models: models.clone(), tools: tools.clone() };
        let normal = normalise(given, Vec::new());
        let mut faults = normal.problems;
        faults.extend(around.follow(&TenantId::default(), &normal.content, |_| true).unknown);
        let name = normal.content.name.to_ascii_lowercase();
        if self.0.contains_key(&name) {
            faults.push(Invalid::new("/name", "not_unique", "there is an agent of this name"));
        }
        if !faults.is_empty() {
            return Err(in_order(faults));
        }
        self.0.insert(name, normal.document);
        Ok(())
    }

    /// The agents of a tenant by their names in lower case, each at the version that says what it says.
    ///
    /// A content that was never seen becomes a version now: what nobody asks for is not written.
    pub async fn settled(
        &self,
        db: &Db,
        tenant: &TenantId,
        now: At,
    ) -> Result<HashMap<String, Arc<Agent>>, AgentError> {
        let mut agents = HashMap::new();
        if *tenant != TenantId::default() {
            return Ok(agents);
        }
        for (name, document) in &self.0 {
            let (id, hash) = (code_id(KIND, name), document.hash());
            let found = db.read(async |conn| {
                history::find_version_by_hash(conn, tenant, KIND, id, &hash).await
            });
            let version = match found.await? {
                Some(known) => known,
                None => {
                    db.write(async |tx| settle_code(tx, tenant, id, document, now).await).await?
                }
            };
            let first =
                db.read(async |conn| history::find_version(conn, tenant, KIND, id, 1).await);
            let first = first.await?.and_then(|first| first.created_at);
            let first = first.or(version.created_at).unwrap_or(now);
            agents.insert(name.clone(), Arc::new(Agent::of_code(id, version, first)?));
        }
        Ok(agents)
    }
}
