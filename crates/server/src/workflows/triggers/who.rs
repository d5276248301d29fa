//! As whom the runs of triggers act that nobody asks for: as whoever saved the version that is at work.

use auth::scope::Scopes;

use crate::audit::Origin;
use crate::db::TenantId;
use crate::definitions::Kind;
use crate::definitions::Version;
use crate::oauth::Clients;
use crate::oauth::caller::Principal;
use crate::oauth::caller::Subject;
use crate::oauth::holders::OWN_PAGES;
use crate::workflows::Workflow;
use crate::workflows::WorkflowKind;
use crate::workflows::triggers::FiringError;

/// Somebody, with what he held.
#[derive(Debug, Clone, PartialEq)]
pub struct Who {
    /// Empty: nobody is known.
    pub subject: String,
    pub client_id: String,
    /// `None`: whatever he holds.
    pub scopes: Option<Scopes>,
}

impl Who {
    /// Whoever wrote `version` of a definition whose row says that `created_by` did. Nobody is known if that was done
    /// in SQL or by a command.
    pub fn wrote(version: Option<&Version>, created_by: Option<&str>) -> Self {
        let known = version.and_then(|it| {
            let scopes = it.scopes.as_ref()?.parse().ok()?;
            Some((it.created_by.clone()?, it.client_id.clone()?, scopes))
        });
        if let Some((subject, client_id, scopes)) = known {
            return Self { subject, client_id, scopes: Some(scopes) };
        }
        let named = version.and_then(|it| it.created_by.as_deref()).or(created_by);
        match named.and_then(|it| it.split_once(':')) {
            Some(("client", id)) => Self::client(id),
            Some(("user", id)) => Self {
                subject: format!("user:{id}"),
                client_id: OWN_PAGES.to_owned(),
                scopes: None,
            },
            _ => Self { subject: String::new(), client_id: String::new(), scopes: None },
        }
    }

    fn client(id: &str) -> Self {
        let (subject, client_id) = (Subject::client(id).to_string(), id.to_owned());
        Self { subject, client_id, scopes: None }
    }

    /// Him as one who calls, with what he and his client hold now; `None` if that is nothing. Nobody in particular is
    /// the client that the settings name, in its tenant.
    pub async fn now(
        &self,
        tenant: &TenantId,
        clients: &Clients,
    ) -> Result<Option<Principal>, sqlx::Error> {
        if self.subject.is_empty() && clients.management().tenant == *tenant {
            return Self::client(&clients.management().client_id).held(tenant, clients).await;
        }
        self.held(tenant, clients).await
    }

    /// The same, if he may execute `workflow`.
    pub async fn to_execute(
        &self,
        workflow: &Workflow,
        tenant: &TenantId,
        clients: &Clients,
    ) -> Result<Result<Principal, FiringError>, sqlx::Error> {
        let version = workflow.version;
        let Some(principal) = self.now(tenant, clients).await? else {
            let who = if self.subject.is_empty() { "nobody" } else { &self.subject };
            let message = format!(
                "it would run as `{who}`, who has written version {version}, and who is gone or may do nothing any more; \
                 save the workflow anew"
            );
            return Ok(Err(FiringError::new("author_gone", message)));
        };
        let own = workflow.content.scopes.iter().map(String::as_str);
        let missing = own.chain([WorkflowKind::EXECUTE]).find(|scope| !principal.holds(scope));
        Ok(match missing {
            None => Ok(principal),
            Some(scope) => {
                let who = &principal.subject;
                let message = format!(
                    "it runs as `{who}`, who has written version {version}, and does not hold `{scope}`"
                );
                Err(FiringError::new("missing_scope", message))
            }
        })
    }

    async fn held(
        &self,
        tenant: &TenantId,
        clients: &Clients,
    ) -> Result<Option<Principal>, sqlx::Error> {
        let Ok(subject) = self.subject.parse::<Subject>() else { return Ok(None) };
        let saved = self.scopes.clone().unwrap_or_else(Scopes::everything);
        let scopes = clients.held_in(tenant, &self.client_id, subject.as_str(), &saved).await?;
        Ok((!scopes.is_empty()).then(|| Principal {
            tenant: tenant.clone(),
            subject,
            client_id: self.client_id.clone(),
            scopes,
            origin: Origin::default(),
        }))
    }
}
