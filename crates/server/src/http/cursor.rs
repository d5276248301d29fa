//! Positions in lists, as opaque strings that nobody can make up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long a cursor can be used.
const LIFETIME: Duration = Duration::from_hours(24);
const TAG_BYTES: usize = 16;

/// Makes cursors and takes them back. All replicas need the same key.
#[derive(Clone)]
pub struct Cursors(Arc<hmac::Key>);

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
    /// Cursors signed with a key that is derived from `secret`.
    pub fn new(secret: &[u8]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived = hmac::sign(&root, b"agent-server list cursors");
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())))
    }

    /// A cursor that continues `list` after `position`.
    pub fn seal(&self, list: &str, position: impl Serialize, now: DateTime<Utc>) -> String {
        let content =
            Content { position, list: self.digest(list), expires: (now + LIFETIME).timestamp() };
        let mut bytes = serde_json::to_vec(&content).unwrap_or_default();
        let tag = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(&tag.as_ref()[..TAG_BYTES]);
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
        let expected = hmac::sign(&self.0, content);
        aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..TAG_BYTES], tag)
            .map_err(|_| CursorError::Unknown)?;
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
        URL_SAFE_NO_PAD.encode(&hmac::sign(&self.0, list.as_bytes()).as_ref()[..8])
    }
}

impl fmt::Debug for Cursors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Cursors(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "/runs?status=failed";

    #[test]
    fn a_cursor_comes_back_as_the_position_it_stood_for() {
        let cursors = Cursors::new(b"secret");
        let cursor = cursors.seal(LIST, ("2026-11-25", 7), noon());

        let again = Cursors::new(b"secret").open(LIST, &cursor, noon());

        assert_eq!(again, Ok((String::from("2026-11-25"), 7)));
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let cursors = Cursors::new(b"secret");
        let cursor = cursors.seal(LIST, 7, noon());

        let elsewhere = cursors.open::<u8>("/runs?status=queued", &cursor, noon());

        assert_eq!(elsewhere, Err(CursorError::OtherList));
    }

    #[test]
    fn a_cursor_lives_for_a_day() {
        let cursors = Cursors::new(b"secret");
        let cursor = cursors.seal(LIST, 7, noon());

        assert_eq!(cursors.open(LIST, &cursor, noon() + LIFETIME - Duration::from_secs(1)), Ok(7));
        assert_eq!(cursors.open::<u8>(LIST, &cursor, noon() + LIFETIME), Err(CursorError::Expired));
    }

    #[test]
    fn a_changed_or_invented_cursor_is_unknown() {
        let cursors = Cursors::new(b"secret");
        let cursor = cursors.seal(LIST, 7, noon());
        let mut bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        bytes[12] ^= 1;

        for cursor in
            [URL_SAFE_NO_PAD.encode(bytes), "garbage!".into(), "AAAA".into(), String::new()]
        {
            assert_eq!(cursors.open::<u8>(LIST, &cursor, noon()), Err(CursorError::Unknown));
        }
        let foreign = Cursors::new(b"other").open::<u8>(LIST, &cursor, noon());
        assert_eq!(foreign, Err(CursorError::Unknown));
    }

    fn noon() -> DateTime<Utc> {
        "2026-11-25T12:00:00Z".parse().unwrap()
    }
}
