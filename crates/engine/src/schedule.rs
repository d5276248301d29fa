//! When something that is scheduled happens: cron expressions in a time zone of the IANA database.
//!
//! Where clocks are changed, this holds, and [`Schedule::after`] shows it in advance:
//!
//! - A schedule that names hours follows the clock on the wall. A time that is skipped happens once, at the first
//!   moment after the gap; a time that comes twice happens at the first of the two.
//! - A schedule for every hour (`*`) follows the time that passes: it happens in each hour that there is, so also in
//!   both that are called the same, and never for an hour that is skipped.

mod cron;

use std::collections::VecDeque;
use std::str::FromStr;

use chrono::DateTime;
use chrono::Datelike;
use chrono::Days;
use chrono::LocalResult;
use chrono::NaiveDate;
use chrono::NaiveDateTime;
use chrono::TimeDelta;
use chrono::TimeZone;
use chrono::Utc;
use chrono_tz::GapInfo;
use chrono_tz::Tz;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use cron::Cron;

use crate::fault::Fault;

/// The 29th of February of one day of the week may be 40 years away, where a year that is divisible by 100 has none.
const DAYS_AHEAD: u64 = 40 * 366 + 2;

/// What is due happens so late at most without counting as missed.
const GRACE: TimeDelta = TimeDelta::seconds(60);

/// What was due longer ago is not made up for, and not looked for.
const MEMORY: TimeDelta = TimeDelta::days(366);

/// So many missed occurrences are made up for, the last ones.
const MOST: usize = 1000;

/// A cron expression in a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    cron: Cron,
    zone: Tz,
}

/// What happens to occurrences that were missed because no process was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They are left out.
    #[default]
    Skip,
    /// The last of them happens, for all.
    Once,
    /// All happen, in order: the last 1,000 of those of a year.
    All,
}

/// What is to happen now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firings {
    /// The occurrences that happen, in order.
    pub fire: Vec<DateTime<Utc>>,
    /// How many were missed and do not happen.
    pub left_out: usize,
    /// After which time they were looked for.
    pub since: DateTime<Utc>,
    /// The last that is dealt with: where to go on the next time.
    pub handled: DateTime<Utc>,
}

impl Schedule {
    /// Understands a cron expression and the name of a time zone, or says at `/cron` and `/timezone` what is wrong
    /// with them. One that never happens is none.
    pub fn parse(cron: &str, zone: &str) -> Result<Self, Vec<Fault>> {
        let zone = Tz::from_str(zone).map_err(|_| {
            let detail = "must be the name of a time zone of the IANA database, such as `Europe/Berlin` or `UTC`";
            Fault::new("/timezone", "unknown_timezone", detail)
        });
        let cron = Cron::parse(cron).map_err(|why| Fault::new("/cron", "bad_cron", why));
        match (cron, zone) {
            (Ok(cron), Ok(zone)) => Ok(Self { cron, zone }),
            (cron, zone) => Err(cron.err().into_iter().chain(zone.err()).collect()),
        }
    }

    /// The occurrences after a time, in order; they end where the calendar does.
    pub fn after(&self, time: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        let mut last = time;
        let mut today = time.with_timezone(&self.zone).date_naive().pred_opt();
        let mut times = Vec::new().into_iter();
        std::iter::from_fn(move || {
            for _ in 0..DAYS_AHEAD {
                if let Some(next) = times.find(|it| *it > last) {
                    last = next;
                    return Some(next);
                }
                let day = today?;
                today = day.checked_add_days(Days::new(1));
                times = self.on(day).into_iter();
            }
            None
        })
    }

    /// What is to happen at the time `now`, when all up to `handled` is dealt with.
    pub fn due(&self, missed: Missed, handled: DateTime<Utc>, now: DateTime<Utc>) -> Firings {
        let most = if missed == Missed::All { MOST } else { 1 };
        let since = handled.max(now - MEMORY);
        let (mut fire, mut passed) = (VecDeque::new(), 0);
        for occurrence in self.after(since).take_while(|it| *it <= now) {
            passed += 1;
            if fire.len() == most {
                fire.pop_front();
            }
            fire.push_back(occurrence);
        }
        let last = fire.back().copied();
        if missed == Missed::Skip {
            fire.retain(|it| now - *it <= GRACE);
        }
        let left_out = passed - fire.len();
        Firings { fire: fire.into(), left_out, since, handled: last.unwrap_or(handled) }
    }

    /// The occurrences of a day by the clock on the wall, in order.
    fn on(&self, day: NaiveDate) -> Vec<DateTime<Utc>> {
        if !self.cron.has_day(day.month(), day.day(), day.weekday().num_days_from_sunday()) {
            return Vec::new();
        }
        let times = self.cron.times().filter_map(|(hour, minute)| day.and_hms_opt(hour, minute, 0));
        let mut found: Vec<_> = times.flat_map(|local| self.at(local)).collect();
        found.sort();
        found.dedup();
        found
    }

    /// The moments at which the clock on the wall says `local`, as the rules above have them.
    fn at(&self, local: NaiveDateTime) -> Vec<DateTime<Utc>> {
        let is_hourly = self.cron.is_hourly();
        let found = match self.zone.from_local_datetime(&local) {
            LocalResult::Single(one) => vec![one],
            LocalResult::Ambiguous(first, second) if is_hourly => vec![first, second],
            LocalResult::Ambiguous(first, _) => vec![first],
            LocalResult::None if is_hourly => Vec::new(),
            LocalResult::None => {
                GapInfo::new(&local, &self.zone).and_then(|gap| gap.end).into_iter().collect()
            }
        };
        found.into_iter().map(|it| it.to_utc()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(cron: &str, zone: &str, after: &str, expected: &[&str]) {
        let schedule = Schedule::parse(cron, zone).unwrap();
        let zone = schedule.zone;
        let next = schedule.after(time(after)).take(expected.len());
        let next: Vec<_> = next.map(|it| it.with_timezone(&zone).to_rfc3339()).collect();
        assert_eq!(next, expected);
    }

    #[test]
    fn occurrences_come_in_the_time_of_the_zone() {
        check(
            "0 9 * * 1-5",
            "Europe/Berlin",
            "2026-11-27T09:00:00Z",
            &["2026-11-30T09:00:00+01:00", "2026-12-01T09:00:00+01:00"],
        );
        check(
            "0 9 * * 1-5",
            "Europe/Berlin",
            "2027-07-02T07:00:00Z",
            &["2027-07-05T09:00:00+02:00"],
        );
        check(
            "*/20 22-23 31 12 *",
            "Asia/Kathmandu",
            "2026-12-31T17:00:00Z",
            &[
                "2026-12-31T23:00:00+05:45",
                "2026-12-31T23:20:00+05:45",
                "2026-12-31T23:40:00+05:45",
                "2027-12-31T22:00:00+05:45",
            ],
        );
    }

    #[test]
    fn a_time_that_is_skipped_happens_once_right_after_the_gap() {
        check(
            "30 2 * * *",
            "America/New_York",
            "2027-03-13T12:00:00Z",
            &["2027-03-14T03:00:00-04:00", "2027-03-15T02:30:00-04:00"],
        );
        check(
            "0,30 2,3 * * *",
            "America/New_York",
            "2027-03-13T12:00:00Z",
            &[
                "2027-03-14T03:00:00-04:00",
                "2027-03-14T03:30:00-04:00",
                "2027-03-15T02:00:00-04:00",
            ],
        );
    }

    #[test]
    fn a_time_that_comes_twice_happens_once() {
        check(
            "30 1 * * *",
            "America/New_York",
            "2027-11-06T12:00:00Z",
            &["2027-11-07T01:30:00-04:00", "2027-11-08T01:30:00-05:00"],
        );
    }

    #[test]
    fn what_happens_every_hour_happens_in_each_hour_that_there_is() {
        check(
            "30 * * * *",
            "America/New_York",
            "2027-03-14T06:00:00Z",
            &["2027-03-14T01:30:00-05:00", "2027-03-14T03:30:00-04:00"],
        );
        check(
            "30 * * * *",
            "America/New_York",
            "2027-11-07T05:00:00Z",
            &[
                "2027-11-07T01:30:00-04:00",
                "2027-11-07T01:30:00-05:00",
                "2027-11-07T02:30:00-05:00",
            ],
        );
    }

    #[test]
    fn a_day_that_a_country_left_out_counts_as_a_gap() {
        check(
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00:00Z",
            &[
                "2011-12-29T12:00:00-10:00",
                "2011-12-31T00:00:00+14:00",
                "2011-12-31T12:00:00+14:00",
            ],
        );
    }

    #[test]
    fn leap_days_are_found_also_over_the_turn_of_a_century() {
        check("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00+00:00"]);
        check("0 0 29 2 */7", "UTC", "2088-03-01T00:00:00Z", &["2128-02-29T00:00:00+00:00"]);
    }

    #[test]
    fn faults_of_both_are_told_at_once() {
        let faults = Schedule::parse("0 9 31 2 *", "Europe/Berlim").unwrap_err();

        let places: Vec<_> = faults.iter().map(|it| (it.pointer.as_str(), it.code)).collect();
        assert_eq!(places, [("/cron", "bad_cron"), ("/timezone", "unknown_timezone")]);
    }

    #[test]
    fn what_was_missed_happens_as_the_policy_says() {
        let schedule = Schedule::parse("0 * * * *", "UTC").unwrap();
        let (handled, now) = (time("2026-12-01T00:00:00Z"), time("2026-12-01T03:30:00Z"));
        let at = |hour: u32| time(&format!("2026-12-01T{hour:02}:00:00Z"));
        let due = |missed, now| schedule.due(missed, handled, now);
        let firings = |fire: &[u32], left_out| {
            let fire = fire.iter().map(|hour| at(*hour)).collect();
            Firings { fire, left_out, since: handled, handled: at(3) }
        };

        assert_eq!(due(Missed::Skip, now), firings(&[], 3));
        assert_eq!(due(Missed::Once, now), firings(&[3], 2));
        assert_eq!(due(Missed::All, now), firings(&[1, 2, 3], 0));
        for missed in [Missed::Skip, Missed::Once, Missed::All] {
            let on_time = due(missed, time("2026-12-01T01:00:02Z"));
            let one = Firings { fire: vec![at(1)], left_out: 0, since: handled, handled: at(1) };
            assert_eq!(on_time, one);
            let nothing = Firings { fire: vec![], left_out: 0, since: handled, handled };
            let early = due(missed, time("2026-12-01T00:59:59Z"));
            assert_eq!(early, nothing);
            let set_back = due(missed, time("2026-11-01T00:59:59Z"));
            assert_eq!(set_back, nothing);
        }
    }

    #[test]
    fn what_was_missed_for_long_is_not_all_made_up_for() {
        let schedule = Schedule::parse("* * * * *", "UTC").unwrap();
        let now = time("2030-01-01T00:00:30Z");
        let due = |missed| schedule.due(missed, time("2000-01-01T00:00:00Z"), now);

        let all = due(Missed::All);
        assert_eq!((all.fire.len(), all.left_out), (1000, 366 * 24 * 60 - 1000));
        assert_eq!(all.since, now - MEMORY);
        assert_eq!(all.fire[999], time("2030-01-01T00:00:00Z"));
        assert_eq!(due(Missed::Once).fire, [time("2030-01-01T00:00:00Z")]);
        assert_eq!(due(Missed::Skip).fire, [time("2030-01-01T00:00:00Z")]);
    }

    fn any_field(least: u32, most: u32) -> impl Strategy<Value = String> {
        prop_oneof![
            Just("*".to_owned()),
            (2..most).prop_map(|step| format!("*/{step}")),
            (least..=most).prop_map(|it| it.to_string()),
            (least..=most, least..=most).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            (least..=most, least..=most).prop_map(|(a, b)| format!("{a},{b}")),
        ]
    }

    proptest! {
        /// However it is asked, each occurrence comes once and in order, and the clock on the wall says a time that
        /// the expression has, unless that was skipped.
        #[test]
        fn occurrences_do_not_depend_on_where_one_begins(
            minute in any_field(0, 59),
            hour in any_field(0, 23),
            weekday in any_field(0, 6),
            zone in prop::sample::select(vec!["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "UTC"]),
            start in 0_i64..400 * 86_400,
        ) {
            let schedule = Schedule::parse(&format!("{minute} {hour} * * {weekday}"), zone).unwrap();
            let start = time("2026-01-01T00:00:00Z") + TimeDelta::seconds(start);
            let all: Vec<_> = schedule.after(start).take(40).collect();
            prop_assert!(all.windows(2).all(|it| it[0] < it[1]), "{all:?}");
            prop_assert!(all.first().is_some_and(|it| *it > start));
            let mut one = start;
            for expected in &all {
                one = schedule.after(one).next().unwrap();
                prop_assert_eq!(one, *expected);
            }
            let all_at_once = schedule.due(Missed::All, start, all[39]);
            prop_assert_eq!(all_at_once.fire, all);
        }

        #[test]
        fn no_text_makes_it_panic(cron in "[0-9*/,a-zA-Z @#?-]{0,30}", zone in "[A-Za-z/_]{0,20}") {
            let _ = Schedule::parse(&cron, &zone);
        }
    }
}
