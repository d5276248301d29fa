//! Scopes: what a credential may do.
//!
//! A scope is words with dots between, the last of which says what may be done: `agent.read`,
//! `rfp.process`, `weather.alerts.read`. Words are `a-z 0-9 _ -` and begin with a letter or a
//! digit, the first one with a letter. Two kinds share this grammar:
//!
//! - **ours** begin with one of [`TYPES`] and have exactly two words, the second one an action of
//!   that type. A misspelt one (`agent.exceute`) is refused, not kept as a name that nobody holds;
//! - **own** ones begin with any other word. A resource may demand them in its `scopes[]`, a
//!   client may be given them; we attach no meaning to them beyond this file.
//!
//! The last word may be `*`. What one scope covers is said by [`Scope::covers`].

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;
use serde::Serializer;

const COMMON: &[&str] = &["read", "write", "execute"];

/// The types of our own scopes, each with its actions.
pub const TYPES: [(&str, &[&str]); 14] = [
    ("agent", COMMON),
    ("workflow", COMMON),
    ("tool", COMMON),
    ("rag", &["read", "write", "execute", "search"]),
    ("run", COMMON),
    ("thread", COMMON),
    ("approval", &["read", "write", "execute", "decide"]),
    ("secret", COMMON),
    ("client", COMMON),
    ("user", COMMON),
    ("key", COMMON),
    ("audit", COMMON),
    ("mcp", &["access"]),
    ("admin", COMMON),
];

/// The longest scope, in bytes.
pub const MAX_LENGTH: usize = 100;

/// The most scopes that one credential or resource may have.
///
/// With [`MAX_LENGTH`] it keeps every access token below [`crate::jose::MAX_TOKEN`].
pub const MAX_SCOPES: usize = 100;

/// One scope, such as `agent.execute`, `agent.*` or `rfp.process`.
///
/// Invariant: it follows the grammar of this module, so it is at most [`MAX_LENGTH`] bytes of
/// lower-case ASCII and can stand in a header, a URL or a JSON string without escaping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(String);

/// A set of scopes that remembers the order in which they were given.
///
/// It is a list without duplicates in JSON, and a string with spaces between in OAuth
/// ([`FromStr`], [`fmt::Display`]). Clones share it. Invariant: at most [`MAX_SCOPES`] when it came from outside.
#[derive(Debug, Clone, Default, Eq, Deserialize)]
#[serde(try_from = "Vec<Scope>")]
pub struct Scopes(Arc<[Scope]>);

/// Why a text is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    #[error("a scope has at most {MAX_LENGTH} characters")]
    TooLong,
    #[error(
        "a scope is two or more words of a-z, 0-9, _ and - with dots between; the last one may be *"
    )]
    Malformed,
    #[error("{kind} has no such action; it has {}", .actions.join(", "))]
    UnknownAction { kind: &'static str, actions: &'static [&'static str] },
    #[error("there are at most {MAX_SCOPES} scopes")]
    TooMany,
}

impl Scope {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Every scope of ours that names one action, in the order of [`TYPES`].
    pub fn known() -> impl Iterator<Item = Self> {
        TYPES.into_iter().flat_map(|(kind, actions)| {
            actions.iter().map(move |action| Self(format!("{kind}.{action}")))
        })
    }

    /// Whether it is one to which our users give a meaning, not we.
    pub fn is_own(&self) -> bool {
        let kind = self.0.split('.').next();
        !TYPES.iter().any(|(ours, _)| Some(*ours) == kind)
    }

    /// Whether it is for administering the server: who may come in, and with what.
    pub fn administers(&self) -> bool {
        let kind = self.0.split('.').next().unwrap_or_default();
        ["admin", "audit", "client", "key", "user"].contains(&kind)
    }

    /// Whether who holds `self` may do what `wanted` demands.
    ///
    /// A scope covers itself. `<words>.*` covers all that begins with `<words>.`; `admin.read`
    /// covers all that ends in `.read`, `admin.write` all that ends in `.write`, `admin.*` both.
    pub fn covers(&self, wanted: &str) -> bool {
        let held = self.as_str();
        if held == wanted {
            return true;
        }
        if held.strip_suffix('*').is_some_and(|prefix| wanted.starts_with(prefix)) {
            return true;
        }
        let action = wanted.rsplit_once('.').map(|(_, action)| action);
        matches!(
            (held, action),
            ("admin.read" | "admin.*", Some("read")) | ("admin.write" | "admin.*", Some("write"))
        )
    }
}

impl Scopes {
    /// `<type>.*` for each of our types: what the management client holds.
    ///
    /// Own scopes are not in it, but for those that end in `.read` and `.write`.
    pub fn all_types() -> Self {
        TYPES.into_iter().map(|(kind, _)| Scope(format!("{kind}.*"))).collect()
    }

    /// What who can write all tables may do anyway: whatever a scope demands. No text is read as it, so no client and no
    /// person ever holds it.
    pub fn everything() -> Self {
        Self([Scope("*".to_owned())].into())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of these covers `wanted`, by [`Scope::covers`]. Allocates nothing.
    pub fn covers(&self, wanted: impl AsRef<str>) -> bool {
        let wanted = wanted.as_ref();
        self.0.iter().any(|held| held.covers(wanted))
    }

    /// Whether each of `wanted` is covered.
    pub fn covers_all(&self, wanted: &Self) -> bool {
        wanted.0.iter().all(|scope| self.covers(scope))
    }

    /// What both `self` and `other` allow, in the order and the words of `other` where it can.
    ///
    /// It never allows more than either. It allows all of *ours* that both do, also where only
    /// patterns meet: `admin.read` and `agent.*` have `agent.read` in common. For own scopes it
    /// keeps what one side names and the other covers.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        // Mostly they are the same, which is cheaper to see than that one covers the other.
        if self.0 == other.0 || self.covers_all(other) {
            return other.clone();
        }
        let named = other.iter().filter(|scope| self.covers(scope));
        let covered = self.iter().filter(|scope| other.covers(scope));
        let common: Self = named.chain(covered).cloned().collect();
        let is_both = |known: &Scope| self.covers(known) && other.covers(known);
        let known = Scope::known().filter(|known| is_both(known) && !common.covers(known));
        common.iter().cloned().chain(known).collect()
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, ScopeError> {
        if text.len() > MAX_LENGTH {
            return Err(ScopeError::TooLong);
        }
        let (kind, rest) = text.split_once('.').ok_or(ScopeError::Malformed)?;
        let (between, action) = rest.rsplit_once('.').map_or((None, rest), |(b, a)| (Some(b), a));
        let shaped = kind.starts_with(|c: char| c.is_ascii_lowercase())
            && is_word(kind)
            && between.is_none_or(|words| words.split('.').all(is_word))
            && (action == "*" || is_word(action));
        if !shaped {
            return Err(ScopeError::Malformed);
        }
        match TYPES.into_iter().find(|(ours, _)| *ours == kind) {
            Some((kind, actions)) if rest != "*" && !actions.contains(&rest) => {
                Err(ScopeError::UnknownAction { kind, actions })
            }
            _ => Ok(Self(text)),
        }
    }
}

fn is_word(text: &str) -> bool {
    let letter_or_digit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(letter_or_digit)
        && text.chars().all(|c| letter_or_digit(c) || c == '_' || c == '-')
}

impl FromStr for Scopes {
    type Err = ScopeError;

    /// Reads RFC 6749's `scope`: scopes with spaces between, more than one of which does no harm.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let mut scopes = Vec::new();
        for scope in text.split(' ').filter(|word| !word.is_empty()) {
            push(&mut scopes, scope.parse()?);
            if scopes.len() > MAX_SCOPES {
                return Err(ScopeError::TooMany);
            }
        }
        Ok(Self(scopes.into()))
    }
}

impl TryFrom<Vec<Scope>> for Scopes {
    type Error = ScopeError;

    fn try_from(scopes: Vec<Scope>) -> Result<Self, ScopeError> {
        if scopes.len() > MAX_SCOPES {
            return Err(ScopeError::TooMany);
        }
        Ok(scopes.into_iter().collect())
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut set = Vec::new();
        scopes.into_iter().for_each(|scope| push(&mut set, scope));
        Self(set.into())
    }
}

fn push(set: &mut Vec<Scope>, scope: Scope) {
    if !set.contains(&scope) {
        set.push(scope);
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl PartialEq for Scopes {
    /// Order does not matter.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.0.iter().all(|scope| other.0.contains(scope))
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}

impl AsRef<str> for Scope {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

/// Scopes as RFC 6749 writes them, for `#[serde(with = "…")]`.
pub mod space_separated {
    use serde::Deserialize;
    use serde::Deserializer;
    use serde::Serializer;
    use serde::de::Error;

    use super::Scopes;

    pub fn serialize<S: Serializer>(scopes: &Scopes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(scopes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scopes, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scopes(text: &str) -> Scopes {
        text.parse().unwrap()
    }

    #[test]
    fn every_known_scope_parses() {
        for scope in Scope::known() {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert_eq!(Scope::known().count(), 13 * 3 + 3);
        assert!(Scopes::all_types().covers_all(&Scope::known().collect()));
        assert!(Scopes::everything().covers("weather.read") && "*".parse::<Scope>().is_err());
    }

    #[test]
    fn own_scopes_may_have_more_words() {
        for own in ["rfp.process", "weather.read", "shop.7f3a-b_c.execute", "rfp.*", "rfp.docs.*"] {
            assert!(own.parse::<Scope>().unwrap().is_own(), "{own}");
        }
        assert!(!Scope::known().any(|known| known.is_own()));
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        let texts = [
            "", "agent", ".", "agent.", ".read", "a..b", "*", "*.read", "a.*.b", "a.b*", "A.read",
            "é.read", "a.\"b", "a.b\0", "a.b\\", "a b.c", "a.b\n", "7a.read", "-a.read", "a.-b",
            "a.**",
        ];
        for text in texts {
            assert_eq!(text.parse::<Scope>(), Err(ScopeError::Malformed), "{text:?}");
        }
        assert_eq!(format!("a.{}", "b".repeat(99)).parse::<Scope>(), Err(ScopeError::TooLong));
    }

    #[test]
    fn a_misspelt_action_of_ours_is_refused_and_the_right_ones_are_named() {
        let error = "rag.store".parse::<Scope>().unwrap_err();

        assert_eq!(
            error.to_string(),
            "rag has no such action; it has read, write, execute, search"
        );
        for text in ["mcp.read", "agent.search", "agent.memory.read", "agent.memory.*"] {
            assert!(matches!(text.parse::<Scope>(), Err(ScopeError::UnknownAction { .. })));
        }
    }

    #[test]
    fn a_wildcard_covers_its_type_and_admin_its_action_everywhere() {
        let held = scopes("agent.* admin.read rfp.docs.*");

        for wanted in ["agent.execute", "agent.*", "secret.read", "weather.read", "rfp.docs.a.b"] {
            assert!(held.covers(wanted), "{wanted}");
        }
        for wanted in ["agents.read2", "secret.write", "rfp.process", "rfp.docs", "tool.*"] {
            assert!(!held.covers(wanted), "{wanted}");
        }
        assert!(scopes("admin.*").covers("client.write"));
        assert!(!scopes("admin.*").covers("agent.execute"));
        assert!(!scopes("client.* user.*").covers("admin.read"));
    }

    #[test]
    fn order_is_kept_and_duplicates_are_not() {
        let text = "tool.read agent.read  tool.read ";

        assert_eq!(scopes(text).to_string(), "tool.read agent.read");
        assert_eq!(scopes(text), scopes("agent.read tool.read"));
        assert_eq!(scopes("").to_string(), "");
        assert_eq!("agent.read\ttool.read".parse::<Scopes>(), Err(ScopeError::Malformed));
    }

    #[test]
    fn more_than_a_hundred_are_refused() {
        let many = |n: usize| (0..n).map(|i| format!("a.b{i}")).collect::<Vec<_>>().join(" ");

        assert_eq!(scopes(&many(100)).len(), 100);
        assert_eq!(many(101).parse::<Scopes>(), Err(ScopeError::TooMany));
        let list = serde_json::to_string(&many(101).split_whitespace().collect::<Vec<_>>());
        assert!(serde_json::from_str::<Scopes>(&list.unwrap()).is_err());
    }

    #[test]
    fn json_is_a_list() {
        let text = r#"["tool.read","agent.read"]"#;

        let parsed: Scopes = serde_json::from_str(text).unwrap();

        assert_eq!(serde_json::to_string(&parsed).unwrap(), text);
    }

    #[test]
    fn an_intersection_finds_what_patterns_have_in_common() {
        let common = |a: &str, b: &str| scopes(a).intersection(&scopes(b)).to_string();

        assert_eq!(common("agent.* tool.read", "tool.read agent.read"), "tool.read agent.read");
        assert_eq!(common("agent.read", "agent.* tool.*"), "agent.read");
        assert_eq!(common("admin.read", "agent.*"), "agent.read");
        assert_eq!(common("admin.*", "agent.* mcp.*"), "agent.read agent.write");
        assert_eq!(common("rfp.process", "rfp.*"), "rfp.process");
        assert_eq!(common("agent.read", "tool.read"), "");
    }

    fn any_scope() -> impl Strategy<Value = Scope> {
        let known: Vec<_> = Scope::known().collect();
        let patterns: Vec<_> = Scopes::all_types().iter().cloned().collect();
        prop_oneof![
            3 => prop::sample::select(known),
            2 => prop::sample::select(patterns),
            2 => "(rfp|weather)(\\.(docs|a))?\\.(read|write|process|\\*)"
                .prop_map(|text| text.parse().unwrap()),
        ]
    }

    fn any_scopes() -> impl Strategy<Value = Scopes> {
        prop::collection::vec(any_scope(), 0..6).prop_map(Scopes::from_iter)
    }

    proptest! {
        #[test]
        fn what_is_printed_can_be_read(given in any_scopes()) {
            prop_assert_eq!(given.to_string().parse::<Scopes>(), Ok(given));
        }

        #[test]
        fn reading_never_panics_and_keeps_the_invariant(text in ".{0,120}") {
            if let Ok(scope) = text.parse::<Scope>() {
                prop_assert!(scope.as_str().bytes().all(|b| b.is_ascii_graphic()));
                prop_assert!(scope.covers(&text));
            }
        }

        #[test]
        fn covering_is_transitive(a in any_scope(), b in any_scope(), c in any_scope()) {
            if a.covers(b.as_str()) && b.covers(c.as_str()) {
                prop_assert!(a.covers(c.as_str()));
            }
        }

        #[test]
        fn an_intersection_never_allows_more_than_either(
            a in any_scopes(), b in any_scopes(), wanted in any_scope()
        ) {
            if a.intersection(&b).covers(&wanted) {
                prop_assert!(a.covers(&wanted) && b.covers(&wanted));
            }
        }

        #[test]
        fn an_intersection_allows_all_of_ours_that_both_allow(a in any_scopes(), b in any_scopes()) {
            let common = a.intersection(&b);
            for known in Scope::known() {
                prop_assert_eq!(common.covers(&known), a.covers(&known) && b.covers(&known));
            }
        }
    }
}
