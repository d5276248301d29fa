//! Which of several keys signs, and which are still or already believed.
//!
//! A key is published a while before it signs, so that whoever keeps our key set has it by then, and
//! stays published for as long as a token that it signed may live. What a key is follows from the
//! times at which keys begin and from nothing else: no process has to move it on, and processes with
//! the same keys agree.

use std::cmp::Ordering;

/// A new key is published so many seconds before it signs: twice as long as a key set may be kept.
pub const AHEAD: u64 = 600;
/// A key stays published so many seconds after the next has begun: the longest life of a token, and as
/// long as a key set may be kept.
pub const AFTER: u64 = 86_400 + 300;

/// A key, as far as time decides what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The second since 1970 in which it begins to sign.
    pub begins: u64,
    /// Whether somebody took it back. It is nothing any more, and the keys before it are as over as they
    /// were.
    pub is_withdrawn: bool,
}

/// What a key is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Published, and will sign.
    Pending,
    /// Signs.
    Active,
    /// Signs no more; its tokens are good until `end`, a second since 1970.
    Retired { end: u64 },
    /// Neither signs nor verifies.
    Withdrawn,
}

/// What all keys are, for as long as that is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In the order of the entries. One is active, unless all are withdrawn.
    pub states: Vec<State>,
    /// The second since 1970 in which something changes next.
    pub until: u64,
}

impl Plan {
    /// Of keys in the order in which they begin, at `now`. Before the first has begun it signs already.
    pub fn of(keys: &[Entry], now: u64) -> Self {
        let is_usable = |key: &Entry| !key.is_withdrawn;
        let begun = |key: &Entry| is_usable(key) && key.begins <= now;
        let active = keys.iter().rposition(begun).or_else(|| keys.iter().position(is_usable));
        let state = |(index, key): (usize, &Entry)| match active {
            Some(active) if is_usable(key) => match index.cmp(&active) {
                Ordering::Greater => State::Pending,
                Ordering::Equal => State::Active,
                Ordering::Less => {
                    let next = keys.get(index + 1).map_or(0, |next| next.begins);
                    State::Retired { end: next.saturating_add(AFTER) }
                }
            },
            _ => State::Withdrawn,
        };
        let states: Vec<State> = keys.iter().enumerate().map(state).collect();
        let changes = states.iter().zip(keys).filter_map(|(state, key)| match state {
            State::Pending => Some(key.begins),
            State::Retired { end } if *end > now => Some(*end),
            _ => None,
        });
        let until = changes.min().unwrap_or(u64::MAX);
        Self { states, until }
    }
}

impl State {
    /// Whether tokens of such a key are believed at `now`.
    pub fn verifies(self, now: u64) -> bool {
        match self {
            Self::Pending | Self::Active => true,
            Self::Retired { end } => now < end,
            Self::Withdrawn => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_795_600_000;

    fn key(begins: u64) -> Entry {
        Entry { begins, is_withdrawn: false }
    }

    fn withdrawn(begins: u64) -> Entry {
        Entry { begins, is_withdrawn: true }
    }

    #[test]
    fn one_key_signs_for_ever() {
        let plan = Plan::of(&[key(0)], NOW);

        assert_eq!(plan, Plan { states: vec![State::Active], until: u64::MAX });
        assert_eq!(Plan::of(&[key(NOW + 5)], NOW).states, [State::Active]);
        assert_eq!(Plan::of(&[], NOW).states, []);
    }

    #[test]
    fn a_key_is_published_then_signs_then_is_believed_for_a_day() {
        let keys = [key(0), key(NOW)];
        let end = NOW + AFTER;

        let before = Plan::of(&keys, NOW - 1);
        assert_eq!(before, Plan { states: vec![State::Active, State::Pending], until: NOW });
        let after = Plan::of(&keys, NOW);
        let retired = State::Retired { end };
        assert_eq!(after, Plan { states: vec![retired, State::Active], until: end });
        let late = Plan::of(&keys, end);
        assert_eq!(late, Plan { states: vec![retired, State::Active], until: u64::MAX });
        assert!(retired.verifies(end - 1) && !retired.verifies(end));
    }

    #[test]
    fn a_withdrawn_key_is_nothing_and_brings_none_back() {
        let long_ago = NOW - AFTER;

        let states = Plan::of(&[key(0), withdrawn(long_ago), key(NOW)], NOW).states;
        assert_eq!(states, [State::Retired { end: NOW }, State::Withdrawn, State::Active]);
        assert!(!states[0].verifies(NOW) && !states[1].verifies(NOW));
        let states = Plan::of(&[key(0), withdrawn(NOW + 60)], NOW).states;
        assert_eq!(states, [State::Active, State::Withdrawn]);
        assert_eq!(Plan::of(&[withdrawn(0)], NOW).states, [State::Withdrawn]);
    }

    proptest! {
        #[test]
        fn one_key_signs_whatever_the_times_are(
            mut keys in prop::collection::vec((0..200_u64, any::<bool>()), 0..8), now in 0..200_u64,
        ) {
            keys.sort_unstable();
            let hours = |it: u64| it * 3600;
            let keys: Vec<Entry> = keys
                .into_iter()
                .map(|(begins, is_withdrawn)| Entry { begins: hours(begins), is_withdrawn })
                .collect();

            let plan = Plan::of(&keys, hours(now));

            let active = plan.states.iter().filter(|state| **state == State::Active).count();
            prop_assert_eq!(active, usize::from(keys.iter().any(|key| !key.is_withdrawn)));
            prop_assert!(plan.until > hours(now));
            let just_before = plan.until.saturating_sub(1);
            let later = Plan::of(&keys, just_before);
            prop_assert_eq!(&later.states, &plan.states, "nothing changes before it is said to");
            let same = |it: &State| it.verifies(just_before) == it.verifies(hours(now));
            prop_assert!(plan.states.iter().all(same));
        }
    }
}
