//! Positions in lists, as opaque strings that nobody can make up.

use std::sync::Arc;
use std::time::Duration;

use auth::secret::MacKey;
use auth::secret::MasterKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long a cursor can be used.
const LIFETIME: Duration = Duration::from_hours(24);
const TAG_BYTES: usize = 32;

/// Makes cursors and takes them back. All replicas need the same key.
#[derive(Debug, Clone)]
pub struct Cursors(Arc<MacKey>);

/// Why a cursor cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    #[error("is not a cursor of this server")]
    Unknown,
    #[error("is older than a day; begin again without it")]
    Expired,
    #[error("was made for another list or other filters; begin again without it")]
    OtherList,
}

#[derive(Serialize, Deserialize)]
struct Content<P> {
    position: P,
    list: String,
    expires: i64,
}

impl Cursors {
    /// Cursors signed with a key of their own, derived from `master`.
    pub fn new(master: &MasterKey) -> Self {
        Self(Arc::new(master.mac("list cursors")))
    }

    /// A cursor that continues `list` after `position`.
    pub fn seal(&self, list: &str, position: impl Serialize, now: DateTime<Utc>) -> String {
        let content =
            Content { position, list: self.digest(list), expires: (now + LIFETIME).timestamp() };
        let mut bytes = serde_json::to_vec(&content).unwrap_or_default();
        let tag = self.0.sign(&bytes);
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position that `cursor` stands for in `list`.
    pub fn open<P: DeserializeOwned>(
        &self,
        list: &str,
        cursor: &str,
        now: DateTime<Utc>,
    ) -> Result<P, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| CursorError::Unknown)?;
        let split = bytes.len().checked_sub(TAG_BYTES).ok_or(CursorError::Unknown)?;
        let (content, tag) = bytes.split_at(split);
        if !self.0.verify(content, tag) {
            return Err(CursorError::Unknown);
        }
        let content: Content<serde_json::Value> =
            serde_json::from_slice(content).map_err(|_| CursorError::Unknown)?;
        if content.list != self.digest(list) {
            return Err(CursorError::OtherList);
        }
        if content.expires <= now.timestamp() {
            return Err(CursorError::Expired);
        }
        serde_json::from_value(content.position).map_err(|_| CursorError::Unknown)
    }

    fn digest(&self, list: &str) -> String {
        URL_SAFE_NO_PAD.encode(&self.0.sign(list.as_bytes())[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "/runs?status=failed";

    #[test]
    fn a_cursor_comes_back_as_the_position_it_stood_for() {
        let master = MasterKey::generate().unwrap();
        let cursor = Cursors::new(&master).seal(LIST, ("2026-11-25", 7), noon());

        let again = Cursors::new(&master).open(LIST, &cursor, noon());

        assert_eq!(again, Ok((String::from("2026-11-25"), 7)));
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let cursors = some();
        let cursor = cursors.seal(LIST, 7, noon());

        let elsewhere = cursors.open::<u8>("/runs?status=queued", &cursor, noon());

        assert_eq!(elsewhere, Err(CursorError::OtherList));
    }

    #[test]
    fn a_cursor_lives_for_a_day() {
        let cursors = some();
        let cursor = cursors.seal(LIST, 7, noon());

        assert_eq!(cursors.open(LIST, &cursor, noon() + LIFETIME - Duration::from_secs(1)), Ok(7));
        assert_eq!(cursors.open::<u8>(LIST, &cursor, noon() + LIFETIME), Err(CursorError::Expired));
    }

    #[test]
    fn a_changed_or_invented_cursor_is_unknown() {
        let cursors = some();
        let cursor = cursors.seal(LIST, 7, noon());
        let mut bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        bytes[12] ^= 1;

        for cursor in
            [URL_SAFE_NO_PAD.encode(bytes), "garbage!".into(), "AAAA".into(), String::new()]
        {
            assert_eq!(cursors.open::<u8>(LIST, &cursor, noon()), Err(CursorError::Unknown));
        }
        let foreign = some().open::<u8>(LIST, &cursor, noon());
        assert_eq!(foreign, Err(CursorError::Unknown));
    }

    /// Those of a server with a key of its own.
    fn some() -> Cursors {
        Cursors::new(&MasterKey::generate().unwrap())
    }

    fn noon() -> DateTime<Utc> {
        "2026-11-25T12:00:00Z".parse().unwrap()
    }
}
