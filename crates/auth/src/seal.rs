//! Encryption of values at rest.
//!
//! A sealed value is the text `v1.<key id>.<nonce>.<ciphertext>`: AES-256-GCM-SIV, which forgives
//! a repeated nonce, with the place of the value as additional data. A ciphertext that was copied
//! to another row, column or table does not open.

use std::fmt;

use aws_lc_rs::aead::AES_256_GCM_SIV;
use aws_lc_rs::aead::Aad;
use aws_lc_rs::aead::NONCE_LEN;
use aws_lc_rs::aead::Nonce;
use aws_lc_rs::aead::RandomizedNonceKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::secret::MasterKey;

/// Seals with the current key, opens with the current and with previous ones.
pub struct Sealer {
    current: SealKey,
    previous: Vec<SealKey>,
}

struct SealKey {
    id: String,
    key: RandomizedNonceKey,
}

/// Where a sealed value is kept; it opens nowhere else.
///
/// Tables and columns are names of the code, without `|`; a row may have any id.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub table: &'static str,
    pub row: &'a str,
    pub column: &'static str,
}

/// The cryptographic library refused to seal, or had no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the value could not be encrypted")]
pub struct SealError;

/// Why a sealed value did not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("this is not a sealed value")]
    Malformed,
    #[error("the value was sealed with the key {0}, which is not in the settings")]
    UnknownKey(String),
    #[error("the value was changed, or was sealed for another place")]
    Forged,
}

impl Sealer {
    pub fn new(current: &MasterKey, previous: &[MasterKey]) -> Result<Self, SealError> {
        Ok(Self {
            current: SealKey::new(current)?,
            previous: previous.iter().map(SealKey::new).collect::<Result<_, _>>()?,
        })
    }

    pub fn seal(&self, value: &[u8], place: Place<'_>) -> Result<String, SealError> {
        let mut buffer = value.to_vec();
        let nonce = self
            .current
            .key
            .seal_in_place_append_tag(place.aad(), &mut buffer)
            .map_err(|_| SealError)?;
        let mut text = format!("v1.{}.", self.current.id);
        URL_SAFE_NO_PAD.encode_string(nonce.as_ref(), &mut text);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(&buffer, &mut text);
        Ok(text)
    }

    /// The value that was sealed for `place`, wiped when dropped.
    pub fn open(&self, sealed: &str, place: Place<'_>) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let Sealed { key_id, nonce, ciphertext } = Sealed::parse(sealed)?;
        let key = std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|key| key.id == key_id)
            .ok_or_else(|| OpenError::UnknownKey(key_id.to_owned()))?;
        let mut buffer = Zeroizing::new(ciphertext);
        let length = key
            .key
            .open_in_place(Nonce::assume_unique_for_key(nonce), place.aad(), &mut buffer)
            .map_err(|_| OpenError::Forged)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }

    /// Whether `sealed` needs no sealing anew after a change of keys.
    pub fn is_current(&self, sealed: &str) -> bool {
        Sealed::parse(sealed).is_ok_and(|sealed| sealed.key_id == self.current.id)
    }
}

impl SealKey {
    fn new(master: &MasterKey) -> Result<Self, SealError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, master.derive("seal v1").as_slice())
            .map_err(|_| SealError)?;
        Ok(Self { id: master.id().to_owned(), key })
    }
}

impl Place<'_> {
    fn aad(self) -> Aad<Vec<u8>> {
        Aad::from(format!("{}|{}|{}", self.table, self.row, self.column).into_bytes())
    }
}

struct Sealed<'a> {
    key_id: &'a str,
    nonce: [u8; NONCE_LEN],
    ciphertext: Vec<u8>,
}

impl<'a> Sealed<'a> {
    fn parse(text: &'a str) -> Result<Self, OpenError> {
        let parts: Vec<&str> = text.split('.').collect();
        let ["v1", key_id, nonce, ciphertext] = parts[..] else {
            return Err(OpenError::Malformed);
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| OpenError::Malformed);
        let nonce = decode(nonce)?.try_into().map_err(|_| OpenError::Malformed)?;
        Ok(Self { key_id, nonce, ciphertext: decode(ciphertext)? })
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let previous: Vec<_> = self.previous.iter().map(|key| &key.id).collect();
        f.debug_struct("Sealer")
            .field("current", &self.current.id)
            .field("previous", &previous)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place<'_> = Place { table: "secrets", row: "7", column: "value" };

    fn sealer() -> Sealer {
        Sealer::new(&MasterKey::generate().unwrap(), &[]).unwrap()
    }

    #[test]
    fn a_value_opens_where_it_was_sealed_and_nowhere_else() {
        let keeper = sealer();
        let sealed = keeper.seal(b"hunter2", PLACE).unwrap();

        assert_eq!(*keeper.open(&sealed, PLACE).unwrap(), b"hunter2");
        for elsewhere in [
            Place { row: "8", ..PLACE },
            Place { table: "signing_keys", ..PLACE },
            Place { column: "previous", ..PLACE },
        ] {
            assert_eq!(keeper.open(&sealed, elsewhere), Err(OpenError::Forged));
        }
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        let keeper = sealer();

        assert_ne!(keeper.seal(b"x", PLACE).unwrap(), keeper.seal(b"x", PLACE).unwrap());
    }

    #[test]
    fn a_previous_key_still_opens_and_is_told_from_the_current_one() {
        let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let before = Sealer::new(&old, &[]).unwrap().seal(b"x", PLACE).unwrap();
        let rotated = Sealer::new(&new, std::slice::from_ref(&old)).unwrap();

        assert_eq!(*rotated.open(&before, PLACE).unwrap(), b"x");
        assert!(!rotated.is_current(&before));
        assert!(rotated.is_current(&rotated.seal(b"x", PLACE).unwrap()));
        let only_new = Sealer::new(&new, &[]).unwrap();
        assert_eq!(only_new.open(&before, PLACE), Err(OpenError::UnknownKey(old.id().to_owned())));
    }

    #[test]
    fn a_sealer_prints_no_key() {
        let key = MasterKey::generate().unwrap();

        let printed = format!("{:?}", Sealer::new(&key, &[]).unwrap());

        assert_eq!(printed, format!("Sealer {{ current: {:?}, previous: [] }}", key.id()));
    }

    #[test]
    fn what_was_not_sealed_is_refused() {
        let keeper = sealer();

        for text in ["", "hunter2", "v1.a.b", "v2.a.AAAAAAAAAAAAAAAA.AA", "v1.a.AAAA.AA", "v1...."]
        {
            assert_eq!(keeper.open(text, PLACE), Err(OpenError::Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_value_survives(value: Vec<u8>, row in ".*") {
            let keeper = sealer();
            let place = Place { row: &row, ..PLACE };

            let sealed = keeper.seal(&value, place).unwrap();

            prop_assert_eq!(&*keeper.open(&sealed, place).unwrap(), &value);
        }

        #[test]
        fn a_changed_character_never_opens(at: prop::sample::Index, with in "[A-Za-z0-9_.-]") {
            let keeper = sealer();
            let mut sealed = keeper.seal(b"hunter2", PLACE).unwrap();
            let at = at.index(sealed.len());
            prop_assume!(sealed[at..=at] != with);

            sealed.replace_range(at..=at, &with);

            prop_assert!(keeper.open(&sealed, PLACE).is_err());
        }

        #[test]
        fn two_rows_never_share_their_values(a in ".*", b in ".*") {
            prop_assume!(a != b);
            let keeper = sealer();
            let sealed = keeper.seal(b"x", Place { row: &a, ..PLACE }).unwrap();

            prop_assert_eq!(keeper.open(&sealed, Place { row: &b, ..PLACE }), Err(OpenError::Forged));
        }
    }
}
