//! Forks that go on with another version, or with other outputs.

use engine::Cut;
use engine::Outcome;
use serde_json::Value;
use serde_json::json;

use crate::forks::made;
use crate::script::Log;
use crate::script::Script;
use crate::script::end;

fn second(steps: Value) -> Script {
    let mut script = Script::new(steps);
    script.version = 2;
    script
}

/// All of a log, as it is.
fn all(log: &Log) -> Cut<'static> {
    Cut::Seq(u64::try_from(log.len()).unwrap() + 1)
}

#[test]
fn attempts_that_failed_are_not_taken_over() {
    let steps = |max: u32| {
        json!([
            {"id": "fetch", "type": "tool", "tool": "read", "input": 1, "retry": {"max": max, "backoff_ms": 10}},
            {"id": "each", "type": "foreach", "items": [1], "do": [{"id": "in", "type": "tool", "tool": "put", "retry": {"max": max, "backoff_ms": 10}}]},
            {"id": "last", "type": "mapping", "output": {"$": "/steps/fetch/output"}}
        ])
    };
    let mut script = Script::new(steps(2));
    script.fails.extend([("fetch", "busy"), ("fetch#2", "busy"), ("each[0].in", "busy")]);
    let log = script.run();
    assert_eq!(end(&log), (Outcome::Succeeded, json!(1)));

    for cut in [Cut::Step("last"), all(&log)] {
        let fork = second(steps(0)).fork(&log, cut, &json!({})).unwrap();
        assert_eq!(end(&fork), end(&log), "{cut:?}");
        assert_eq!(made(&fork), [""; 0]);
    }
}

#[test]
fn what_comes_after_an_output_that_was_given_has_what_it_is_given() {
    let steps = json!([
        {"id": "both", "type": "parallel", "branches": {
            "a": [{"id": "list", "type": "tool", "tool": "pay", "input": [1, 2, 3]}],
            "b": [{"id": "way", "type": "conditional", "cases": [
                {"when": {"op": "truthy", "value": {"$": "/input/yes"}}, "then": [{"id": "yes", "type": "tool", "tool": "pay", "input": "?"}]}]}]}},
        {"id": "each", "type": "foreach", "items": {"$": "/previous/a"}, "do": [{"id": "one", "type": "tool", "tool": "pay", "input": {"$": "/item"}}]},
        {"id": "last", "type": "mapping", "output": [{"$": "/previous"}, {"$": "/steps/both/output"}, {"$": "/steps/way/output"}]}
    ]);
    let mut failing = Script::new(steps.clone());
    failing.fails.insert("each[1].one", "broken");
    let log = failing.run();
    assert_eq!(end(&log).0, Outcome::Failed);

    let fork = Script::new(steps).fork(&log, all(&log), &json!({"yes": "given"})).unwrap();

    let both = json!({"a": [1, 2, 3], "b": "given"});
    assert_eq!(end(&fork), (Outcome::Succeeded, json!([[1, 2, 3], both, "given"])));
    assert_eq!(made(&fork), ["each[1].one", "each[2].one"]);
}

#[test]
fn an_entry_that_was_in_turns_is_made_anew_outside_of_them() {
    let turn = |id: &str| json!({"id": id, "type": "tool", "tool": "pay", "input": {"$": "/item"}});
    let each =
        |id: &str| json!({"id": "each", "type": "foreach", "items": [1, 2], "do": [turn(id)]});
    let log = Script::new(json!([each("a")])).run();
    let script = second(json!([{"id": "a", "type": "tool", "tool": "pay", "input": 5}, each("b")]));

    let fork = script.fork(&log, all(&log), &json!({})).unwrap();

    assert_eq!(made(&fork), ["a", "each[0].b", "each[1].b"]);
    assert_eq!(end(&fork), (Outcome::Succeeded, json!([1, 2])));
}

#[test]
fn what_is_new_within_an_entry_that_is_over_is_made() {
    let pay = |id: &str| json!({"id": id, "type": "tool", "tool": "pay", "input": id});
    let steps = |branches: Value, turn: Value| {
        json!([
            {"id": "both", "type": "parallel", "branches": branches},
            {"id": "each", "type": "foreach", "items": [1, 2], "do": turn},
            {"id": "last", "type": "mapping", "output": {"$": "/steps/both/output"}}
        ])
    };
    let first = steps(json!({"a": [pay("a")]}), json!([pay("in")]));
    let log = Script::new(first).run();
    let fork = |branches, turn| {
        let script = second(steps(branches, turn));
        script.fork(&log, all(&log), &json!({})).unwrap()
    };

    let other = fork(json!({"a": [pay("a")], "b": [pay("b")]}), json!([pay("in")]));
    assert_eq!(end(&other), (Outcome::Succeeded, json!({"a": "a", "b": "b"})));
    assert_eq!(made(&other), ["b", "each[0].in", "each[1].in"]);
    let other = fork(json!({"a": [pay("a")]}), json!([pay("in"), pay("more")]));
    assert_eq!(made(&other), ["each[0].more", "each[1].more"]);
    // If nothing is new, nothing is made.
    assert_eq!(made(&fork(json!({"a": [pay("a")]}), json!([pay("in")]))), [""; 0]);
}

#[test]
fn what_was_given_for_entries_stays_in_a_fork_of_the_fork() {
    let steps = json!([
        {"id": "both", "type": "parallel", "branches": {
            "a": [{"id": "a", "type": "tool", "tool": "pay"}], "b": [{"id": "bad", "type": "tool", "tool": "read"}]}},
        {"id": "last", "type": "mapping", "output": {"$": "/previous"}}
    ]);
    let mut failing = Script::new(steps.clone());
    failing.fails.insert("bad", "broken");
    let (log, script) = (failing.run(), Script::new(steps));

    let fork = script.fork(&log, all(&log), &json!({"both": "given"})).unwrap();
    assert_eq!(end(&fork), (Outcome::Succeeded, json!("given")));
    let again = script.fork(&fork, Cut::Step("last"), &json!({})).unwrap();

    assert_eq!(end(&again), (Outcome::Succeeded, json!("given")));
    assert_eq!(made(&again), [""; 0]);
}
