//! Sealing all values with a new key, so that the one before it may be forgotten.

use secrecy::ExposeSecret;

use crate::db::TenantId;
use crate::http::Invalid;
use crate::secrets::SecretError;
use crate::secrets::Vault;
use crate::secrets::place;
use crate::secrets::place_row;
use crate::secrets::store;

/// So many values are written in one transaction, so that none is long.
const AT_ONCE: usize = 100;

/// What came of it.
#[derive(Debug, Default)]
pub struct Resealed {
    /// How many values were sealed anew.
    pub renewed: usize,
    /// How many were sealed with the key already.
    pub kept: usize,
    /// How many somebody else changed meanwhile.
    pub missed: usize,
    /// Those that no key opens, by their tenants and names.
    pub unreadable: Vec<(TenantId, String, Invalid)>,
}

impl Vault {
    /// Seals every value of every tenant with the key of the settings, unless it has sealed it already.
    ///
    /// Nothing else of a secret changes: it keeps its version and its times, and who uses it notices nothing.
    pub async fn reseal(&self) -> Result<Resealed, SecretError> {
        let mut done = Resealed::default();
        let tenants = self.db().read(async |conn| store::list_tenants(conn).await).await?;
        for tenant in tenants {
            self.reseal_all_of(&tenant, &mut done).await?;
        }
        Ok(done)
    }

    async fn reseal_all_of(
        &self,
        tenant: &TenantId,
        done: &mut Resealed,
    ) -> Result<(), SecretError> {
        let rows = self.db().read(async |conn| store::list_all(conn, tenant).await).await?;
        let mut renewed = Vec::new();
        for row in &rows {
            if self.sealer().is_current(&row.value) {
                done.kept += 1;
                continue;
            }
            match self.open(tenant, row) {
                Ok(value) => {
                    let sealed_for = place_row(tenant, row.id, &row.hosts);
                    let value = value.expose_secret().as_bytes();
                    renewed.push((row, self.sealer().seal(value, place(&sealed_for))?));
                }
                Err(why) => done.unreadable.push((tenant.clone(), row.name.clone(), why)),
            }
        }
        for some in renewed.chunks(AT_ONCE) {
            let written = self.db().write(async |tx| {
                let mut written = 0;
                for (row, sealed) in some {
                    written += store::replace_sealed(tx, tenant, row, sealed).await?;
                }
                Ok::<_, SecretError>(written)
            });
            let written = written.await?;
            done.renewed += written;
            done.missed += some.len() - written;
        }
        Ok(())
    }
}
