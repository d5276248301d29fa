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
use llm::Usd;
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
/// So many definitions, and so many clients, are told apart in what is counted at once; more are one, without a name.
const MOST_SHARES: usize = 100;

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
    /// What of it was of which definition, by `kind/name`.
    pub definitions: Shares,
    /// What of it was of which client.
    pub clients: Shares,
}

/// The shares of some that are told apart.
pub type Shares = BTreeMap<String, Share>;

/// What the runs of one definition or of one client came to, also those that other runs began. It is stored as numbers in
/// this order: there are many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 6]", into = "[u64; 6]")]
pub struct Share {
    pub runs: u64,
    /// Those that failed or took too long.
    pub failed: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// In 10⁻¹² USD.
    pub cost: u64,
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
        let status = run.status()?;
        let share = Share::of(&usage, status);
        self.input_tokens = self.input_tokens.saturating_add(share.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(share.output_tokens);
        self.cost = self.cost.saturating_add(share.cost);
        self.unpriced += share.unpriced;
        add_to(&mut self.definitions, run.definition(), share);
        add_to(&mut self.clients, run.client_id.clone(), share);
        if run.parent_run_id.is_some() {
            return Ok(());
        }
        match status {
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
        for (own, others) in
            [(&mut self.definitions, &other.definitions), (&mut self.clients, &other.clients)]
        {
            for (name, share) in others {
                *own.entry(name.clone()).or_default() += *share;
            }
        }
    }
}

impl Share {
    /// What one run comes to.
    fn of(usage: &Usage, status: Status) -> Self {
        Self {
            runs: 1,
            failed: u64::from(matches!(status, Status::Failed | Status::TimedOut)),
            input_tokens: usage.tokens.input_tokens,
            output_tokens: usage.tokens.output_tokens,
            cost: usage.cost_usd.map_or(0, Usd::trillionths),
            unpriced: u64::from(usage.cost_usd.is_none()),
        }
    }
}

impl AddAssign for Share {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.failed += other.failed;
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cost = self.cost.saturating_add(other.cost);
        self.unpriced += other.unpriced;
    }
}

impl From<[u64; 6]> for Share {
    fn from([runs, failed, input_tokens, output_tokens, cost, unpriced]: [u64; 6]) -> Self {
        Self { runs, failed, input_tokens, output_tokens, cost, unpriced }
    }
}

impl From<Share> for [u64; 6] {
    fn from(it: Share) -> Self {
        [it.runs, it.failed, it.input_tokens, it.output_tokens, it.cost, it.unpriced]
    }
}

/// Adds to the share of `name`, or to that of all who are not told apart any more.
fn add_to(shares: &mut Shares, name: String, share: Share) {
    let is_told_apart = shares.len() < MOST_SHARES || shares.contains_key(&name);
    *shares.entry(if is_told_apart { name } else { String::new() }).or_default() += share;
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
            clients: [("shop".to_owned(), Share { runs: 3, cost: 7, ..Share::default() })].into(),
            ..Figures::default()
        };

        let text = serde_json::to_string(&figures).unwrap();

        assert_eq!(serde_json::from_str::<Figures>(&text).unwrap(), figures);
        assert_eq!(serde_json::from_str::<Figures>("{}").unwrap(), Figures::default());
    }

    #[test]
    fn so_many_are_told_apart_and_all_are_counted() {
        let mut shares = Shares::new();
        let one = Share { runs: 1, ..Share::default() };
        for n in 0..MOST_SHARES + 5 {
            add_to(&mut shares, format!("client-{n}"), one);
        }
        add_to(&mut shares, "client-0".to_owned(), one);

        assert_eq!(shares.len(), MOST_SHARES + 1);
        assert_eq!((shares["client-0"].runs, shares[""].runs), (2, 5));
    }
}
