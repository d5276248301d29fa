//! What webhooks are signed with.

use secrecy::ExposeSecret;
use secrecy::SecretSlice;
use secrecy::SecretString;

use super::FiringError;
use super::Signature;
use super::Trigger;
use crate::config::SigningKeys;
use crate::db::TenantId;
use crate::egress::Secret;
use crate::egress::Secrets;
use crate::secrets::Vault;

/// The keys of a webhook, and of which secrets they are.
#[derive(Debug)]
pub struct Ring {
    pub keys: Keys,
    secrets: Secrets,
    /// Of each key one.
    names: Vec<String>,
}

/// The keys of a webhook, any of which is good.
#[derive(Debug)]
pub enum Keys {
    Standard(Vec<SecretSlice<u8>>),
    Github(Vec<SecretString>),
    /// It is open to everybody.
    Open,
}

impl Ring {
    /// The keys of `trigger` as they are now, or why there are none.
    pub async fn of(
        trigger: &Trigger,
        tenant: &TenantId,
        vault: &Vault,
    ) -> Result<Result<Self, FiringError>, sqlx::Error> {
        let Trigger::Webhook { signature, .. } = trigger else { return Ok(Ok(Self::default())) };
        let wanted: Vec<&str> = trigger.secrets().map(|(_, name)| name).collect();
        let secrets = vault.secrets_named(tenant, wanted.iter().copied()).await?;
        let (mut standard, mut github, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for name in wanted {
            let Some(secret) = secrets.find(name) else {
                let message = format!("there is no secret `{name}`, or it cannot be read");
                return Ok(Err(FiringError::new("unknown_secret", message)));
            };
            if *signature == Signature::Github {
                github.push(secret.value.clone());
                names.push(name.to_owned());
                continue;
            }
            let Some(keys) = SigningKeys::of_secret(secret.value.expose_secret()) else {
                let message =
                    format!("the secret `{name}` is no key: `whsec_` and 24 to 64 bytes in base64");
                return Ok(Err(FiringError::new("bad_secret", message)));
            };
            standard.extend(keys);
            names.resize(standard.len(), name.to_owned());
        }
        let keys = match signature {
            Signature::Standard => Keys::Standard(standard),
            Signature::Github => Keys::Github(github),
            Signature::None => Keys::Open,
        };
        Ok(Ok(Self { keys, secrets, names }))
    }

    /// Notes that the key at `index` was good for something.
    pub fn note_used(&self, index: usize) {
        let secret = self.names.get(index).and_then(|name| self.secrets.find(name));
        secret.into_iter().for_each(Secret::note_used);
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self { keys: Keys::Open, secrets: Secrets::default(), names: Vec::new() }
    }
}
