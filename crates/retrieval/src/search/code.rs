//! A vector in one byte for each number.

/// The direction of a vector as whole numbers of -127 to 127.
///
/// `values[i] * scale` is about the `i`th number of the vector once its length is 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Code {
    pub scale: f32,
    pub values: Vec<i8>,
}

/// Why a vector has no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    #[error("a vector of {got} numbers does not fit into {expected}")]
    Dimension { expected: usize, got: usize },
    #[error("a vector has something in it that is no number")]
    NotANumber,
    #[error("a vector of zeros has no direction")]
    Zero,
}

impl Code {
    /// The code of `vector`, of any length but zero.
    #[expect(clippy::cast_possible_truncation, reason = "between -127 and 127 by the scale")]
    pub fn of(vector: &[f32]) -> Result<Self, VectorError> {
        if !vector.iter().all(|number| number.is_finite()) {
            return Err(VectorError::NotANumber);
        }
        let largest = vector.iter().fold(0.0_f32, |largest, number| largest.max(number.abs()));
        if largest == 0.0 {
            return Err(VectorError::Zero);
        }
        // By the largest number first: squares of what is very large or small would leave the range.
        let length = vector.iter().map(|number| (number / largest).powi(2)).sum::<f32>().sqrt();
        let values = vector.iter().map(|number| (number / largest * 127.0).round() as i8).collect();
        Ok(Self { scale: 1.0 / (127.0 * length), values })
    }
}
