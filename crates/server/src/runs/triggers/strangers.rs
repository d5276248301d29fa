//! Strangers at `/hooks`: how much they may try, and what of it is noted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use crate::db::Id;
use crate::oauth::guesses;
use crate::oauth::guesses::Guesser;
use crate::oauth::guesses::Guesses;
use crate::workflows::triggers::Armed;

/// What strangers are refused is noted so often for each trigger.
const NOTED: Duration = Duration::from_mins(1);
/// So many triggers are remembered for that.
const REMEMBERED: usize = 10_000;
/// What an open webhook takes of an address without a wait; then one comes in each second.
const FREE: u32 = 100;
const WAIT: Duration = Duration::from_secs(1);

/// What strangers have tried.
#[derive(Debug)]
pub struct Strangers {
    /// Calls of whoever showed nothing, of what is no webhook.
    paths: Guesses,
    /// What open webhooks were sent.
    open: Guesses,
    /// What was not signed as it should be.
    unsigned: Guesses,
    /// When somebody was refused last, by workflow and trigger.
    noted: Mutex<HashMap<(Id, String), Instant>>,
}

impl Default for Strangers {
    fn default() -> Self {
        Self {
            paths: Guesses::new(guesses::NAMES).with_waits_of(guesses::WAIT_OF_ADDRESS),
            open: Guesses::new(FREE).with_waits_of(WAIT),
            unsigned: Guesses::new(guesses::WRONG_SECRETS),
            noted: Mutex::default(),
        }
    }
}

impl Strangers {
    /// How long who shows nothing has to wait before anything is looked up for him.
    pub fn wait(&self, address: IpAddr) -> Option<Duration> {
        self.paths.wait(&Guesser::stranger(address), Instant::now())
    }

    /// Takes note of one who showed nothing and found no webhook.
    pub fn note_lost(&self, address: IpAddr) {
        self.paths.wrong(Guesser::stranger(address), Instant::now());
    }

    /// Lets an open webhook take something, or says when it does again.
    pub(super) fn take(&self, armed: &Armed, address: IpAddr) -> Result<(), Duration> {
        self.open.turn(at(armed, address), Instant::now(), Duration::ZERO).map(drop)
    }

    /// Takes note of something that was not signed as it should be, or says how long that is not listened to.
    pub(super) fn note_unsigned(&self, armed: &Armed, address: IpAddr) -> Result<(), Duration> {
        let (guesser, now) = (at(armed, address), Instant::now());
        if let Some(wait) = self.unsigned.wait(&guesser, now) {
            return Err(wait);
        }
        self.unsigned.wrong(guesser, now);
        Ok(())
    }

    /// Whether nobody was refused at this trigger for a while.
    pub(super) fn is_first(&self, workflow: Id, trigger: &str, now: Instant) -> bool {
        let mut last = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= REMEMBERED {
            last.retain(|_, at| now.duration_since(*at) < NOTED);
        }
        let key = (workflow, trigger.to_owned());
        if last.get(&key).is_some_and(|at| now.duration_since(*at) < NOTED) {
            return false;
        }
        if last.len() < REMEMBERED {
            last.insert(key, now);
        }
        true
    }
}

/// Somebody of whom only the address is known, at one trigger.
fn at(armed: &Armed, address: IpAddr) -> Guesser {
    let client_id = format!("{}/{}", armed.workflow_id, armed.trigger.id());
    Guesser { client_id, ..Guesser::stranger(address) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_fill_no_history() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let id = Id::new(uuid::Uuid::nil());
        let later = now + NOTED;

        let noted = [now, now, later, later].map(|at| strangers.is_first(id, "a", at));

        assert_eq!(noted, [true, false, true, false]);
        assert!(strangers.is_first(id, "b", now));
    }
}
