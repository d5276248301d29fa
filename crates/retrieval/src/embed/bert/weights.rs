//! The file of weights: safetensors, a table of names in JSON and the numbers behind it.
//!
//! Source: <https://huggingface.co/docs/safetensors/index#format>

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::BertError;
use super::read;

/// Numbers by their names.
#[derive(Debug)]
pub struct Weights {
    tensors: HashMap<String, Tensor>,
    /// The file, and where its numbers begin.
    file: Vec<u8>,
    start: usize,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Entry {
    Tensor(Tensor),
    /// What else is said of the file.
    Other(IgnoredAny),
}

#[derive(Debug, Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl Weights {
    pub fn new(file: Vec<u8>) -> Result<Self, BertError> {
        let broken = || BertError::Kind("its weights are no safetensors");
        let (length, rest) = file.split_first_chunk::<8>().ok_or_else(broken)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| broken())?;
        let table = rest.get(..length).ok_or_else(broken)?;
        let table: HashMap<String, Entry> = read("model.safetensors", table)?;
        let tensors = table.into_iter().filter_map(|(name, entry)| match entry {
            // Some have everything under the name of the whole.
            Entry::Tensor(tensor) => {
                Some((name.strip_prefix("bert.").unwrap_or(&name).to_owned(), tensor))
            }
            Entry::Other(_) => None,
        });
        Ok(Self { tensors: tensors.collect(), start: 8 + length, file })
    }

    /// The numbers that are called `name`, row by row; there are as many as `shape` says.
    pub fn take(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, BertError> {
        let missing = || BertError::Weights(name.to_owned());
        let tensor = self.tensors.get(name).filter(|it| it.shape == shape).ok_or_else(missing)?;
        if tensor.dtype != "F32" {
            return Err(BertError::Kind("its weights are not of 32 bits"));
        }
        let (from, to) = tensor.data_offsets;
        let bytes = self.file.get(self.start..).and_then(|data| data.get(from..to));
        let (numbers, rest) = bytes.ok_or_else(missing)?.as_chunks::<4>();
        if !rest.is_empty() || numbers.len() != shape.iter().product::<usize>() {
            return Err(missing());
        }
        Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// How many rows `name` has.
    pub fn rows(&self, name: &str) -> Result<usize, BertError> {
        let tensor = self.tensors.get(name).and_then(|it| it.shape.first());
        tensor.copied().ok_or_else(|| BertError::Weights(name.to_owned()))
    }
}
