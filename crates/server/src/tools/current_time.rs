//! Tells a model what time it is.

use std::sync::Arc;

use chrono::FixedOffset;
use chrono::SecondsFormat;
use engine::Effect;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::future::ready;
use serde_json::Value;
use serde_json::json;

use crate::db::At;
use crate::tools::CodeTool;
use crate::tools::Tool;
use crate::tools::ToolContent;
use crate::tools::ToolContext;
use crate::tools::ToolFailure;
use crate::tools::ToolKind;

/// `current_time`: the time of the call, in UTC or at a given offset from it.
pub fn current_time() -> CodeTool {
    let content = ToolContent {
        name: "current_time".to_owned(),
        display_name: "current_time".to_owned(),
        description: "Tells the current date and time.".to_owned(),
        kind: ToolKind::Builtin,
        input_schema: json!({
            "type": "object",
            "properties": {
                "timezone": {
                    "type": ["string", "null"],
                    "description": "An offset from UTC such as `+02:00`; UTC if left out.",
                    "pattern": "^(UTC|Z|[+-][0-9]{2}:[0-9]{2})$"
                }
            },
            "additionalProperties": false
        }),
        effect: Effect::Read,
        ..ToolContent::default()
    };
    CodeTool { content, tool: Arc::new(CurrentTime) }
}

struct CurrentTime;

impl Tool for CurrentTime {
    fn call<'a>(
        &'a self,
        context: &'a ToolContext,
        arguments: Value,
    ) -> BoxFuture<'a, Result<Value, ToolFailure>> {
        let timezone = arguments.get("timezone").and_then(Value::as_str).unwrap_or("UTC");
        let now = tell(context.now, timezone).map_err(ToolFailure::Failed);
        ready(now.map(|now| json!({ "now": now }))).boxed()
    }
}

/// `now` with the time of day at `timezone`.
fn tell(now: At, timezone: &str) -> Result<String, String> {
    if matches!(timezone, "UTC" | "Z") {
        return Ok(now.to_string());
    }
    let offset: FixedOffset = timezone
        .parse()
        .map_err(|_| format!("`{timezone}` is no offset from UTC such as `+02:00`"))?;
    Ok(now.time().with_timezone(&offset).to_rfc3339_opts(SecondsFormat::AutoSi, false))
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::db::Id;
    use crate::db::TenantId;

    #[tokio::test]
    async fn it_tells_the_time_of_the_call() {
        check(json!({}), Ok("2026-11-25T10:00:00Z")).await;
        check(json!({"timezone": null}), Ok("2026-11-25T10:00:00Z")).await;
        check(json!({"timezone": "UTC"}), Ok("2026-11-25T10:00:00Z")).await;
        check(json!({"timezone": "-09:30"}), Ok("2026-11-25T00:30:00-09:30")).await;
    }

    #[tokio::test]
    async fn an_offset_that_there_is_not_is_said_to_the_model() {
        check(
            json!({"timezone": "+99:00"}),
            Err("`+99:00` is no offset from UTC such as `+02:00`"),
        )
        .await;
    }

    async fn check(arguments: Value, expected: Result<&str, &str>) {
        let context = ToolContext {
            tenant: TenantId::default(),
            subject: "client:test".to_owned(),
            client_id: "test".to_owned(),
            run_id: Id::new(uuid::Uuid::nil()),
            call_id: "call_1".to_owned(),
            effect_id: "e".to_owned(),
            now: "2026-11-25T10:00:00Z".parse().unwrap(),
            scopes: auth::scope::Scopes::default(),
            abandoned: CancellationToken::new(),
            reports: std::sync::Arc::default(),
        };
        let answer = CurrentTime.call(&context, arguments).await;
        let expected = expected.map(|now| json!({ "now": now })).map_err(ToolFailure::failed);
        assert_eq!(answer, expected);
    }
}
