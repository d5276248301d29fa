//! How often one caller may call one tool.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;

use crate::db::TenantId;
use crate::oauth::caller::Principal;

/// So many callers and tools are remembered before those that have rested are forgotten.
const REMEMBERED: usize = 10_000;

/// What callers have left of the calls that they may make, in this process.
#[derive(Debug)]
pub struct Pace {
    a_minute: f64,
    left: Mutex<HashMap<Key, Left>>,
}

/// Whose calls of what.
type Key = (TenantId, String, String);

#[derive(Debug, Clone, Copy)]
struct Left {
    calls: f64,
    at: DateTime<Utc>,
}

impl Pace {
    /// `a_minute` at once, and so many more in each minute.
    pub fn new(a_minute: u32) -> Self {
        Self { a_minute: f64::from(a_minute), left: Mutex::default() }
    }

    /// Takes a call of `tool` from what `caller` has left, or says after how long there is one.
    pub fn take(&self, caller: &Principal, tool: &str, now: DateTime<Utc>) -> Result<(), Duration> {
        let key = (caller.tenant.clone(), caller.subject.to_string(), tool.to_owned());
        self.take_of(key, now)
    }

    fn take_of(&self, key: Key, now: DateTime<Utc>) -> Result<(), Duration> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() >= REMEMBERED && !left.contains_key(&key) {
            left.retain(|_, it| self.by(*it, now) < self.a_minute);
        }
        let own = left.entry(key).or_insert(Left { calls: self.a_minute, at: now });
        let calls = self.by(*own, now);
        if calls < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - calls) * 60.0 / self.a_minute));
        }
        *own = Left { calls: calls - 1.0, at: now };
        Ok(())
    }

    /// What is left by `now`.
    fn by(&self, left: Left, now: DateTime<Utc>) -> f64 {
        let minutes = (now - left.at).as_seconds_f64().max(0.0) / 60.0;
        (left.calls + minutes * self.a_minute).min(self.a_minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_up_comes_back_with_time() {
        let pace = Pace::new(6);
        let tenant = TenantId::try_from("default".to_owned()).unwrap();
        let key = |tool: &str| (tenant.clone(), "client:a".to_owned(), tool.to_owned());
        let noon: DateTime<Utc> = "2026-11-25T12:00:00Z".parse().unwrap();
        let after = |seconds| noon + Duration::from_secs(seconds);

        for _ in 0..6 {
            assert_eq!(pace.take_of(key("one"), noon), Ok(()));
        }

        assert_eq!(pace.take_of(key("one"), noon), Err(Duration::from_secs(10)));
        assert_eq!(pace.take_of(key("one"), after(4)), Err(Duration::from_secs(6)));
        assert_eq!(pace.take_of(key("another"), noon), Ok(()));
        assert_eq!(pace.take_of(key("one"), after(10)), Ok(()));
        assert!(pace.take_of(key("one"), after(10)).is_err());
        // A clock that is set back gives nothing and takes nothing.
        assert!(pace.take_of(key("one"), noon).is_err());
        for _ in 0..6 {
            assert_eq!(pace.take_of(key("one"), after(3600)), Ok(()));
        }
        assert!(pace.take_of(key("one"), after(3600)).is_err());
    }

    #[test]
    fn who_has_rested_is_forgotten_when_there_are_many() {
        let pace = Pace::new(60);
        let tenant = TenantId::try_from("default".to_owned()).unwrap();
        let key = |n: usize| (tenant.clone(), n.to_string(), "one".to_owned());
        let noon: DateTime<Utc> = "2026-11-25T12:00:00Z".parse().unwrap();
        for n in 0..REMEMBERED {
            assert_eq!(pace.take_of(key(n), noon), Ok(()));
        }

        assert_eq!(pace.take_of(key(REMEMBERED), noon + Duration::from_mins(1)), Ok(()));

        assert_eq!(pace.left.lock().unwrap().len(), 1);
    }
}
