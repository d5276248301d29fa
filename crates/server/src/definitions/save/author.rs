//! Who writes definitions, what he may change, and what the audit trail is told of it.

use auth::scope::Scopes;
use serde_json::Map;
use serde_json::Value;

use crate::audit;
use crate::audit::Act;
use crate::audit::Actor;
use crate::audit::Origin;
use crate::db::Conn;
use crate::db::TenantId;
use crate::definitions::Content;
use crate::definitions::DefinitionError;
use crate::definitions::Definitions;
use crate::definitions::Kind;
use crate::definitions::Row;

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    pub tenant: &'a TenantId,
    pub subject: &'a str,
    /// The client by which a person writes.
    pub client_id: Option<&'a str>,
    pub scopes: &'a Scopes,
    pub origin: &'a Origin,
}

impl<'a> Author<'a> {
    fn actor(self) -> Actor<'a> {
        let Self { tenant, subject, client_id, origin, .. } = self;
        Actor { tenant, subject, client_id, origin }
    }

    /// Who may not execute a definition could take away what keeps him from it. Executing any of its kind
    /// needs a scope of its own, which authors may lack.
    pub fn ensure_may_change<K: Kind>(&self, content: &K::Content) -> Result<(), DefinitionError> {
        let is_missing = |scope: &&String| *scope != K::EXECUTE && !self.scopes.covers(scope);
        match content.scopes().iter().find(is_missing) {
            Some(scope) if !self.scopes.covers("admin.write") => {
                let (kind, scope) = (K::WORDS, scope.clone());
                Err(DefinitionError::MissingScope { kind, scope })
            }
            _ => Ok(()),
        }
    }
}

impl<K: Kind> Definitions<K> {
    /// What the audit trail is told of a row.
    pub(super) fn told(&self, row: &Row<K>) -> Map<String, Value> {
        let mut members = row.normalise(self.kind()).document.members().clone();
        members.insert("is_active".to_owned(), row.is_active.into());
        members.insert("version".to_owned(), row.version.into());
        members
    }

    /// Tells the audit trail what a definition was and is, as the last thing of the transaction. Where nothing has
    /// changed nothing was done.
    pub(in crate::definitions) async fn tell(
        &self,
        tx: &mut Conn<'_>,
        author: Author<'_>,
        verb: &str,
        before: Option<Map<String, Value>>,
        after: Option<&Row<K>>,
    ) -> Result<(), sqlx::Error> {
        let after = after.map(|row| self.told(row));
        if before == after {
            return Ok(());
        }
        let name = before.iter().chain(&after).find_map(|it| it.get("name")?.as_str());
        let (action, name) = (format!("{}.{verb}", K::NAME), name.unwrap_or_default().to_owned());
        let act = Act::between(&action, &name, before, after);
        audit::record(tx, author.actor(), act, self.clock().now()).await
    }
}
