//! From a text to the numbers of its tokens, as BERT's tokenizer does it.

use std::collections::HashMap;

use serde::Deserialize;
use unicode_general_category::GeneralCategory as Category;
use unicode_general_category::get_general_category;
use unicode_normalization::UnicodeNormalization;

use super::BertError;
use super::read;
use crate::chunk::TokenCounter;

/// The pieces of words that a model knows, as its `tokenizer.json` has them.
#[derive(Debug)]
pub struct WordPieces {
    vocabulary: HashMap<String, usize>,
    prefix: String,
    /// A longer word is unknown as a whole.
    longest: usize,
    normalizer: Normalizer,
    unknown: usize,
    first: usize,
    last: usize,
}

/// `tokenizer.json`.
#[derive(Deserialize)]
struct Tokenizer {
    model: Model,
    normalizer: Normalizer,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: HashMap<String, usize>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    max_input_chars_per_word: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Normalizer {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    clean_text: bool,
    #[serde(default)]
    handle_chinese_chars: bool,
    /// As `lowercase`, if nothing is said.
    strip_accents: Option<bool>,
    #[serde(default)]
    lowercase: bool,
}

impl WordPieces {
    /// Reads `tokenizer.json`.
    pub fn new(tokenizer: &[u8]) -> Result<Self, BertError> {
        // Of another kind not even the members are those that are looked for.
        let unknown_kind = BertError::Kind("its tokenizer is not that of BERT (WordPiece)");
        let Ok(Tokenizer { model, normalizer }) = read("tokenizer.json", tokenizer) else {
            return Err(unknown_kind);
        };
        if model.kind.is_some_and(|kind| kind != "WordPiece") || normalizer.kind != "BertNormalizer"
        {
            return Err(unknown_kind);
        }
        let unknown = model.unk_token.unwrap_or_else(|| "[UNK]".to_owned());
        let find = |token: &str| model.vocab.get(token).copied();
        let marks = (find(&unknown), find("[CLS]"), find("[SEP]"));
        let (Some(unknown), Some(first), Some(last)) = marks else { return Err(unknown_kind) };
        Ok(Self {
            vocabulary: model.vocab,
            prefix: model.continuing_subword_prefix.unwrap_or_else(|| "##".to_owned()),
            longest: model.max_input_chars_per_word.unwrap_or(100),
            normalizer,
            unknown,
            first,
            last,
        })
    }

    /// The highest number of a token.
    pub fn highest(&self) -> usize {
        self.vocabulary.values().copied().max().unwrap_or_default()
    }

    /// The tokens of `text`, with the marks around them.
    pub fn tokens(&self, text: &str) -> Vec<usize> {
        let text = self.normalizer.apply(text);
        let mut tokens = vec![self.first];
        for word in words(&text) {
            self.push(word, &mut tokens);
        }
        tokens.push(self.last);
        tokens
    }

    /// The longest pieces that are known, one after the other; or the word is unknown.
    fn push(&self, word: &str, tokens: &mut Vec<usize>) {
        let before = tokens.len();
        let mut rest = word;
        let mut piece = String::new();
        while !rest.is_empty() && word.chars().take(self.longest + 1).count() <= self.longest {
            let ends = rest.char_indices().rev().map(|(at, char)| at + char.len_utf8());
            let known = ends.into_iter().find_map(|end| {
                piece.clear();
                if rest.len() < word.len() {
                    piece.push_str(&self.prefix);
                }
                piece.push_str(&rest[..end]);
                Some((end, *self.vocabulary.get(&piece)?))
            });
            let Some((end, token)) = known else { break };
            tokens.push(token);
            rest = &rest[end..];
        }
        if !rest.is_empty() {
            tokens.truncate(before);
            tokens.push(self.unknown);
        }
    }
}

impl TokenCounter for WordPieces {
    fn count(&self, text: &str) -> usize {
        self.tokens(text).len() - 2
    }
}

impl Normalizer {
    fn apply(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        for char in text.chars() {
            match char {
                _ if self.clean_text && is_noise(char) => {}
                _ if self.clean_text && char.is_whitespace() => clean.push(' '),
                _ if self.handle_chinese_chars && is_chinese(char) => {
                    clean.extend([' ', char, ' ']);
                }
                _ => clean.push(char),
            }
        }
        if self.strip_accents.unwrap_or(self.lowercase) {
            let is_accent = |char: &char| get_general_category(*char) == Category::NonspacingMark;
            clean = clean.nfd().filter(|char| !is_accent(char)).collect();
        }
        if self.lowercase { clean.to_lowercase() } else { clean }
    }
}

/// Words and signs.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().flat_map(|word| {
        let mut rest = word;
        std::iter::from_fn(move || {
            let mut chars = rest.char_indices();
            let (_, first) = chars.next()?;
            let end = if is_punctuation(first) {
                first.len_utf8()
            } else {
                chars.find(|(_, char)| is_punctuation(*char)).map_or(rest.len(), |(at, _)| at)
            };
            let (word, behind) = rest.split_at(end);
            rest = behind;
            Some(word)
        })
    })
}

fn is_noise(char: char) -> bool {
    matches!(char, '\0' | '\u{fffd}')
        || !matches!(char, '\t' | '\n' | '\r')
            && matches!(
                get_general_category(char),
                Category::Control
                    | Category::Format
                    | Category::Unassigned
                    | Category::PrivateUse
                    | Category::Surrogate
            )
}

fn is_punctuation(char: char) -> bool {
    char.is_ascii_punctuation()
        || matches!(
            get_general_category(char),
            Category::ConnectorPunctuation
                | Category::DashPunctuation
                | Category::OpenPunctuation
                | Category::ClosePunctuation
                | Category::InitialPunctuation
                | Category::FinalPunctuation
                | Category::OtherPunctuation
        )
}

fn is_chinese(char: char) -> bool {
    matches!(
        u32::from(char),
        0x4E00..=0x9FFF
            | 0x3400..=0x4DBF
            | 0x20000..=0x2A6DF
            | 0x2A700..=0x2B73F
            | 0x2B740..=0x2B81F
            | 0x2B820..=0x2CEAF
            | 0xF900..=0xFAFF
            | 0x2F800..=0x2FA1F
    )
}
