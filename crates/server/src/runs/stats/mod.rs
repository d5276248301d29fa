//! Figures of runs over time: how many ended and how, how long they took, what they used.
//!
//! Each minute is counted once from the rows of the runs that ended in it ([`roll`]), so that a look at a month reads
//! minutes and no runs. What ended since is counted when it is asked for ([`read`]). Figures are views: nothing rests
//! on them, and a run that is stored a minute late is not among them.

pub mod read;
pub mod roll;
pub mod routes;

use std::collections::BTreeMap;
use std::ops::AddAssign;

use chrono::DurationRound;
use chrono::TimeDelta;
use engine::RunErrorKind;
use engine::Usage;
use serde::Deserialize;
use serde::Serialize;

use super::Status;
use super::store::stats::EndedRow;
use crate::db::At;

/// The least that is told apart.
pub const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// For how long minutes are kept.
pub const KEPT: TimeDelta = TimeDelta::days(35);
/// How many runs are read at once.
const PAGE: i64 = 2_000;

/// What ended in some time. The counts are of runs that no other run began; tokens and money of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    pub succeeded: u64,
    pub failed: u64,
    pub canceled: u64,
    pub timed_out: u64,
    /// Those that failed or took too long, by what went wrong.
    pub failures: BTreeMap<String, u64>,
    /// Those that succeeded, by the [class](class_of) of the time from being asked to the end.
    pub took: BTreeMap<u16, u64>,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// In 10⁻¹² USD.
    pub cost: u64,
    /// Runs that used tokens of which nobody knows the price; they are not in `cost`.
    pub unpriced: u64,
}

impl Figures {
    /// Runs that ended, however they did.
    pub fn runs(&self) -> u64 {
        self.succeeded + self.failed + self.canceled + self.timed_out
    }

    /// Counts a run.
    pub fn count(&mut self, run: &EndedRow) -> Result<(), serde_json::Error> {
        let usage: Usage = serde_json::from_str(&run.usage)?;
        self.input_tokens = self.input_tokens.saturating_add(usage.tokens.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(usage.tokens.output_tokens);
        match usage.cost_usd {
            Some(cost) => self.cost = self.cost.saturating_add(cost.trillionths()),
            None => self.unpriced += 1,
        }
        if run.parent_run_id.is_some() {
            return Ok(());
        }
        match run.status()? {
            Status::Succeeded => {
                self.succeeded += 1;
                *self.took.entry(class_of(run.took_ms())).or_default() += 1;
            }
            Status::Failed => self.failed += 1,
            Status::Canceled => self.canceled += 1,
            Status::TimedOut => self.timed_out += 1,
            Status::Queued | Status::Running | Status::Waiting | Status::Suspended => {}
        }
        if let Some(kind) = run.error_kind()?.filter(|kind| *kind != RunErrorKind::Canceled) {
            let name = serde_json::to_value(kind)?.as_str().unwrap_or_default().to_owned();
            *self.failures.entry(name).or_default() += 1;
        }
        Ok(())
    }

    /// The time within which so many of a thousand of those that succeeded were done, in milliseconds.
    pub fn percentile(&self, of_thousand: u64) -> Option<u64> {
        let all: u64 = self.took.values().sum();
        let rank = (all * of_thousand).div_ceil(1_000);
        let mut seen = 0;
        self.took.iter().find_map(|(class, runs)| {
            seen += runs;
            (seen >= rank).then(|| middle_of(*class))
        })
    }
}

impl AddAssign<&Self> for Figures {
    fn add_assign(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.canceled += other.canceled;
        self.timed_out += other.timed_out;
        for (kind, runs) in &other.failures {
            *self.failures.entry(kind.clone()).or_default() += runs;
        }
        for (class, runs) in &other.took {
            *self.took.entry(*class).or_default() += runs;
        }
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cost = self.cost.saturating_add(other.cost);
        self.unpriced += other.unpriced;
    }
}

/// The minute that `at` is in.
pub fn minute_of(at: At) -> At {
    At::new(at.time().duration_trunc(MINUTE).unwrap_or_else(|_| at.time()))
}

/// Eight classes for each doubling: times of one class differ by an eighth at most.
fn class_of(ms: u64) -> u16 {
    // Seven weeks are the longest that is told apart.
    let ms = ms.clamp(1, u64::from(u32::MAX));
    let doublings = ms.ilog2();
    let eighth = ((ms << 3) >> doublings) & 7;
    u16::try_from(u64::from(doublings) * 8 + eighth).unwrap_or(u16::MAX)
}

/// A time that stands for all of its class.
fn middle_of(class: u16) -> u64 {
    let (doublings, eighth) = (u32::from(class / 8).min(32), u64::from(class % 8));
    (((8 + eighth) << doublings) + ((9 + eighth) << doublings)) / 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_to_within_an_eighth() {
        for ms in (1..5_000).chain([86_400_000, 4_000_000_000]) {
            let told = middle_of(class_of(ms));
            assert!(told.abs_diff(ms) * 8 <= ms, "{ms} is told as {told}");
        }
        assert_eq!(middle_of(class_of(0)), 1);
        assert!(middle_of(u16::MAX) > 0);
    }

    #[test]
    fn percentiles_are_of_all_that_were_added() {
        let mut all = Figures::default();
        assert_eq!(all.percentile(500), None);
        for ms in 1..=100 {
            all += &Figures { took: [(class_of(ms), 1)].into(), ..Figures::default() };
        }

        assert_eq!(all.percentile(500), Some(middle_of(class_of(50))));
        assert_eq!(all.percentile(950), Some(middle_of(class_of(95))));
        assert_eq!(all.percentile(1_000), Some(middle_of(class_of(100))));
    }

    #[test]
    fn figures_are_the_same_after_they_were_stored() {
        let figures = Figures {
            succeeded: 2,
            failed: 1,
            failures: [("provider".to_owned(), 1)].into(),
            took: [(9, 2)].into(),
            cost: 7,
            ..Figures::default()
        };

        let text = serde_json::to_string(&figures).unwrap();

        assert_eq!(serde_json::from_str::<Figures>(&text).unwrap(), figures);
        assert_eq!(serde_json::from_str::<Figures>("{}").unwrap(), Figures::default());
    }
}
