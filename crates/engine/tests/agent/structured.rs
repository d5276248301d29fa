//! Answers that must be values of a schema.

use engine::Event;
use engine::Outcome;
use engine::OutputSpec;
use engine::Step;
use expect_test::expect;
use llm::ToolChoice;
use serde_json::json;

use crate::script::Script;
use crate::script::at;
use crate::script::calls;
use crate::script::says;

fn script(answers: &[&str]) -> Script {
    let mut script = Script::new(answers.iter().map(|text| says(text)).collect());
    let schema =
        json!({"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]});
    script.output = Some(OutputSpec::new(schema).unwrap());
    script
}

#[test]
fn an_answer_that_does_not_fit_is_given_once_more() {
    let script = script(&["three", r#"{"sum": "three"}"#, r#"{"sum": 3}"#]);

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, user
        model.finished m2
        step.finished 2 Done
        step.started 3
        model.started m3 test/one attempt 1: user, assistant, user, assistant, user
        model.finished m3
        step.finished 3 Done
        run.finished Succeeded "{\"sum\": 3}"
    "#]]);
    let log = script.run();
    let Some(Event::RunFinished(end)) = log.last() else { panic!("{log:?}") };
    let output = serde_json::to_value(&end.output).unwrap();
    assert_eq!(output["object"], json!({"sum": 3}));
}

#[test]
fn what_was_wrong_is_told_to_the_model_and_not_kept_in_the_thread() {
    let script = script(&["three", r#"{"sum": 3}"#]);
    let mut agent = script.agent();
    let mut told = String::new();
    for event in script.run() {
        if let Step::CallModel(call) = agent.next(at(0)) {
            told = call.request.messages.last().unwrap().text();
        }
        agent.apply(&event, at(0));
    }

    assert!(told.starts_with("Your answer cannot be used: it is no JSON: "), "{told}");
    let said: Vec<_> = agent.said().iter().map(llm::Message::text).collect();
    assert_eq!(said, ["Add!", r#"{"sum": 3}"#]);
}

#[test]
fn a_model_that_cannot_do_it_fails_the_run() {
    let script = script(&["a", "b", "c", "d"]);

    let log = script.run();

    let Some(Event::RunFinished(end)) = log.last() else { panic!("{log:?}") };
    assert_eq!(end.status, Outcome::Failed);
    let error = end.error.as_ref().unwrap();
    assert_eq!(error.kind, engine::RunErrorKind::Output);
    assert_eq!(log.iter().filter(|it| it.name() == "model.finished").count(), 3);
}

#[test]
fn a_run_that_is_cut_after_any_event_repairs_no_more_and_no_less() {
    let script = script(&["three", r#"{"sum": 3}"#]);
    let whole = script.run();

    for cut in 1..whole.len() {
        let again = script.go_on(whole[..cut].to_vec());

        assert_eq!(again.last(), whole.last(), "cut after event {cut}");
    }
}

#[test]
fn no_more_calls_than_allowed_are_made_at_once() {
    let call = |id| (id, "add", json!({"a": 1, "b": 2}));
    let mut script = Script::new(vec![calls(&[call("a"), call("b"), call("c")]), says("9")]);
    script.limits.max_parallel_tool_calls = 2;

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        tool.started b add
        tool.finished b 3
        tool.finished a 3
        tool.started c add
        tool.finished c 3
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a 3] [b 3] [c 3]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "9"
    "#]]);
}

#[test]
fn a_model_must_call_only_in_its_first_turn() {
    let answers = vec![calls(&[("a", "add", json!({"a": 1, "b": 2}))]), says("3")];
    let mut script = Script::new(answers);
    script.tool_choice = ToolChoice::Required;
    let mut agent = script.agent();
    let mut choices = Vec::new();
    for event in script.run() {
        if let Step::CallModel(call) = agent.next(at(0)) {
            choices.push(call.request.options.tool_choice);
        }
        agent.apply(&event, at(0));
    }

    assert_eq!(choices.first(), Some(&ToolChoice::Required));
    assert_eq!(choices.last(), Some(&ToolChoice::Auto));
}
