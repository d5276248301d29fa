//! The loop with a scripted model: what it records, and that any cut of its log changes nothing.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod approvals;
mod children;
mod citations;
mod forks;
mod limits;
mod logs;
mod script;
mod structured;

use engine::Event;
use engine::Outcome;
use engine::RunErrorKind;
use engine::Step;
use expect_test::expect;
use llm::Answer;
use llm::FinishReason;
use llm::ModelError;
use script::Script;
use script::assistant;
use script::at;
use script::calls;
use script::error;
use script::says;
use script::started;
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

#[test]
fn a_model_that_calls_nothing_that_can_be_called_is_told_so_five_times() {
    let wrong = |n: usize| {
        let (tool, arguments) =
            if n.is_multiple_of(2) { ("ad", json!({})) } else { ("add", json!({})) };
        calls(&[(&format!("c{n}"), tool, arguments)])
    };
    let script = Script::new((1..=6).map(wrong).collect());

    let log = script.run();

    let Some(Event::RunFinished(end)) = log.last() else { panic!("no end") };
    let error = end.error.as_ref().unwrap();
    assert_eq!((end.status, error.kind), (Outcome::Failed, RunErrorKind::Tool));
    assert_eq!(error.message, "in 5 turns in a row the model called nothing that can be called");
    assert_eq!(log.iter().filter(|it| it.name() == "model.finished").count(), 5);
}

#[test]
fn a_call_that_can_be_made_begins_the_count_anew() {
    let turn = |n: usize| {
        let arguments = if n == 4 { json!({"a": 1, "b": 2}) } else { json!({}) };
        calls(&[(&format!("c{n}"), "add", arguments)])
    };
    let script = Script::new((1..=8).map(turn).chain([says("done")]).collect());

    let log = script.run();

    let Some(Event::RunFinished(end)) = log.last() else { panic!("no end") };
    assert_eq!((end.status, &end.error), (Outcome::Succeeded, &None));
}
