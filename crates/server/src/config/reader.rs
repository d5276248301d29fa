//! Reads settings one by one and remembers all that is wrong with them.

use std::error::Error;
use std::fmt;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use secrecy::SecretString;

use crate::config::table;

/// All that is wrong with the settings, each with its name and the way out. It shows no values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<(String, String)>);

impl ConfigErrors {
    pub fn one(name: &str, fault: impl Display) -> Self {
        Self(vec![(name.to_owned(), fault.to_string())])
    }

    /// Each fault: the name of the setting, and what is wrong with it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, fault)| (name.as_str(), fault.as_str()))
    }
}

impl Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0.len() {
            1 => "a setting is wrong",
            _ => "some settings are wrong",
        })?;
        self.iter().try_for_each(|(name, fault)| write!(formatter, "\n  {name}: {fault}"))
    }
}

impl Error for ConfigErrors {}

pub struct Reader<E> {
    env: E,
    faults: Vec<(String, String)>,
}

impl<E: Fn(&str) -> Option<String>> Reader<E> {
    pub fn new(env: E) -> Self {
        Self { env, faults: Vec::new() }
    }

    /// Gives `value` if nothing was wrong.
    pub fn finish<T>(self, value: T) -> Result<T, ConfigErrors> {
        if self.faults.is_empty() { Ok(value) } else { Err(ConfigErrors(self.faults)) }
    }

    pub fn fault(&mut self, name: &str, fault: impl Display) {
        self.faults.push((name.to_owned(), fault.to_string()));
    }

    /// The text of a setting. Spaces around it mean nothing, and an empty one is as good as none.
    pub fn given(&self, name: &str) -> Option<String> {
        let text = (self.env)(name)?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The text of a setting, or its default.
    pub fn text(&self, name: &str) -> String {
        self.given(name).unwrap_or_else(|| default(name).to_owned())
    }

    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.given(name).map(SecretString::from)
    }

    /// A secret without which nothing works; `way_out` says where to get it.
    pub fn required_secret(&mut self, name: &str, way_out: &str) -> SecretString {
        self.secret(name).unwrap_or_else(|| {
            self.fault(name, format!("it is not set; {way_out}"));
            SecretString::default()
        })
    }

    /// A number within its limits.
    pub fn number<N>(&mut self, name: &str, range: RangeInclusive<N>) -> N
    where
        N: FromStr + PartialOrd + Display + Default,
    {
        let (least, most) = range.into_inner();
        match self.text(name).parse() {
            Ok(number) if number >= least && number <= most => number,
            _ => {
                self.fault(name, format!("it must be a whole number from {least} to {most}"));
                N::default()
            }
        }
    }

    /// One of some words.
    pub fn choice<C: Copy>(&mut self, name: &str, choices: &[(&str, C)], otherwise: C) -> C {
        let text = self.text(name);
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
            return *choice;
        }
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        self.fault(name, format!("it must be {}", words.join(" or ")));
        otherwise
    }

    /// A value that `parse` makes of the text, if there is a text.
    pub fn optional<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.given(name)?;
        parse(&text).map_err(|fault| self.fault(name, fault)).ok()
    }

    /// Values with commas between.
    pub fn list<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let text = self.given(name).unwrap_or_default();
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let parsed: Result<Vec<T>, String> = items.map(parse).collect();
        parsed.unwrap_or_else(|fault| {
            self.fault(name, fault);
            Vec::new()
        })
    }
}

fn default(name: &str) -> &'static str {
    table::setting(name).map(|setting| setting.default).unwrap_or_default()
}
