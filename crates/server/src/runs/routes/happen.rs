//! `POST /workflows/events`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::Invalid;
use crate::http::Keyed;
use crate::http::Problem;
use crate::http::once::Answers;
use crate::http::once::once;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::WorkflowExecute;
use crate::runs::happen;
use crate::runs::happen::HappenError;
use crate::runs::happen::Happened;
use crate::runs::happen::Happening;
use crate::runs::journal::JournalError;
use crate::workflows::triggers::EVENT_KEY_BYTES;

/// The longest payload, in bytes of JSON.
const PAYLOAD_BYTES: usize = 1 << 20;

/// Something that happened outside.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "payment.received", "key": "A-17", "payload": {"amount": 40}}))]
pub struct NewEvent {
    /// The `event` of entries that wait for it.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The `key` of those entries; at most 1,000 bytes.
    #[serde(default)]
    key: String,
    /// What they give; at most 1 MB as JSON.
    #[serde(default)]
    #[schema(value_type = Value, required = false)]
    payload: Value,
    /// How long it is kept if nobody waits for it: a day if absent, at most 30 days.
    #[serde(default = "day")]
    #[schema(minimum = 1, maximum = 2_592_000_000_u64)]
    ttl_ms: u64,
}

fn day() -> u64 {
    86_400_000
}

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct Delivered {
    /// To how many runs it was given that waited for it; of many, some are told a little later.
    delivered: usize,
    /// How many runs it has begun. If both are 0, it is kept for the first that comes to wait for it.
    started: usize,
}

/// Bring an event
///
/// It goes to all runs that wait for its name and key, to each once, and begins one of each workflow with a trigger for
/// it. If there are neither, it is kept.
#[utoipa::path(post, path = "/workflows/events", tag = "workflows", request_body = NewEvent,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    responses((status = 202, body = Delivered), Problem),
    security(("oauth2" = ["workflow.execute"])))]
pub async fn bring_event(
    State(app): State<App>,
    caller: Caller<WorkflowExecute>,
    Keyed { body, key }: Keyed<NewEvent>,
) -> Response {
    let bring = Box::pin(async {
        let NewEvent { name, key, payload, ttl_ms } = body;
        let mut wrong = Vec::new();
        if key.len() > EVENT_KEY_BYTES {
            wrong.push(Invalid::new("/key", "too_long", "at most 1,000 bytes"));
        }
        if payload.to_string().len() > PAYLOAD_BYTES {
            wrong.push(Invalid::new("/payload", "too_long", "at most 1 MB as JSON"));
        }
        if !wrong.is_empty() {
            return Err(Problem::invalid(wrong));
        }
        let event = Happening { name, key, payload };
        let Happened { delivered, started } =
            happen::happen(&app.runs, &caller, event, Duration::from_millis(ttl_ms)).await?;
        Ok((StatusCode::ACCEPTED, Json(Delivered { delivered, started })).into_response())
    });
    once(&app, caller.owner(), key, Answers::Kept, bring).await
}

impl From<HappenError> for Problem {
    fn from(error: HappenError) -> Self {
        match error {
            HappenError::Full => {
                let limit = json!({"name": "kept_events", "value": happen::KEPT, "used": happen::KEPT, "resets_at": null});
                Self::new(StatusCode::TOO_MANY_REQUESTS, "limit-reached", error)
                    .with("limit", limit)
            }
            HappenError::Trigger(error) => error.into(),
            HappenError::Journal(JournalError::Stopping | JournalError::Away) => {
                Self::unavailable(Duration::from_secs(1))
            }
            HappenError::Journal(_) | HappenError::Database(_) => Self::internal(&error),
        }
    }
}
