//! What somebody asks for who forks a run.

use engine::Event;
use engine::Input;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use super::Target;
use crate::http::Invalid;
use crate::runs::RunSummary;
use crate::runs::asked;

/// A request to fork a run. Exactly one of `from_seq` and `from_step` is given.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"from_seq": 9}))]
pub struct Fork {
    /// The first event that is not taken over: 1 takes over nothing, one more than there are takes over all.
    #[schema(minimum = 1)]
    from_seq: Option<u64>,
    /// Of a run of a workflow instead: the id of the entry that is made anew, with all that comes after it.
    from_step: Option<String>,
    /// The version to go on with; without it that of the run, with its limits and options.
    #[schema(minimum = 1)]
    pub version: Option<i64>,
    /// What to ask instead; only if nothing is taken over.
    input: Option<Value>,
    /// What entries of a workflow give instead of what is recorded, by their ids; of an agent there is nothing to
    /// override.
    #[serde(default)]
    #[schema(value_type = Object)]
    overrides: Map<String, Value>,
}

/// Where a fork begins, and with what.
#[derive(Debug)]
pub(super) struct Wish {
    pub place: Place,
    pub overrides: Map<String, Value>,
}

#[derive(Debug)]
pub(super) enum Place {
    Seq(u64),
    Step(String),
}

impl Fork {
    /// Checks what the body's schema cannot say, and returns another input if there is one.
    pub(super) fn read(
        self,
        from: &RunSummary,
        target: &Target,
    ) -> Result<(Wish, Option<Input>), Vec<Invalid>> {
        let mut wrong = Vec::new();
        let place = match (self.from_seq, self.from_step) {
            (Some(seq), None) => {
                if seq > from.last_seq + 1 {
                    let detail = format!("the run has {} events", from.last_seq);
                    wrong.push(Invalid::new("/from_seq", "out_of_range", detail));
                }
                Place::Seq(seq)
            }
            (None, Some(step)) => Place::Step(step),
            (seq, step) => {
                let code = if seq.is_none() { "missing_member" } else { "conflict" };
                let detail = "exactly one of `from_seq` and `from_step` is needed";
                wrong.push(Invalid::new("/from_seq", code, detail));
                Place::Step(step.unwrap_or_default())
            }
        };
        if let (Target::Agent(_), Place::Step(step)) = (target, &place)
            && !step.is_empty()
        {
            let detail = "there are entries in a workflow only";
            wrong.push(Invalid::new("/from_step", "not_supported", detail));
        }
        if matches!(target, Target::Agent(_)) && !self.overrides.is_empty() {
            let detail = "there are outputs of steps in a workflow only";
            wrong.push(Invalid::new("/overrides", "not_supported", detail));
        }
        let is_first = matches!(place, Place::Seq(1) | Place::Step(_));
        if self.input.is_some() && !is_first {
            wrong.push(other_input());
        }
        let input = self.input.and_then(|input| read_input(input, target, &mut wrong));
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok((Wish { place, overrides: self.overrides }, input))
    }
}

/// Refuses another input for a run that takes something over.
pub(super) fn ensure_new(input: Option<&Input>, taken_over: &[Event]) -> Result<(), Vec<Invalid>> {
    if input.is_some() && !taken_over.is_empty() {
        return Err(vec![other_input()]);
    }
    Ok(())
}

fn other_input() -> Invalid {
    let detail = "another input leads to other results: only if nothing is taken over";
    Invalid::new("/input", "conflict", detail)
}

fn read_input(input: Value, target: &Target, wrong: &mut Vec<Invalid>) -> Option<Input> {
    match target {
        Target::Agent(_) => asked::read_input(input, wrong),
        Target::Workflow(workflow) => {
            let schema = workflow.ready.input.iter();
            wrong.extend(schema.flat_map(|it| it.check(&input)).map(|it| it.under("/input")));
            Some(Input::Arguments(input))
        }
    }
}
