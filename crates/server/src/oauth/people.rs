//! What is needed to sign people in and to act for them.

use auth::secret::MacKey;
use auth::secret::MasterKey;
use auth::token::OpaqueToken;
use auth::token::TokenKind;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::db::Db;
use crate::oauth::external::External;
use crate::oauth::guesses;
use crate::oauth::guesses::Guesses;
use crate::oauth::passwords::Hasher;
use crate::oauth::sign_in::name_of;

/// Makes and changes users, and signs them in.
#[derive(Debug)]
pub struct People {
    pub(in crate::oauth) db: Db,
    pub(in crate::oauth) hasher: Hasher,
    /// Attempts to sign in.
    pub(in crate::oauth) attempts: Guesses,
    /// The same by address alone, of browsers in which nobody has signed in by that name.
    pub(in crate::oauth) unknown: Guesses,
    /// By which server of others they may sign in, too.
    pub(in crate::oauth) external: Option<External>,
    /// What makes the next refresh token of one.
    successors: MacKey,
    /// What shows that somebody has signed in in a browser.
    known: MacKey,
    /// Of request bodies that hold a password, so that what is kept of them cannot be guessed.
    bodies: MacKey,
}

impl People {
    pub fn new(db: Db, key: &MasterKey) -> Self {
        Self {
            db,
            hasher: Hasher::default(),
            attempts: Guesses::new(guesses::PASSWORDS),
            unknown: Guesses::new(guesses::NAMES).with_waits_of(guesses::WAIT_OF_ADDRESS),
            external: None,
            successors: key.mac("refresh tokens"),
            known: key.mac("known browsers"),
            bodies: key.mac("user bodies"),
        }
    }

    /// The same, who may sign in by `external`, too.
    #[must_use]
    pub fn also_by(self, external: Option<External>) -> Self {
        Self { external, ..self }
    }

    /// The refresh token that follows on one. It is the same each time, so that who asks again because the answer was
    /// lost gets that answer; only who has our key can compute it.
    pub fn successor(&self, token: &OpaqueToken) -> OpaqueToken {
        let bytes = self.successors.sign(token.expose().as_bytes());
        OpaqueToken::from_bytes(TokenKind::Refresh, &bytes)
    }

    /// What a browser shows from now on, in which somebody has signed in by this name. It opens nothing.
    pub fn mark(&self, username: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.known.sign(name_of(username).as_bytes()))
    }

    /// Whether it is the mark of this name.
    pub(in crate::oauth) fn is_marked(&self, username: &str, mark: &str) -> bool {
        let mark = URL_SAFE_NO_PAD.decode(mark);
        mark.is_ok_and(|it| self.known.verify(name_of(username).as_bytes(), &it))
    }

    /// What stands for a request body with a password in it.
    pub fn tag(&self, body: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.bodies.sign(body.as_bytes()))
    }
}
