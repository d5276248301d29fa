//! Begins runs of tools: one call each.

use engine::Input;
use engine::Limits;
use engine::RunKind;
use llm::ModelOptions;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use super::RunsError;
use super::asked::Asked;
use super::asked::OnBusy;
use super::asked::check_user;
use super::execute;
use super::execute::Begun;
use super::execute::ExecuteError;
use super::execute::Executed;
use super::execute::Prepared;
use super::execution::Spec;
use super::journal::NewKey;
use super::pins;
use super::pins::Pinned;
use super::prepare;
use super::service::Runs;
use super::webhook::Webhook;
use super::webhook::WebhookAsked;
use crate::agents::Memory;
use crate::http::Invalid;
use crate::http::schema::Schema;
use crate::oauth::caller::Principal;
use crate::tools::ToolDefinition;

/// A request to execute a tool.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"input": {"timezone": "+02:00"}}))]
pub struct ExecuteTool {
    /// The arguments, which the tool's `input_schema` must accept.
    #[serde(default)]
    #[schema(value_type = Object)]
    input: Map<String, Value>,
    /// The caller's own name for its end user.
    #[schema(min_length = 1, max_length = 128)]
    user: Option<String>,
    /// Answer with the events as they happen.
    #[serde(default)]
    pub stream: bool,
    /// Answer at once, with 202.
    #[serde(default)]
    pub background: bool,
    /// The version to execute; without it the current one.
    #[schema(minimum = 1, maximum = 9_223_372_036_854_775_807_i64)]
    pub version: Option<i64>,
    #[serde(default)]
    limits: TimeLimit,
    /// Where to tell of the run's end, whatever it is.
    webhook: Option<WebhookAsked>,
    /// Kept with the run and shown again.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// How long the run may take; a call takes at most the `timeout_ms` of the tool.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct TimeLimit {
    #[schema(minimum = 1, maximum = 600_000)]
    timeout_ms: Option<u64>,
}

/// Begins a run that calls `tool` once for `caller`; [`execute::replay`] has found none with the same `key`.
///
/// When this returns, the run is stored, as every other.
pub async fn call(
    runs: &Runs,
    caller: &Principal,
    tool: &ToolDefinition,
    mut body: ExecuteTool,
    key: Option<NewKey>,
) -> Result<Begun, ExecuteError> {
    let metadata = body.metadata.clone();
    let webhook = runs.webhooks.accept(caller, body.webhook.take()).await;
    let webhook = webhook.map_err(RunsError::from)?;
    let (asked, limits) = body.read(tool, webhook).map_err(ExecuteError::Invalid)?;
    let Pinned { engine, .. } = pins::pin_tool(tool);
    let executed = Executed {
        kind: RunKind::Tool,
        id: tool.id,
        name: tool.content.name.clone(),
        version: tool.version,
        engine,
    };
    let mut record = execute::record(runs, caller, executed, asked, limits);
    record.run.summary.metadata = metadata;
    let spec = prepare::call(runs, &record, tool).await?;
    let begun = execute::begin(
        runs,
        Prepared {
            record,
            spec: Spec::Agent(spec.into()),
            key: key.clone(),
            on_busy: OnBusy::default(),
            firing: None,
        },
    )
    .await;
    execute::or_replay(runs, caller, key, begun).await
}

impl ExecuteTool {
    /// One that asks for nothing but a call with these arguments.
    pub fn of(input: Map<String, Value>) -> Self {
        Self { input, ..Self::default() }
    }

    /// Checks what the body's schema cannot say.
    fn read(
        self,
        tool: &ToolDefinition,
        webhook: Result<Option<Webhook>, Invalid>,
    ) -> Result<(Asked, Limits), Vec<Invalid>> {
        let mut wrong = Vec::new();
        if self.stream && self.background {
            let detail = "`stream` and `background` exclude each other";
            wrong.push(Invalid::new("/stream", "conflict", detail));
        }
        wrong.extend(check_user(self.user.as_deref()));
        let arguments = Value::Object(self.input);
        if tool.ready.spec.as_ref().is_none_or(|spec| spec.check(&arguments).is_err()) {
            wrong.extend(
                match Schema::compile(tool.content.input_schema.clone()) {
                    Ok(schema) => schema.check(&arguments),
                    Err(fault) => vec![fault],
                }
                .into_iter()
                .map(|fault| fault.under("/input")),
            );
        }
        let webhook = webhook.map_err(|fault| wrong.push(fault)).unwrap_or_default();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let usual = Limits::default();
        let limits =
            Limits { timeout_ms: self.limits.timeout_ms.unwrap_or(usual.timeout_ms), ..usual };
        let asked = Asked {
            input: Input::Arguments(arguments),
            user: self.user,
            context: Map::new(),
            model_options: ModelOptions::default(),
            ancestors: Vec::new(),
            top_run: None,
            webhook,
            memory: Memory::default(),
            output_schema: None,
            is_retry: false,
            tools: Some(pins::pin_tool(tool).tools),
        };
        Ok((asked, limits))
    }
}
