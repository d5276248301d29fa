//! How far calls have come, from the tools to the run that waits for them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use engine::ToolProgress;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Between two events of a run that say how far its calls are.
const PACE: Duration = Duration::from_millis(500);
/// So many events one call gets; what it says after that is not heard.
const EVENTS: u32 = 1000;
/// Characters of a message that are kept.
const MESSAGE: usize = 500;

/// How far a call has come, in whatever it counts.
///
/// ```
/// # use agent_server::Progress;
/// Progress::new(3.0).of(10.0).saying("three files are copied");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    done: f64,
    total: Option<f64>,
    message: Option<String>,
}

impl Progress {
    pub fn new(done: f64) -> Self {
        Self { done, total: None, message: None }
    }

    /// What it will be in the end.
    #[must_use]
    pub fn of(mut self, total: f64) -> Self {
        self.total = Some(total);
        self
    }

    /// What is being done, for people; at most 500 characters of it are kept.
    #[must_use]
    pub fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }
}

/// What calls that are under way together have said, each its last word.
#[derive(Debug, Default)]
pub struct Reports {
    state: Mutex<State>,
    stirred: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<String, Progress>,
    /// Events of each call so far.
    counts: BTreeMap<String, u32>,
    last: Option<Instant>,
}

impl Reports {
    /// A call says how far it is. What JSON cannot hold is not heard.
    pub fn put(&self, call_id: &str, progress: Progress) {
        let is_finite = progress.done.is_finite() && progress.total.is_none_or(f64::is_finite);
        let mut state = self.lock();
        let count = state.counts.get(call_id).copied().unwrap_or_default();
        if is_finite && count < EVENTS {
            state.waiting.insert(call_id.to_owned(), progress);
            drop(state);
            self.stirred.notify_one();
        }
    }

    /// A call has ended: whatever it has begun beside itself is not heard any more.
    pub fn end(&self, call_id: &str) {
        let mut state = self.lock();
        state.waiting.remove(call_id);
        state.counts.insert(call_id.to_owned(), EVENTS);
    }

    /// What is to be recorded next, when it is time for it.
    pub async fn next(&self) -> Vec<ToolProgress> {
        loop {
            let (is_empty, last) = {
                let state = self.lock();
                (state.waiting.is_empty(), state.last)
            };
            if is_empty {
                self.stirred.notified().await;
                continue;
            }
            if let Some(last) = last {
                tokio::time::sleep_until(last + PACE).await;
            }
            return self.take();
        }
    }

    fn take(&self) -> Vec<ToolProgress> {
        let mut state = self.lock();
        state.last = Some(Instant::now());
        let waiting = std::mem::take(&mut state.waiting);
        for call_id in waiting.keys() {
            *state.counts.entry(call_id.clone()).or_default() += 1;
        }
        waiting.into_iter().map(|(call_id, said)| event(call_id, said)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(call_id: String, Progress { done, total, message }: Progress) -> ToolProgress {
    // The log holds no NUL.
    let keep = |text: String| text.chars().filter(|it| *it != '\0').take(MESSAGE).collect();
    ToolProgress { call_id, progress: done, total, message: message.map(keep) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_what_a_call_says_in_a_hurry_the_last_counts() {
        let reports = Reports::default();
        let began = Instant::now();
        reports.put("a", Progress::new(1.0));
        assert_eq!(reports.next().await.len(), 1);
        assert_eq!(began.elapsed(), Duration::ZERO);

        for count in 2..100 {
            reports.put("a", Progress::new(f64::from(count)));
        }
        reports.put("b", Progress::new(f64::NAN));
        let next = reports.next().await;

        assert_eq!(next, [event("a".to_owned(), Progress::new(99.0))]);
        assert_eq!(began.elapsed(), PACE);

        reports.put("a", Progress::new(100.0));
        reports.end("a");
        reports.put("a", Progress::new(101.0));
        assert!(reports.lock().waiting.is_empty(), "a call that has ended says something");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_fills_no_log() {
        let reports = Reports::default();
        let mut events = 0;
        for count in 0..2 * EVENTS {
            reports.put("a", Progress::new(count.into()).saying("é\0".repeat(MESSAGE + 1)));
            let said = tokio::time::timeout(PACE * 2, reports.next()).await.unwrap_or_default();
            assert!(said.iter().all(|it| it.message == Some("é".repeat(MESSAGE))));
            events += said.len();
        }

        assert_eq!(events, EVENTS as usize);
    }
}
