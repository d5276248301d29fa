//! A run whose model, tool and people are known beforehand.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;
use engine::Agent;
use engine::AgentSpec;
use engine::Approval;
use engine::ApprovalDecided;
use engine::ApprovalDue;
use engine::ApprovalPolicy;
use engine::ApprovalStatus;
use engine::Callee;
use engine::CancelRequested;
use engine::ChildFinished;
use engine::ChildStarted;
use engine::Consent;
use engine::DefinitionRef;
use engine::Effect;
use engine::Event;
use engine::Input;
use engine::Limits;
use engine::ModelFailed;
use engine::OfferedTool;
use engine::Outcome;
use engine::OutputSpec;
use engine::ResumeReason;
use engine::RetryPolicy;
use engine::RunKind;
use engine::RunResumed;
use engine::RunStarted;
use engine::RunWaiting;
use engine::Step;
use engine::ToolError;
use engine::ToolErrorKind;
use engine::ToolFinished;
use engine::ToolSpec;
use engine::Usage;
use engine::WaitingFor;
use expect_test::Expect;
use llm::Answer;
use llm::ErrorKind;
use llm::FinishReason;
use llm::MalformedArguments;
use llm::Message;
use llm::ModelError;
use llm::ModelOptions;
use llm::Part;
use llm::Role;
use llm::ToolChoice;
use llm::ToolStatus;
use serde_json::Value;
use serde_json::json;

/// A model and a tool `add` whose answers are known beforehand.
pub struct Script {
    answers: Vec<Result<Answer, ModelError>>,
    pub models: Vec<String>,
    pub limits: Limits,
    pub effect: Effect,
    pub cancel_before: Option<&'static str>,
    pub die_after: Option<&'static str>,
    pub approval: ApprovalPolicy,
    pub callee: Callee,
    /// What people decide, in this order.
    pub decisions: Vec<ApprovalDecided>,
    /// So many answers of the tool get lost.
    pub lose: usize,
    /// So many calls need the consent of the person first.
    pub without_consent: usize,
    pub output: Option<OutputSpec>,
    pub tool_choice: ToolChoice,
    /// The version of the tool when the run goes on after a wait.
    pub later_version: Option<i64>,
}

impl Script {
    pub fn new(answers: Vec<Result<Answer, ModelError>>) -> Self {
        Self {
            answers,
            models: vec!["test/one".to_owned()],
            limits: Limits::default(),
            effect: Effect::Read,
            cancel_before: None,
            die_after: None,
            approval: ApprovalPolicy::default(),
            callee: Callee::Tool,
            decisions: Vec::new(),
            lose: 0,
            without_consent: 0,
            output: None,
            tool_choice: ToolChoice::Auto,
            later_version: None,
        }
    }

    pub fn agent(&self) -> Agent {
        self.agent_with(None)
    }

    fn agent_with(&self, version: Option<i64>) -> Agent {
        let schema = json!({"type": "object", "required": ["a", "b"],
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}});
        let add = llm::Tool {
            name: "add".to_owned(),
            description: "Adds.".to_owned(),
            input_schema: schema,
        };
        let spec = AgentSpec {
            name: "adder".to_owned(),
            models: self.models.clone(),
            instructions: "Add.".to_owned(),
            tools: vec![OfferedTool {
                spec: ToolSpec::new(add, version, self.effect).unwrap(),
                approval: self.approval.clone(),
                callee: self.callee.clone(),
                unavailable: None,
            }],
            options: ModelOptions {
                tool_choice: self.tool_choice.clone(),
                ..ModelOptions::default()
            },
            limits: self.limits,
            retry: RetryPolicy::default(),
            output: self.output.clone(),
        };
        Agent::new("r1", Arc::new(spec))
    }

    pub fn run(&self) -> Vec<Event> {
        self.drive(vec![started().into()], false)
    }

    /// Goes on with a log that was read back.
    pub fn go_on(&self, log: Vec<Event>) -> Vec<Event> {
        self.drive(log, true)
    }

    fn drive(&self, log: Vec<Event>, recovered: bool) -> Vec<Event> {
        let mut agent = self.agent();
        for event in &log {
            agent.apply(event, at(0));
        }
        let count = |name| log.iter().filter(|it| it.name() == name).count();
        let mut answers: VecDeque<_> =
            self.answers.iter().skip(count("model.finished")).cloned().collect();
        let decided = count("approval.decided");
        let mut decisions: VecDeque<_> = self.decisions.iter().skip(decided).cloned().collect();
        let mut log = Log { agent, log };
        if recovered {
            log.push(resumed());
        }
        loop {
            match log.agent.next(at(0)) {
                Step::Record(event) => log.push(event),
                Step::CallModel(call) => {
                    log.push(call.started.clone().into());
                    let end = match answers.pop_front().unwrap() {
                        Ok(answer) => {
                            let took = Duration::from_millis(5);
                            log.agent.answered(&call.started, answer, None, took).into()
                        }
                        Err(error) => {
                            let partial = error.partial.clone().map(|it| *it);
                            log.agent.failed(&call.started, &error, partial, 0.0).into()
                        }
                    };
                    log.push(end);
                }
                Step::CallTools(calls) => self.call_tools(&mut log, calls),
                Step::Ask(due) => {
                    for (index, due) in due.into_iter().enumerate() {
                        log.push(asked(log.log.len() + index, due).into());
                    }
                }
                Step::StartChildren(due) => {
                    for due in due {
                        let call_id = due.started.call_id.clone();
                        log.push(due.started.into());
                        let run_id = format!("child_of_{call_id}");
                        log.push(
                            ChildStarted { run_id, kind: due.kind, name: due.name, call_id }.into(),
                        );
                    }
                }
                Step::Wait(waiting) => self.wait(&mut log, waiting, &mut decisions),
                Step::Finish(end) => log.push(end.into()),
                Step::Finished => return log.log,
            }
        }
    }

    /// Goes on when all that the run waits for has come.
    fn wait(&self, log: &mut Log, waiting: RunWaiting, decisions: &mut VecDeque<ApprovalDecided>) {
        log.push(waiting.clone().into());
        if self.later_version.is_some() {
            let mut agent = self.agent_with(self.later_version);
            log.log.iter().for_each(|event| agent.apply(event, at(0)));
            log.agent = agent;
        }
        log.push(resumed());
        for waiting in waiting.waiting_for {
            come(log, waiting, decisions);
        }
    }

    /// Starts all calls and ends the last one first, or dies, or is canceled.
    fn call_tools(&self, log: &mut Log, calls: Vec<engine::ToolCall>) {
        for call in &calls {
            log.push(call.started.clone().into());
        }
        let finished = log.log.iter().filter(|it| it.name() == "tool.finished").count();
        if self.die_after == Some("tool.started") && finished == 0 {
            let resumed_before = log.log.iter().any(|it| it.name() == "run.resumed");
            if !resumed_before {
                return log.push(resumed());
            }
        }
        if self.cancel_before == Some("tool.finished") {
            return log.push(CancelRequested { by: "client:c".to_owned(), reason: None }.into());
        }
        let lost = log.log.iter().filter(|it| is_lost(it)).count();
        let is_refused = |it: &&Event| match it {
            Event::ToolFinished(it) => it.error.as_ref().is_some_and(|it| it.consent.is_some()),
            _ => false,
        };
        let refused = log.log.iter().filter(is_refused).count();
        for call in calls.into_iter().rev() {
            let number = |name: &str| call.started.arguments[name].as_u64();
            let sum = number("a").zip(number("b")).map(|(a, b)| json!(a + b));
            let mut finished = ToolFinished {
                call_id: call.started.call_id.clone(),
                status: if call.refused.is_some() { ToolStatus::Failed } else { ToolStatus::Done },
                result: sum.filter(|_| call.refused.is_none()).unwrap_or_default(),
                error: call.refused,
                duration_ms: 0,
            };
            if refused < self.without_consent {
                let (upstream, url) = ("far".to_owned(), "https://a.example/far".to_owned());
                let error = ToolError::new(ToolErrorKind::Consent, "ask him");
                finished.status = ToolStatus::Failed;
                finished.result = Value::Null;
                finished.error =
                    Some(ToolError { consent: Some(Box::new(Consent { upstream, url })), ..error });
            }
            if lost < self.lose {
                let error = ToolError::new(ToolErrorKind::Lost, "lost");
                finished.status = ToolStatus::Unknown;
                finished.result = Value::Null;
                finished.error = Some(error);
            }
            log.push(finished.into());
        }
    }

    #[track_caller]
    pub fn check(&self, expected: Expect) {
        // What each model call was given is told beside its event.
        let log = self.run();
        let mut agent = self.agent();
        let mut text = String::new();
        for event in &log {
            let asked = match agent.next(at(0)) {
                Step::CallModel(call) => call.request.messages.iter().map(told).collect(),
                _ => Vec::new(),
            };
            text.push_str(&line(event, &asked.join(", ")));
            text.push('\n');
            agent.apply(event, at(0));
        }
        expected.assert_eq(&text);
    }
}

/// What a run waits for comes.
fn come(log: &mut Log, waiting: WaitingFor, decisions: &mut VecDeque<ApprovalDecided>) {
    match waiting {
        WaitingFor::Approval { approval_id } | WaitingFor::Consent { approval_id, .. } => {
            if let Some(decided) = decisions.pop_front() {
                log.push(ApprovalDecided { approval_id, ..decided }.into());
            }
        }
        WaitingFor::Child { run_id } => {
            let call_id = log.agent.call_of_child(&run_id).unwrap().to_owned();
            let usage = Usage {
                tokens: llm::Usage { output_tokens: 100, ..llm::Usage::default() },
                ..Usage::default()
            };
            let (status, worked_ms) = (Outcome::Succeeded, None);
            let citations = vec![citation("of the child")];
            let (output, error) = (None, None);
            let finished =
                ChildFinished { run_id, status, usage, worked_ms, citations, output, error };
            log.push(finished.into());
            let (status, result) = (ToolStatus::Done, json!("from the child"));
            log.push(ToolFinished { call_id, status, result, error: None, duration_ms: 0 }.into());
        }
        WaitingFor::Timer { .. } | WaitingFor::Event { .. } => unreachable!("of workflows only"),
    }
}

fn asked(number: usize, due: ApprovalDue) -> Approval {
    Approval {
        id: format!("p{number}"),
        kind: due.kind,
        run_id: "r1".to_owned(),
        step: due.step,
        call_id: due.call_id,
        tool: due.tool,
        arguments: due.arguments,
        arguments_hash: due.arguments_hash,
        message: None,
        status: ApprovalStatus::Pending,
        required_scope: "approval.decide".to_owned(),
        requested_by: "client:c".to_owned(),
        expires_at: at(86_400_000),
        on_timeout: due.policy.on_timeout,
        decided_by: None,
        decided_at: None,
        reason: None,
        created_at: at(0),
        consent: due.consent,
    }
}

fn is_lost(event: &Event) -> bool {
    match event {
        Event::ToolFinished(it) => it.status == ToolStatus::Unknown,
        _ => false,
    }
}

struct Log {
    agent: Agent,
    log: Vec<Event>,
}

impl Log {
    fn push(&mut self, event: Event) {
        self.agent.apply(&event, at(0));
        self.log.push(event);
    }
}

fn line(event: &Event, asked: &str) -> String {
    let name = event.name();
    match event {
        Event::StepStarted(it) => format!("{name} {}", it.step),
        Event::StepFinished(it) => format!("{name} {} {:?}", it.step, it.status),
        Event::ModelStarted(it) => {
            format!("{name} {} {} attempt {}: {asked}", it.call_id, it.model, it.attempt)
        }
        Event::ModelFinished(it) => format!("{name} {}", it.call_id),
        Event::ModelFailed(ModelFailed { call_id, retry_in_ms, next_model, .. }) => {
            let again = retry_in_ms.zip(next_model.as_ref());
            let again = again.map(|(ms, model)| format!(" again in {ms} with {model}"));
            format!("{name} {call_id}{}", again.unwrap_or_default())
        }
        Event::ToolStarted(it) if it.attempt > 1 => {
            format!("{name} {} {} attempt {}", it.call_id, it.tool, it.attempt)
        }
        Event::ToolStarted(it) => format!("{name} {} {}", it.call_id, it.tool),
        Event::ToolFinished(it) => {
            let error = it.error.as_ref().map(|error| error.message.clone());
            format!("{name} {} {}", it.call_id, error.unwrap_or_else(|| it.result.to_string()))
        }
        Event::LimitReached(it) => format!("{name} {} {} of {}", it.limit, it.used, it.value),
        Event::RunFinished(it) => {
            let output =
                it.output.as_ref().map(|output| format!("{:?}", output.text().unwrap_or_default()));
            let error = it.error.as_ref().map(|it| format!(" {:?}: {}", it.kind, it.message));
            let (output, error) = (output.unwrap_or_default(), error.unwrap_or_default());
            format!("{name} {:?} {output}{error}", it.status)
        }
        Event::RunWaiting(it) => {
            let ids = it.waiting_for.iter().map(|it| match it {
                WaitingFor::Approval { approval_id: id }
                | WaitingFor::Consent { approval_id: id, .. }
                | WaitingFor::Child { run_id: id } => id.as_str(),
                WaitingFor::Timer { .. } | WaitingFor::Event { .. } => "",
            });
            format!("{name} {:?} {}", it.status, ids.collect::<Vec<_>>().join(" "))
        }
        Event::ApprovalRequested(it) => {
            let version = it.tool.version.map(|version| format!(" version {version}"));
            let version = version.unwrap_or_default();
            format!("{name} {} {:?} {}{version} {}", it.id, it.kind, it.call_id, it.arguments)
        }
        Event::ApprovalDecided(it) => format!("{name} {} {:?}", it.approval_id, it.decision),
        Event::ChildStarted(it) => format!("{name} {} {} {}", it.run_id, it.name, it.call_id),
        Event::ChildFinished(it) => format!("{name} {} {:?}", it.run_id, it.status),
        Event::RunStarted(_)
        | Event::RunResumed(_)
        | Event::CancelRequested(_)
        | Event::MemoryRead(_)
        | Event::MemoryWritten(_)
        | Event::ToolProgress(_)
        | Event::RequestStarted(_)
        | Event::RequestFinished(_)
        | Event::RetrievalFinished(_)
        | Event::TimerSet(_)
        | Event::TimerFired(_)
        | Event::EventReceived(_)
        | Event::LogLine(_) => name.to_owned(),
    }
}

fn told(message: &Message) -> String {
    let results = message.content.iter().filter_map(|part| match part {
        Part::ToolResult { call_id, result, .. } => Some(format!(" [{call_id} {result}]")),
        _ => None,
    });
    format!("{}{}", message.role, results.collect::<String>())
}

pub fn citation(quote: &str) -> Value {
    json!({ "database": "handbook", "quote": quote })
}

pub fn started() -> RunStarted {
    RunStarted {
        kind: RunKind::Agent,
        definition: DefinitionRef { id: "a1".to_owned(), name: "adder".to_owned(), version: 1 },
        input: Input::Text("Add!".to_owned()),
        thread_id: None,
        parent_run_id: None,
        forked_from: None,
        is_retry: false,
        foreign: 0,
        limits: Limits::default(),
    }
}

fn resumed() -> Event {
    RunResumed { attempt: 2, reason: ResumeReason::Recovery }.into()
}

pub fn assistant(text: &str) -> Message {
    Message { role: Role::Assistant, content: vec![Part::text(text)] }
}

#[expect(clippy::unnecessary_wraps, reason = "a script is made of results")]
pub fn says(text: &str) -> Result<Answer, ModelError> {
    Ok(Answer {
        message: assistant(text),
        finish_reason: FinishReason::Stop,
        usage: llm::Usage { input_tokens: 2, output_tokens: 1, ..llm::Usage::default() },
    })
}

#[expect(clippy::unnecessary_wraps, reason = "a script is made of results")]
pub fn calls(calls: &[(&str, &str, Value)]) -> Result<Answer, ModelError> {
    let content = calls.iter().map(|(call_id, tool, arguments)| Part::ToolCall {
        call_id: (*call_id).to_owned(),
        tool: (*tool).to_owned(),
        arguments: arguments.clone(),
        // A text stands for arguments that are no object.
        malformed: arguments.as_str().map(|text| MalformedArguments {
            text: text.to_owned(),
            reason: "the arguments are not valid JSON".to_owned(),
        }),
    });
    Ok(Answer {
        message: Message { role: Role::Assistant, content: content.collect() },
        finish_reason: FinishReason::ToolCalls,
        usage: llm::Usage::default(),
    })
}

pub fn error(retryable: bool) -> ModelError {
    ModelError {
        kind: ErrorKind::Refused,
        message: "busy".to_owned(),
        status: Some(if retryable { 429 } else { 400 }),
        retryable,
        retry_after: None,
        partial: None,
    }
}

pub fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_795_600_000_000 + ms).unwrap()
}
