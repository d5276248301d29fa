//! The published prices of providers' models.
//!
//! They are those of `genai-prices`, of which `scripts/prices` takes what we need. The crate itself is good, but
//! keeps 47 providers in 15 MB of memory and reckons in floating point.

use std::sync::LazyLock;

use super::NotPrice;
use super::Price;

const TEXT: &str = include_str!("table.txt");

/// Read when somebody asks for a price first.
static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| rows().filter_map(Result::ok).collect());

/// One name of a model, or one beginning of names.
struct Row {
    provider: &'static str,
    name: &'static str,
    is_beginning: bool,
    price: Price,
}

/// The price of a model by the provider's own name of it, if it is known.
pub fn find(provider: &str, model: &str) -> Option<Price> {
    let model = model.to_ascii_lowercase();
    look_up(provider, &model).or_else(|| look_up(provider, without_date(&model)?))
}

/// A name that is there as a whole, or else the longest that this one begins with.
fn look_up(provider: &str, model: &str) -> Option<Price> {
    let fitting = TABLE.iter().filter(|row| row.provider == provider && row.fits(model));
    fitting.max_by_key(|row| (!row.is_beginning, row.name.len())).map(|row| row.price)
}

/// `gpt-5` of `gpt-5-2025-08-07`, `claude-opus-5` of `claude-opus-5-20260401`.
fn without_date(model: &str) -> Option<&str> {
    let end = model.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-' || c == '@');
    let rest = &model[end.len()..];
    let date = [11, 9].into_iter().find_map(|length| {
        let (name, date) = model.split_at_checked(model.len().checked_sub(length)?)?;
        let digits = date.bytes().filter(u8::is_ascii_digit).count();
        (date.len() <= rest.len() && digits == 8 && date.starts_with(['-', '@'])).then_some(name)
    });
    date.filter(|name| !name.is_empty())
}

/// The lines of the table, each of which is `provider name|other* rates [above tokens rates]`.
fn rows() -> impl Iterator<Item = Result<Row, NotPrice>> {
    TEXT.lines().filter(|line| !line.starts_with('#')).flat_map(|line| {
        let mut words = line.split(' ');
        let (provider, names) =
            (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let price = price(words);
        names.split('|').map(move |name| {
            let beginning = name.strip_suffix('*');
            let (name, is_beginning) = (beginning.unwrap_or(name), beginning.is_some());
            Ok(Row { provider, name, is_beginning, price: price? })
        })
    })
}

fn price<'t>(mut words: impl Iterator<Item = &'t str>) -> Result<Price, NotPrice> {
    let usual = words.next().ok_or(NotPrice)?.parse()?;
    let long = match (words.next(), words.next(), words.next()) {
        (None, ..) => None,
        (Some("above"), Some(tokens), Some(rates)) => {
            Some((tokens.parse().map_err(|_| NotPrice)?, rates.parse()?))
        }
        _ => return Err(NotPrice),
    };
    Ok(Price { usual, long })
}

impl Row {
    fn fits(&self, model: &str) -> bool {
        if self.is_beginning { model.starts_with(self.name) } else { model == self.name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_can_be_read() {
        assert!(rows().count() > 200);
        assert!(rows().all(|row| row.is_ok()));
    }

    #[test]
    fn a_model_is_found_by_its_names_with_and_without_a_date() {
        let same = |provider, one, other| {
            let (one, other) = (find(provider, one), find(provider, other));
            assert!(one.is_some() && one == other, "{one:?} {other:?}");
        };

        same("openai", "gpt-5", "gpt-5-2025-08-07");
        same("openai", "gpt-6-sol", "gpt-6-sol-2026-11-01");
        same("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929");
        same("anthropic", "claude-opus-5", "Claude-Opus-5@20260401");
        assert_ne!(find("openai", "gpt-4o"), find("openai", "gpt-4o-2024-05-13"));
        assert_ne!(find("openai", "gpt-4o"), find("openai", "gpt-4o-mini"));
    }

    #[test]
    fn a_model_that_nobody_knows_has_no_price() {
        for (provider, model) in [
            ("openai", "fake"),
            ("openai", "gpt-55"),
            ("anthropic", "gpt-5"),
            ("house", "gpt-5"),
            ("openai", ""),
        ] {
            assert_eq!(find(provider, model), None, "{provider}/{model}");
        }
    }
}
