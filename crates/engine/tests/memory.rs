//! A run on a thread: what it is shown, and what it adds.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;
use engine::Agent;
use engine::AgentSpec;
use engine::CancelRequested;
use engine::DefinitionRef;
use engine::Event;
use engine::Input;
use engine::Limits;
use engine::MemoryRead;
use engine::MemoryWritten;
use engine::ModelFinished;
use engine::ModelStarted;
use engine::RetryPolicy;
use engine::RunKind;
use engine::RunStarted;
use engine::Step;
use engine::ToolFinished;
use llm::Answer;
use llm::FinishReason;
use llm::Message;
use llm::ModelOptions;
use llm::Part;
use llm::Role;
use llm::ToolStatus;
use serde_json::json;

#[test]
fn what_was_said_before_comes_before_the_input() {
    let mut run = Run::new();
    run.remember(vec![user("Before"), assistant(Part::text("Indeed"))]);

    let asked: Vec<_> = run.model_call().1.iter().map(Message::text).collect();

    assert_eq!(asked, ["Before", "Indeed", "Now"]);
}

#[test]
fn call_ids_of_the_thread_are_taken() {
    let mut run = Run::new();
    run.remember(vec![user("Before"), assistant(call("c1")), results(&["c1"])]);
    let (model_call, _) = run.model_call();

    let answered = run.answer(&model_call, assistant(call("c1")), FinishReason::ToolCalls);

    let Part::ToolCall { call_id, .. } = &answered.message.content[0] else { panic!("no call") };
    assert_eq!(call_id, "c1_2");
}

#[test]
fn what_a_run_said_has_a_result_for_every_call() {
    let mut run = Run::new();
    run.remember(vec![user("Before")]);
    assert_eq!(run.agent.said(), [user("Now")]);
    let (model_call, _) = run.model_call();
    let content = vec![call("a"), call("b")];
    let calls = Message { role: Role::Assistant, content };
    run.answer(&model_call, calls.clone(), FinishReason::ToolCalls);
    run.finish_tool("b");

    // One of two is missing, and the other is not lost for it.
    let open = run.agent.said();
    let results = open[2].content.iter().map(|part| match part {
        Part::ToolResult { status, .. } => *status,
        _ => panic!("no result"),
    });
    assert_eq!(results.collect::<Vec<_>>(), [ToolStatus::Failed, ToolStatus::Done]);

    run.apply(CancelRequested { by: "client:c".to_owned(), reason: None });
    let Step::Record(Event::ToolFinished(canceled)) = run.agent.next(now()) else {
        panic!("the open call has no result")
    };
    run.apply(canceled);
    let said = run.agent.said();
    assert_eq!(said[..2], [user("Now"), calls]);
    let ids = said[2].content.iter().map(|part| match part {
        Part::ToolResult { call_id, .. } => call_id.as_str(),
        _ => panic!("no result"),
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn an_answer_that_was_cut_off_is_not_said() {
    for (reason, said) in [(FinishReason::Stop, 2), (FinishReason::Length, 1)] {
        let mut run = Run::new();
        run.remember(Vec::new());
        let (model_call, _) = run.model_call();
        run.answer(&model_call, assistant(Part::text("Half")), reason);

        assert_eq!(run.agent.said().len(), said, "{reason:?}");
    }
}

#[test]
fn events_of_memory_survive_their_text() {
    let thread_id = "t1".to_owned();
    let messages = vec![user("Before"), assistant(call("c1")), results(&["c1"])];
    let events = [
        Event::from(MemoryRead {
            thread_id: thread_id.clone(),
            messages,
            tokens: 3,
            recalled: None,
        }),
        Event::from(MemoryWritten { thread_id, message_ids: vec!["m1".to_owned()] }),
    ];

    for event in events {
        assert_eq!(Event::parse(event.name(), &event.data().unwrap()).unwrap(), event);
    }
}

struct Run {
    agent: Agent,
}

impl Run {
    /// A run that was asked `Now`.
    fn new() -> Self {
        let spec = AgentSpec {
            name: "a".to_owned(),
            models: vec!["test/one".to_owned()],
            instructions: String::new(),
            tools: Vec::new(),
            options: ModelOptions::default(),
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            output: None,
        };
        let mut run = Self { agent: Agent::new("r1", Arc::new(spec)) };
        run.apply(RunStarted {
            kind: RunKind::Agent,
            definition: DefinitionRef { id: "a1".to_owned(), name: "a".to_owned(), version: 1 },
            input: Input::Text("Now".to_owned()),
            thread_id: Some("t1".to_owned()),
            parent_run_id: None,
            forked_from: None,
            is_retry: false,
            foreign: 0,
            limits: Limits::default(),
        });
        run
    }

    fn apply(&mut self, event: impl Into<Event>) {
        self.agent.apply(&event.into(), now());
    }

    fn remember(&mut self, messages: Vec<Message>) {
        assert!(!self.agent.remembers());
        self.apply(MemoryRead { thread_id: "t1".to_owned(), messages, tokens: 0, recalled: None });
        assert!(self.agent.remembers());
    }

    /// Begins the next model call, and says what it is asked.
    fn model_call(&mut self) -> (ModelStarted, Vec<Message>) {
        let Step::Record(step) = self.agent.next(now()) else { panic!("no step") };
        self.apply(step);
        let Step::CallModel(call) = self.agent.next(now()) else { panic!("no call") };
        self.apply(call.started.clone());
        (call.started, call.request.messages)
    }

    fn answer(
        &mut self,
        call: &ModelStarted,
        message: Message,
        finish_reason: FinishReason,
    ) -> ModelFinished {
        let answer = Answer { message, finish_reason, usage: llm::Usage::default() };
        let answered = self.agent.answered(call, answer, None, Duration::ZERO);
        self.apply(answered.clone());
        answered
    }

    fn finish_tool(&mut self, call_id: &str) {
        self.apply(ToolFinished {
            call_id: call_id.to_owned(),
            status: ToolStatus::Done,
            result: json!(1),
            error: None,
            duration_ms: 0,
        });
    }
}

fn user(text: &str) -> Message {
    Message::user(text)
}

fn assistant(part: Part) -> Message {
    Message { role: Role::Assistant, content: vec![part] }
}

fn call(call_id: &str) -> Part {
    let (call_id, tool) = (call_id.to_owned(), "add".to_owned());
    Part::ToolCall { call_id, tool, arguments: json!({}), malformed: None }
}

fn results(call_ids: &[&str]) -> Message {
    let content = call_ids.iter().map(|call_id| Part::ToolResult {
        call_id: (*call_id).to_owned(),
        tool: "add".to_owned(),
        status: ToolStatus::Done,
        result: json!(1),
    });
    Message { role: Role::Tool, content: content.collect() }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_795_600_000_000).unwrap()
}
