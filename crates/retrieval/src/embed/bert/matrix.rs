//! Products of rows with rows: all that takes time.

use pulp::Arch;
use pulp::Simd;
use pulp::WithSimd;

/// Rows of `other` that are looked at together, so that they stay near to the processor.
const BLOCK: usize = 16;

/// `out[i][j] = left[i] · right[j]`, where each row has `width` numbers.
pub fn products(left: &[f32], right: &[f32], width: usize, out: &mut [f32]) {
    Arch::new().dispatch(Products { left, right, width, out });
}

struct Products<'a> {
    left: &'a [f32],
    right: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "compiled once for each set of instructions")]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { left, right, width, out } = self;
        let (rows, columns) = (left.len() / width, right.len() / width);
        for block in (0..columns).step_by(BLOCK) {
            let end = columns.min(block + BLOCK);
            let mut row = 0;
            while row < rows {
                let tall = rows - row >= 4;
                let mut column = block;
                while column < end {
                    let wide = end - column >= 2;
                    match (tall, wide) {
                        (true, true) => {
                            tile::<S, 4, 2>(simd, left, right, width, (row, column), columns, out);
                        }
                        (true, false) => {
                            tile::<S, 4, 1>(simd, left, right, width, (row, column), columns, out);
                        }
                        (false, true) => {
                            tile::<S, 1, 2>(simd, left, right, width, (row, column), columns, out);
                        }
                        (false, false) => {
                            tile::<S, 1, 1>(simd, left, right, width, (row, column), columns, out);
                        }
                    }
                    column += if wide { 2 } else { 1 };
                }
                row += if tall { 4 } else { 1 };
            }
        }
    }
}

/// `R` rows with `C` rows, all their products at once: as many as there are places for in the processor.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled once for each set of instructions")]
fn tile<S: Simd, const R: usize, const C: usize>(
    simd: S,
    left: &[f32],
    right: &[f32],
    width: usize,
    (row, column): (usize, usize),
    columns: usize,
    out: &mut [f32],
) {
    let rows: [_; R] = std::array::from_fn(|at| split::<S>(left, row + at, width));
    let others: [_; C] = std::array::from_fn(|at| split::<S>(right, column + at, width));
    let mut sums = [[simd.splat_f32s(0.0); C]; R];
    let steps = rows[0].0.len();
    for step in 0..steps {
        let pieces: [_; C] = std::array::from_fn(|at| others[at].0[step]);
        for (row, sums) in rows.iter().zip(&mut sums) {
            let piece = row.0[step];
            for (sum, other) in sums.iter_mut().zip(pieces) {
                *sum = simd.mul_add_f32s(piece, other, *sum);
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        for (c, sum) in sums.into_iter().enumerate() {
            let rest: f32 = rows[r].1.iter().zip(others[c].1).map(|(one, other)| one * other).sum();
            out[(row + r) * columns + column + c] = simd.reduce_sum_f32s(sum) + rest;
        }
    }
}

/// A row in pieces of the size of the processor's, and what is left.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled once for each set of instructions")]
fn split<S: Simd>(rows: &[f32], row: usize, width: usize) -> (&[S::f32s], &[f32]) {
    S::as_simd_f32s(&rows[row * width..(row + 1) * width])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_any_sizes_are_right() {
        for (rows, columns, width) in [(1, 1, 1), (4, 2, 16), (5, 3, 17), (9, 35, 32), (3, 1, 100)]
        {
            let number = |seed: usize| {
                move |at: usize| f32::from(u8::try_from((at * seed) % 13).unwrap()) - 6.0
            };
            let left: Vec<f32> = (0..rows * width).map(number(7)).collect();
            let right: Vec<f32> = (0..columns * width).map(number(5)).collect();
            let mut out = vec![0.0; rows * columns];

            products(&left, &right, width, &mut out);

            for row in 0..rows {
                for column in 0..columns {
                    let one = &left[row * width..(row + 1) * width];
                    let other = &right[column * width..(column + 1) * width];
                    let product: f32 = one.iter().zip(other).map(|(one, other)| one * other).sum();
                    assert!((out[row * columns + column] - product).abs() < 1e-3);
                }
            }
        }
    }
}
