//! What stands behind an answer: the passages of documents that the model was given.

use llm::ToolStatus;
use serde_json::Value;

use super::State;
use crate::event::ToolFinished;

/// Citations of an answer; the events of its searches have all.
const CITATIONS: usize = 50;

impl State {
    /// A call has found something; of one that is made again the last attempt counts.
    pub(super) fn found(&mut self, call_id: &str, citations: &[Value]) {
        self.on_call(call_id, |call| call.citations = citations.to_vec());
    }

    /// A call is over. What it has found stands behind the answer if the model is given its result.
    pub(super) fn call_ended(&mut self, end: &ToolFinished) {
        let Some(call) = self.calls.iter_mut().find(|call| call.id == end.call_id) else { return };
        call.finish(end);
        let found = std::mem::take(&mut call.citations);
        if end.status == ToolStatus::Done {
            for citation in found {
                if self.citations.len() < CITATIONS && !self.citations.contains(&citation) {
                    self.citations.push(citation);
                }
            }
        }
    }
}
