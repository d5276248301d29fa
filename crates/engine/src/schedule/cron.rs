//! Cron expressions: five fields, or one of a few words.

/// Which minutes, hours and days an expression names: one bit for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether a day must be right by both its number and its name; else one of them is enough.
    needs_both: bool,
}

/// A field, and what may stand in it.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// What the numbers from `least` are called.
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "the minute", least: 0, most: 59, words: &[] },
    Field { name: "the hour", least: 0, most: 23, words: &[] },
    Field { name: "the day of the month", least: 1, most: 31, words: &[] },
    Field {
        name: "the month",
        least: 1,
        most: 12,
        words: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "the day of the week",
        least: 0,
        most: 7,
        words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// How many days a month has at most, January first.
const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const ALL_HOURS: u64 = (1 << 24) - 1;

impl Cron {
    /// Understands an expression, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let known = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        let text = known.map_or(text, |(_, meaning)| meaning);
        let fields: Vec<_> = text.split_whitespace().collect();
        let &[minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err("must have five fields: minute, hour, day of the month, month and day of \
                        the week, as in `0 9 * * 1-5`; or be one of @hourly, @daily, @weekly, \
                        @monthly, @yearly"
                .to_owned());
        };
        let weekday_bits = FIELDS[4].parse(weekdays)?;
        let cron = Self {
            minutes: FIELDS[0].parse(minutes)?,
            hours: FIELDS[1].parse(hours)?,
            days: FIELDS[2].parse(days)?,
            months: FIELDS[3].parse(months)?,
            // Sunday is 0 and 7.
            weekdays: (weekday_bits | weekday_bits >> 7) & 0x7f,
            needs_both: days.starts_with('*') || weekdays.starts_with('*'),
        };
        if cron.never_happens() {
            return Err("never happens: none of its months has such a day".to_owned());
        }
        Ok(cron)
    }

    /// Whether a day is one of its days; weekdays count from Sunday, 0.
    pub fn has_day(&self, month: u32, day: u32, weekday: u32) -> bool {
        let (by_number, by_name) = (has(self.days, day), has(self.weekdays, weekday));
        let is_day = if self.needs_both { by_number && by_name } else { by_number || by_name };
        is_day && has(self.months, month)
    }

    /// Its hours and minutes, in order.
    pub fn times(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let hours = (0..24).filter(|hour| has(self.hours, *hour));
        hours.flat_map(|hour| {
            let minutes = (0..60).filter(|minute| has(self.minutes, *minute));
            minutes.map(move |minute| (hour, minute))
        })
    }

    /// Whether it names every hour.
    pub fn is_hourly(&self) -> bool {
        self.hours == ALL_HOURS
    }

    fn never_happens(&self) -> bool {
        let months = (1..=12).zip(LENGTHS).filter(|(month, _)| has(self.months, *month));
        let has_day = |length: u32| (1..=length).any(|day| has(self.days, day));
        self.needs_both && !months.map(|(_, length)| length).any(has_day)
    }
}

fn has(bits: u64, number: u32) -> bool {
    bits >> number & 1 == 1
}

impl Field {
    /// The bits of a list of ranges.
    fn parse(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |bits, range| Ok(bits | self.range(range)?))
    }

    /// `*`, `5`, `1-5`, or one of the first and the last with a step.
    fn range(&self, text: &str) -> Result<u64, String> {
        let (range, step) =
            text.split_once('/').map_or((text, None), |(it, step)| (it, Some(step)));
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((first, last)) => (self.number(first)?, self.number(last)?),
            None if step.is_some() => {
                return Err(self.wrong(text, "a step needs a range, as in `*/15` or `8-18/2`"));
            }
            None => (self.number(range)?, self.number(range)?),
        };
        if first > last {
            return Err(self.wrong(text, "the range ends before it begins"));
        }
        let size = self.most - self.least + 1;
        let step = match step.map(str::parse::<u32>) {
            None => 1,
            Some(Ok(step)) if (1..size).contains(&step) => step,
            Some(_) => return Err(self.wrong(text, &format!("the step is from 1 to {}", size - 1))),
        };
        let numbers = (first..=last).step_by(usize::try_from(step).unwrap_or(1));
        Ok(numbers.fold(0, |bits, number| bits | 1 << number))
    }

    fn number(&self, text: &str) -> Result<u32, String> {
        let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        let number = if is_number { text.parse().ok() } else { self.word(text) };
        number.filter(|it| (self.least..=self.most).contains(it)).ok_or_else(|| {
            let words = match self.words {
                [first, .., last] => format!(", or {first} to {last}"),
                _ => String::new(),
            };
            self.wrong(text, &format!("it is a number from {} to {}{words}", self.least, self.most))
        })
    }

    fn word(&self, text: &str) -> Option<u32> {
        let position = self.words.iter().position(|word| word.eq_ignore_ascii_case(text))?;
        Some(self.least + u32::try_from(position).ok()?)
    }

    fn wrong(&self, text: &str, why: &str) -> String {
        format!("{} cannot be `{text}`: {why}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(one: &str, other: &str) {
        assert_eq!(Cron::parse(one), Cron::parse(other), "{one}");
    }

    #[test]
    fn words_and_numbers_are_the_same() {
        same("0 0 * JAN,mar-May sun", "0 0 * 1,3-5 0");
        same("0 0 * * 7", "0 0 * * 0");
        same("0 0 * * 5-7", "0 0 * * 0,5,6");
        same("@daily", "0 0 * * *");
        same("  */15   8-18/5 * * * ", "0,15,30,45 8,13,18 * * *");
    }

    #[test]
    fn a_day_is_right_by_its_number_or_its_name_if_both_are_given() {
        let cron = Cron::parse("0 0 13 * 5").unwrap();
        assert!(cron.has_day(1, 13, 2) && cron.has_day(1, 2, 5) && !cron.has_day(1, 2, 2));
        let cron = Cron::parse("0 0 */2 * 5").unwrap();
        assert!(cron.has_day(1, 3, 5) && !cron.has_day(1, 3, 2) && !cron.has_day(1, 4, 5));
    }

    #[test]
    fn nonsense_and_impossible_dates_are_refused_with_the_reason() {
        let why = |text: &str| Cron::parse(text).unwrap_err();
        for text in ["", "* * * *", "0 0 0 * * *", "every day", "@reboot"] {
            assert!(why(text).starts_with("must have five fields"), "{text}");
        }
        for (text, reason) in [
            ("60 * * * *", "the minute cannot be `60`: it is a number from 0 to 59"),
            ("* 24 * * *", "the hour cannot be `24`: it is a number from 0 to 23"),
            ("* * 0 * *", "the day of the month cannot be `0`: it is a number from 1 to 31"),
            ("* * * 13 *", "the month cannot be `13`: it is a number from 1 to 12, or jan to dec"),
            (
                "* * * * mo",
                "the day of the week cannot be `mo`: it is a number from 0 to 7, or sun to sat",
            ),
            ("* * L * *", "the day of the month cannot be `L`: it is a number from 1 to 31"),
            (
                "5/15 * * * *",
                "the minute cannot be `5/15`: a step needs a range, as in `*/15` or `8-18/2`",
            ),
            ("*/0 * * * *", "the minute cannot be `*/0`: the step is from 1 to 59"),
            ("* 22-2 * * *", "the hour cannot be `22-2`: the range ends before it begins"),
            ("1,,2 * * * *", "the minute cannot be ``: it is a number from 0 to 59"),
            ("-1 * * * *", "the minute cannot be ``: it is a number from 0 to 59"),
            (
                "* * 99999999999 * *",
                "the day of the month cannot be `99999999999`: it is a number from 1 to 31",
            ),
            ("0 0 30 2 *", "never happens: none of its months has such a day"),
            ("0 0 31 4,6,9,11 *", "never happens: none of its months has such a day"),
        ] {
            assert_eq!(why(text), reason);
        }
        assert!(Cron::parse("0 0 31 2 1").is_ok(), "Mondays of February do happen");
    }
}
