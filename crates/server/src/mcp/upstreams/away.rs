//! Upstreams that could not be reached, and how long each is left alone.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use super::Upstream;
use super::wire::WireError;
use crate::db::Id;

/// How long an upstream that cannot be reached is left alone: at first, and at most.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
pub struct Away(Mutex<HashMap<Id, Rest>>);

/// How long one is left alone, and until when.
#[derive(Debug, Clone, Copy)]
struct Rest {
    pause: Duration,
    until: Instant,
}

impl Away {
    /// Refuses to ask an upstream that is left alone.
    pub fn refuse(&self, upstream: &Upstream) -> Result<(), WireError> {
        let known = self.lock();
        let Some(rest) = known.get(&upstream.id) else { return Ok(()) };
        let left = rest.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let name = &upstream.content.name;
        let seconds = left.as_secs() + 1;
        Err(WireError::NotSent(format!(
            "the server `{name}` could not be reached; it is asked again in {seconds} s"
        )))
    }

    /// Makes calls of an upstream that is away wait, longer each time.
    pub fn note<T>(&self, id: Id, answer: &Result<T, WireError>) {
        let mut known = self.lock();
        match answer {
            Err(WireError::NotSent(_)) => {
                let pause = longer(known.get(&id).map(|it| it.pause));
                known.insert(id, Rest { pause, until: Instant::now() + pause });
            }
            _ => drop(known.remove(&id)),
        }
    }

    /// Makes the next call of an upstream try, whatever came of the last one.
    pub fn forgive(&self, id: Id) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Rest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long an upstream is left alone that was left alone for `pause` before.
pub fn longer(pause: Option<Duration>) -> Duration {
    pause.map_or(SHORTEST_PAUSE, |it| it.saturating_mul(2).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_stays_away_is_asked_less_and_less() {
        let pauses = (0..8).scan(None, |pause, _| {
            *pause = Some(longer(*pause));
            pause.map(|it| it.as_secs())
        });

        assert_eq!(pauses.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
