//! What the limits of a run leave of a model call, to the token and the last digit.

use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;
use engine::Agent;
use engine::DefinitionRef;
use engine::Event;
use engine::Input;
use engine::ModelCall;
use engine::RunKind;
use engine::RunStarted;
use engine::Step;
use llm::Answer;
use llm::FinishReason;
use llm::Message;
use llm::Part;
use llm::Role;
use llm::Usd;
use llm::price::Price;
use serde_json::Value;
use serde_json::json;

use crate::script::Script;

/// A run with these limits that is about to ask its model.
fn run(max_tokens: Option<u64>, max_cost_usd: Option<&str>) -> Agent {
    let mut script = Script::new(Vec::new());
    script.limits.max_tokens = max_tokens;
    script.limits.max_cost_usd = max_cost_usd.map(|text| text.parse().unwrap());
    let limits = script.limits;
    let mut agent = script.agent();
    let definition = DefinitionRef { id: "a".to_owned(), name: "adder".to_owned(), version: 1 };
    let started = RunStarted {
        kind: RunKind::Agent,
        definition,
        input: Input::Text("One and two?".to_owned()),
        thread_id: None,
        parent_run_id: None,
        forked_from: None,
        is_retry: false,
        foreign: 0,
        limits,
    };
    apply(&mut agent, started);
    due(&mut agent);
    agent
}

fn apply(agent: &mut Agent, event: impl Into<Event>) {
    agent.apply(&event.into(), DateTime::<Utc>::UNIX_EPOCH);
}

/// The next model call, after what is only to be recorded before it.
fn due(agent: &mut Agent) -> ModelCall {
    loop {
        match agent.next(DateTime::UNIX_EPOCH) {
            Step::Record(event) => apply(agent, event),
            Step::CallTools(calls) => {
                for call in calls {
                    apply(agent, call.started.clone());
                    let call_id = call.started.call_id;
                    let status = llm::ToolStatus::Done;
                    let (result, error, duration_ms) = (json!(3), None, 0);
                    apply(
                        agent,
                        engine::ToolFinished { call_id, status, result, error, duration_ms },
                    );
                }
            }
            Step::CallModel(call) => return call,
            other => unreachable!("{other:?}"),
        }
    }
}

/// Lets the model call the tool, and use this for it.
fn answer(agent: &mut Agent, usage: llm::Usage, cost: Option<Usd>) {
    let call = due(agent);
    apply(agent, call.started.clone());
    let arguments: Value = json!({"a": 1, "b": 2});
    let (call_id, tool) = ("a".to_owned(), "add".to_owned());
    let part = Part::ToolCall { call_id, tool, arguments, malformed: None };
    let message = Message { role: Role::Assistant, content: vec![part] };
    let answer = Answer { message, finish_reason: FinishReason::ToolCalls, usage };
    let finished = agent.answered(&call.started, answer, cost, Duration::ZERO);
    apply(agent, finished);
}

fn used(input_tokens: u64, output_tokens: u64) -> llm::Usage {
    llm::Usage { input_tokens, output_tokens, ..llm::Usage::default() }
}

#[test]
fn a_call_may_use_all_that_is_left_and_no_token_more() {
    let mut agent = run(Some(1_000), None);
    let call = due(&mut agent);

    let bound = agent.bound(&call, None).unwrap();

    assert_eq!(bound.input_tokens + bound.output_tokens, 1_000);
    assert_eq!(bound.lowered_by.as_ref().unwrap().limit, "max_tokens");
    let exactly = run(Some(bound.input_tokens + 1), None);
    assert_eq!(exactly.bound(&call, None).unwrap().output_tokens, 1);
    let reached = run(Some(bound.input_tokens), None).bound(&call, None).unwrap_err();
    assert_eq!((reached.used, reached.needs), (json!(0), Some(json!(bound.input_tokens + 1))));
}

#[test]
fn what_a_model_has_counted_is_not_guessed_again() {
    let mut agent = run(Some(1_000), None);
    answer(&mut agent, used(100, 20), None);
    let call = due(&mut agent);

    let bound = agent.bound(&call, None).unwrap();

    let new = llm::most_tokens(&call.request.messages[2..]);
    assert_eq!(bound.input_tokens, 120 + new);
    assert_eq!(bound.output_tokens, 1_000 - 120 - 120 - new);
}

#[test]
fn money_is_counted_to_the_last_digit() {
    let price: Price = "in:0.1,out:0.3".parse().unwrap();
    let mut agent = run(None, Some("0.000100000001"));
    let first = due(&mut agent);
    let input = agent.bound(&first, Some(&price)).unwrap().input_tokens;
    answer(&mut agent, used(100, 20), Some(price.cost(&used(100, 20))));
    let call = due(&mut agent);

    let bound = agent.bound(&call, Some(&price)).unwrap();

    // 16 millionths are spent; the tenth of a millionth that a token of input costs is left out.
    let left = "0.000084000001".parse::<Usd>().unwrap();
    assert_eq!(Some(bound.output_tokens), price.output_for(left, bound.input_tokens));
    assert!(price.most(bound.input_tokens, bound.output_tokens) <= left);
    assert!(price.most(bound.input_tokens, bound.output_tokens + 1) > left);
    assert!(input > 0);
}

#[test]
fn what_nobody_knows_the_price_of_is_not_paid_for() {
    let mut agent = run(None, Some("1"));
    let call = due(&mut agent);

    assert_eq!(agent.bound(&call, None).unwrap_err().limit, "max_cost_usd");

    answer(&mut agent, used(100, 20), None);
    while !matches!(agent.next(DateTime::UNIX_EPOCH), Step::Finish(_)) {
        match agent.next(DateTime::UNIX_EPOCH) {
            Step::CallModel(_) => panic!("the model is asked again"),
            Step::Record(event) => apply(&mut agent, event),
            _ => drop(due_tools(&mut agent)),
        }
    }
}

#[test]
fn what_an_attempt_without_an_answer_may_have_used_is_not_there_for_the_next() {
    let price: Price = "in:0.1,out:0.3".parse().unwrap();
    let begin = || {
        let mut agent = run(Some(2_000), None);
        let mut started = due(&mut agent).started;
        let tokens = used(100, 200);
        started.may_use = Some(engine::Usage { tokens, cost_usd: Some(price.cost(&tokens)) });
        apply(&mut agent, started.clone());
        (agent, started)
    };
    let left = |mut agent: Agent| {
        let call = due(&mut agent);
        let bound = agent.bound(&call, None).unwrap();
        bound.input_tokens + bound.output_tokens
    };

    let (mut failed, started) = begin();
    let error = crate::script::error(true);
    let broken = llm::ModelError { kind: llm::ErrorKind::BrokenOff, ..error.clone() };
    let end = failed.failed(&started, &broken, None, 0.0);
    apply(&mut failed, end);
    assert_eq!(left(failed), 1_700);

    let (mut refused, started) = begin();
    let end = refused.failed(&started, &error, None, 0.0);
    apply(&mut refused, end);
    assert_eq!(left(refused), 2_000);

    let (mut cut, _) = begin();
    apply(&mut cut, engine::RunResumed { attempt: 2, reason: engine::ResumeReason::Recovery });
    assert_eq!(left(cut), 1_700);

    let (mut untold, started) = begin();
    let content = vec![Part::ToolCall {
        call_id: "a".to_owned(),
        tool: "add".to_owned(),
        arguments: json!({"a": 1, "b": 2}),
        malformed: None,
    }];
    let message = Message { role: Role::Assistant, content };
    let answer = Answer { message, finish_reason: FinishReason::ToolCalls, usage: used(0, 0) };
    let end = untold.answered(&started, answer, None, Duration::ZERO);
    apply(&mut untold, end);
    assert_eq!(left(untold), 1_700);
}

#[test]
fn a_limit_that_cuts_an_answer_gives_its_calls_a_result() {
    let mut agent = run(Some(1_000), None);
    answer(&mut agent, used(100, 20), None);
    let call = due(&mut agent);
    let reached = run(Some(1), None).bound(&call, None).unwrap_err();
    let mut agent = run(Some(1_000), None);
    answer(&mut agent, used(100, 20), None);

    apply(&mut agent, *reached);

    let Step::Record(Event::ToolFinished(it)) = agent.next(DateTime::UNIX_EPOCH) else { panic!() };
    assert_eq!((it.call_id.as_str(), it.status), ("a", llm::ToolStatus::Failed));
    apply(&mut agent, it);
    assert!(matches!(agent.next(DateTime::UNIX_EPOCH), Step::Finish(_)));
    let said = agent.said();
    assert_eq!(said.iter().map(|it| it.content.len()).collect::<Vec<_>>(), [1, 1, 1]);
}

/// Lets the tools finish.
fn due_tools(agent: &mut Agent) -> usize {
    let Step::CallTools(calls) = agent.next(DateTime::UNIX_EPOCH) else { return 0 };
    for call in &calls {
        apply(agent, call.started.clone());
        let call_id = call.started.call_id.clone();
        let (status, result) = (llm::ToolStatus::Done, json!(3));
        apply(agent, engine::ToolFinished { call_id, status, result, error: None, duration_ms: 0 });
    }
    calls.len()
}
