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
    /// The line's first name.
    is_first: bool,
    price: Price,
    context: Option<u64>,
}

/// A model whose price is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The provider's name of it.
    pub name: &'static str,
    /// How many tokens a conversation with it may have, if that is published too.
    pub context_tokens: Option<u64>,
}

/// The price of a model by the provider's own name of it, if it is known.
pub fn find(provider: &str, model: &str) -> Option<Price> {
    find_row(provider, model).map(|row| row.price)
}

/// How many tokens a conversation with a model may have, if that is known.
pub fn context_tokens(provider: &str, model: &str) -> Option<u64> {
    find_row(provider, model)?.context
}

/// The models of a provider whose prices are known, each by its first name.
pub fn known(provider: &str) -> impl Iterator<Item = Known> {
    let own = TABLE.iter().filter(move |row| row.provider == provider && row.is_first);
    own.map(|row| Known { name: row.name, context_tokens: row.context })
}

fn find_row(provider: &str, model: &str) -> Option<&'static Row> {
    let model = model.to_ascii_lowercase();
    look_up(provider, &model).or_else(|| look_up(provider, without_date(&model)?))
}

/// A name that is there as a whole, or else the longest that this one begins with.
fn look_up(provider: &str, model: &str) -> Option<&'static Row> {
    let fitting = TABLE.iter().filter(|row| row.provider == provider && row.fits(model));
    fitting.max_by_key(|row| (!row.is_beginning, row.name.len()))
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

/// The lines of the table, each of which is
/// `provider name|other* rates [above tokens rates] [context tokens]`.
fn rows() -> impl Iterator<Item = Result<Row, NotPrice>> {
    TEXT.lines().filter(|line| !line.starts_with('#')).flat_map(|line| {
        let mut words = line.split(' ');
        let (provider, names) =
            (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let numbers = numbers(words);
        names.split('|').enumerate().map(move |(at, name)| {
            let beginning = name.strip_suffix('*');
            let (name, is_beginning) = (beginning.unwrap_or(name), beginning.is_some());
            let (price, context) = numbers?;
            Ok(Row { provider, name, is_beginning, is_first: at == 0, price, context })
        })
    })
}

fn numbers<'t>(mut words: impl Iterator<Item = &'t str>) -> Result<(Price, Option<u64>), NotPrice> {
    let mut price = Price { usual: words.next().ok_or(NotPrice)?.parse()?, long: None };
    let mut context = None;
    while let Some(word) = words.next() {
        let tokens = words.next().and_then(|tokens| tokens.parse().ok()).ok_or(NotPrice)?;
        match word {
            "above" => price.long = Some((tokens, words.next().ok_or(NotPrice)?.parse()?)),
            "context" => context = Some(tokens),
            _ => return Err(NotPrice),
        }
    }
    Ok((price, context))
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
        same("google", "gemini-2.5-pro", "gemini-2.5-pro-preview-06-05");
        same("google", "gemini-3-pro-preview", "gemini-3-pro-preview-11-2025");
        assert_ne!(find("google", "gemini-2.5-pro"), find("google", "gemini-2.5-pro-tts"));
        assert_ne!(find("openai", "gpt-4o"), find("openai", "gpt-4o-2024-05-13"));
        assert_ne!(find("openai", "gpt-4o"), find("openai", "gpt-4o-mini"));
    }

    #[test]
    fn what_fits_into_a_model_is_known_with_its_price() {
        assert_eq!(context_tokens("anthropic", "claude-sonnet-4-5-20250929"), Some(200_000));
        assert_eq!(context_tokens("google", "gemini-2.5-flash"), Some(1_048_576));
        assert_eq!(context_tokens("openai", "fake"), None);
        let names: Vec<_> = known("anthropic").map(|it| it.name).collect();
        assert!(names.contains(&"claude-sonnet-4-5") && !names.contains(&"claude-sonnet-4.5"));
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
