//! Keys that sign webhooks, as settings name them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use secrecy::SecretSlice;

/// How long a key may be, by the specification of Standard Webhooks.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const PREFIX: &str = "whsec_";

/// Keys of one name at most: the one that is, and the one that is to be.
const OF_ONE_NAME: usize = 2;

/// The keys by their names.
#[derive(Clone, Default)]
pub struct SigningKeys(BTreeMap<String, Vec<SecretSlice<u8>>>);

impl SigningKeys {
    /// Reads `name=whsec_…,other=whsec_…`, with a name twice while its key changes. What comes back as a fault names no key's value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys: BTreeMap<String, Vec<SecretSlice<u8>>> = BTreeMap::new();
        for (index, entry) in text.split(',').map(str::trim).enumerate() {
            let fault = |detail: &str| format!("entry {}: {detail}", index + 1);
            let (name, key) = entry
                .split_once('=')
                .ok_or_else(|| fault("it must be a name, `=` and a key: `default=whsec_…`"))?;
            if !is_name(name) {
                return Err(fault("a name is 1 to 56 letters, digits, `_` and `-`"));
            }
            let key = read(key).ok_or_else(|| {
                fault("a key is `whsec_` and 24 to 64 bytes in base64, as `openssl rand -base64 32` makes them")
            })?;
            let of_name = keys.entry(name.to_owned()).or_default();
            if of_name.iter().any(|known| known.expose_secret() == key) {
                return Err(fault("its key is there twice"));
            }
            if of_name.len() == OF_ONE_NAME {
                return Err(fault("its name is there more than twice"));
            }
            of_name.push(SecretSlice::from(key));
        }
        Ok(Self(keys))
    }

    /// The keys that a secret is: `whsec_…`, or two of them with a comma between while they change.
    pub fn of_secret(value: &str) -> Option<Vec<SecretSlice<u8>>> {
        let keys = value.split(',').map(|key| read(key.trim()).map(SecretSlice::from));
        keys.collect::<Option<Vec<_>>>().filter(|keys| keys.len() <= OF_ONE_NAME)
    }

    /// The keys of this name, each of which signs; none if it is not there.
    pub fn get(&self, name: &str) -> &[SecretSlice<u8>] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn read(key: &str) -> Option<Vec<u8>> {
    let key = key.strip_prefix(PREFIX).and_then(|key| STANDARD.decode(key).ok());
    key.filter(|key| BYTES.contains(&key.len()))
}

fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=56).contains(&name.len()) && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_their_names_and_not_shown() {
        let text = "default=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, shop-2=whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

        let keys = SigningKeys::parse(text).unwrap();

        assert_eq!(keys.get("default")[0].expose_secret().len(), 24);
        assert_eq!(keys.get("shop-2")[0].expose_secret()[..3], [0, 1, 2]);
        assert!(keys.get("other").is_empty());
        assert_eq!(format!("{keys:?}"), r#"{"default", "shop-2"}"#);
    }

    #[test]
    fn a_name_has_two_keys_while_they_change_and_no_more() {
        let key = |byte| format!("a=whsec_{}", STANDARD.encode([byte; 32]));
        let two = format!("{},{}", key(1), key(2));

        assert_eq!(SigningKeys::parse(&two).unwrap().get("a").len(), 2);
        assert!(SigningKeys::parse(&format!("{two},{}", key(3))).is_err());
    }

    #[test]
    fn a_key_that_is_none_is_refused_without_its_value() {
        let good = "a=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let short = "a=whsec_aHVudGVyMg==".to_owned();
        let long = format!("a=whsec_{}", STANDARD.encode([7; 65]));
        for text in [
            "hunter2".to_owned(),
            "=whsec_hunter2".to_owned(),
            "a b=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(),
            "a=hunter2hunter2hunter2hunter2hunter2hunter2".to_owned(),
            "a=whsec_hunter2!".to_owned(),
            format!("{good},{good}"),
            format!("{good},"),
            short,
            long,
        ] {
            let fault = SigningKeys::parse(&text).unwrap_err();
            assert!(fault.starts_with("entry ") && !fault.contains("hunter2"), "{text}: {fault}");
        }
    }
}
