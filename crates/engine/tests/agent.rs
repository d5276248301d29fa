//! The loop with a scripted model: what it records, and that any cut of its log changes nothing.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;
use engine::Agent;
use engine::AgentSpec;
use engine::CancelRequested;
use engine::DefinitionRef;
use engine::Effect;
use engine::Event;
use engine::Input;
use engine::Limits;
use engine::ModelFailed;
use engine::ResumeReason;
use engine::RetryPolicy;
use engine::RunKind;
use engine::RunResumed;
use engine::RunStarted;
use engine::Step;
use engine::ToolFinished;
use engine::ToolSpec;
use expect_test::Expect;
use expect_test::expect;
use llm::Answer;
use llm::ErrorKind;
use llm::FinishReason;
use llm::MalformedArguments;
use llm::Message;
use llm::ModelError;
use llm::ModelOptions;
use llm::Part;
use llm::Role;
use llm::ToolStatus;
use serde_json::Value;
use serde_json::json;

#[test]
fn an_answer_without_calls_ends_the_run() {
    let script = Script::new(vec![says("Hello!")]);

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        step.finished 1 Done
        run.finished Succeeded "Hello!"
    "#]]);
}

#[test]
fn calls_are_made_and_their_results_go_back_in_the_order_of_the_calls() {
    let script = Script::new(vec![
        calls(&[("a", "add", json!({"a": 1, "b": 2})), ("b", "add", json!({"a": 3, "b": 4}))]),
        says("3 and 7"),
    ]);

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        tool.started b add
        tool.finished b 7
        tool.finished a 3
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a 3] [b 7]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "3 and 7"
    "#]]);
}

#[test]
fn a_call_that_cannot_be_made_tells_the_model_why() {
    let script = Script::new(vec![
        calls(&[
            ("a", "subtract", json!({})),
            ("b", "add", json!({"a": "one"})),
            ("c", "add", json!("{\"a\":")),
        ]),
        says("Sorry."),
    ]);

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a subtract
        tool.started b add
        tool.started c add
        tool.finished c the arguments are not valid JSON
        tool.finished b "b" is a required property (at ``); "one" is not of type "integer" (at `/a`)
        tool.finished a there is no tool `subtract`
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a {"error":"there is no tool `subtract`"}] [b {"error":"\"b\" is a required property (at ``); \"one\" is not of type \"integer\" (at `/a`)"}] [c {"error":"the arguments are not valid JSON"}]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "Sorry."
    "#]]);
}

#[test]
fn a_call_id_that_was_used_before_gets_a_new_name() {
    let sum = json!({"a": 1, "b": 1});
    let script = Script::new(vec![
        calls(&[("call_0", "add", sum.clone())]),
        calls(&[("call_0", "add", sum.clone()), ("call_0_2", "add", sum)]),
        says("2"),
    ]);

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started call_0 add
        tool.finished call_0 2
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [call_0 2]
        model.finished m2
        tool.started call_0_2 add
        tool.started call_0_2_2 add
        tool.finished call_0_2_2 2
        tool.finished call_0_2 2
        step.finished 2 Done
        step.started 3
        model.started m3 test/one attempt 1: user, assistant, tool [call_0 2], assistant, tool [call_0_2 2] [call_0_2_2 2]
        model.finished m3
        step.finished 3 Done
        run.finished Succeeded "2"
    "#]]);
}

#[test]
fn a_busy_model_is_asked_again_and_then_the_next_of_the_list() {
    let mut script = Script::new(vec![
        Err(error(true)),
        Err(error(true)),
        Err(error(false)),
        says("From the other."),
    ]);
    script.models = vec!["test/one".to_owned(), "test/two".to_owned()];

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.failed m1 again in 500 with test/one
        model.started m2 test/one attempt 2: user
        model.failed m2 again in 1000 with test/one
        model.started m3 test/one attempt 3: user
        model.failed m3 again in 0 with test/two
        model.started m4 test/two attempt 4: user
        model.finished m4
        step.finished 1 Done
        run.finished Succeeded "From the other."
    "#]]);
}

#[test]
fn a_model_that_is_named_twice_is_tried_twice_at_most() {
    let failures = vec![Err(error(false)), Err(error(false)), Err(error(false))];
    let mut script = Script::new(failures);
    script.models = vec!["test/one".to_owned(), "test/two".to_owned(), "test/one".to_owned()];

    let log = script.run();

    let asked = log.iter().filter(|it| it.name() == "model.started").count();
    assert_eq!(asked, 3);
}

#[test]
fn a_failure_after_visible_text_is_not_repeated() {
    let cut = ModelError { partial: Some(Box::new(assistant("Half"))), ..error(true) };
    let script = Script::new(vec![Err(cut)]);

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.failed m1
        step.finished 1 Failed
        run.finished Failed "Half" Provider: busy
    "#]]);
}

#[test]
fn an_answer_that_was_cut_off_is_no_success() {
    let script = Script::new(vec![Ok(Answer {
        finish_reason: FinishReason::Length,
        ..says("To be cont").unwrap()
    })]);

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        step.finished 1 Failed
        run.finished Failed "To be cont" Limit: the model's answer was cut off at its maximum length
    "#]]);
}

#[test]
fn the_last_allowed_turn_is_the_last() {
    let mut script = Script::new(vec![calls(&[("a", "add", json!({"a": 1, "b": 2}))])]);
    script.limits.max_steps = 1;

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        tool.finished a 3
        step.finished 1 Done
        limit.reached max_steps 1 of 1
        run.finished Failed  Limit: the run reached its max_steps of 1
    "#]]);
}

#[test]
fn a_cancel_gives_each_open_call_a_result() {
    let mut script = Script::new(vec![calls(&[("a", "add", json!({"a": 1, "b": 2}))])]);
    script.cancel_before = Some("tool.finished");

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        run.cancel_requested
        tool.finished a the run was canceled
        run.finished Canceled  Canceled: the run was canceled
    "#]]);
}

#[test]
fn an_effect_whose_answer_was_lost_is_not_sent_again() {
    let mut script = Script::new(vec![
        calls(&[("a", "add", json!({"a": 1, "b": 2}))]),
        says("I do not know whether it worked."),
    ]);
    script.effect = Effect::Effect;
    script.die_after = Some("tool.started");

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        run.resumed
        tool.finished a the call was sent, but its answer was lost
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a {"error":"the call was sent, but its answer was lost"}]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "I do not know whether it worked."
    "#]]);
}

#[test]
fn a_run_that_is_cut_after_any_event_ends_as_if_it_had_not_been() {
    let script = Script::new(vec![
        calls(&[("a", "add", json!({"a": 1, "b": 2})), ("b", "add", json!({"a": 3, "b": 4}))]),
        calls(&[("a", "add", json!({"a": 5, "b": 6}))]),
        says("3, 7, 11"),
    ]);
    let whole = script.run();

    for cut in 1..whole.len() {
        let again = script.go_on(whole[..cut].to_vec());

        assert_eq!(again.last(), whole.last(), "cut after event {cut}");
        let count = |log: &[Event], name| log.iter().filter(|it| it.name() == name).count();
        assert_eq!(count(&again, "model.finished"), 3, "cut after event {cut}");
        assert_eq!(count(&again, "tool.finished"), 3, "cut after event {cut}");
    }
}

#[test]
fn every_event_survives_its_text() {
    let script = Script::new(vec![
        Err(error(true)),
        calls(&[("a", "add", json!({"a": 2_512_292_042_121_000_001_u64, "b": 2}))]),
        says("done"),
    ]);

    for event in script.run() {
        let read = Event::parse(event.name(), &event.data().unwrap()).unwrap();
        assert_eq!(read, event);
    }
}

#[test]
fn a_run_that_passes_its_deadline_is_over() {
    let agent = Script::new(vec![says("late")]).agent();
    let mut agent = agent;
    agent.apply(&started().into(), at(0));

    assert!(matches!(agent.next(at(599_999)), Step::Record(_)));
    let Step::Finish(end) = agent.next(at(600_000)) else { panic!("it went on") };
    assert_eq!(end.status, engine::Outcome::TimedOut);
    assert_eq!(end.error.unwrap().message, "the run was not done in 600000 ms");
}

/// A model and a tool `add` whose answers are known beforehand.
struct Script {
    answers: Vec<Result<Answer, ModelError>>,
    models: Vec<String>,
    limits: Limits,
    effect: Effect,
    cancel_before: Option<&'static str>,
    die_after: Option<&'static str>,
}

impl Script {
    fn new(answers: Vec<Result<Answer, ModelError>>) -> Self {
        Self {
            answers,
            models: vec!["test/one".to_owned()],
            limits: Limits::default(),
            effect: Effect::Read,
            cancel_before: None,
            die_after: None,
        }
    }

    fn agent(&self) -> Agent {
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
            tools: vec![ToolSpec::new(add, None, self.effect).unwrap()],
            options: ModelOptions::default(),
            limits: self.limits,
            retry: RetryPolicy::default(),
        };
        Agent::new("r1", Arc::new(spec))
    }

    fn run(&self) -> Vec<Event> {
        self.drive(vec![started().into()], false)
    }

    /// Goes on with a log that was read back.
    fn go_on(&self, log: Vec<Event>) -> Vec<Event> {
        self.drive(log, true)
    }

    fn drive(&self, log: Vec<Event>, recovered: bool) -> Vec<Event> {
        let mut agent = self.agent();
        for event in &log {
            agent.apply(event, at(0));
        }
        let finished = log.iter().filter(|it| it.name() == "model.finished").count();
        let mut answers: VecDeque<_> = self.answers.iter().skip(finished).cloned().collect();
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
                Step::Finish(end) => log.push(end.into()),
                Step::Finished => return log.log,
            }
        }
    }

    /// Starts all calls and ends the last one first, or dies, or is canceled.
    fn call_tools(&self, log: &mut Log, calls: Vec<engine::ToolCall>) {
        for call in &calls {
            log.push(call.started.clone().into());
        }
        if self.die_after == Some("tool.started") {
            return log.push(resumed());
        }
        if self.cancel_before == Some("tool.finished") {
            return log.push(CancelRequested { by: "client:c".to_owned(), reason: None }.into());
        }
        for call in calls.into_iter().rev() {
            let number = |name: &str| call.started.arguments[name].as_u64();
            let sum = number("a").zip(number("b")).map(|(a, b)| json!(a + b));
            log.push(Event::from(ToolFinished {
                call_id: call.started.call_id.clone(),
                status: if call.refused.is_some() { ToolStatus::Failed } else { ToolStatus::Done },
                result: sum.filter(|_| call.refused.is_none()).unwrap_or_default(),
                error: call.refused,
                duration_ms: 0,
            }));
        }
    }

    #[track_caller]
    fn check(&self, expected: Expect) {
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
        Event::ToolStarted(it) => format!("{name} {} {}", it.call_id, it.tool),
        Event::ToolFinished(it) => {
            let error = it.error.as_ref().map(|error| error.message.clone());
            format!("{name} {} {}", it.call_id, error.unwrap_or_else(|| it.result.to_string()))
        }
        Event::LimitReached(it) => format!("{name} {} {} of {}", it.limit, it.used, it.value),
        Event::RunFinished(it) => {
            let output = it.output.as_ref().map(|output| format!("{:?}", output.text));
            let error = it.error.as_ref().map(|it| format!(" {:?}: {}", it.kind, it.message));
            let (output, error) = (output.unwrap_or_default(), error.unwrap_or_default());
            format!("{name} {:?} {output}{error}", it.status)
        }
        Event::RunStarted(_) | Event::RunResumed(_) | Event::CancelRequested(_) => name.to_owned(),
    }
}

fn told(message: &Message) -> String {
    let results = message.content.iter().filter_map(|part| match part {
        Part::ToolResult { call_id, result, .. } => Some(format!(" [{call_id} {result}]")),
        _ => None,
    });
    format!("{}{}", message.role, results.collect::<String>())
}

fn started() -> RunStarted {
    RunStarted {
        kind: RunKind::Agent,
        definition: DefinitionRef { id: "a1".to_owned(), name: "adder".to_owned(), version: 1 },
        input: Input::Text("Add!".to_owned()),
        thread_id: None,
        parent_run_id: None,
        limits: Limits::default(),
    }
}

fn resumed() -> Event {
    RunResumed { attempt: 2, reason: ResumeReason::Recovery }.into()
}

fn assistant(text: &str) -> Message {
    Message { role: Role::Assistant, content: vec![Part::text(text)] }
}

#[expect(clippy::unnecessary_wraps, reason = "a script is made of results")]
fn says(text: &str) -> Result<Answer, ModelError> {
    Ok(Answer {
        message: assistant(text),
        finish_reason: FinishReason::Stop,
        usage: llm::Usage { input_tokens: 2, output_tokens: 1, ..llm::Usage::default() },
    })
}

#[expect(clippy::unnecessary_wraps, reason = "a script is made of results")]
fn calls(calls: &[(&str, &str, Value)]) -> Result<Answer, ModelError> {
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

fn error(retryable: bool) -> ModelError {
    ModelError {
        kind: ErrorKind::Refused,
        message: "busy".to_owned(),
        status: Some(if retryable { 429 } else { 400 }),
        retryable,
        retry_after: None,
        partial: None,
    }
}

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_795_600_000_000 + ms).unwrap()
}
