//! When clients last got a token.

use std::collections::HashMap;
use std::mem;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::db::At;
use crate::db::Db;
use crate::db::TenantId;
use crate::oauth::Client;
use crate::oauth::store;

/// How many uses are written down in one transaction, so that none is long.
const AT_ONCE: usize = 200;

/// Uses that are not written down yet; the last one of each client. They are lost with the process.
#[derive(Debug, Default)]
pub struct Uses(Mutex<HashMap<(TenantId, String), At>>);

impl Uses {
    pub fn note(&self, client: &Client, at: At) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        uses.insert((client.tenant.clone(), client.client_id.clone()), at);
    }

    /// Writes down what there is. What cannot be written is forgotten: the next use comes soon.
    pub async fn write_down(&self, db: &Db) -> Result<(), sqlx::Error> {
        for some in self.take().chunks(AT_ONCE) {
            db.write_behind(async |tx| {
                for ((tenant, client_id), at) in some {
                    store::update_last_used(tx, tenant, client_id, *at).await?;
                }
                Ok::<_, sqlx::Error>(())
            })
            .await?;
        }
        Ok(())
    }

    fn take(&self) -> Vec<((TenantId, String), At)> {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut *uses).into_iter().collect()
    }
}
