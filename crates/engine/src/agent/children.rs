//! The runs that a run began, and the calls that they answer.

use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;

use super::Agent;
use crate::call::Call;

impl Agent {
    /// The call that began the run `child`.
    pub fn call_of_child(&self, child: &str) -> Option<&str> {
        let call = self.state.open_calls().find(|call| call.began(child))?;
        Some(&call.id)
    }

    /// The tool of an open call.
    pub fn tool_of(&self, call_id: &str) -> Option<&str> {
        let call = self.state.open_calls().find(|call| call.id == call_id)?;
        Some(&call.tool)
    }

    /// The runs that it began and that are not over.
    pub fn open_children(&self) -> impl Iterator<Item = &str> {
        self.state.calls.iter().filter_map(Call::open_child)
    }

    /// The runs that it began and that are not over, with the time by which each of them must have begun: what
    /// was left of the time of this one.
    pub fn children_due(&self) -> impl Iterator<Item = (&str, DateTime<Utc>)> {
        let began = self.state.started_at.unwrap_or_default();
        let limit = began + Duration::from_millis(self.spec.limits.timeout_ms);
        let open = self.state.calls.iter();
        open.filter_map(move |call| Some((call.open_child()?, limit + call.child_begun.1)))
    }
}
