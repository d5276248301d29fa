//! Dates of spreadsheets: numbers of days, which only the format of their display makes dates.

use std::collections::HashMap;

use super::super::ParseError;
use super::super::Writer;
use super::super::xml;
use super::super::xml::Node;

/// The day after the last that is a date: 1 January of the year 10000.
const END: f64 = 2_958_466.0;
const SECONDS_OF_A_DAY: f64 = 86_400.0;

/// What a number is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Date,
    Time,
    Both,
}

/// The formats of a workbook's cells, as far as they make dates of numbers.
#[derive(Debug, Default)]
pub(super) struct Dates {
    /// By the numbers that cells have as `s`.
    kinds: Vec<Option<Kind>>,
    /// Whether days are counted from 1904.
    pub(super) from_1904: bool,
}

impl Dates {
    /// What `styles`, the member `xl/styles.xml`, says.
    pub(super) fn read(styles: &[u8], out: &mut Writer<'_>) -> Result<Self, ParseError> {
        let mut own: HashMap<u32, Option<Kind>> = HashMap::new();
        let mut kinds = Vec::new();
        let mut of_cells = false;
        xml::walk(styles, out, |node, _| {
            match node {
                Node::Open(tag) => {
                    let id = tag.attribute("numFmtId").and_then(|it| it.parse().ok());
                    match (tag.name.as_str(), id) {
                        ("cellXfs", _) => of_cells = true,
                        ("numFmt", Some(id)) => {
                            own.insert(id, tag.attribute("formatCode").and_then(kind));
                        }
                        ("xf", id) if of_cells => {
                            let id = id.unwrap_or_default();
                            kinds.push(own.get(&id).copied().unwrap_or_else(|| built_in(id)));
                        }
                        _ => {}
                    }
                }
                Node::Close(name) if name == "cellXfs" => of_cells = false,
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self { kinds, from_1904: false })
    }

    /// The date or time that `value` is in a cell of this style, as ISO 8601 writes it; `None`: it is a number.
    pub(super) fn shown(&self, style: usize, value: &str) -> Option<String> {
        let kind = self.kinds.get(style).copied().flatten()?;
        let number: f64 = value.trim().parse().ok()?;
        if !(0.0..END).contains(&number) {
            return None;
        }
        let seconds = (number.fract() * SECONDS_OF_A_DAY).round();
        let (days, seconds) = if seconds < SECONDS_OF_A_DAY {
            (number.trunc(), seconds)
        } else {
            (number.trunc() + 1.0, 0.0)
        };
        let time = clock(seconds);
        // A moment without a day is what only times are.
        if kind == Kind::Time && days < 1.0 {
            return Some(time);
        }
        let date = self.day(days)?;
        match kind {
            Kind::Date => Some(date),
            Kind::Both | Kind::Time => Some(format!("{date} {time}")),
        }
    }

    fn day(&self, days: f64) -> Option<String> {
        #[expect(clippy::cast_possible_truncation, reason = "it is a whole number below END")]
        let days = days as i64;
        // Day 60 is 29 February 1900, which never was; the days before it are one off.
        let since_1970 = match (self.from_1904, days) {
            (true, days) => days - 24_107,
            (false, 0 | 60) => return None,
            (false, 1..60) => days - 25_568,
            (false, days) => days - 25_569,
        };
        let (year, month, day) = civil(since_1970);
        Some(format!("{year:04}-{month:02}-{day:02}"))
    }
}

/// Hours, minutes and seconds of a day.
fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a whole number of less than a day"
    )]
    let seconds = seconds as u32;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Year, month and day of the Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(since_1970: i64) -> (i64, i64, i64) {
    let days = since_1970 + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// The formats that every workbook has (ECMA-376, part 1, 18.8.30).
fn built_in(id: u32) -> Option<Kind> {
    match id {
        14..=17 | 27..=31 | 36 | 50..=54 | 57..=58 => Some(Kind::Date),
        18..=21 | 32..=35 | 45 | 47 | 55..=56 => Some(Kind::Time),
        22 => Some(Kind::Both),
        _ => None,
    }
}

/// What the first section of a format code makes of a number. Letters in quotes, in brackets and after a backslash
/// mean nothing; hours that go on beyond a day are a span of time, and no date.
fn kind(code: &str) -> Option<Kind> {
    let (mut has_day, mut has_time, mut has_month) = (false, false, false);
    let mut letters = code.chars();
    while let Some(letter) = letters.next() {
        match letter.to_ascii_lowercase() {
            ';' => break,
            '"' => drop(letters.by_ref().find(|it| *it == '"')),
            '\\' | '_' | '*' => drop(letters.next()),
            '[' => {
                let inside: String = letters.by_ref().take_while(|it| *it != ']').collect();
                if matches!(inside.to_ascii_lowercase().trim_matches(['h', 'm', 's']), "") {
                    return None;
                }
            }
            'y' | 'd' => has_day = true,
            'h' | 's' => has_time = true,
            'm' => has_month = true,
            _ => {}
        }
    }
    // `m` is a month beside days, and minutes beside hours.
    match (has_day || has_month && !has_time, has_time) {
        (true, true) => Some(Kind::Both),
        (true, false) => Some(Kind::Date),
        (false, true) => Some(Kind::Time),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: Kind, value: &str) -> Option<String> {
        Dates { kinds: vec![Some(kind)], from_1904: false }.shown(0, value)
    }

    #[test]
    fn a_number_of_days_is_the_date_that_it_is_shown_as() {
        for (number, date) in [
            ("1", "1900-01-01"),
            ("59", "1900-02-28"),
            ("61", "1900-03-01"),
            ("25569", "1970-01-01"),
            ("45351", "2024-02-29"),
            ("2958465", "9999-12-31"),
        ] {
            assert_eq!(shown(Kind::Date, number).as_deref(), Some(date), "{number}");
        }
        let from_1904 = Dates { kinds: vec![Some(Kind::Date)], from_1904: true };
        assert_eq!(from_1904.shown(0, "0").as_deref(), Some("1904-01-01"));
        assert_eq!(from_1904.shown(0, "43889").as_deref(), Some("2024-02-29"));
    }

    #[test]
    fn times_are_rounded_to_seconds() {
        assert_eq!(shown(Kind::Both, "45351.604166666664").as_deref(), Some("2024-02-29 14:30:00"));
        assert_eq!(shown(Kind::Both, "45351.999999999").as_deref(), Some("2024-03-01 00:00:00"));
        assert_eq!(shown(Kind::Time, "0.75").as_deref(), Some("18:00:00"));
    }

    #[test]
    fn what_is_no_date_stays_a_number() {
        for number in ["-1", "0", "60", "2958466", "1e300", "NaN", "", "x"] {
            assert_eq!(shown(Kind::Date, number), None, "{number}");
        }
        assert_eq!(Dates::default().shown(0, "1"), None, "a style that there is not");
    }

    #[test]
    fn a_format_code_says_whether_a_number_is_a_date() {
        for (code, expected) in [
            ("yyyy-mm-dd", Some(Kind::Date)),
            ("mmm", Some(Kind::Date)),
            ("[$-407]d. mmmm yyyy;@", Some(Kind::Date)),
            ("dd/mm/yyyy hh:mm", Some(Kind::Both)),
            ("h:mm AM/PM", Some(Kind::Time)),
            ("mm:ss.0", Some(Kind::Time)),
            ("[h]:mm:ss", None),
            ("General", None),
            ("#,##0.00 \"days\"", None),
            ("0.00\\d", None),
            ("[Red]0;yyyy", None),
            ("\"unclosed yyyy", None),
        ] {
            assert_eq!(kind(code), expected, "{code}");
        }
    }
}
