//! Who was refused: gathered aside, since whoever is refused should wait for no database, and could fill one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tracing::error;

use super::Act;
use super::Actor;
use super::Origin;
use super::record;
use crate::app::Clock;
use crate::app::Tasks;
use crate::db::Db;
use crate::db::TenantId;

/// The same refusal again within so long is counted, not told.
const ROUND: Duration = Duration::from_secs(10);
/// Refusals that are told of one round; of more only the number is told.
const MOST: usize = 100;

/// Somebody was refused: one who is known and asked for what he may not do, or one who did not prove who he is.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub tenant: TenantId,
    pub subject: String,
    pub client_id: Option<String>,
    pub origin: Origin,
    pub action: &'static str,
    /// The method and the route.
    pub operation: String,
    /// What is told beside the count.
    pub detail: Map<String, Value>,
}

/// Who is told of when nobody knows who it was. What he called himself may be a password, typed in the wrong place.
const NOBODY: &str = "unknown";

impl Refusal {
    /// Somebody did not prove who he is.
    pub fn unproven(action: &'static str, operation: &str, origin: Origin) -> Self {
        let (tenant, subject) = (TenantId::default(), NOBODY.to_owned());
        let (operation, detail) = (operation.to_owned(), Map::new());
        Self { tenant, subject, client_id: None, origin, action, operation, detail }
    }

    /// The same of whom he said to be, if there is such a one.
    #[must_use]
    pub fn by(self, subject: Option<(TenantId, String)>) -> Self {
        match subject {
            Some((tenant, subject)) => Self { tenant, subject, ..self },
            None => self,
        }
    }
}

/// The refusals of this round. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Mutex<Round>>);

#[derive(Debug, Default)]
struct Round {
    seen: HashMap<(TenantId, String, String), (Refusal, u64)>,
    /// Those for which there was no room, by tenant.
    further: HashMap<TenantId, u64>,
}

impl Refusals {
    /// Has it told with the next round.
    pub fn note(&self, refusal: Refusal) {
        let mut round = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (refusal.tenant.clone(), refusal.subject.clone(), refusal.operation.clone());
        if let Some((_, count)) = round.seen.get_mut(&key) {
            *count += 1;
        } else if round.seen.len() < MOST {
            round.seen.insert(key, (refusal, 1));
        } else {
            *round.further.entry(refusal.tenant).or_default() += 1;
        }
    }

    /// Keeps writing what was noted until the server stops, and then what is left.
    pub fn start(&self, db: Db, clock: Clock, tasks: &Tasks) {
        let (own, stopping) = (self.clone(), tasks.stopping().clone());
        tasks.spawn(async move {
            loop {
                let is_last = tokio::time::timeout(ROUND, stopping.cancelled()).await.is_ok();
                if let Err(cause) = own.write(&db, &clock).await {
                    error!(
                        error = &cause as &dyn std::error::Error,
                        "refusals are not in the audit trail"
                    );
                }
                if is_last {
                    return;
                }
            }
        });
    }

    /// Writes what was noted so far.
    pub async fn write(&self, db: &Db, clock: &Clock) -> Result<(), sqlx::Error> {
        let round = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (refusal, count) in round.seen.into_values() {
            let Refusal { tenant, subject, client_id, origin, action, operation, mut detail } =
                refusal;
            detail.insert("count".to_owned(), count.into());
            let (tenant, subject, origin) = (&tenant, subject.as_str(), &origin);
            let by = Actor { tenant, subject, client_id: client_id.as_deref(), origin };
            let act = Act::new(action, &operation, Value::Object(detail));
            let now = clock.now();
            db.write(async |tx| record(tx, by, act.clone(), now).await).await?;
        }
        for (tenant, count) in round.further {
            let origin = &Origin::default();
            let by = Actor { tenant: &tenant, subject: "system:audit", client_id: None, origin };
            let act = Act::new("access.refused", "*", json!({"count": count}));
            let now = clock.now();
            db.write(async |tx| record(tx, by, act.clone(), now).await).await?;
        }
        Ok(())
    }
}
