//! Triggers that are stopped for a while, and go on.

use serde_json::Map;
use serde_json::Value;

use super::Armed;
use crate::app::Clock;
use crate::audit;
use crate::audit::Act;
use crate::audit::Actor;
use crate::db::Db;
use crate::workflows::Workflow;
use crate::workflows::store::firings::Of;
use crate::workflows::store::triggers as store;

/// What becomes of a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Pause,
    Resume,
}

/// Pauses or resumes a trigger of `workflow`, if it is there. A schedule that is resumed goes on from now: what would
/// have happened meanwhile does not.
pub async fn turn(
    db: &Db,
    clock: &Clock,
    by: Actor<'_>,
    (workflow, trigger): (&Workflow, &str),
    turn: Turn,
) -> Result<Option<Armed>, sqlx::Error> {
    let (of, now) = (Of { tenant: by.tenant, workflow: workflow.id, trigger }, clock.now());
    db.write(async |tx| {
        store::lock(tx, of.tenant, of.workflow).await?;
        let Some(was) = store::find(tx, of).await? else { return Ok(None) };
        if was.paused_at.is_some() == (turn == Turn::Pause) {
            return Ok(Some(was));
        }
        let mut armed = was.clone();
        armed.paused_at = (turn == Turn::Pause).then_some(now);
        armed.handled_at = was.handled_at.map(|_| now);
        armed.next_at = armed.handled_at.and_then(|it| armed.next_after(it.time()));
        store::upsert(tx, &armed).await?;
        let target = format!("{}/{trigger}", workflow.content.name);
        let action = if turn == Turn::Pause { "trigger.pause" } else { "trigger.resume" };
        let act = Act::between(action, &target, Some(told(&was)), Some(told(&armed)));
        audit::record(tx, by, act, now).await?;
        Ok(Some(armed))
    })
    .await
}

fn told(armed: &Armed) -> Map<String, Value> {
    let paused_at = armed.paused_at.map_or(Value::Null, |at| at.to_string().into());
    Map::from_iter([("paused_at".to_owned(), paused_at)])
}
