//! Money, exactly.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::ops::AddAssign;
use std::str::FromStr;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::Error;

/// Digits after the point.
const DECIMALS: usize = 12;
const ONE: u64 = 1_000_000_000_000;

/// An amount of US dollars, in whole billionths of a thousandth (10⁻¹²), up to about 18 million.
///
/// Sums are exact, and stay at the largest amount when they would be larger. On the wire it is a JSON
/// number. Up to 1,000 USD that number has all digits; a larger one has 15.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(u64);

/// Why a number or a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount is a number from 0 to 9000000, with up to twelve decimals")]
pub struct NotMoney;

impl Usd {
    pub const ZERO: Self = Self(0);
    /// The largest that can be read: its number of 10⁻¹² USD is one of SQL.
    pub const MOST: Self = Self(9_000_000 * ONE);

    /// So many 10⁻¹² USD.
    pub const fn of_trillionths(count: u64) -> Self {
        Self(count)
    }

    pub const fn trillionths(self) -> u64 {
        self.0
    }

    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    #[must_use]
    pub(super) fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// How often `price` goes into this.
    pub(super) fn over(self, price: Self) -> u64 {
        self.0.checked_div(price.0).unwrap_or(u64::MAX)
    }

    /// What one of a million costs, if that is a whole number of 10⁻¹² USD.
    pub(super) fn of_one_in_a_million(self) -> Option<Self> {
        self.0.is_multiple_of(1_000_000).then_some(Self(self.0 / 1_000_000))
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Usd {
    /// As few decimals as say it all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / ONE, self.0 % ONE);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let fraction = format!("{fraction:0DECIMALS$}");
        write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl FromStr for Usd {
    type Err = NotMoney;

    /// Reads a plain decimal number. It has no sign, no exponent and no digit too many.
    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
        if whole.is_empty()
            || !is_digits(whole)
            || !is_digits(fraction)
            || fraction.len() > DECIMALS
        {
            return Err(NotMoney);
        }
        let digits = format!("{whole}{fraction:0<DECIMALS$}");
        let amount = Self(digits.parse().map_err(|_| NotMoney)?);
        if amount <= Self::MOST { Ok(amount) } else { Err(NotMoney) }
    }
}

impl TryFrom<f64> for Usd {
    type Error = NotMoney;

    /// What the shortest text of `number` says, rounded to a whole number of 10⁻¹² USD.
    fn try_from(number: f64) -> Result<Self, NotMoney> {
        if !(0.0..=9_000_000.0).contains(&number) {
            return Err(NotMoney);
        }
        // What has more decimals than an amount is too small for its digits to be lost here.
        number.to_string().parse().or_else(|_| format!("{number:.DECIMALS$}").parse())
    }
}

impl From<Usd> for f64 {
    #[expect(clippy::cast_precision_loss, reason = "a JSON number has no more digits")]
    fn from(amount: Usd) -> Self {
        amount.0 as Self / ONE as Self
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(*self))
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::proptest;

    use super::*;

    #[test]
    fn tenths_add_up() {
        let tenths: Usd = (0..10).map(|_| Usd::try_from(0.1).unwrap()).sum();

        assert_eq!(tenths, "1".parse().unwrap());
        assert_eq!(serde_json::to_string(&tenths).unwrap(), "1.0");
    }

    #[test]
    fn an_amount_is_a_plain_number_within_bounds() {
        assert_eq!("0.000000000001".parse(), Ok(Usd::of_trillionths(1)));
        assert_eq!("9000000".parse(), Ok(Usd::MOST));
        for text in
            ["", ".5", "-1", "1e3", "0.0000000000001", "9000000.1", "1.2.3", "99999999999999999999"]
        {
            assert_eq!(text.parse::<Usd>(), Err(NotMoney), "{text}");
        }
        for number in [-1.0, f64::NAN, f64::INFINITY, 9_000_001.0] {
            assert_eq!(Usd::try_from(number), Err(NotMoney), "{number}");
        }
        assert_eq!(Usd::try_from(1e-7).unwrap().to_string(), "0.0000001");
        assert_eq!(Usd::try_from(6e-13), Ok(Usd::of_trillionths(1)));
    }

    proptest! {
        #[test]
        fn up_to_a_thousand_dollars_no_digit_is_lost_on_the_wire(trillionths in 0..1000 * ONE) {
            let amount = Usd::of_trillionths(trillionths);
            let text = serde_json::to_string(&amount).unwrap();
            assert_eq!(serde_json::from_str::<Usd>(&text).unwrap(), amount);
            assert_eq!(amount.to_string().parse(), Ok(amount));
        }
    }
}
