//! Percentiles of durations.

use std::time::Duration;

/// What was measured, once per request.
#[derive(Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    pub fn add(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn percentiles(mut self) -> Percentiles {
        self.0.sort_unstable();
        let at = |percent| nearest_rank(&self.0, percent);
        Percentiles { p50: at(50), p95: at(95), p99: at(99) }
    }
}

/// Zero where there was no sample.
#[derive(Debug, Clone, Copy, Default)]
pub struct Percentiles {
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
}

fn nearest_rank(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (percent * sorted.len()).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percentiles(samples: impl IntoIterator<Item = u64>) -> [u128; 3] {
        let samples = Samples(samples.into_iter().map(Duration::from_millis).collect());
        let Percentiles { p50, p95, p99 } = samples.percentiles();
        [p50, p95, p99].map(|it| it.as_millis())
    }

    #[test]
    fn a_percentile_is_a_sample_that_was_seen() {
        assert_eq!(percentiles((1..=100).rev()), [50, 95, 99]);
        assert_eq!(percentiles(1..=10), [5, 10, 10]);
        assert_eq!(percentiles([7]), [7, 7, 7]);
        assert_eq!(percentiles([]), [0, 0, 0]);
    }
}
