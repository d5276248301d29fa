//! Times that are the same in both databases.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::DateTime;
use chrono::DurationRound;
use chrono::NaiveDate;
use chrono::NaiveDateTime;
use chrono::NaiveTime;
use chrono::SecondsFormat;
use chrono::TimeDelta;
use chrono::Utc;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::Error;
use sqlx::Decode;
use sqlx::Encode;
use sqlx::Postgres;
use sqlx::Sqlite;
use sqlx::Type;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArgumentBuffer;
use sqlx::postgres::PgTypeInfo;
use sqlx::postgres::PgValueFormat;
use sqlx::postgres::PgValueRef;
use sqlx::sqlite::SqliteArgumentsBuffer;
use sqlx::sqlite::SqliteTypeInfo;
use sqlx::sqlite::SqliteValueRef;
use utoipa::ToSchema;

/// An instant, in UTC and whole microseconds, as both databases can hold it.
///
/// `TIMESTAMPTZ` on PostgreSQL. On SQLite `TEXT` of fixed width, `2026-11-25T10:00:00.123456Z`, so
/// that SQL compares times as it compares texts. In JSON the shortest form of 0, 3 or 6 digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct At(DateTime<Utc>);

impl At {
    /// Later than everything that happens.
    pub const NEVER: Self = Self(DateTime::from_timestamp(253_402_300_799, 0).unwrap());

    /// The microsecond that `time` lies in.
    pub fn new(time: DateTime<Utc>) -> Self {
        Self(time.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(time))
    }

    pub const fn time(self) -> DateTime<Utc> {
        self.0
    }
}

impl From<DateTime<Utc>> for At {
    fn from(time: DateTime<Utc>) -> Self {
        Self::new(time)
    }
}

impl From<At> for DateTime<Utc> {
    fn from(at: At) -> Self {
        at.0
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for At {
    type Err = chrono::ParseError;

    /// Reads RFC 3339 with any offset.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DateTime::parse_from_rfc3339(text).map(|time| Self::new(time.to_utc()))
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let refuse =
            |_| D::Error::custom("must be a time of RFC 3339 such as `2026-11-25T10:00:00Z`");
        text.parse().map_err(refuse)
    }
}

/// PostgreSQL counts from 2000-01-01.
const POSTGRES_EPOCH: DateTime<Utc> = DateTime::from_timestamp(946_684_800, 0).unwrap();

impl Type<Postgres> for At {
    fn type_info() -> PgTypeInfo {
        <DateTime<Utc> as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for At {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode_by_ref(&self.0, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for At {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.format() == PgValueFormat::Text {
            return <DateTime<Utc> as Decode<Postgres>>::decode(value).map(Self);
        }
        // The driver's own decoder panics at `infinity` and at years that chrono does not know.
        let micros = <i64 as Decode<Postgres>>::decode(value)?;
        let since_epoch = TimeDelta::microseconds(micros);
        POSTGRES_EPOCH
            .checked_add_signed(since_epoch)
            .map(Self)
            .ok_or_else(|| "not a time: infinite, or out of range".into())
    }
}

impl Type<Sqlite> for At {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for At {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(self.0.to_rfc3339_opts(SecondsFormat::Micros, true), buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for At {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        let text = <&str as Decode<Sqlite>>::decode(value)?;
        text.parse()
            .ok()
            .or_else(|| by_hand(text))
            .ok_or_else(|| format!("not a time: {text}").into())
    }
}

/// Reads what people and SQLite's own functions write: `2026-11-25`, `2026-11-25 10:00`,
/// `2026-11-25 10:00:00.5`, with or without `T`, `Z` and an offset. Without an offset it is UTC.
fn by_hand(text: &str) -> Option<At> {
    const WITH_OFFSET: [&str; 2] = ["%F %T%.f%#z", "%F %R%#z"];
    const WITHOUT: [&str; 2] = ["%F %T%.f", "%F %R"];

    let text = text.trim().replacen('T', " ", 1);
    let text = text.strip_suffix('Z').unwrap_or(&text).trim_end();
    let offset = || WITH_OFFSET.iter().find_map(|form| DateTime::parse_from_str(text, form).ok());
    let plain = || WITHOUT.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let date = || NaiveDate::parse_from_str(text, "%F").ok().map(|it| it.and_time(NaiveTime::MIN));
    plain()
        .or_else(date)
        .map(|time| time.and_utc())
        .or_else(|| offset().map(|time| time.to_utc()))
        .map(At::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(by_hand(text).unwrap().to_string(), expected, "{text}");
    }

    #[test]
    fn times_written_by_hand_are_read_as_utc() {
        check("2026-11-25 10:00:00", "2026-11-25T10:00:00Z");
        check("2026-11-25T10:00:00.123000Z", "2026-11-25T10:00:00.123Z");
        check("2026-11-25 10:00", "2026-11-25T10:00:00Z");
        check("2026-11-25", "2026-11-25T00:00:00Z");
        check(" 2026-11-25 10:00:00Z ", "2026-11-25T10:00:00Z");
    }

    #[test]
    fn an_offset_that_was_written_is_respected() {
        check("2026-11-25 10:00:00+02", "2026-11-25T08:00:00Z");
        check("2026-11-25 10:00:00.5 +02:30", "2026-11-25T07:30:00.500Z");
        check("2026-11-25T10:00-0100", "2026-11-25T11:00:00Z");
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in ["", "now", "2026-13-01", "25.11.2026", "2026-11-25 25:00"] {
            assert_eq!(by_hand(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_is_cut_to_microseconds_and_written_as_short_as_it_can_be() {
        for (given, expected) in [
            ("2026-11-25T10:00:00.000000999Z", "2026-11-25T10:00:00Z"),
            ("2026-11-25T10:00:00.120Z", "2026-11-25T10:00:00.120Z"),
            ("2026-11-25T10:00:00.123456789Z", "2026-11-25T10:00:00.123456Z"),
            ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999Z"),
        ] {
            let at: At = given.parse().unwrap();
            assert_eq!(serde_json::to_string(&at).unwrap(), format!("\"{expected}\""));
        }
    }
}
