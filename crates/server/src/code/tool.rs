//! A tool that is a function.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use engine::Effect;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::future::ready;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::definitions::check_name;
use crate::definitions::check_scopes;
use crate::http::Invalid;
use crate::http::json;
use crate::http::schema::Schema;
use crate::tools;
use crate::tools::CodeTool;
use crate::tools::ToolContent;
use crate::tools::ToolContext;
use crate::tools::ToolFailure;
use crate::tools::ToolKind;

/// A function that models may call: `async fn(ToolContext, I) -> Result<O, ToolFailure>`.
///
/// The schema that models see is that of `I`: its members with their doc comments. Whatever a model
/// sends is checked against it before the function is called. The constructors say what it would mean
/// to make the same call twice, which decides what happens when its answer is lost:
///
/// | made by | after a crash or a timeout the call |
/// |---|---|
/// | [`Tool::read`] | is made again |
/// | [`Tool::idempotent`] | is made again, with the same [`effect_id`](ToolContext::effect_id) |
/// | [`Tool::effect`] | is never made again by itself |
///
/// A function that panics ends its call and nothing else.
pub struct Tool {
    name: String,
    description: String,
    effect: Effect,
    input_schema: Value,
    scopes: Vec<String>,
    timeout: Duration,
    function: Function,
}

type Function =
    Box<dyn Fn(ToolContext, Value) -> BoxFuture<'static, Answer> + Send + Sync + 'static>;
type Answer = Result<Value, ToolFailure>;

impl Tool {
    /// A tool that only looks, and may look again.
    pub fn read<I, O, F>(
        name: impl Into<String>,
        description: impl Into<String>,
        function: impl Fn(ToolContext, I) -> F + Send + Sync + 'static,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize,
        F: Future<Output = Result<O, ToolFailure>> + Send + 'static,
    {
        Self::new(name.into(), description.into(), Effect::Read, function)
    }

    /// A tool that changes something, once for each [`effect_id`](ToolContext::effect_id) however
    /// often it is called with it: hand it on as the `Idempotency-Key`.
    pub fn idempotent<I, O, F>(
        name: impl Into<String>,
        description: impl Into<String>,
        function: impl Fn(ToolContext, I) -> F + Send + Sync + 'static,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize,
        F: Future<Output = Result<O, ToolFailure>> + Send + 'static,
    {
        Self::new(name.into(), description.into(), Effect::Idempotent, function)
    }

    /// A tool that changes something, and would change it again.
    pub fn effect<I, O, F>(
        name: impl Into<String>,
        description: impl Into<String>,
        function: impl Fn(ToolContext, I) -> F + Send + Sync + 'static,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize,
        F: Future<Output = Result<O, ToolFailure>> + Send + 'static,
    {
        Self::new(name.into(), description.into(), Effect::Effect, function)
    }

    pub(super) fn new<I, O, F>(
        name: String,
        description: String,
        effect: Effect,
        function: impl Fn(ToolContext, I) -> F + Send + Sync + 'static,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize,
        F: Future<Output = Result<O, ToolFailure>> + Send + 'static,
    {
        let function = move |context, arguments| match json::build::<I>(arguments, Vec::new()) {
            Ok(input) => {
                let answer = function(context, input);
                async move { serde_json::to_value(answer.await?).map_err(ToolFailure::unknown) }
                    .boxed()
            }
            Err(faults) => {
                let faults = faults.iter().map(|it| format!("{} (at `{}`)", it.detail, it.pointer));
                let why = faults.collect::<Vec<_>>().join("; ");
                ready(Err(ToolFailure::Failed(why))).boxed()
            }
        };
        Self {
            name,
            description,
            effect,
            input_schema: schema_of::<I>(),
            scopes: Vec::new(),
            timeout: tools::TIMEOUT,
            function: Box::new(function),
        }
    }

    /// Whoever uses the tool, also through an agent, must hold `scope`. Several must all be held.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// How long a call may take, instead of 30 seconds. A call that takes longer is dropped; unless it
    /// only reads, nobody knows then whether it was done.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The tool as the server calls it, or all that is wrong with it.
    pub(super) fn check(self) -> Result<CodeTool, Vec<Invalid>> {
        let mut faults = self.faults();
        if self.input_schema.get("type").is_none_or(|kind| kind != "object") {
            let detail = "arguments are an object: take a struct with named members";
            faults.push(Invalid::new("/input_schema/type", "bad_schema", detail));
        } else if let Err(fault) = Schema::compile(self.input_schema.clone()) {
            faults.push(fault.under("/input_schema"));
        }
        if faults.is_empty() { Ok(self.into_code()) } else { Err(faults) }
    }

    /// What is wrong with it, whatever it takes.
    pub(super) fn faults(&self) -> Vec<Invalid> {
        let mut faults: Vec<_> = check_name(&self.name).err().into_iter().collect();
        if self.description.is_empty() {
            faults.push(Invalid::new("/description", "too_short", "must not be empty"));
        }
        if self.timeout.is_zero() {
            faults.push(Invalid::new("/timeout_ms", "out_of_range", "must be at least 1"));
        }
        faults.extend(check_scopes(&self.scopes));
        faults
    }

    pub(super) fn into_code(self) -> CodeTool {
        let content = ToolContent {
            display_name: self.name.clone(),
            name: self.name,
            description: self.description,
            kind: ToolKind::Builtin,
            input_schema: self.input_schema,
            effect: self.effect,
            timeout_ms: self.timeout.as_millis().try_into().unwrap_or(u64::MAX),
            scopes: self.scopes,
            ..ToolContent::default()
        };
        CodeTool { content, tool: Arc::new(Called(self.function)) }
    }
}

/// What models are told of `I`.
fn schema_of<I: JsonSchema>() -> Value {
    schema_by::<I>(SchemaSettings::draft2020_12())
}

/// The schema of `T`, without the name of it. Types that it is made of stand where they are used.
pub(super) fn schema_by<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let settings = settings.with(|it| {
        it.meta_schema = None;
        it.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("title"); // The name of a Rust type tells a model nothing.
    schema.to_value()
}

struct Called(Function);

impl tools::Tool for Called {
    fn call<'a>(&'a self, context: &'a ToolContext, arguments: Value) -> BoxFuture<'a, Answer> {
        (self.0)(context.clone(), arguments)
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).finish_non_exhaustive()
    }
}
