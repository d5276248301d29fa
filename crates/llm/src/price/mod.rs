//! What model calls cost, to the last digit.

mod table;
mod usd;

use std::str::FromStr;

pub use table::Known;
pub use table::context_tokens;
pub use table::find;
pub use table::known;
pub use usd::NotMoney;
pub use usd::Usd;

use crate::Usage;

/// What the tokens of a model cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    usual: Rates,
    /// From more input tokens than this on, all tokens of a call cost this.
    long: Option<(u64, Rates)>,
}

/// What one token costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rates {
    input: Usd,
    cached: Usd,
    cache_write: Usd,
    output: Usd,
}

/// Why a text is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a price is `in:1.25,out:10`, maybe with `cached:` and `written:`, in USD per million tokens with up to six decimals"
)]
pub struct NotPrice;

impl Price {
    /// That of a model that costs nothing.
    pub const FREE: Self = Self {
        usual: Rates {
            input: Usd::ZERO,
            cached: Usd::ZERO,
            cache_write: Usd::ZERO,
            output: Usd::ZERO,
        },
        long: None,
    };

    /// What a call has cost. Reasoning is output; what was read from and written to the provider's
    /// cache is input with a price of its own.
    pub fn cost(&self, usage: &Usage) -> Usd {
        let rates = self.rates(usage.input_tokens);
        let apart = usage.cached_tokens + usage.cache_write_tokens;
        rates.input.times(usage.input_tokens.saturating_sub(apart))
            + rates.cached.times(usage.cached_tokens)
            + rates.cache_write.times(usage.cache_write_tokens)
            + rates.output.times(usage.output_tokens)
    }

    /// The most that a call can cost, whatever the provider's cache does.
    pub fn most(&self, input_tokens: u64, output_tokens: u64) -> Usd {
        let rates = self.rates(input_tokens);
        rates.dearest_input().times(input_tokens) + rates.output.times(output_tokens)
    }

    /// How many output tokens `money` surely pays for, beside the input; `None`: not even that.
    pub fn output_for(&self, money: Usd, input_tokens: u64) -> Option<u64> {
        let rates = self.rates(input_tokens);
        let left = money.checked_sub(rates.dearest_input().times(input_tokens))?;
        Some(left.over(rates.output))
    }

    fn rates(&self, input_tokens: u64) -> &Rates {
        match &self.long {
            Some((above, rates)) if input_tokens > *above => rates,
            _ => &self.usual,
        }
    }
}

impl Rates {
    fn dearest_input(&self) -> Usd {
        self.input.max(self.cached).max(self.cache_write)
    }
}

impl FromStr for Price {
    type Err = NotPrice;

    fn from_str(text: &str) -> Result<Self, NotPrice> {
        Ok(Self { usual: text.parse()?, long: None })
    }
}

impl FromStr for Rates {
    type Err = NotPrice;

    /// Reads `in:1.25,out:10,cached:0.125,written:1.25`; the last two are as `in` without them.
    fn from_str(text: &str) -> Result<Self, NotPrice> {
        let (mut input, mut output, mut cached, mut cache_write) = (None, None, None, None);
        for pair in text.split(',') {
            let (name, number) = pair.split_once(':').ok_or(NotPrice)?;
            let member = match name.trim() {
                "in" => &mut input,
                "out" => &mut output,
                "cached" => &mut cached,
                "written" => &mut cache_write,
                _ => return Err(NotPrice),
            };
            let per_million: Usd = number.trim().parse().map_err(|_| NotPrice)?;
            let per_token = per_million.of_one_in_a_million().ok_or(NotPrice)?;
            if member.replace(per_token).is_some() {
                return Err(NotPrice);
            }
        }
        let (input, output) = input.zip(output).ok_or(NotPrice)?;
        Ok(Self {
            input,
            cached: cached.unwrap_or(input),
            cache_write: cache_write.unwrap_or(input),
            output,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Usd {
        text.parse().unwrap()
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let price: Price = "in:3,out:15,cached:0.3,written:3.75".parse().unwrap();
        let usage = Usage {
            input_tokens: 1_000,
            cached_tokens: 600,
            cache_write_tokens: 100,
            output_tokens: 7,
            reasoning_tokens: 5,
        };

        // 300 × 3 + 600 × 0.3 + 100 × 3.75 + 7 × 15, in millionths.
        assert_eq!(price.cost(&usage), usd("0.00156"));
    }

    #[test]
    fn a_long_prompt_makes_all_of_the_call_dearer() {
        let price = find("openai", "gpt-5.4").unwrap();
        let call = |input_tokens| Usage { input_tokens, output_tokens: 1_000, ..Usage::default() };

        assert_eq!(price.cost(&call(272_000)), usd("0.695"));
        assert_eq!(price.cost(&call(272_001)), usd("1.382505"));
    }

    #[test]
    fn money_pays_for_what_it_buys_and_not_for_one_token_more() {
        let price: Price = "in:1,out:3,written:1.25".parse().unwrap();

        assert_eq!(price.output_for(usd("0.000125"), 100), Some(0));
        assert_eq!(price.output_for(usd("0.000124999999"), 100), None);
        assert_eq!(price.output_for(usd("0.000155"), 100), Some(10));
        assert_eq!(price.most(100, 10), usd("0.000155"));
        assert_eq!(Price::FREE.output_for(Usd::ZERO, 100), Some(u64::MAX));
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in [
            "",
            "in:1",
            "out:1",
            "in:1,out:x",
            "in:1,out:-1",
            "in:1,in:1,out:1",
            "in:0.0000001,out:1",
        ] {
            assert_eq!(text.parse::<Price>(), Err(NotPrice), "{text}");
        }
    }
}
