//! Calls that another agent answers, in a run of its own.

use engine::Callee;
use engine::ChildFinished;
use engine::Event;
use engine::RunKind;
use expect_test::expect;
use serde_json::json;

use crate::script::Script;
use crate::script::at;
use crate::script::calls;
use crate::script::says;

fn asks_another() -> Script {
    let call = calls(&[("a", "add", json!({"a": 1, "b": 2}))]);
    let mut script = Script::new(vec![call, says("He says 3.")]);
    script.callee = Callee::Agent("adder".to_owned());
    script
}

#[test]
fn the_run_waits_for_its_child() {
    asks_another().check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        child.started child_of_a adder a
        run.waiting Waiting child_of_a
        run.resumed
        child.finished child_of_a Succeeded
        tool.finished a "from the child"
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a "from the child"]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "He says 3."
    "#]]);
}

#[test]
fn a_workflow_is_run_as_another_agent_is_asked() {
    let asked = asks_another().run();
    let mut script = asks_another();
    script.callee = Callee::Workflow("adder".to_owned());
    let run = script.run();

    let kind = |log: &[Event]| {
        log.iter().find_map(|it| match it {
            Event::ChildStarted(it) => Some(it.kind),
            _ => None,
        })
    };
    assert_eq!((kind(&asked), kind(&run)), (Some(RunKind::Agent), Some(RunKind::Workflow)));
    assert_eq!((asked.len(), asked.last()), (run.len(), run.last()));
    let begun = run.iter().position(|it| it.name() == "child.started").unwrap();
    for cut in (1..run.len()).filter(|cut| *cut != begun) {
        assert_eq!(script.go_on(run[..cut].to_vec()).last(), run.last(), "cut after event {cut}");
    }
}

#[test]
fn what_children_use_counts_against_the_limits_of_the_run() {
    let mut script = asks_another();
    script.limits.max_tokens = Some(50);

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        child.started child_of_a adder a
        run.waiting Waiting child_of_a
        run.resumed
        child.finished child_of_a Succeeded
        tool.finished a "from the child"
        step.finished 1 Done
        limit.reached max_tokens 100 of 50
        run.finished Failed  Limit: the run reached its max_tokens of 50
    "#]]);
}

#[test]
fn a_child_is_begun_once_wherever_the_run_is_cut() {
    let script = asks_another();
    let whole = script.run();
    // Between the beginning of the call and that of the child there is no commit.
    let begun = whole.iter().position(|it| it.name() == "child.started").unwrap();

    for cut in (1..whole.len()).filter(|cut| *cut != begun) {
        let again = script.go_on(whole[..cut].to_vec());
        assert_eq!(again.last(), whole.last(), "cut after event {cut}");
        let children = again.iter().filter(|it| it.name() == "child.started").count();
        assert_eq!(children, 1, "cut after event {cut}");
    }
}

/// Lets the run begin one child, wait for it from the first to the last of these times in seconds, and learn
/// that it worked so long; what is left of its time is returned.
fn left_after_child(waited: i64, worked_ms: Option<u64>) -> i64 {
    let script = asks_another();
    let log = script.run();
    let end = log.iter().position(|it| it.name() == "child.finished").unwrap();
    let mut agent = script.agent();
    for event in &log[..end] {
        let is_over = event.name() == "run.resumed";
        agent.apply(event, at(if is_over { waited * 1_000 } else { 0 }));
    }
    let Event::ChildFinished(finished) = log[end].clone() else { unreachable!() };
    let finished = ChildFinished { worked_ms, ..finished };
    agent.apply(&finished.into(), at(waited * 1_000));
    (agent.deadline().unwrap() - at(waited * 1_000)).num_seconds()
}

#[test]
fn the_work_of_a_child_counts_and_its_waiting_for_a_person_does_not() {
    assert_eq!(left_after_child(9, Some(9_000)), 591);
    assert_eq!(left_after_child(86_400, Some(9_000)), 591);
    assert_eq!(left_after_child(9, Some(0)), 600);
    // No more than there was.
    assert_eq!(left_after_child(9, Some(u64::MAX)), 591);
    // As the engine counted that wrote so.
    assert_eq!(left_after_child(9, None), 600);
}

#[test]
fn the_work_of_children_at_once_counts_once() {
    let two =
        calls(&[("a", "add", json!({"a": 1, "b": 2})), ("b", "add", json!({"a": 3, "b": 4}))]);
    let mut script = Script::new(vec![two, says("3 and 7.")]);
    script.callee = Callee::Agent("adder".to_owned());
    let mut agent = script.agent();
    for event in script.run() {
        let event = match event {
            Event::ChildFinished(it) => ChildFinished { worked_ms: Some(9_000), ..it }.into(),
            event => event,
        };
        let is_over = agent.open_children().count() > 0 && event.name() != "run.waiting";
        let seconds = if is_over && event.name() != "child.started" { 10 } else { 0 };
        agent.apply(&event, at(seconds * 1_000));
        if agent.steps() == 2 {
            break;
        }
    }

    assert_eq!((agent.deadline().unwrap() - at(0)).num_seconds(), 601);
}

#[test]
fn so_many_children_are_at_work_at_once_and_the_others_follow() {
    let ids = ["a", "b", "c", "d", "e"];
    let five = ids.map(|id| (id, "add", json!({"a": 1, "b": 2})));
    let mut script = Script::new(vec![calls(&five), says("3, five times.")]);
    script.callee = Callee::Agent("adder".to_owned());
    script.limits.max_parallel_tool_calls = 2;

    let log = script.run();

    let mut open = 0_i32;
    for event in &log {
        match event.name() {
            "child.started" => open += 1,
            "child.finished" => open -= 1,
            _ => {}
        }
        assert!((0..=2).contains(&open), "{event:?}");
    }
    assert_eq!(log.iter().filter(|it| it.name() == "child.finished").count(), 5);
    assert_eq!(log.last().unwrap().name(), "run.finished");
}

#[test]
fn an_answer_makes_so_many_calls_and_no_more() {
    let ids: Vec<String> = (0..2_000).map(|n| format!("c{n}")).collect();
    let many: Vec<_> = ids.iter().map(|id| (id.as_str(), "add", json!({"a": 1, "b": 2}))).collect();
    let mut script = Script::new(vec![calls(&many), says("Enough.")]);
    script.callee = Callee::Agent("adder".to_owned());

    let log = script.run();

    let count = |name| log.iter().filter(|it| it.name() == name).count();
    assert_eq!(
        (count("child.started"), count("tool.started"), count("tool.finished")),
        (64, 64, 2_000)
    );
    let refused = log.iter().find_map(|it| match it {
        Event::ToolFinished(it) => it.error.clone(),
        _ => None,
    });
    assert_eq!(
        refused.unwrap().message,
        "an answer makes at most 64 calls, and this one is not made"
    );
}
