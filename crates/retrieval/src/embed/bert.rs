//! Encoders of the family of BERT, on the processor: what `sentence-transformers` calls `all-MiniLM-L6-v2` and such.
//!
//! It reads what their folders have, the weights as safetensors, and nothing but plain loops computes: some hundred
//! lines instead of a hundred crates. One text goes after the other, on one thread; who has more processors runs
//! several at once, on the same weights.

mod layers;
mod matrix;
mod weights;
mod words;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

pub use words::WordPieces;

use layers::Layers;
use weights::Weights;

/// A model with its weights in memory.
#[derive(Debug)]
pub struct Bert {
    words: WordPieces,
    layers: Layers,
    pooling: Pooling,
    /// Tokens that a text may have, those around it among them.
    most: usize,
}

/// The files of a model's folder.
#[derive(Debug, Clone)]
pub struct BertFiles {
    /// `config.json`.
    pub config: Vec<u8>,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// `1_Pooling/config.json`; without it the mean counts.
    pub pooling: Option<Vec<u8>>,
    /// `model.safetensors`.
    pub weights: Vec<u8>,
}

/// Why a folder is no model that can be used, or a text has no vector.
#[derive(Debug, thiserror::Error)]
pub enum BertError {
    #[error("`{0}` is not what it should be")]
    Json(&'static str, #[source] serde_json::Error),
    #[error("the model is not of a kind that is known here: {0}")]
    Kind(&'static str),
    #[error("the weights lack `{0}`, or it has another shape")]
    Weights(String),
    #[error("a text has {got} tokens, and the model takes {most}; make passages smaller")]
    TooLong { got: usize, most: usize },
}

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pooling {
    Mean,
    /// That of the mark at the beginning.
    First,
}

/// `config.json`, as far as it decides what is computed.
#[derive(Debug, Clone, Deserialize)]
struct Config {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "usual_epsilon")]
    layer_norm_eps: f32,
    #[serde(default)]
    hidden_act: Option<String>,
    #[serde(default)]
    position_embedding_type: Option<String>,
}

fn usual_epsilon() -> f32 {
    1e-12
}

impl Bert {
    /// Makes a model of the files of its folder.
    pub fn new(files: BertFiles) -> Result<Self, BertError> {
        let config: Config = read("config.json", &files.config)?;
        config.check()?;
        let words = WordPieces::new(&files.tokenizer)?;
        let pooling = files.pooling.as_deref().map_or(Ok(Pooling::Mean), Pooling::read)?;
        let weights = Weights::new(files.weights)?;
        let layers = Layers::new(&config, &weights)?;
        if words.highest() >= layers.vocabulary() {
            return Err(BertError::Kind("it has no vectors for some words of its tokenizer"));
        }
        Ok(Self { words, layers, pooling, most: config.max_position_embeddings })
    }

    /// How many numbers a vector has.
    pub fn dimension(&self) -> usize {
        self.layers.width()
    }

    /// The vector of `text`, of length one.
    pub fn embed(&self, text: &str) -> Result<Vec<f32>, BertError> {
        let tokens = self.words.tokens(text);
        if tokens.len() > self.most {
            return Err(BertError::TooLong { got: tokens.len(), most: self.most });
        }
        let states = self.layers.run(&tokens);
        let width = self.dimension();
        let mut vector = match self.pooling {
            Pooling::First => states[..width].to_vec(),
            Pooling::Mean => {
                let mut sum = vec![0.0; width];
                for state in states.chunks_exact(width) {
                    sum.iter_mut().zip(state).for_each(|(sum, number)| *sum += number);
                }
                sum
            }
        };
        let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        for number in &mut vector {
            *number /= length.max(f32::MIN_POSITIVE);
        }
        Ok(vector)
    }
}

impl Config {
    fn check(&self) -> Result<(), BertError> {
        let is =
            |value: &Option<String>, wanted: &str| value.as_ref().is_none_or(|it| it == wanted);
        if self.model_type != "bert" {
            return Err(BertError::Kind("its type is not `bert`"));
        }
        if !is(&self.hidden_act, "gelu") || !is(&self.position_embedding_type, "absolute") {
            return Err(BertError::Kind("it computes otherwise than BERT does"));
        }
        let heads = self.num_attention_heads;
        if heads == 0 || self.hidden_size == 0 || !self.hidden_size.is_multiple_of(heads) {
            return Err(BertError::Kind("its sizes do not fit together"));
        }
        Ok(())
    }
}

impl Pooling {
    fn read(file: &[u8]) -> Result<Self, BertError> {
        let config: BTreeMap<String, Value> = read("1_Pooling/config.json", file)?;
        let modes = config.iter().filter(|(_, value)| **value == Value::Bool(true));
        let modes = modes.filter_map(|(name, _)| name.strip_prefix("pooling_mode_"));
        match modes.collect::<Vec<_>>()[..] {
            ["mean_tokens"] => Ok(Self::Mean),
            ["cls_token"] => Ok(Self::First),
            _ => Err(BertError::Kind("it pools neither by the mean nor by the first token")),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(name: &'static str, file: &'a [u8]) -> Result<T, BertError> {
    serde_json::from_slice(file).map_err(|cause| BertError::Json(name, cause))
}

#[cfg(test)]
mod tests;
