//! The names of definitions.

use uuid::Uuid;

use crate::http::Invalid;

/// So that `ask_<name>` and `run_<name>` have at most the 64 characters that providers accept.
const MAX_LENGTH: usize = 56;

/// Words that stand where a name could in our paths.
const RESERVED: [&str; 4] = ["definitions", "events", "providers", "search"];

/// Says what keeps `name` from being the name of a definition.
///
/// A name is a letter and at most 55 more letters, digits, `_` and `-`, so it needs no escaping in a
/// URL and makes a valid tool name for every provider. It is not shaped like a UUID, because a path
/// takes either, and no word that stands in the place of a name in our paths.
pub fn check_name(name: &str) -> Result<(), Invalid> {
    let fault = |code, detail: &str| Err(Invalid::new("/name", code, detail));
    if name.len() > MAX_LENGTH {
        return fault("too_long", "a name has at most 56 characters");
    }
    let starts_right = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !starts_right || !name.chars().all(is_inner) {
        return fault("bad_format", "a name is a letter, then letters, digits, `_` and `-`");
    }
    if Uuid::try_parse(name).is_ok() {
        return fault("reserved", "a name may not look like an id");
    }
    if RESERVED.iter().any(|word| name.eq_ignore_ascii_case(word)) {
        return fault("reserved", "this word stands for something else in a path");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_taken() {
        for name in ["a", "support", "Bar-agent_2", "definitions2", &"a".repeat(56)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn other_names_are_refused_with_the_reason() {
        check("", "bad_format");
        check("1st", "bad_format");
        check("-a", "bad_format");
        check("my agent", "bad_format");
        check("a/b", "bad_format");
        check("agé", "bad_format");
        check(&"a".repeat(57), "too_long");
        check("Definitions", "reserved");
        check("search", "reserved");
        check("a1900000-0000-7000-8000-000000000001", "reserved");
        check("a1900000000070008000000000000001", "reserved");
    }

    #[track_caller]
    fn check(name: &str, code: &str) {
        assert_eq!(check_name(name).unwrap_err().code, code, "{name}");
    }
}
