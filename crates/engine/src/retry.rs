//! When a failed model call is made again.

use std::time::Duration;

use llm::ModelError;

/// How often and how soon a model is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Calls of one turn for each of its models.
    pub max_attempts: u32,
    /// Before the second attempt; doubled for each further one.
    pub first_delay: Duration,
    /// What a provider may ask us to wait. If it asks for more, we give up.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            first_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// How long to wait after attempt number `attempt` (from 1) failed with `error`, or `None` when
    /// there is no use in asking again. The provider's hint counts more than our own schedule.
    pub fn delay(&self, attempt: u32, error: &ModelError) -> Option<Duration> {
        if !error.retryable || attempt >= self.max_attempts {
            return None;
        }
        let ours = self.first_delay.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        match error.retry_after {
            Some(asked) if asked > self.max_delay => None,
            Some(asked) => Some(asked),
            None => Some(ours.min(self.max_delay)),
        }
    }
}

#[cfg(test)]
mod tests {
    use llm::ErrorKind;

    use super::*;

    fn error(retryable: bool, retry_after: Option<u64>) -> ModelError {
        ModelError {
            kind: ErrorKind::Refused,
            message: "busy".to_owned(),
            status: Some(429),
            retryable,
            retry_after: retry_after.map(Duration::from_secs),
            partial: None,
        }
    }

    #[test]
    fn waits_longer_each_time_and_then_gives_up() {
        let delays: Vec<_> = (1..=4)
            .map(|attempt| RetryPolicy::default().delay(attempt, &error(true, None)))
            .map(|delay| delay.map(|it| it.as_millis()))
            .collect();

        assert_eq!(delays, [Some(500), Some(1000), Some(2000), None]);
    }

    #[test]
    fn does_what_the_provider_asks_within_reason() {
        let policy = RetryPolicy::default();

        assert_eq!(policy.delay(1, &error(true, Some(7))), Some(Duration::from_secs(7)));
        assert_eq!(policy.delay(1, &error(true, Some(31))), None);
    }

    #[test]
    fn never_repeats_what_cannot_succeed() {
        assert_eq!(RetryPolicy::default().delay(1, &error(false, Some(1))), None);
    }
}
