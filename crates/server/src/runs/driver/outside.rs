//! What comes from outside to a run: events that its entries wait for.

use std::collections::BTreeSet;

use chrono::DateTime;
use chrono::Utc;
use engine::EventReceived;
use engine::RunKind;

use super::Driver;
use super::Stop;
use crate::runs::happen::Happening;
use crate::runs::happen::Waits;

impl Driver {
    /// Records the first event that has come for all steps that wait for it, and gives back one for which none
    /// does. `now` nothing else is to be recorded: what the run waits for is known only then.
    pub(super) fn receive(&mut self, now: DateTime<Utc>) -> Result<(), Stop> {
        let Some((id, event)) = self.arrived.pop_front() else { return Ok(()) };
        let Happening { name, key, payload } = event;
        let awaited = self.execution.events_awaited(now).unwrap_or_default();
        let steps = awaited.into_iter().filter(|(_, of, at)| *of == name && *at == key);
        let steps: Vec<String> = steps.map(|(step, ..)| step).collect();
        // The row that says so goes with the event.
        self.awaited = None;
        let waits = self.waits();
        if steps.is_empty() {
            waits.returned.push(id);
        } else {
            waits.received.push(id);
        }
        for step in steps {
            let (name, key, payload) = (name.clone(), key.clone(), payload.clone());
            self.record(EventReceived { step, name, key, payload })?;
        }
        Ok(())
    }

    /// Has stored which events from outside the run waits for, if it is others than before.
    pub(super) fn note_events(&mut self) {
        let Some(awaited) = self.execution.events_awaited(self.now()) else { return };
        let awaited: BTreeSet<_> = awaited.into_iter().map(|(_, name, key)| (name, key)).collect();
        if self.awaited.as_ref() != Some(&awaited) {
            self.waits().awaited = Some(awaited.clone());
            self.awaited = Some(awaited);
        }
    }

    /// With the run's end it waits for nothing, and has no use for what it was given and has not recorded. Of one
    /// whose definition cannot be read nobody knows whether it has waited.
    pub(super) fn end_waits(&mut self) {
        let is_workflow = self.record.run.summary.kind == RunKind::Workflow;
        let may_wait = self.execution.events_awaited(self.now()).is_some();
        if may_wait || is_workflow && self.unusable.is_some() {
            let waits = self.waits();
            waits.awaited = Some(BTreeSet::new());
            waits.is_over = true;
        }
    }

    /// What the next entry changes of what the run waits for.
    fn waits(&mut self) -> &mut Waits {
        let (tenant, run_id, owner) = (&self.record.tenant, self.live.run_id, self.runs.worker());
        let (at, ids) = (self.runs.clock.now(), &self.runs.ids);
        self.log.waits(|| Waits {
            tenant: tenant.clone(),
            run_id,
            owner,
            awaited: None,
            received: Vec::new(),
            returned: Vec::new(),
            is_over: false,
            at,
            ids: ids.clone(),
        })
    }
}
