//! A run of a workflow whose tools, runs below, people and events are known beforehand.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::DateTime;
use chrono::TimeDelta;
use chrono::Utc;
use engine::Approval;
use engine::ApprovalDecided;
use engine::ApprovalKind;
use engine::ApprovalPolicy;
use engine::ApprovalStatus;
use engine::ApprovalTool;
use engine::Callee;
use engine::ChildFinished;
use engine::ChildStarted;
use engine::Cut;
use engine::Decision;
use engine::DefinitionRef;
use engine::Effect;
use engine::Event;
use engine::EventReceived;
use engine::ForkFault;
use engine::Input;
use engine::Limits;
use engine::OfferedTool;
use engine::Outcome;
use engine::Output;
use engine::Parts;
use engine::ResumeReason;
use engine::RunError;
use engine::RunErrorKind;
use engine::RunKind;
use engine::RunResumed;
use engine::RunStarted;
use engine::StepAsk;
use engine::ToolError;
use engine::ToolErrorKind;
use engine::ToolFinished;
use engine::ToolSpec;
use engine::Usage;
use engine::WaitingFor;
use engine::Workflow;
use engine::WorkflowRun;
use engine::WorkflowSpec;
use engine::WorkflowStep;
use expect_test::Expect;
use llm::ToolStatus;
use serde_json::Value;
use serde_json::json;

/// A definition, and what becomes of what it does.
pub struct Script {
    steps: Value,
    pub output: Value,
    pub input: Value,
    pub limits: Limits,
    /// What calls of this id give; others give what they are given.
    pub fails: HashMap<&'static str, &'static str>,
    /// Calls that never end.
    pub hangs: Vec<&'static str>,
    /// What is decided on an entry; on others to agree.
    pub decisions: HashMap<&'static str, (Decision, Value)>,
    /// The payloads of events; others never come.
    pub events: HashMap<&'static str, Value>,
    /// Whether all calls that end do so before the run is looked at again.
    pub ends_together: bool,
    /// Of the definition.
    pub version: i64,
    /// After so many events somebody cancels.
    pub cancel_after: Option<usize>,
}

pub type Log = Vec<(Event, DateTime<Utc>)>;

struct Drive {
    run: WorkflowRun,
    log: Log,
    now: DateTime<Utc>,
    in_flight: Vec<engine::EntryCall>,
}

impl Script {
    pub fn new(steps: Value) -> Self {
        Self {
            steps,
            output: json!({"$": "/previous"}),
            input: json!({"n": 1, "list": [1, 2, 3], "yes": true}),
            limits: Limits { max_steps: 1000, ..Limits::default() },
            fails: HashMap::new(),
            hangs: Vec::new(),
            decisions: HashMap::new(),
            events: HashMap::new(),
            ends_together: false,
            version: 1,
            cancel_after: None,
        }
    }

    pub fn steps(&self) -> &Value {
        &self.steps
    }

    pub fn workflow(&self) -> Workflow {
        let parts = Parts {
            steps: &self.steps,
            output: Some(&self.output),
            input_schema: None,
            output_schema: None,
            limits: self.limits,
        };
        Workflow::parse(parts).unwrap_or_else(|faults| panic!("{faults:#?}"))
    }

    pub fn workflow_run(&self) -> WorkflowRun {
        self.run_named("r1")
    }

    fn run_named(&self, run_id: &str) -> WorkflowRun {
        let context = json!({"who": "Ada"});
        let tools = vec![
            tool("read", Effect::Read),
            tool("pay", Effect::Effect),
            tool("put", Effect::Idempotent),
        ];
        let workflow = Arc::new(self.workflow());
        let steps = vec![tool("count", Effect::Read), tool("charge", Effect::Effect)];
        let spec = WorkflowSpec { workflow, tools, steps, context, limits: self.limits };
        WorkflowRun::new(run_id, spec)
    }

    fn started(&self) -> RunStarted {
        RunStarted {
            kind: RunKind::Workflow,
            definition: DefinitionRef {
                id: "w1".to_owned(),
                name: "w".to_owned(),
                version: self.version,
            },
            input: Input::Arguments(self.input.clone()),
            thread_id: None,
            parent_run_id: None,
            forked_from: None,
            is_retry: false,
            foreign: 0,
            limits: self.limits,
        }
    }

    pub fn run(&self) -> Log {
        let mut drive = self.drive(&[]);
        drive.push(self.started().into());
        self.go_on_with(drive)
    }

    /// A run of another id that takes over what `log` has before `cut`, a day later; or why there is none.
    pub fn fork(
        &self,
        log: &[(Event, DateTime<Utc>)],
        cut: Cut<'_>,
        overrides: &Value,
    ) -> Result<Log, Vec<ForkFault>> {
        let events: Vec<Event> = log.iter().map(|(event, _)| event.clone()).collect();
        let overrides = overrides.as_object().cloned().unwrap_or_default();
        let taken_over = self.workflow().fork(self.version, &events, cut, &overrides)?;
        let (run, now) = (self.run_named("r2"), start() + TimeDelta::days(1));
        let mut drive = Drive { run, log: Vec::new(), now, in_flight: Vec::new() };
        let forked_from = Some("r1".to_owned());
        let is_retry = cut == Cut::Failure;
        let foreign = if is_retry { taken_over.foreign } else { 0 };
        drive.push(RunStarted { forked_from, is_retry, foreign, ..self.started() }.into());
        for event in taken_over.events {
            drive.push(event);
        }
        drive.resume(ResumeReason::Fork);
        Ok(self.go_on_with(drive))
    }

    /// Goes on with a log that was read back, on another machine and an hour later.
    pub fn go_on(&self, log: &[(Event, DateTime<Utc>)]) -> Log {
        let mut drive = self.drive(log);
        drive.now += TimeDelta::milliseconds(1);
        drive.resume(ResumeReason::Recovery);
        self.go_on_with(drive)
    }

    fn drive(&self, log: &[(Event, DateTime<Utc>)]) -> Drive {
        let mut run = self.workflow_run();
        for (event, at) in log {
            run.apply(event, *at);
        }
        let now = log.last().map_or_else(start, |(_, at)| *at);
        Drive { run, log: log.to_vec(), now, in_flight: Vec::new() }
    }

    fn go_on_with(&self, mut drive: Drive) -> Log {
        loop {
            assert!(drive.log.len() < 2000, "it does not end: {:#?}", &drive.log[1990..]);
            if self.cancel_after == Some(drive.log.len()) {
                let by = "client:c".to_owned();
                drive.push(engine::CancelRequested { by, reason: None }.into());
            }
            match drive.run.next(drive.now) {
                WorkflowStep::Record(event) => drive.push(event),
                WorkflowStep::Call(calls) => {
                    for call in calls {
                        drive.push(call.call.started.clone().into());
                        drive.in_flight.push(call);
                    }
                }
                WorkflowStep::Ask(asks) => {
                    for ask in asks {
                        let asked = asked(ask, drive.now);
                        drive.push(asked.into());
                    }
                }
                WorkflowStep::StartChildren(children) => {
                    for child in children {
                        assert_eq!(child.started, None);
                        let started = ChildStarted {
                            run_id: format!("run_{}", child.call_id),
                            kind: child.kind,
                            name: format!("{}({})", child.name, child.input),
                            call_id: child.call_id,
                        };
                        drive.push(started.into());
                    }
                }
                WorkflowStep::Await(until) => self.finish_a_call(&mut drive, until),
                WorkflowStep::Wait(waiting) => {
                    drive.push(waiting.clone().into());
                    self.come(&mut drive, &waiting.waiting_for);
                }
                WorkflowStep::Finish(end) => drive.push(end.into()),
                WorkflowStep::Finished => return drive.log,
            }
        }
    }

    /// The call that was begun last ends, or if none does, time passes.
    fn finish_a_call(&self, drive: &mut Drive, until: Option<DateTime<Utc>>) {
        let ends = |it: &engine::EntryCall| !self.hangs.contains(&id(it));
        let Some(position) = drive.in_flight.iter().rposition(ends) else {
            drive.now = until.unwrap();
            drive.in_flight.clear();
            return;
        };
        let mut position = Some(position);
        while let Some(at) = position.take() {
            let call = drive.in_flight.remove(at);
            self.finish_call(drive, &call);
            if self.ends_together {
                position = drive.in_flight.iter().rposition(ends);
            }
        }
    }

    fn finish_call(&self, drive: &mut Drive, call: &engine::EntryCall) {
        drive.now += TimeDelta::milliseconds(5);
        let why = self.fails.get(id(call)).map(|why| (*why).to_owned());
        let error = why.map(|message| ToolError::new(ToolErrorKind::Failed, message));
        let error = call.call.refused.clone().or(error);
        let finished = ToolFinished {
            call_id: id(call).to_owned(),
            status: if error.is_some() { ToolStatus::Failed } else { ToolStatus::Done },
            result: call.call.started.arguments.clone(),
            error,
            duration_ms: 5,
        };
        drive.push(finished.into());
    }

    /// The first that comes of what the run waits for.
    fn come(&self, drive: &mut Drive, waiting: &[WaitingFor]) {
        drive.now += TimeDelta::milliseconds(5);
        for waiting in waiting {
            match waiting {
                WaitingFor::Child { run_id } if !self.hangs.contains(&run_id.as_str()) => {
                    drive.resume(ResumeReason::Child);
                    return self.child_ends(drive, run_id);
                }
                WaitingFor::Approval { approval_id } => {
                    drive.resume(ResumeReason::Decision);
                    return self.decide(drive, approval_id);
                }
                WaitingFor::Event { name, .. } if self.events.contains_key(name.as_str()) => {
                    drive.resume(ResumeReason::Event);
                    let payload = self.events[name.as_str()].clone();
                    for (step, name, key) in drive.run.events_awaited(drive.now) {
                        let payload = payload.clone();
                        drive.push(EventReceived { step, name, key, payload }.into());
                    }
                    return;
                }
                _ => {}
            }
        }
        drive.now = drive.run.next_time(drive.now).unwrap().max(drive.now);
        drive.resume(ResumeReason::Timer);
    }

    fn child_ends(&self, drive: &mut Drive, run_id: &str) {
        let why = self.fails.get(run_id);
        let error = why.map(|why| RunError::new(RunErrorKind::Tool, *why));
        let finished = ChildFinished {
            run_id: run_id.to_owned(),
            status: if error.is_some() { Outcome::Failed } else { Outcome::Succeeded },
            usage: Usage::default(),
            worked_ms: Some(5),
            citations: Vec::new(),
            output: error.is_none().then(|| Output::Value(json!({"text": run_id}))),
            error,
        };
        drive.push(finished.into());
    }

    /// A person says of a call that was cut off that it has been made, and of an entry what he is told to.
    fn decide(&self, drive: &mut Drive, approval_id: &str) {
        let asked = drive.log.iter().find_map(|(event, _)| match event {
            Event::ApprovalRequested(asked) if asked.id == approval_id => Some(asked.clone()),
            _ => None,
        });
        let asked = asked.unwrap();
        let usual = (Decision::Approve, Value::Null);
        let (decision, payload) = self.decisions.get(asked.step.as_str()).unwrap_or(&usual);
        let decision = match asked.kind {
            ApprovalKind::UnknownEffect => Decision::Done,
            _ => *decision,
        };
        if decision == Decision::Expire {
            drive.now = asked.expires_at;
        }
        let decided = ApprovalDecided {
            approval_id: approval_id.to_owned(),
            decision,
            arguments: None,
            result: (decision == Decision::Done).then(|| asked.arguments.clone()),
            payload: Some(payload.clone()).filter(|it| !it.is_null()),
            reason: None,
            by: (decision != Decision::Expire).then(|| "user:ada".to_owned()),
        };
        drive.push(decided.into());
    }

    #[track_caller]
    pub fn check(&self, expected: Expect) {
        let log = self.run();
        let lines = log.iter().map(|(event, _)| line(event) + "\n");
        expected.assert_eq(&lines.collect::<String>());
    }

    /// How the run ends.
    pub fn end(&self) -> (Outcome, Value) {
        end(&self.run())
    }

    /// Cuts the log after each event, and goes on with each beginning: to the same end, and without making a call
    /// with effects twice.
    #[track_caller]
    pub fn check_all_cuts(&self) {
        let whole = self.run();
        for cut in 1..whole.len() {
            let again = self.go_on(&whole[..cut]);
            let at = line(&whole[cut - 1].0);
            assert_eq!(end(&again), end(&whole), "cut after {cut}: {at}");
            for (position, (event, _)) in again.iter().enumerate() {
                let Event::ToolStarted(call) = event else { continue };
                let is_same = |(event, _): &(Event, _)| matches!(event, Event::ToolStarted(it) if it.effect_id == call.effect_id);
                let is_again = again[..position].iter().any(is_same);
                assert!(call.effect != Effect::Effect || !is_again, "cut after {cut}: {at}");
            }
            // What is cut once more goes on as well, and an uncut one is over.
            assert_eq!(end(&self.go_on(&again)), end(&whole));
        }
    }
}

impl Drive {
    fn push(&mut self, event: Event) {
        // As it will be read back.
        let event = Event::parse(event.name(), &event.data().unwrap()).unwrap();
        self.run.apply(&event, self.now);
        self.log.push((event, self.now));
    }

    fn resume(&mut self, reason: ResumeReason) {
        self.in_flight.clear();
        let attempt = self.run.run_attempt() + 1;
        self.push(RunResumed { attempt, reason }.into());
    }
}

fn id(call: &engine::EntryCall) -> &str {
    &call.call.started.call_id
}

fn start() -> DateTime<Utc> {
    "2026-12-01T00:00:00Z".parse().unwrap()
}

pub fn end(log: &[(Event, DateTime<Utc>)]) -> (Outcome, Value) {
    let is_end = |(event, _): &&(Event, _)| matches!(event, Event::RunFinished(_));
    assert_eq!(log.iter().filter(is_end).count(), 1);
    let Some((Event::RunFinished(end), _)) = log.iter().find(is_end) else { panic!("{log:#?}") };
    let output = end.output.as_ref().map(|it| serde_json::to_value(it).unwrap());
    let error = end.error.as_ref().map(|it| json!(it.message));
    (end.status, output.or(error).unwrap_or_default())
}

fn tool(name: &str, effect: Effect) -> OfferedTool {
    let tool = llm::Tool {
        name: name.to_owned(),
        description: "A tool.".to_owned(),
        input_schema: json!({}),
    };
    OfferedTool {
        spec: ToolSpec::new(tool, Some(1), effect).unwrap(),
        approval: ApprovalPolicy::default(),
        callee: Callee::Tool,
        unavailable: None,
    }
}

fn asked(ask: StepAsk, now: DateTime<Utc>) -> Approval {
    let blank = |step: String, call_id: String| Approval {
        id: format!("ask_{call_id}"),
        kind: ApprovalKind::Step,
        run_id: "r1".to_owned(),
        tool: ApprovalTool { name: step.clone(), version: None },
        step,
        call_id,
        arguments: Value::Null,
        arguments_hash: String::new(),
        message: None,
        status: ApprovalStatus::Pending,
        required_scope: "approval.decide".to_owned(),
        requested_by: "client:c".to_owned(),
        expires_at: now + TimeDelta::days(1),
        on_timeout: engine::OnTimeout::Reject,
        decided_by: None,
        decided_at: None,
        reason: None,
        created_at: now,
        consent: None,
    };
    match ask {
        StepAsk::Call(due) => {
            Approval { kind: due.kind, arguments: due.arguments, ..blank(due.step, due.call_id) }
        }
        StepAsk::Entry { step, call_id, message, arguments, expires_at, on_timeout, .. } => {
            let message = Some(message);
            Approval { message, arguments, expires_at, on_timeout, ..blank(step, call_id) }
        }
    }
}

pub fn line(event: &Event) -> String {
    let name = event.name();
    match event {
        Event::StepStarted(it) if it.attempt > 1 => {
            format!("{name} {} attempt {}", it.step, it.attempt)
        }
        Event::StepStarted(it) => format!("{name} {}", it.step),
        Event::StepFinished(it) => {
            let error = it.error.as_ref().map(|it| format!("{:?}: {}", it.kind, it.message));
            let output = it.output.clone().unwrap_or_default().to_string();
            format!("{name} {} {}", it.step, error.unwrap_or(output))
        }
        Event::ToolStarted(it) => format!("{name} {} {}({})", it.call_id, it.tool, it.arguments),
        Event::ToolFinished(it) => format!("{name} {} {:?}", it.call_id, it.status),
        Event::ApprovalRequested(it) => {
            format!("{name} {} {:?} {}", it.id, it.kind, it.message.clone().unwrap_or_default())
        }
        Event::ApprovalDecided(it) => format!("{name} {} {:?}", it.approval_id, it.decision),
        Event::ChildStarted(it) => format!("{name} {} {}", it.run_id, it.name),
        Event::ChildFinished(it) => format!("{name} {} {:?}", it.run_id, it.status),
        Event::TimerSet(it) => {
            format!("{name} {} {} ms", it.timer_id, (it.until - start()).num_milliseconds())
        }
        Event::TimerFired(it) => format!("{name} {}", it.timer_id),
        Event::EventReceived(it) => format!("{name} {} {} {}", it.step, it.name, it.key),
        Event::RunWaiting(it) => format!("{name} {:?} {}", it.status, it.waiting_for.len()),
        Event::RunResumed(it) => format!("{name} {:?}", it.reason),
        Event::RunFinished(it) => {
            let output = it.output.as_ref().map(|it| serde_json::to_string(it).unwrap());
            let error = it.error.as_ref().map(|it| format!("{:?}: {}", it.kind, it.message));
            format!("{name} {:?} {}", it.status, output.or(error).unwrap_or_default())
        }
        _ => name.to_owned(),
    }
}
