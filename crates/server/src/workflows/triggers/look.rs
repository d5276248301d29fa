//! Triggers as people see them.

use std::collections::HashMap;

use engine::Missed;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Armed;
use super::Firing;
use super::HookMethod;
use super::Signature;
use super::Trigger;
use super::keys::Ring;
use crate::app::Clock;
use crate::db::At;
use crate::db::Db;
use crate::db::TenantId;
use crate::oauth::Clients;
use crate::secrets::Vault;
use crate::workflows::Workflow;
use crate::workflows::store::firings;
use crate::workflows::store::triggers as store;

/// So many occurrences of a schedule are shown.
const SHOWN: usize = 5;

/// A trigger of the version of a workflow that is at work. Members that its type does not have are `null`.
#[derive(Debug, Serialize, ToSchema)]
pub struct TriggerState {
    #[schema(example = "cron")]
    id: String,
    #[schema(example = "cron")]
    r#type: &'static str,
    #[schema(required)]
    path: Option<String>,
    /// Where it is called.
    #[schema(required, example = "https://agents.example.com/hooks/analyze")]
    url: Option<String>,
    #[schema(required)]
    method: Option<HookMethod>,
    #[schema(required)]
    signature: Option<Signature>,
    #[schema(required, example = "0 9 * * 1-5")]
    cron: Option<String>,
    #[schema(required, example = "Europe/Berlin")]
    timezone: Option<String>,
    #[schema(required)]
    missed: Option<Missed>,
    #[schema(required, value_type = Value)]
    input: Option<Value>,
    /// Of the events that it is for.
    #[schema(required)]
    name: Option<String>,
    /// `null` also stands for any.
    #[schema(required)]
    key: Option<String>,
    paused: bool,
    #[schema(required)]
    paused_at: Option<At>,
    /// The next occurrences; none if it is paused, or has no schedule.
    next_at: Vec<At>,
    #[schema(required)]
    last_firing: Option<Firing>,
    /// Why it begins nothing now.
    #[schema(required)]
    problem: Option<String>,
}

/// What is needed to see how triggers are.
#[derive(Debug, Clone, Copy)]
pub struct Eyes<'e> {
    pub db: &'e Db,
    pub clock: &'e Clock,
    pub clients: &'e Clients,
    pub vault: &'e Vault,
    pub issuer: &'e str,
}

/// The triggers of `workflow`, in the order of its definition.
pub async fn all(
    eyes: Eyes<'_>,
    tenant: &TenantId,
    workflow: &Workflow,
) -> Result<Vec<TriggerState>, sqlx::Error> {
    let known = eyes.db.read(async |conn| store::list(conn, tenant, workflow.id).await).await?;
    let last = eyes.db.read(async |conn| firings::list_last(conn, tenant, workflow.id).await).await;
    let mut last: HashMap<String, Firing> = last?.into_iter().collect();
    let mut states = Vec::new();
    for (index, trigger) in workflow.content.triggers.iter().enumerate() {
        let armed = known.iter().find(|it| it.trigger.id() == trigger.id());
        let problem = problem(eyes, tenant, workflow, (index, trigger), armed).await?;
        states.push(TriggerState {
            last_firing: last.remove(trigger.id()),
            problem,
            ..state(eyes, tenant, trigger, armed)
        });
    }
    Ok(states)
}

fn state(
    eyes: Eyes<'_>,
    tenant: &TenantId,
    trigger: &Trigger,
    armed: Option<&Armed>,
) -> TriggerState {
    let paused_at = armed.and_then(|it| it.paused_at);
    let mut state = TriggerState {
        id: trigger.id().to_owned(),
        r#type: trigger.kind(),
        path: None,
        url: None,
        method: None,
        signature: None,
        cron: None,
        timezone: None,
        missed: None,
        input: None,
        name: None,
        key: None,
        paused: paused_at.is_some(),
        paused_at,
        next_at: armed.map_or_else(Vec::new, |it| next(it, eyes.clock.now())),
        last_firing: None,
        problem: None,
    };
    if let Some((path, method)) = trigger.route() {
        (state.path, state.method) = (Some(path.to_owned()), Some(method));
        state.url = Some(url(eyes.issuer, tenant, path));
    }
    match trigger.clone() {
        Trigger::Api { .. } => {}
        Trigger::Webhook { signature, .. } => state.signature = Some(signature),
        Trigger::Cron { cron, timezone, missed, input, .. } => {
            (state.cron, state.timezone) = (Some(cron), Some(timezone));
            (state.missed, state.input) = (Some(missed), Some(input));
        }
        Trigger::Event { name, key, .. } => (state.name, state.key) = (Some(name), key),
    }
    state
}

/// Where `path` is called: that of the tenant `default` needs no name of it.
fn url(issuer: &str, tenant: &TenantId, path: &str) -> String {
    if *tenant == TenantId::default() {
        return format!("{issuer}/hooks/{path}");
    }
    format!("{issuer}/hooks/{tenant}/{path}")
}

/// What is to come. What is overdue at this moment is about to happen, and shown too.
fn next(armed: &Armed, now: At) -> Vec<At> {
    let (Some(first), Some(schedule)) = (armed.next_at, armed.trigger.schedule()) else {
        return Vec::new();
    };
    let rest = schedule.after(first.max(now).time()).map(At::new);
    let first = (first > now).then_some(first);
    first.into_iter().chain(rest).take(SHOWN).collect()
}

/// Why it would begin nothing now, if that can be seen.
async fn problem(
    eyes: Eyes<'_>,
    tenant: &TenantId,
    workflow: &Workflow,
    (index, trigger): (usize, &Trigger),
    armed: Option<&Armed>,
) -> Result<Option<String>, sqlx::Error> {
    let own = format!("/triggers/{index}");
    let is_own = |pointer: &str| {
        pointer.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some(fault) = workflow.problems.iter().find(|it| is_own(&it.pointer)) {
        return Ok(Some(format!("{}: {}", fault.pointer, fault.detail)));
    }
    if let Some(fault) = workflow.problems.first() {
        let (place, detail) = (&fault.pointer, &fault.detail);
        return Ok(Some(format!("the workflow cannot be executed: {place}: {detail}")));
    }
    if !workflow.is_active {
        return Ok(Some("the workflow is not active".to_owned()));
    }
    let Some(armed) = armed.filter(|_| trigger.is_unattended()) else { return Ok(None) };
    if let Err(refusal) = armed.who.to_execute(workflow, tenant, eyes.clients).await? {
        return Ok(Some(refusal.message));
    }
    Ok(Ring::of(trigger, tenant, eyes.vault).await?.err().map(|refusal| refusal.message))
}
