//! How entries end, and what is open within them before.

use chrono::DateTime;
use chrono::Utc;
use serde_json::Value;

use super::Seen;
use crate::event::Event;
use crate::event::ToolError;
use crate::event::ToolErrorKind;
use crate::outcome::RunError;
use crate::outcome::RunErrorKind;
use crate::step::StepFinished;
use crate::step::StepStatus;
use crate::workflow::WorkflowRun;
use crate::workflow::definition::List;
use crate::workflow::place::Place;
use crate::workflow::state::Stage;
use crate::workflow::state::Turn;
use crate::workflow::state::Work;

impl WorkflowRun {
    pub(in crate::workflow) fn done(&self, seen: Seen<'_>, output: Value) -> Event {
        self.finished(seen, StepStatus::Done, Some(output), None)
    }

    /// The end of an entry by `error`, or before it that of something open within.
    pub(in crate::workflow) fn fail(&self, seen: Seen<'_>, error: RunError) -> Event {
        let within = self.close_within(seen, &error);
        within.unwrap_or_else(|| self.finished(seen, StepStatus::Failed, None, Some(error)))
    }

    fn finished(
        &self,
        seen: Seen<'_>,
        status: StepStatus,
        output: Option<Value>,
        error: Option<RunError>,
    ) -> Event {
        let took = seen.now - seen.node.began_at.unwrap_or(seen.now);
        StepFinished {
            step: self.workflow.name(seen.place),
            status,
            output,
            error,
            attempt: seen.node.attempt,
            duration_ms: u64::try_from(took.num_milliseconds()).unwrap_or(0),
        }
        .into()
    }

    /// The end of the first that is still open in a list which is over because of `why`.
    pub(in crate::workflow) fn close(
        &self,
        list: &List,
        turn: &Turn,
        path: &[usize],
        why: &RunError,
        now: DateTime<Utc>,
    ) -> Option<Event> {
        let open = turn.nodes.iter().enumerate();
        let open = open.filter(|(_, node)| matches!(node.stage, Stage::Open(_)));
        open.map(|(position, node)| {
            let place = Place::new(&[path, &[position]].concat());
            let entry = &list.entries[position];
            self.close_entry(Seen { entry, node, place: &place, now }, why)
        })
        .next()
    }

    /// The end of an open entry that is given up because of `why`, or is done by then.
    pub(in crate::workflow) fn close_entry(&self, seen: Seen<'_>, why: &RunError) -> Event {
        if let Stage::Open(work) = &seen.node.stage
            && let Some(output) = work.gave()
        {
            return self.done(seen, output.clone());
        }
        let message = format!("given up: {}", why.message);
        let message = match why.kind {
            RunErrorKind::Canceled => why.message.clone(),
            _ => message,
        };
        self.fail(seen, RunError::new(RunErrorKind::Canceled, message))
    }

    fn close_within(&self, seen: Seen<'_>, why: &RunError) -> Option<Event> {
        match &seen.node.stage {
            Stage::Open(Work::Call(call, _)) if !call.is_done() && call.is_begun() => {
                let error = ToolError::new(ToolErrorKind::Canceled, why.message.clone());
                Some(call.finished_without_result(error).into())
            }
            Stage::Open(Work::Turns(turns)) => turns.open.iter().find_map(|(part, turn)| {
                let path = [&seen.place.path[..], &[*part]].concat();
                self.close(seen.entry.action.list(*part)?, turn, &path, why, seen.now)
            }),
            _ => None,
        }
    }
}
