//! Tools that run a script.
//!
//! The script runs in a process that can do nothing but compute (the crate `sandbox`). What it asks for is
//! done by [`host`], as the definition permits it; it never holds the value of a secret, only marks
//! ([`names`]).

mod host;
mod names;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use auth::random;
use engine::Effect;
use futures::FutureExt;
use futures::future::BoxFuture;
use sandbox::Pool;
use sandbox::javascript;
use sandbox::javascript::Failure;
use sandbox::javascript::Script;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::value::RawValue;
use serde_json::value::to_raw_value;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::error;
use utoipa::ToSchema;

use crate::app::Tasks;
use crate::db::TenantId;
use crate::egress::Egress;
use crate::egress::HostPattern;
use crate::http::Invalid;
use crate::secrets::Vault;
use crate::tools::Does;
use crate::tools::Maker;
use crate::tools::SecretUse;
use crate::tools::Tool;
use crate::tools::ToolContent;
use crate::tools::ToolContext;
use crate::tools::ToolFailure;
use crate::tools::ToolKind;
use crate::tools::kinds;

use host::Host;
use names::Names;

/// How long it may take to read a script that is saved, and what it may take in memory.
const READING: Duration = Duration::from_secs(5);
const READING_MEMORY: usize = 64 << 20;

/// What all tools of this kind need.
#[derive(Debug)]
pub struct Javascript(Arc<Services>);

#[derive(Debug)]
struct Services {
    pool: Pool,
    tasks: Tasks,
    egress: Egress,
    vault: Vault,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JavascriptConfig)]
struct Config {
    /// Hosts that `ctx.fetch` reaches; no others.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 20)]
    hosts: Vec<HostPattern>,
    /// The secrets whose names the script writes as `{{secrets.NAME}}`.
    #[serde(default)]
    #[schema(max_items = 20)]
    secrets: Vec<String>,
    /// What a call may take in memory.
    #[serde(default = "usual_memory")]
    #[schema(minimum = 4, maximum = 256)]
    memory_mb: usize,
}

/// A tool of this kind, made ready for its calls.
#[derive(Debug)]
struct JavascriptTool(Arc<Plan>);

#[derive(Debug)]
struct Plan {
    services: Arc<Services>,
    name: String,
    source: String,
    hosts: Vec<HostPattern>,
    secrets: Vec<String>,
    uses: Vec<SecretUse>,
    memory: usize,
    effect: Effect,
    timeout: Duration,
}

fn usual_memory() -> usize {
    32
}

impl Javascript {
    pub fn new(pool: Pool, tasks: Tasks, egress: Egress, vault: Vault) -> Self {
        Self(Arc::new(Services { pool, tasks, egress, vault }))
    }
}

impl Maker for Javascript {
    fn kind(&self) -> ToolKind {
        ToolKind::Javascript
    }

    fn make(&self, content: &ToolContent) -> Result<Does, Vec<Invalid>> {
        // That it has no script is said where it is seen whether it has a kind.
        let source = content.execute_code.clone().ok_or_else(Vec::new)?;
        let Config { hosts, secrets, memory_mb } = kinds::config(content)?;
        let faults = unlisted(&source, &secrets);
        if !faults.is_empty() {
            return Err(faults);
        }
        // Of several hosts nobody can say which a secret is sent to.
        let sole = match &*hosts {
            [host] if !host.as_str().starts_with('*') => Some(host),
            _ => None,
        };
        let uses = secrets.iter().enumerate().map(|(index, name)| SecretUse {
            pointer: format!("/config/secrets/{index}"),
            name: name.clone(),
            hosts: sole.cloned().into_iter().collect(),
        });
        Ok(Does::Call(Arc::new(JavascriptTool(Arc::new(Plan {
            services: Arc::clone(&self.0),
            name: content.name.clone(),
            source,
            uses: uses.collect(),
            hosts,
            secrets,
            memory: memory_mb << 20,
            effect: content.effect,
            timeout: Duration::from_millis(content.timeout_ms),
        })))))
    }

    fn examine<'a>(
        &'a self,
        tenant: &'a TenantId,
        given: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Vec<Invalid>> {
        async move {
            let source = given.get("execute_code").and_then(Value::as_str);
            let Some(source) = source else { return Vec::new() };
            let deadline = Instant::now() + READING;
            let script = Script { source, input: RawValue::NULL, memory: READING_MEMORY, deadline };
            let detail = match javascript::check(&self.0.pool, tenant.as_str(), script).await {
                Err(failure @ Failure::Script { .. }) => failure.to_string(),
                Err(Failure::Late | Failure::Died(_)) => "it cannot be read".to_owned(),
                // Who saves a script need not wait until one can be run.
                Ok(()) | Err(Failure::Busy(_) | Failure::Unavailable(_)) => return Vec::new(),
            };
            vec![Invalid::new("/execute_code", "bad_script", detail)]
        }
        .boxed()
    }
}

/// The secrets that a script names and the list does not have.
fn unlisted(source: &str, secrets: &[String]) -> Vec<Invalid> {
    let is_listed = |name: &String| secrets.iter().any(|it| it.eq_ignore_ascii_case(name));
    let unlisted = names::in_lines(source).filter(|(_, name)| !is_listed(name));
    let fault = |(line, name)| {
        let detail = format!("the secret `{name}` is not in `config.secrets` (line {line})");
        Invalid::new("/execute_code", "unlisted_secret", detail)
    };
    unlisted.map(fault).collect()
}

impl Tool for JavascriptTool {
    fn secrets(&self) -> &[SecretUse] {
        &self.0.uses
    }

    fn keeps_time(&self) -> bool {
        true
    }

    fn call<'a>(
        &'a self,
        context: &'a ToolContext,
        arguments: Value,
    ) -> BoxFuture<'a, Result<Value, ToolFailure>> {
        // In a task of its own: while its run is stored, the script must be heard, and its end seen.
        async move {
            let (plan, context) = (Arc::clone(&self.0), context.clone());
            let tasks = &self.0.services.tasks;
            let call = tasks.spawn(async move { plan.run(&context, &arguments).await });
            let broken = |_| Err(ToolFailure::unknown("the tool broke down"));
            AbortOnDropHandle::new(call).await.unwrap_or_else(broken)
        }
        .boxed()
    }
}

impl Plan {
    async fn run(&self, context: &ToolContext, arguments: &Value) -> Result<Value, ToolFailure> {
        let deadline = Instant::now() + self.timeout;
        let names = self.secrets.iter().map(String::as_str);
        let secrets = self.services.vault.secrets_named(&context.tenant, names).await;
        let secrets = secrets.map_err(|_| ToolFailure::failed("secrets cannot be read now"))?;
        let names = Names::new(&self.secrets, &*random::bytes().map_err(ToolFailure::failed)?);
        let source = names.write(&self.source);
        let input = to_raw_value(arguments).map_err(ToolFailure::failed)?;
        let host = Host::new(self, context, secrets, names, deadline);
        let script = Script { source: &source, input: &input, memory: self.memory, deadline };
        let pool = &self.services.pool;
        let came = javascript::run(pool, context.tenant.as_str(), script, &host).await;
        let failure = match came {
            Ok(json) => match host.result(&json) {
                Ok(_) if host.is_under_way() => ToolFailure::unknown(
                    "the script ended before the answer to a request of it that may change something: `await` it",
                ),
                outcome => return outcome,
            },
            Err(failure) => self.failure(failure, &host, deadline),
        };
        Err(failure)
    }

    /// What it means that a script has no result.
    fn failure(&self, failure: Failure, host: &Host<'_>, deadline: Instant) -> ToolFailure {
        let is_late = matches!(failure, Failure::Late) || Instant::now() >= deadline;
        let may_have_done = match failure {
            Failure::Late | Failure::Died(_) => host.has_sent(),
            Failure::Script { .. } if is_late => host.has_sent(),
            Failure::Script { .. } => host.is_under_way() || host.has_lost(),
            Failure::Busy(_) | Failure::Unavailable(_) => false,
        };
        if let Failure::Unavailable(cause) = &failure {
            error!(error = cause as &dyn Error, "scripts of tools cannot be run");
        }
        let mut why = failure.to_string();
        if is_late {
            why = format!("the script did not end within {} ms", self.timeout.as_millis());
        }
        host.clean(&mut why);
        if may_have_done { ToolFailure::Unknown(why) } else { ToolFailure::Failed(why) }
    }
}
