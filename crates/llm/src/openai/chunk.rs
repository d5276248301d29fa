//! The shape of a streamed piece of an answer, as loosely as servers send it.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde_json::value::RawValue;

#[derive(Debug, Deserialize)]
pub(super) struct Chunk<'a> {
    /// Which generation this belongs to.
    #[serde(default, borrow)]
    pub id: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub choices: Option<Vec<Choice<'a>>>,
    #[serde(default, borrow)]
    pub usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub error: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub index: Option<u64>,
    #[serde(default, borrow)]
    pub delta: Option<Delta<'a>>,
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// Where some servers put what belongs to the chunk.
    #[serde(default, borrow)]
    pub usage: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(default)]
    pub content: Said,
    #[serde(default)]
    pub refusal: Said,
    #[serde(default)]
    pub reasoning_content: Said,
    #[serde(default)]
    pub reasoning: Said,
    #[serde(default, borrow)]
    pub reasoning_details: Option<Vec<&'a RawValue>>,
    #[serde(default, borrow)]
    pub tool_calls: Option<Vec<Fragment<'a>>>,
}

/// A piece of a tool call.
#[derive(Debug, Deserialize)]
pub(super) struct Fragment<'a> {
    #[serde(default)]
    pub index: Option<u64>,
    #[serde(default)]
    pub id: Said,
    #[serde(default, borrow)]
    pub function: Option<Function<'a>>,
    /// What Google's servers want back with the call.
    #[serde(default, borrow)]
    pub extra_content: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Function<'a> {
    #[serde(default)]
    pub name: Said,
    /// A string; from some servers the object itself.
    #[serde(default, borrow)]
    pub arguments: Option<&'a RawValue>,
}

/// Text, as a string or in parts of a list; anything else is no text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub text: String,
    /// Parts of a list may be thoughts.
    pub thinking: String,
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SaidVisitor)
    }
}

struct SaidVisitor;

impl<'de> Visitor<'de> for SaidVisitor {
    type Value = Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Said, E> {
        Ok(Said { text: text.to_owned(), ..Said::default() })
    }

    fn visit_string<E>(self, text: String) -> Result<Said, E> {
        Ok(Said { text, ..Said::default() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Said, A::Error> {
        let mut said = Said::default();
        while let Some(part) = parts.next_element::<SaidPart>()? {
            said.text.push_str(&part.text.text);
            said.thinking.push_str(&part.thinking.text);
        }
        Ok(said)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Said, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Said::default())
    }

    fn visit_unit<E>(self) -> Result<Said, E> {
        Ok(Said::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Said, E> {
        Ok(Said::default())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Said, E> {
        Ok(Said { text: number.to_string(), ..Said::default() })
    }

    fn visit_i64<E>(self, number: i64) -> Result<Said, E> {
        Ok(Said { text: number.to_string(), ..Said::default() })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Said, E> {
        Ok(Said::default())
    }
}

#[derive(Debug, Deserialize)]
struct SaidPart {
    #[serde(default)]
    text: Said,
    #[serde(default)]
    thinking: Said,
}
