//! When clients last got a token, and API keys were last used.

use std::collections::HashMap;
use std::mem;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::db::At;
use crate::db::Db;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::Client;
use crate::oauth::api_keys::KnownKey;
use crate::oauth::store;

/// How many uses are written down in one transaction, so that none is long.
const AT_ONCE: usize = 200;

/// Uses that are not written down yet; the last one of each. They are lost with the process.
#[derive(Debug, Default)]
pub struct Uses(Mutex<HashMap<(TenantId, User), At>>);

#[derive(Debug, PartialEq, Eq, Hash)]
enum User {
    Client(String),
    Key(Id),
}

impl Uses {
    pub fn note(&self, client: &Client, at: At) {
        self.insert(&client.tenant, User::Client(client.client_id.clone()), at);
    }

    pub fn note_key(&self, key: &KnownKey, at: At) {
        self.insert(&key.tenant, User::Key(key.id), at);
    }

    fn insert(&self, tenant: &TenantId, user: User, at: At) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.insert((tenant.clone(), user), at);
    }

    /// Writes down what there is. What cannot be written is forgotten: the next use comes soon.
    pub async fn write_down(&self, db: &Db) -> Result<(), sqlx::Error> {
        for some in self.take().chunks(AT_ONCE) {
            db.write_behind(async |tx| {
                for ((tenant, user), at) in some {
                    match user {
                        User::Client(id) => store::update_last_used(tx, tenant, id, *at).await?,
                        User::Key(id) => {
                            store::api_keys::update_last_used(tx, tenant, *id, *at).await?;
                        }
                    }
                }
                Ok::<_, sqlx::Error>(())
            })
            .await?;
        }
        Ok(())
    }

    fn take(&self) -> Vec<((TenantId, User), At)> {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut *uses).into_iter().collect()
    }
}
