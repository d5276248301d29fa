//! Passwords that people choose: how they are kept, and which are too easy to guess.
//!
//! Everything else that is secret here is random, and a SHA-256 of it is enough. Of a password it is not, so it is kept
//! as argon2id (RFC 9106), which costs time and memory on purpose: whoever hashes must see to it that
//! not too many do at once.

use argon2::Algorithm;
use argon2::Argon2;
use argon2::Params;
use argon2::Version;
use aws_lc_rs::constant_time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::random;
use crate::random::NoRandomness;

/// The fewest and the most characters of a password.
pub const LENGTH: (usize, usize) = (12, 256);

/// What a hash costs: 19 MiB of memory and two passes over them (OWASP, 2024).
const COST: Cost = Cost { memory_kib: 19_456, passes: 2, lanes: 1 };
/// The most that a stored hash may demand of us, whoever wrote it.
const MOST: Cost = Cost { memory_kib: 131_072, passes: 8, lanes: 4 };
const HASH: usize = 32;
const SALT: usize = 16;

/// A password as it is stored: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`.
///
/// It is no secret, but it is not shown either: who has it can try passwords as fast as his machines are.
#[derive(Clone)]
pub struct PasswordHash(String);

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    #[error("the password could not be hashed: {0}")]
    Argon2(argon2::Error),
}

/// Why a password is too easy to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    #[error("a password has at least {} characters", LENGTH.0)]
    TooShort,
    #[error("a password has at most {} characters", LENGTH.1)]
    TooLong,
    #[error("a password has no control characters")]
    Control,
    #[error("the password is little more than a name that goes with the account")]
    Personal,
    #[error("the password is little more than a word that everybody tries first")]
    Common,
    #[error("the password repeats itself, or goes along the alphabet or the keyboard")]
    Regular,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl PasswordHash {
    /// Hashes a password. It takes tens of milliseconds of one core.
    pub fn of(password: &str) -> Result<Self, HashError> {
        let random = random::bytes()?;
        let salt = &random[..SALT];
        let hash = hash(password, salt, COST).map_err(HashError::Argon2)?;
        Ok(Self::written(salt, &hash))
    }

    /// Reads what stands in a column.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// One that costs as much as any to check, and that no password has: its preimage would have to be found.
    pub fn of_nobody() -> Self {
        Self::written(&[0; SALT], &[0; HASH])
    }

    fn written(salt: &[u8], hash: &[u8]) -> Self {
        let Cost { memory_kib, passes, lanes } = COST;
        let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
        Self(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}"))
    }

    /// What a column holds.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is of `password`. What is no hash of ours is of none, and takes no time.
    pub fn matches(&self, password: &str) -> bool {
        let Some((cost, salt, expected)) = parse(&self.0) else { return false };
        let found = hash(password, &salt, cost);
        found.is_ok_and(|found| constant_time::verify_slices_are_equal(&found, &expected).is_ok())
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

fn hash(password: &str, salt: &[u8], cost: Cost) -> Result<[u8; HASH], argon2::Error> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(HASH))?;
    let mut out = [0; HASH];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(password.as_bytes(), salt, &mut out)?;
    Ok(out)
}

/// The parts of a stored hash, if it is one that we would compute.
fn parse(text: &str) -> Option<(Cost, Vec<u8>, Vec<u8>)> {
    let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
    let (params, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let mut params = params.split(',');
    let mut number = |name: &str| params.next()?.strip_prefix(name)?.parse::<u32>().ok();
    let cost = Cost { memory_kib: number("m=")?, passes: number("t=")?, lanes: number("p=")? };
    let is_affordable = cost.memory_kib <= MOST.memory_kib
        && cost.passes <= MOST.passes
        && cost.lanes <= MOST.lanes;
    let decode = |part: &str| STANDARD_NO_PAD.decode(part).ok();
    let (salt, hash) = (decode(salt)?, decode(hash)?);
    (is_affordable && parts.next().is_none()).then_some((cost, salt, hash))
}

/// Says what makes `password` too easy to guess. `names` are those that go with the account.
///
/// A long password of any characters is good; there are no rules of what must be in it (NIST SP 800-63B).
pub fn check(password: &str, names: &[&str]) -> Result<(), Weakness> {
    let length = password.chars().count();
    if length < LENGTH.0 {
        return Err(Weakness::TooShort);
    }
    if length > LENGTH.1 {
        return Err(Weakness::TooLong);
    }
    if password.chars().any(char::is_control) {
        return Err(Weakness::Control);
    }
    if is_regular(password) {
        return Err(Weakness::Regular);
    }
    let plain = plain(password);
    let names = names.iter().flat_map(|name| name.split(['@', '.', ' ', '-', '_']));
    let names: Vec<String> = names.map(self::plain).collect();
    if has_little_beside(&plain, names.iter().map(String::as_str)) {
        return Err(Weakness::Personal);
    }
    if has_little_beside(&plain, COMMON) {
        return Err(Weakness::Common);
    }
    Ok(())
}

/// Whether fewer than six characters are left of `text` without these words, of which there is one in it.
fn has_little_beside<'w>(text: &str, words: impl IntoIterator<Item = &'w str>) -> bool {
    let words = words.into_iter().filter(|word| word.chars().count() >= 4);
    let rest = words.fold(text.to_owned(), |rest, word| rest.replace(word, ""));
    rest.len() < text.len() && rest.chars().count() < 6
}

/// Whether a few characters make up all of it, or each follows from the one before it.
fn is_regular(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut kinds: Vec<char> = lower.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.len() < 5 {
        return true;
    }
    let lines = ["qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890", "qwertzuiop", "azertyuiop"];
    let follows = |a: char, b: char| {
        let is_neighbour = lines.iter().any(|line| {
            let mut pairs = line.chars().zip(line.chars().skip(1));
            pairs.any(|(x, y)| (a, b) == (x, y) || (a, b) == (y, x))
        });
        is_neighbour || u32::from(a).abs_diff(u32::from(b)) <= 1
    };
    let pairs = lower.chars().zip(lower.chars().skip(1));
    let breaks = pairs.filter(|(a, b)| !follows(*a, *b)).count();
    breaks * 4 < lower.chars().count()
}

/// The text in lower case, without what people put in place of letters.
fn plain(text: &str) -> String {
    let letter = |c: char| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    };
    text.to_lowercase().chars().map(letter).collect()
}

/// Words that begin every list of passwords, in the spelling of [`plain`].
const COMMON: [&str; 48] = [
    "password",
    "passwort",
    "passwd",
    "motdepasse",
    "contrasena",
    "letmein",
    "welcome",
    "willkommen",
    "bienvenue",
    "administrator",
    "admin",
    "changeme",
    "default",
    "secret",
    "geheim",
    "login",
    "master",
    "iloveyou",
    "princess",
    "sunshine",
    "football",
    "baseball",
    "monkey",
    "dragon",
    "shadow",
    "superman",
    "batman",
    "trustnoi",
    "starwars",
    "pokemon",
    "whatever",
    "computer",
    "internet",
    "service",
    "server",
    "agent",
    "agentserver",
    "hallo",
    "hello",
    "qwerty",
    "qwertz",
    "azerty",
    "asdf",
    "test",
    "guest",
    "summer",
    "winter",
    "company",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let hash = PasswordHash::of("correct horse battery staple").unwrap();

        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        let stored = PasswordHash::stored(hash.as_str().to_owned());
        assert!(stored.matches("correct horse battery staple"));
        assert!(!stored.matches("correct horse battery stapl"));
        let again = PasswordHash::of("correct horse battery staple").unwrap();
        assert_ne!(again.as_str(), hash.as_str(), "each has a salt of its own");
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
        assert!(!PasswordHash::of_nobody().matches(""));
    }

    /// Made by the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1`.
    #[test]
    fn hashes_of_others_are_understood() {
        let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

        assert!(PasswordHash::stored(stored.to_owned()).matches("password"));
    }

    #[test]
    fn what_is_no_hash_or_costs_too_much_matches_nothing() {
        for text in [
            "",
            "correct horse battery staple",
            "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=65536,t=900,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=0,t=0,p=0$c29tZXNhbHQ$CTFh",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$",
        ] {
            assert!(!PasswordHash::stored(text.to_owned()).matches("password"), "{text}");
        }
    }

    #[test]
    fn long_passwords_of_any_kind_are_good() {
        for password in [
            "correct horse battery staple",
            "tr0ub4dor&3-and-more",
            "żółć gęślą jaźń",
            "x7#kQ!2vLm9z",
            "a summer long ago in Rome",
        ] {
            assert_eq!(
                check(password, &["maria.koski@fjord.example", "Maria Koski"]),
                Ok(()),
                "{password}"
            );
        }
    }

    #[test]
    fn easy_passwords_are_refused_with_their_reason() {
        let names = ["maria.koski@fjord.example", "Maria Koski"];
        let long = "ab ".repeat(100);
        for (password, weakness) in [
            ("", Weakness::TooShort),
            ("x7#kQ!2vLm9", Weakness::TooShort),
            (&long, Weakness::TooLong),
            ("correct horse\nbattery", Weakness::Control),
            ("aaaaaaaaaaaaaaaa", Weakness::Regular),
            ("abcabcabcabcabc", Weakness::Regular),
            ("abcdefghijklmnop", Weakness::Regular),
            ("1234567890123", Weakness::Regular),
            ("qwertyuiopasdf", Weakness::Regular),
            ("Password2026!", Weakness::Common),
            ("P4$$w0rdP4$$w0rd", Weakness::Common),
            ("Welcome12345", Weakness::Common),
            ("maria.koski2026", Weakness::Personal),
            ("KoskiKoski2026", Weakness::Personal),
        ] {
            assert_eq!(check(password, &names), Err(weakness), "{password}");
        }
    }
}
