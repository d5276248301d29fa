//! What webhooks are signed with.

use secrecy::ExposeSecret;
use secrecy::SecretSlice;
use secrecy::SecretString;

use super::FiringError;
use super::Signature;
use super::Trigger;
use crate::config::SigningKeys;
use crate::db::TenantId;
use crate::secrets::Vault;

/// The keys of a webhook, any of which is good.
#[derive(Debug)]
pub enum Keys {
    Standard(Vec<SecretSlice<u8>>),
    Github(Vec<SecretString>),
    /// It is open to everybody.
    Open,
}

impl Keys {
    /// The keys of `trigger` as they are now, or why there are none.
    pub async fn of(
        trigger: &Trigger,
        tenant: &TenantId,
        vault: &Vault,
    ) -> Result<Result<Self, FiringError>, sqlx::Error> {
        let Trigger::Webhook { signature, .. } = trigger else { return Ok(Ok(Self::Open)) };
        let names: Vec<&str> = trigger.secrets().map(|(_, name)| name).collect();
        let secrets = vault.secrets_named(tenant, names.iter().copied()).await?;
        let (mut standard, mut github) = (Vec::new(), Vec::new());
        for name in names {
            let Some(secret) = secrets.find(name) else {
                let message = format!("there is no secret `{name}`, or it cannot be read");
                return Ok(Err(FiringError::new("unknown_secret", message)));
            };
            secret.note_used();
            if *signature == Signature::Github {
                github.push(secret.value.clone());
                continue;
            }
            let Some(keys) = SigningKeys::of_secret(secret.value.expose_secret()) else {
                let message =
                    format!("the secret `{name}` is no key: `whsec_` and 24 to 64 bytes in base64");
                return Ok(Err(FiringError::new("bad_secret", message)));
            };
            standard.extend(keys);
        }
        Ok(Ok(match signature {
            Signature::Standard => Self::Standard(standard),
            Signature::Github => Self::Github(github),
            Signature::None => Self::Open,
        }))
    }
}
