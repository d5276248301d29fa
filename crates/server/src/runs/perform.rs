//! Begins runs of workflows.

use engine::Input;
use engine::Limits;
use llm::ModelOptions;
use llm::Usd;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use super::Record;
use super::RunsError;
use super::asked::Asked;
use super::asked::OnBusy;
use super::asked::SmallerLimits;
use super::asked::Whose;
use super::asked::check_user;
use super::execute;
use super::execute::Begun;
use super::execute::ExecuteError;
use super::execute::Prepared;
use super::execution::Spec;
use super::journal::NewKey;
use super::pins;
use super::pins::Pinned;
use super::pins::Pins;
use super::prepare;
use super::service::Runs;
use super::webhook::Webhook;
use super::webhook::WebhookAsked;
use crate::agents::Memory;
use crate::http::Invalid;
use crate::oauth::caller::Principal;
use crate::workflows::Workflow;
use crate::workflows::triggers::NewFiring;

/// A request to execute a workflow.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"input": {"order_id": "A-17"}}))]
pub struct ExecuteWorkflow {
    /// Any JSON that the workflow's `input_schema` accepts; `{}` if absent.
    #[serde(default = "nothing")]
    #[schema(value_type = Value, required = false)]
    input: Value,
    /// The caller's own name for its end user.
    #[schema(min_length = 1, max_length = 128)]
    user: Option<String>,
    /// What entries read at `/context`, and agents below as theirs.
    #[serde(default)]
    #[schema(value_type = Object)]
    context: Map<String, Value>,
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
    limits: WorkflowLimitsAsked,
    /// Where to tell of the run's end, whatever it is.
    webhook: Option<WebhookAsked>,
    /// Kept with the run and shown again.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// Limits, each of which may only lower the workflow's own.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct WorkflowLimitsAsked {
    #[schema(minimum = 1)]
    max_steps: Option<u64>,
    #[schema(minimum = 1)]
    max_tokens: Option<u64>,
    #[schema(value_type = Option<f64>, minimum = 0)]
    max_cost_usd: Option<Usd>,
    #[schema(minimum = 1)]
    max_parallel: Option<u64>,
    #[schema(minimum = 1)]
    timeout_ms: Option<u64>,
}

fn nothing() -> Value {
    Value::Object(Map::new())
}

/// Begins a run of `workflow` for `caller`; [`execute::replay`] has found none with the same `key`.
///
/// When this returns, the run is stored, as every other.
pub async fn perform(
    runs: &Runs,
    caller: &Principal,
    workflow: &Workflow,
    body: ExecuteWorkflow,
    key: Option<NewKey>,
) -> Result<Begun, ExecuteError> {
    perform_by(runs, caller, workflow, body, key, None).await
}

/// The same; a trigger notes its `firing` with it.
pub async fn perform_by(
    runs: &Runs,
    caller: &Principal,
    workflow: &Workflow,
    body: ExecuteWorkflow,
    key: Option<NewKey>,
    firing: Option<Box<NewFiring>>,
) -> Result<Begun, ExecuteError> {
    let record = record(runs, caller, workflow, body).await?;
    let firing = firing.map(|mut it| {
        it.firing.run_id = Some(record.run.summary.id);
        it
    });
    // One that is not valid is refused before it comes here.
    let spec = prepare::workflow(runs, &record, workflow).await?;
    let spec = spec.map(Spec::Workflow).ok_or_else(|| ExecuteError::Invalid(Vec::new()))?;
    let prepared = Prepared { record, spec, key: key.clone(), on_busy: OnBusy::default(), firing };
    let begun = execute::begin(runs, prepared).await;
    execute::or_replay(runs, caller, key, begun).await
}

/// A run of `workflow` that is not stored yet.
pub async fn record(
    runs: &Runs,
    caller: &Principal,
    workflow: &Workflow,
    mut body: ExecuteWorkflow,
) -> Result<Record, ExecuteError> {
    let metadata = body.metadata.clone();
    let webhook = runs.webhooks.accept(caller, body.webhook.take()).await;
    let webhook = webhook.map_err(RunsError::from)?;
    let Pinned { tools, .. } = pins::pin_workflow(runs, &caller.tenant, workflow).await?;
    let (asked, limits) = body.read(workflow, tools, webhook).map_err(ExecuteError::Invalid)?;
    let mut record = execute::record(runs, caller, workflow.into(), asked, limits);
    record.run.summary.metadata = metadata;
    Ok(record)
}

impl ExecuteWorkflow {
    /// One that asks for nothing but a run with this input.
    pub fn of(input: Value) -> Self {
        Self::with(input, Map::new())
    }

    /// The same, whose entries read `context`.
    pub fn with(input: Value, context: Map<String, Value>) -> Self {
        Self {
            input,
            user: None,
            context,
            stream: false,
            background: false,
            version: None,
            limits: WorkflowLimitsAsked::default(),
            webhook: None,
            metadata: Map::new(),
        }
    }

    /// Checks what the body's schema cannot say.
    fn read(
        self,
        workflow: &Workflow,
        pins: Pins,
        webhook: Result<Option<Webhook>, Invalid>,
    ) -> Result<(Asked, Limits), Vec<Invalid>> {
        let mut wrong = Vec::new();
        if self.stream && self.background {
            let detail = "`stream` and `background` exclude each other";
            wrong.push(Invalid::new("/stream", "conflict", detail));
        }
        wrong.extend(check_user(self.user.as_deref()));
        let schema = workflow.ready.input.iter();
        wrong.extend(schema.flat_map(|it| it.check(&self.input)).map(|it| it.under("/input")));
        let limits = self.limits.lower(&workflow.content.limits.into(), &mut wrong);
        let webhook = webhook.map_err(|fault| wrong.push(fault)).unwrap_or_default();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let asked = Asked {
            input: Input::Arguments(self.input),
            user: self.user,
            context: self.context,
            model_options: ModelOptions::default(),
            ancestors: Vec::new(),
            top_run: None,
            webhook,
            memory: Memory::default(),
            output_schema: None,
            is_retry: false,
            tools: Some(pins),
        };
        Ok((asked, limits))
    }
}

impl WorkflowLimitsAsked {
    fn lower(self, limits: &Limits, wrong: &mut Vec<Invalid>) -> Limits {
        let Self { max_steps, max_tokens, max_cost_usd, max_parallel, timeout_ms } = self;
        let max_parallel_tool_calls = max_parallel;
        let whose = Whose { kind: "workflow", calls: "max_parallel" };
        SmallerLimits { max_steps, max_tokens, max_cost_usd, max_parallel_tool_calls, timeout_ms }
            .lower(limits, whose, wrong)
    }
}
