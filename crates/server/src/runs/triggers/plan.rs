//! What is to be done for a schedule that is due.

use std::time::Duration;

use engine::Firings;
use tracing::error;

use crate::db::At;
use crate::workflows::triggers::Armed;
use crate::workflows::triggers::FiringError;
use crate::workflows::triggers::Trigger;

/// So many occurrences of a schedule are dealt with in one transaction.
const AT_ONCE: usize = 20;
/// So long after the last that was dealt with, what is due takes a while to be found.
const LONG: Duration = Duration::from_hours(24);

/// What is to be done for a schedule.
#[derive(Debug)]
pub(super) struct Plan {
    pub occurrences: Vec<At>,
    /// How many occurrences were missed and do not happen, unless they have.
    pub left_out: usize,
    /// Between when they were looked for.
    pub since: At,
    until: At,
    pub handled: At,
    pub next: Option<At>,
    pub is_more: bool,
}

impl Plan {
    fn of(armed: &Armed, now: At) -> Option<Self> {
        let (Trigger::Cron { missed, .. }, Some(schedule), Some(handled)) =
            (&armed.trigger, armed.trigger.schedule(), armed.handled_at)
        else {
            return None;
        };
        let Firings { mut fire, left_out, since, handled: last } =
            schedule.due(*missed, handled.time(), now.time());
        let is_more = fire.len() > AT_ONCE;
        fire.truncate(AT_ONCE);
        let last = if is_more { fire.last().copied().unwrap_or(last) } else { last };
        let next = schedule.after(last).next().map(At::new);
        let occurrences = fire.into_iter().map(At::new).collect();
        let (since, handled) = (At::new(since), At::new(last));
        Some(Self { occurrences, left_out, since, until: now, handled, next, is_more })
    }

    /// What is said of so many that are left out.
    pub(super) fn left_out_error(&self, count: usize) -> FiringError {
        let Self { since, until, .. } = self;
        let message =
            format!("{count} occurrences between {since} and {until} were missed and are left out");
        FiringError::new("missed", message)
    }
}

/// What is to be done for a schedule now, if it is one. What was missed for long is found beside everything else.
pub(super) async fn plan(armed: &Armed, now: At) -> Option<Plan> {
    if armed.handled_at.is_none_or(|it| it.time() + LONG >= now.time()) {
        return Plan::of(armed, now);
    }
    let armed = armed.clone();
    let found = tokio::task::spawn_blocking(move || Plan::of(&armed, now)).await;
    found.inspect_err(|cause| error!(%cause, "what is due was not found")).ok().flatten()
}
