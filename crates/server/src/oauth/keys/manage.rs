//! Making, moving and taking back signing keys.

use std::time::Duration;

use auth::jwk::PrivateJwk;
use auth::random::NoRandomness;
use auth::rotation;
use auth::rotation::State;
use auth::seal::SealError;
use chrono::DateTime;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::json;
use tracing::info;
use tracing::warn;
use utoipa::ToSchema;

use crate::audit;
use crate::audit::Act;
use crate::audit::Actor;
use crate::db::At;
use crate::db::Conn;
use crate::oauth::keys::Keys;
use crate::oauth::keys::Member;
use crate::oauth::keys::beginning;
use crate::oauth::keys::place;
use crate::oauth::keys::plan;
use crate::oauth::keys::seconds;
use crate::oauth::keys::store;

/// When a new key begins to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// When everybody who keeps our key set has it.
    Soon,
    /// At once: whoever kept our key set a moment ago may refuse its tokens for five minutes.
    Now,
}

/// A signing key, as administrators see it: never with its private half.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub struct KeyInfo {
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    pub kid: String,
    /// `pending` is published and will sign, `active` signs, `retired` signs no more, `withdrawn` was taken back;
    /// `unreadable`: what is in the database cannot be opened with our encryption key.
    #[schema(value_type = String, example = "active")]
    pub state: &'static str,
    /// When it begins to sign, or began. `null`: before all others, as the key of the settings does.
    #[schema(required)]
    pub begins_at: Option<At>,
    /// Until when tokens of a retired key are believed.
    #[schema(required)]
    pub ends_at: Option<At>,
    /// `database`, or `settings`: then `keys import` can move it into the database.
    #[schema(value_type = String, example = "database")]
    pub source: &'static str,
    #[schema(required)]
    pub created_by: Option<String>,
    #[schema(required)]
    pub created_at: Option<At>,
    #[schema(required)]
    pub withdrawn_at: Option<At>,
}

/// What came of sealing all keys anew.
#[derive(Debug, Default)]
pub struct ResealedKeys {
    /// How many were sealed anew.
    pub renewed: usize,
    /// How many were sealed with the encryption key already.
    pub kept: usize,
    /// Those that nothing opens.
    pub unreadable: Vec<String>,
}

/// Why a key could not be made, moved or taken back.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    #[error("there is no key `{0}`")]
    NotFound(String),
    #[error("the key `{0}` signs now: make another sign first, with `now`")]
    Active(String),
    #[error("the key `{0}` is published already and has not begun to sign")]
    Pending(String),
    #[error("the settings have no key to import")]
    NothingToImport,
    #[error("the key `{0}` was withdrawn, and does not come back")]
    Withdrawn(String),
    #[error(transparent)]
    Random(#[from] NoRandomness),
    #[error("the key could not be encrypted")]
    Seal(#[from] SealError),
    #[error("the key could not be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("the database refused a query of signing keys")]
    Database(#[from] sqlx::Error),
}

impl Keys {
    /// All keys, in the order in which they begin.
    pub async fn list(&self) -> Result<Vec<KeyInfo>, ManageError> {
        let rows = self.db.read(async |conn| store::list(conn).await).await?;
        let (members, now) = (self.with_setting(rows), self.clock.now());
        let states = plan(&members, now).states;
        Ok(members.into_iter().zip(states).map(|(member, state)| info(member, state)).collect())
    }

    pub async fn find(&self, kid: &str) -> Result<KeyInfo, ManageError> {
        let found = self.list().await?.into_iter().find(|key| key.kid == kid);
        found.ok_or_else(|| ManageError::NotFound(kid.to_owned()))
    }

    /// Makes a key that will sign in the place of the one that does. Of keys that are over by now only the
    /// names are kept.
    pub async fn rotate(&self, begin: Begin, by: Actor<'_>) -> Result<KeyInfo, ManageError> {
        let (pair, now) = (PrivateJwk::generate()?, self.clock.now());
        let ahead = match begin {
            Begin::Soon => Duration::from_secs(rotation::AHEAD),
            Begin::Now => Duration::ZERO,
        };
        let row = self.seal(&pair, At::new(now.time() + ahead), by.subject)?;
        let made = self.db.write(async |tx| {
            let members = self.lock(tx).await?;
            for (member, state) in members.iter().zip(plan(&members, now).states) {
                match state {
                    State::Pending if begin == Begin::Soon => {
                        return Err(ManageError::Pending(member.kid.clone()));
                    }
                    State::Retired { end } if end <= seconds(now) && member.row.is_some() => {
                        store::withdraw(tx, &member.kid, now).await?;
                    }
                    _ => {}
                }
            }
            store::insert(tx, &row).await?;
            let after = json!({"begins_at": row.begins_at});
            Ok(audit::record(tx, by, Act::new("key.rotate", &row.kid, after), now).await?)
        });
        made.await?;
        info!(kid = row.kid, begins_at = %row.begins_at, by = by.subject, "a signing key was made");
        self.catch_up().await;
        self.find(&row.kid).await
    }

    /// Moves the key of the settings into the database, where it is what it was. The setting is not needed
    /// any more then.
    pub async fn import(&self, by: Actor<'_>) -> Result<KeyInfo, ManageError> {
        let pair = self.setting.as_deref().ok_or(ManageError::NothingToImport)?;
        let (row, now) = (self.seal(pair, beginning(), by.subject)?, self.clock.now());
        let moved = self.db.write(async |tx| {
            let members = self.lock(tx).await?;
            let known = members.iter().find(|it| it.kid == row.kid);
            match known.and_then(|it| it.row.as_ref()) {
                None => {
                    store::insert(tx, &row).await?;
                    let act = Act::new("key.import", &row.kid, json!({"begins_at": row.begins_at}));
                    Ok(audit::record(tx, by, act, now).await?)
                }
                Some(row) if row.withdrawn_at.is_some() => {
                    Err(ManageError::Withdrawn(row.kid.clone()))
                }
                Some(_) => Ok(()),
            }
        });
        moved.await?;
        info!(kid = row.kid, by = by.subject, "the signing key of the settings is in the database");
        self.catch_up().await;
        self.find(&row.kid).await
    }

    /// Takes a key back: its tokens are void here at once, and on other processes within half a second.
    pub async fn retire(&self, kid: &str, by: Actor<'_>) -> Result<(), ManageError> {
        let now = self.clock.now();
        let retired = self.db.write(async |tx| {
            let members = self.lock(tx).await?;
            let mut all = members.iter().zip(plan(&members, now).states);
            let (member, _) = match all.find(|(member, _)| member.kid == kid) {
                Some((_, State::Active)) => return Err(ManageError::Active(kid.to_owned())),
                Some(found @ (member, _)) if !member.is_withdrawn() => found,
                _ => return Err(ManageError::NotFound(kid.to_owned())),
            };
            if member.row.is_some() {
                store::withdraw(tx, kid, now).await?;
            } else {
                // What stays in the settings comes back no more.
                let (begins_at, created_by) = (beginning(), Some(by.subject.to_owned()));
                let (private, withdrawn_at) = (None, Some(now));
                let kid = kid.to_owned();
                let gone = store::Row {
                    kid,
                    private,
                    begins_at,
                    withdrawn_at,
                    created_by,
                    created_at: now,
                };
                store::insert(tx, &gone).await?;
            }
            let act = Act::new("key.retire", kid, json!({"withdrawn_at": now}));
            Ok(audit::record(tx, by, act, now).await?)
        });
        retired.await?;
        info!(kid, by = by.subject, "a signing key was withdrawn");
        self.catch_up().await;
        Ok(())
    }

    /// Seals every key with the encryption key of the settings, unless it has sealed it already. Nothing else of a
    /// key changes.
    pub async fn reseal(&self) -> Result<ResealedKeys, ManageError> {
        let done = self.db.write(async |tx| {
            let mut done = ResealedKeys::default();
            store::lock(tx).await?;
            for row in store::list(tx).await? {
                let Some(sealed) = &row.private else { continue };
                if self.sealer.is_current(sealed) {
                    done.kept += 1;
                    continue;
                }
                let Ok(pair) = self.open(&row.kid, sealed) else {
                    done.unreadable.push(row.kid);
                    continue;
                };
                let text = pair.to_json()?;
                let sealed = self.sealer.seal(text.expose_secret().as_bytes(), place(&row.kid))?;
                store::replace_sealed(tx, &row.kid, &sealed).await?;
                done.renewed += 1;
            }
            Ok::<_, ManageError>(done)
        });
        done.await
    }

    /// All keys, which nobody else changes until the transaction is over.
    async fn lock(&self, tx: &mut Conn<'_>) -> Result<Vec<Member>, sqlx::Error> {
        store::lock(tx).await?;
        Ok(self.with_setting(store::list(tx).await?))
    }

    fn seal(&self, pair: &PrivateJwk, begins_at: At, by: &str) -> Result<store::Row, ManageError> {
        let kid = pair.public().kid().to_owned();
        let text = pair.to_json()?;
        Ok(store::Row {
            private: Some(self.sealer.seal(text.expose_secret().as_bytes(), place(&kid))?),
            kid,
            begins_at,
            withdrawn_at: None,
            created_by: Some(by.to_owned()),
            created_at: self.clock.now(),
        })
    }

    /// Makes a change that was just committed count here; other replicas see it in half a second.
    async fn catch_up(&self) {
        if let Err(error) = self.refresh().await {
            warn!(%error, "a change to the signing keys is saved, and will count a little later");
        }
    }
}

impl Member {
    fn is_withdrawn(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.withdrawn_at.is_some())
    }
}

fn info(member: Member, state: State) -> KeyInfo {
    let (state, end) = match state {
        State::Pending => ("pending", None),
        State::Active => ("active", None),
        State::Retired { end } => ("retired", Some(end)),
        State::Withdrawn if member.is_withdrawn() => ("withdrawn", None),
        State::Withdrawn => ("unreadable", None),
    };
    let ends_at = end.and_then(|end| DateTime::from_timestamp(i64::try_from(end).ok()?, 0));
    let (source, row) = match member.row {
        Some(row) => ("database", Some(row)),
        None => ("settings", None),
    };
    KeyInfo {
        kid: member.kid,
        state,
        begins_at: Some(member.begins_at).filter(|at| *at != beginning()),
        ends_at: ends_at.map(At::new),
        source,
        created_by: row.as_ref().and_then(|row| row.created_by.clone()),
        created_at: row.as_ref().map(|row| row.created_at),
        withdrawn_at: row.and_then(|row| row.withdrawn_at),
    }
}
