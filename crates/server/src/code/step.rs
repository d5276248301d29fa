//! A step of workflows that is a function.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use engine::Effect;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Tool;
use super::tool::schema_by;
use crate::http::Invalid;
use crate::http::schema::Schema;
use crate::tools::CodeTool;
use crate::tools::Retry;
use crate::tools::ToolContent;
use crate::tools::ToolContext;
use crate::tools::ToolFailure;

/// So often a call may be made again, and so long is the longest pause before it.
const RETRIES: u32 = 5;
const PAUSE: Duration = Duration::from_mins(1);

/// A function that workflows call by an entry of the type `step`:
/// `async fn(ToolContext, I) -> Result<O, ToolFailure>`.
///
/// What goes in is checked by the schema of `I` before the function is called, and what comes out by that of `O`; both
/// may be any JSON. No model sees a step, and nobody calls one but a workflow. The constructors say what it would mean to
/// make the same call twice, as those of [`Tool`] do:
///
/// | made by | after a crash or a timeout the call |
/// |---|---|
/// | [`Step::read`] | is made again |
/// | [`Step::idempotent`] | is made again, with the same [`effect_id`](ToolContext::effect_id) |
/// | [`Step::effect`] | is never made again by itself: a person says what came of it |
///
/// What a call gave is in the log of its run, and is never asked for again. A function that panics ends its call and
/// nothing else.
pub struct Step {
    tool: Tool,
    output_schema: Value,
    retries: u32,
    pause: Duration,
}

impl Step {
    /// A step that only looks or computes, and may do so again.
    pub fn read<I, O, F>(
        name: impl Into<String>,
        description: impl Into<String>,
        function: impl Fn(ToolContext, I) -> F + Send + Sync + 'static,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize + JsonSchema,
        F: Future<Output = Result<O, ToolFailure>> + Send + 'static,
    {
        Self::new(name.into(), description.into(), Effect::Read, function)
    }

    /// A step that changes something, once for each [`effect_id`](ToolContext::effect_id) however often it is called with
    /// it: hand it on as the `Idempotency-Key`.
    pub fn idempotent<I, O, F>(
        name: impl Into<String>,
        description: impl Into<String>,
        function: impl Fn(ToolContext, I) -> F + Send + Sync + 'static,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize + JsonSchema,
        F: Future<Output = Result<O, ToolFailure>> + Send + 'static,
    {
        Self::new(name.into(), description.into(), Effect::Idempotent, function)
    }

    /// A step that changes something, and would change it again.
    pub fn effect<I, O, F>(
        name: impl Into<String>,
        description: impl Into<String>,
        function: impl Fn(ToolContext, I) -> F + Send + Sync + 'static,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize + JsonSchema,
        F: Future<Output = Result<O, ToolFailure>> + Send + 'static,
    {
        Self::new(name.into(), description.into(), Effect::Effect, function)
    }

    fn new<I, O, F>(
        name: String,
        description: String,
        effect: Effect,
        function: impl Fn(ToolContext, I) -> F + Send + Sync + 'static,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize + JsonSchema,
        F: Future<Output = Result<O, ToolFailure>> + Send + 'static,
    {
        let Retry { max: retries, backoff_ms } = Retry::default();
        Self {
            tool: Tool::new(name, description, effect, function),
            output_schema: schema_by::<O>(SchemaSettings::draft2020_12().for_serialize()),
            retries,
            pause: Duration::from_millis(backoff_ms),
        }
    }

    /// Whoever executes a workflow that calls the step must hold `scope`. Several must all be held.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.tool = self.tool.scope(scope);
        self
    }

    /// How long a call may take, instead of 30 seconds. A call that takes longer is dropped; unless it only reads, nobody
    /// knows then whether it was done.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.tool = self.tool.timeout(timeout);
        self
    }

    /// How often a call that failed is made again at once, after `pause`, twice that, and so on: at most five times, and a
    /// minute. Not for a step that has effects. An entry's own `retry` begins the entry again, which is seen in the log.
    #[must_use]
    pub fn retry(mut self, max: u32, pause: Duration) -> Self {
        (self.retries, self.pause) = (max, pause);
        self
    }

    pub(super) fn name(&self) -> &str {
        self.tool.name()
    }

    /// The step as the server calls it, or all that is wrong with it.
    pub(super) fn check(self) -> Result<CodeTool, Vec<Invalid>> {
        let Self { tool, output_schema, retries, pause } = self;
        let mut faults = tool.faults();
        let CodeTool { content, tool } = tool.into_code();
        for (place, schema) in
            [("/input_schema", &content.input_schema), ("/output_schema", &output_schema)]
        {
            let fault = Schema::compile(schema.clone()).err();
            faults.extend(fault.map(|fault| fault.under(place)));
        }
        if retries > 0 && content.effect == Effect::Effect {
            let detail = "must be 0: a call that has effects is never made again";
            faults.push(Invalid::new("/retry/max", "out_of_range", detail));
        } else if retries > RETRIES {
            faults.push(Invalid::new("/retry/max", "out_of_range", "must be at most 5"));
        }
        if pause > PAUSE {
            let detail = "must be at most a minute";
            faults.push(Invalid::new("/retry/backoff_ms", "out_of_range", detail));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let backoff_ms = pause.as_millis().try_into().unwrap_or(u64::MAX);
        let content = ToolContent {
            output_schema: Some(output_schema),
            retry: Retry { max: retries, backoff_ms },
            ..content
        };
        Ok(CodeTool { content, tool })
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("name", &self.name()).finish_non_exhaustive()
    }
}
