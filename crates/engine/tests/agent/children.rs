//! Calls that another agent answers, in a run of its own.

use engine::Callee;
use expect_test::expect;
use serde_json::json;

use crate::script::Script;
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
