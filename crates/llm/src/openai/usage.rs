//! Token counts of chat completions, normalised.

use serde_json::Value;

use crate::Usage;

/// The usage in `json`; `None` when there is none.
///
/// Cached tokens are inside `prompt_tokens` and reasoning tokens inside `completion_tokens`.
/// Where a server counts them beside (which its own total or an impossible sum gives away), they
/// are added.
pub(super) fn parse(json: &str) -> Option<Usage> {
    let usage: Value = serde_json::from_str(json).ok()?;
    let count = |pointer: &str| usage.pointer(pointer).and_then(tokens);
    let prompt = count("/prompt_tokens")?;
    let completion = count("/completion_tokens").unwrap_or_default();
    let reasoning = count("/completion_tokens_details/reasoning_tokens").unwrap_or_default();
    let cached =
        ["/prompt_tokens_details/cached_tokens", "/prompt_cache_hit_tokens", "/cached_tokens"];
    let cached = cached.into_iter().find_map(count).unwrap_or_default();
    let written = count("/prompt_tokens_details/cache_write_tokens").unwrap_or_default();

    let apart =
        count("/total_tokens") == Some(prompt + completion + reasoning) || reasoning > completion;
    Some(Usage {
        input_tokens: if cached + written > prompt { prompt + cached + written } else { prompt },
        cached_tokens: cached,
        cache_write_tokens: written,
        output_tokens: if apart { completion + reasoning } else { completion },
        reasoning_tokens: reasoning,
    })
}

/// A count; some servers write `12.0`.
fn tokens(value: &Value) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    value.as_u64().or_else(|| value.as_f64().map(|count| count as u64))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::Usage;

    #[test]
    fn cached_and_reasoning_tokens_are_inside() {
        let usage = parse(
            r#"{"prompt_tokens": 20000, "completion_tokens": 1000, "total_tokens": 21000,
                "prompt_tokens_details": {"cached_tokens": 16000},
                "completion_tokens_details": {"reasoning_tokens": 600}}"#,
        );
        let expected = Usage {
            input_tokens: 20000,
            cached_tokens: 16000,
            cache_write_tokens: 0,
            output_tokens: 1000,
            reasoning_tokens: 600,
        };
        assert_eq!(usage, Some(expected));
    }

    #[test]
    fn reasoning_counted_beside_the_output_is_added() {
        let usage = parse(
            r#"{"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 20}}"#,
        );
        assert_eq!(usage.unwrap().output_tokens, 25);
    }

    #[test]
    fn cached_tokens_counted_beside_the_input_are_added() {
        let usage = parse(r#"{"prompt_tokens": 10, "prompt_cache_hit_tokens": 90.0}"#).unwrap();
        assert_eq!((usage.input_tokens, usage.cached_tokens), (100, 90));
    }

    #[test]
    fn what_is_no_usage_is_none() {
        for json in ["null", "{}", "[]", r#"{"prompt_tokens": null}"#] {
            assert_eq!(parse(json), None, "{json}");
        }
    }
}
