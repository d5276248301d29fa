//! The stores that vectors can be in beside the rows.

mod chroma;
mod config;
mod http;
mod pgvector;
mod qdrant;

use std::sync::Arc;

use ::http::HeaderName;
use retrieval::Collection;
use retrieval::VectorStore;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::db::Db;
use crate::db::Id;
use crate::db::TenantId;
use crate::egress::Egress;
use crate::rag::databases::StoreType;
use crate::rag::store::indexes::State;
use crate::secrets::Vault;
use chroma::Chroma;
pub use config::check;
pub use config::secret_use;
use config::text;
use http::Http;
use pgvector::Pgvector;
use qdrant::Qdrant;

/// What every store needs of the server.
#[derive(Debug)]
pub struct Stores {
    db: Db,
    egress: Egress,
    vault: Vault,
    chroma: chroma::Ids,
}

/// The store that a definition names: its type and settings. Two texts of it are the same place if they are equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Named(pub StoreType, pub Map<String, Value>);

/// A collection that nobody asks any more, and its store.
#[derive(Debug, Serialize, Deserialize)]
pub struct Gone {
    pub store: Named,
    pub generation: i64,
    pub dimension: i64,
}

impl Stores {
    pub fn new(db: &Db, egress: &Egress, vault: &Vault) -> Self {
        let (db, egress, vault) = (db.clone(), egress.clone(), vault.clone());
        Self { db, egress, vault, chroma: chroma::Ids::default() }
    }

    /// The store that `named` means; `None` for that of the rows themselves.
    pub fn open(&self, tenant: &TenantId, named: &Named) -> Option<Arc<dyn VectorStore>> {
        let Named(store, config) = named;
        let prefix = text(config, "collection").map(|it| format!("{it}-")).unwrap_or_default();
        match store {
            StoreType::Embedded => None,
            StoreType::Pgvector => Some(Arc::new(Pgvector(self.db.clone()))),
            StoreType::Chroma => {
                let http = self.http(tenant, config, HeaderName::from_static("x-chroma-token"));
                let of = text(config, "tenant").unwrap_or("default_tenant");
                let database = text(config, "database").unwrap_or("default_database");
                let ids = Arc::clone(&self.chroma);
                Some(Arc::new(Chroma::new(http, ids, of, database, &prefix)))
            }
            StoreType::Qdrant => {
                let http = self.http(tenant, config, HeaderName::from_static("api-key"));
                Some(Arc::new(Qdrant { http, prefix }))
            }
        }
    }

    /// The way to a server, which finds the secret in `header`.
    fn http(&self, tenant: &TenantId, config: &Map<String, Value>, header: HeaderName) -> Http {
        let url = text(config, "url").unwrap_or_default().trim_end_matches('/').to_owned();
        Http {
            egress: self.egress.clone(),
            vault: self.vault.clone(),
            tenant: tenant.clone(),
            url,
            secret: text(config, "secret").map(|secret| (header, secret.to_owned())),
        }
    }
}

impl Gone {
    pub fn of(state: &State) -> Result<Self, serde_json::Error> {
        let store = serde_json::from_str(&state.store)?;
        Ok(Self { store, generation: state.generation, dimension: state.dimension })
    }
}

/// Where the vectors of a generation of a database are.
pub fn collection(tenant: &TenantId, database: Id, generation: i64, dimension: i64) -> Collection {
    Collection {
        tenant: tenant.to_string(),
        database: database.uuid().as_u128(),
        generation,
        dimension: usize::try_from(dimension).unwrap_or_default(),
    }
}
