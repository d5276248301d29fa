//! What is computed.
//!
//! Source: Devlin et al., "BERT", 2018 (<https://arxiv.org/abs/1810.04805>), and Vaswani et al., "Attention Is All
//! You Need", 2017 (<https://arxiv.org/abs/1706.03762>).

use super::BertError;
use super::Config;
use super::matrix::products;
use super::weights::Weights;

/// All layers of a model.
#[derive(Debug)]
pub struct Layers {
    width: usize,
    heads: usize,
    words: Vec<f32>,
    positions: Vec<f32>,
    /// Of the one kind of text there is here.
    kind: Vec<f32>,
    norm: Norm,
    stack: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    query: Dense,
    key: Dense,
    value: Dense,
    attended: Dense,
    attended_norm: Norm,
    wide: Dense,
    narrow: Dense,
    norm: Norm,
}

/// A matrix, row by row, and what is added.
#[derive(Debug)]
struct Dense {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

#[derive(Debug)]
struct Norm {
    scale: Vec<f32>,
    shift: Vec<f32>,
    epsilon: f32,
}

impl Layers {
    pub fn new(config: &Config, weights: &Weights) -> Result<Self, BertError> {
        let width = config.hidden_size;
        let name = "embeddings.word_embeddings.weight";
        let words = weights.take(name, &[weights.rows(name)?, width])?;
        let positions = [config.max_position_embeddings, width];
        let positions = weights.take("embeddings.position_embeddings.weight", &positions)?;
        let name = "embeddings.token_type_embeddings.weight";
        let mut kind = weights.take(name, &[weights.rows(name)?, width])?;
        kind.truncate(width);
        let norm = Norm::new(config, weights, "embeddings.LayerNorm")?;
        let layer = |number| Layer::new(config, weights, &format!("encoder.layer.{number}"));
        let stack = (0..config.num_hidden_layers).map(layer).collect::<Result<_, _>>()?;
        let heads = config.num_attention_heads;
        Ok(Self { width, heads, words, positions, kind, norm, stack })
    }

    pub fn width(&self) -> usize {
        self.width
    }

    /// How many tokens it knows.
    pub fn vocabulary(&self) -> usize {
        self.words.len() / self.width
    }

    /// The states of all tokens behind the last layer, one after the other.
    pub fn run(&self, tokens: &[usize]) -> Vec<f32> {
        let row = |rows: &[f32], at: usize, number: usize| rows[at * self.width + number];
        let mut states = Vec::with_capacity(tokens.len() * self.width);
        for (place, token) in tokens.iter().enumerate() {
            states.extend((0..self.width).map(|number| {
                row(&self.words, *token, number)
                    + row(&self.positions, place, number)
                    + self.kind[number]
            }));
        }
        self.norm.apply(&mut states);
        for layer in &self.stack {
            layer.apply(&mut states, self.heads);
        }
        states
    }
}

impl Layer {
    fn new(config: &Config, weights: &Weights, name: &str) -> Result<Self, BertError> {
        let (width, wide) = (config.hidden_size, config.intermediate_size);
        let dense = |part: &str, rows, columns| {
            Dense::new(weights, &format!("{name}.{part}"), rows, columns)
        };
        let norm = |part: &str| Norm::new(config, weights, &format!("{name}.{part}"));
        Ok(Self {
            query: dense("attention.self.query", width, width)?,
            key: dense("attention.self.key", width, width)?,
            value: dense("attention.self.value", width, width)?,
            attended: dense("attention.output.dense", width, width)?,
            attended_norm: norm("attention.output.LayerNorm")?,
            wide: dense("intermediate.dense", wide, width)?,
            narrow: dense("output.dense", width, wide)?,
            norm: norm("output.LayerNorm")?,
        })
    }

    fn apply(&self, states: &mut [f32], heads: usize) {
        let attended = self.attended.apply(&self.attend(states, heads));
        add(states, &attended);
        self.attended_norm.apply(states);
        let mut wide = self.wide.apply(states);
        for number in &mut wide {
            *number = gelu(*number);
        }
        add(states, &self.narrow.apply(&wide));
        self.norm.apply(states);
    }

    /// What each token takes from all, head by head.
    fn attend(&self, states: &[f32], heads: usize) -> Vec<f32> {
        let width = self.query.bias.len();
        let (tokens, part) = (states.len() / width, width / heads);
        let [query, key, value] =
            [&self.query, &self.key, &self.value].map(|dense| dense.apply(states));
        let mut out = vec![0.0; states.len()];
        let mut weights = vec![0.0; tokens * tokens];
        let mut taken = vec![0.0; tokens * part];
        #[expect(clippy::cast_precision_loss, reason = "some dozens")]
        let scale = 1.0 / (part as f32).sqrt();
        for head in 0..heads {
            let of_head = |all: &[f32]| -> Vec<f32> {
                all.chunks_exact(width)
                    .flat_map(|row| &row[head * part..(head + 1) * part])
                    .copied()
                    .collect()
            };
            products(&of_head(&query), &of_head(&key), part, &mut weights);
            for row in weights.chunks_exact_mut(tokens) {
                softmax(row, scale);
            }
            // Each number of all tokens as a row, so that rows are multiplied with rows.
            let value: Vec<f32> = (0..part)
                .flat_map(|number| {
                    value.chunks_exact(width).map(move |row| row[head * part + number])
                })
                .collect();
            products(&weights, &value, tokens, &mut taken);
            for (out, taken) in out.chunks_exact_mut(width).zip(taken.chunks_exact(part)) {
                out[head * part..(head + 1) * part].copy_from_slice(taken);
            }
        }
        out
    }
}

impl Dense {
    fn new(weights: &Weights, name: &str, rows: usize, columns: usize) -> Result<Self, BertError> {
        Ok(Self {
            weight: weights.take(&format!("{name}.weight"), &[rows, columns])?,
            bias: weights.take(&format!("{name}.bias"), &[rows])?,
        })
    }

    fn apply(&self, states: &[f32]) -> Vec<f32> {
        let (rows, columns) = (self.bias.len(), self.weight.len() / self.bias.len());
        let mut out = vec![0.0; states.len() / columns * rows];
        products(states, &self.weight, columns, &mut out);
        for row in out.chunks_exact_mut(rows) {
            add(row, &self.bias);
        }
        out
    }
}

impl Norm {
    fn new(config: &Config, weights: &Weights, name: &str) -> Result<Self, BertError> {
        let part = |newer: &str, older: &str| {
            let width = [config.hidden_size];
            let found = weights.take(&format!("{name}.{newer}"), &width);
            found.or_else(|_| weights.take(&format!("{name}.{older}"), &width))
        };
        let (scale, shift) = (part("weight", "gamma")?, part("bias", "beta")?);
        Ok(Self { scale, shift, epsilon: config.layer_norm_eps })
    }

    fn apply(&self, states: &mut [f32]) {
        let width = self.scale.len();
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let count = width as f32;
        for row in states.chunks_exact_mut(width) {
            let mean = row.iter().sum::<f32>() / count;
            let spread = row.iter().map(|number| (number - mean).powi(2)).sum::<f32>() / count;
            let scale = 1.0 / (spread + self.epsilon).sqrt();
            for ((number, by), shift) in row.iter_mut().zip(&self.scale).zip(&self.shift) {
                *number = (*number - mean) * scale * by + shift;
            }
        }
    }
}

fn add(numbers: &mut [f32], others: &[f32]) {
    numbers.iter_mut().zip(others).for_each(|(number, other)| *number += other);
}

fn softmax(row: &mut [f32], scale: f32) {
    let largest = row.iter().fold(f32::NEG_INFINITY, |largest, number| largest.max(*number));
    for number in row.iter_mut() {
        *number = ((*number - largest) * scale).exp();
    }
    let sum: f32 = row.iter().sum();
    for number in row.iter_mut() {
        *number /= sum;
    }
}

/// The exact one, by the error function.
fn gelu(number: f32) -> f32 {
    0.5 * number * (1.0 + erf(number * std::f32::consts::FRAC_1_SQRT_2))
}

/// To seven digits: Abramowitz and Stegun, 7.1.26.
fn erf(number: f32) -> f32 {
    let (size, t) = (number.abs(), 1.0 / (1.0 + 0.327_591_1 * number.abs()));
    let sum = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t
        + 0.254_829_6)
        * t;
    (1.0 - sum * (-size * size).exp()).copysign(number)
}
