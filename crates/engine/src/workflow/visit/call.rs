//! Calls of tools, of steps of the program and of scripts that entries make.

use super::Due;
use super::EntryCall;
use super::Seen;
use crate::agent::OfferedTool;
use crate::call::Call;
use crate::call::Next;
use crate::outcome::RunError;
use crate::outcome::RunErrorKind;
use crate::workflow::WorkflowRun;
use crate::workflow::definition::Action;
use crate::workflow::state::Flight;
use crate::workflow::step::Called;
use crate::workflow::step::StepAsk;

impl WorkflowRun {
    pub(super) fn look_at_call(&self, seen: Seen<'_>, call: &Call, flight: Flight, due: &mut Due) {
        if let Some((status, told)) = call.result() {
            let outcome = match status {
                llm::ToolStatus::Done => Ok(told.clone()),
                _ => Err(RunError::new(RunErrorKind::Tool, why(told))),
            };
            return self.finish(seen, outcome, due);
        }
        // Who began it in this attempt of the run is making it.
        if call.is_open() && flight == self.state.run_attempt && call.open_child().is_none() {
            due.in_flight += 1;
            return;
        }
        let step = self.workflow.name(seen.place);
        let (found, called) = match &seen.entry.action {
            Action::Script { code } => (self.script.as_ref(), Called::Script(code.clone())),
            Action::Step { name } => (named(&self.steps, name, None), Called::Step),
            Action::Tool { name, version } => (named(&self.tools, name, *version), Called::Tool),
            _ => (None, Called::Tool),
        };
        match call.next(&self.run_id, &step, found) {
            Next::Record(finished) => due.record = Some(finished.into()),
            Next::Ask(asked) => due.asks.push(StepAsk::Call(asked)),
            Next::Call(call) => due.calls.push(EntryCall { call, called }),
            Next::Wait(waiting) => {
                if let Some((_, expires_at)) = call.expiry() {
                    due.at(expires_at);
                }
                due.waits.push(waiting);
            }
            Next::Child(child) => due.children.push(child.into()),
        }
    }
}

fn named<'t>(
    tools: &'t [OfferedTool],
    name: &str,
    version: Option<i64>,
) -> Option<&'t OfferedTool> {
    let is_it = |it: &&OfferedTool| {
        it.spec.tool.name.eq_ignore_ascii_case(name)
            && version.is_none_or(|version| it.spec.version == Some(version))
    };
    tools.iter().find(is_it)
}

/// What is told of a call that gave no result.
fn why(told: &serde_json::Value) -> String {
    let why = told.get("error").and_then(serde_json::Value::as_str);
    why.unwrap_or("the tool gave no result").to_owned()
}
