//! When a webhook is tried again.

use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;

use crate::db::Id;

/// How long after the run's end a webhook is tried. One last attempt is made at that time or, if no
/// process was there, after it.
pub const PATIENCE: Duration = Duration::from_hours(24);
/// The wait after the first attempt; each further one is four times as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_hours(4);

/// When to try again after attempt number `attempts` of a delivery that is there since `created_at` has
/// failed at `now`; `None`: it is given up. `asked` is what the receiver wants to be waited.
pub fn next_attempt(
    id: Id,
    attempts: u32,
    created_at: DateTime<Utc>,
    now: DateTime<Utc>,
    asked: Option<Duration>,
) -> Option<DateTime<Utc>> {
    let last = created_at + PATIENCE;
    if now >= last {
        return None;
    }
    let doublings = attempts.saturating_sub(1).saturating_mul(2).min(20);
    let wait = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    let wait = wait.mul_f64(0.8 + 0.4 * chance(id, attempts));
    Some((now + wait.max(asked.unwrap_or_default()).min(PATIENCE)).min(last))
}

/// A number from 0 to 1 that spreads attempts, from the random end of the id.
fn chance(id: Id, attempts: u32) -> f64 {
    let bytes = id.uuid().into_bytes();
    let random = &bytes[10..];
    f64::from(random[attempts as usize % random.len()]) / 255.0
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use uuid::Uuid;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// The times of all attempts, since the end of the run.
    fn attempts(random: u8) -> Vec<String> {
        let id = Id::new(Uuid::from_bytes([random; 16]));
        let began = at("2026-11-25T10:00:00Z");
        let (mut now, mut times) = (began, vec![String::from("0s")]);
        while let Some(next) =
            next_attempt(id, u32::try_from(times.len()).unwrap(), began, now, None)
        {
            assert!(next > now);
            now = next;
            times.push(format!("{:?}", (next - began).to_std().unwrap()));
        }
        times
    }

    #[test]
    fn attempts_become_rarer_and_end_after_a_day() {
        expect![
            "0s 4s 20s 84s 340s 1364s 5460s 16980s 28500s 40020s 51540s 63060s 74580s 86100s 86400s"
        ]
        .assert_eq(&attempts(0).join(" "));
        expect!["0s 6s 30s 126s 510s 2046s 8190s 25470s 42750s 60030s 77310s 86400s"]
            .assert_eq(&attempts(255).join(" "));
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_more_than_a_day() {
        let (began, id) = (at("2026-11-25T10:00:00Z"), Id::new(Uuid::nil()));
        let next = |asked| next_attempt(id, 1, began, began, Some(Duration::from_secs(asked)));

        assert_eq!(next(0), Some(at("2026-11-25T10:00:04Z")));
        assert_eq!(next(3600), Some(at("2026-11-25T11:00:00Z")));
        assert_eq!(next(u64::MAX), Some(at("2026-11-26T10:00:00Z")));
    }

    #[test]
    fn who_was_away_for_days_tries_once_more() {
        let (began, id) = (at("2026-11-25T10:00:00Z"), Id::new(Uuid::nil()));

        assert_eq!(next_attempt(id, 4, began, at("2026-11-29T10:00:00Z"), None), None);
        assert_eq!(
            next_attempt(id, u32::MAX, began, at("2026-11-26T09:59:59Z"), None),
            Some(at("2026-11-26T10:00:00Z"))
        );
    }
}
