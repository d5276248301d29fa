//! Data that does not fit fails an entry with a clear error; nothing hangs, and nothing grows without end.

use engine::Limits;
use engine::Outcome;
use serde_json::Value;
use serde_json::json;

use crate::script::Script;

#[track_caller]
fn fails(steps: Value, input: Value, why: &str) {
    let mut script = Script::new(steps);
    script.input = input;
    assert_eq!(script.end(), (Outcome::Failed, json!(why)));
}

#[test]
fn what_is_no_list_or_too_long_has_no_turns() {
    let steps = json!([{"id": "each", "type": "foreach", "items": {"$": "/input/x"}, "max_items": 2, "do": [{"id": "a", "type": "mapping", "output": 1}]}]);

    fails(steps.clone(), json!({"x": {"a": 1}}), "`items` is an object, not a list");
    fails(steps.clone(), json!({}), "`items` is null, not a list");
    fails(steps, json!({"x": vec![0; 10_000]}), "`items` has 10000 items, and may have 2");
}

#[test]
fn what_is_no_time_is_not_waited_for() {
    let sleep = json!([{"id": "a", "type": "sleep", "duration_ms": {"$": "/input/x"}}]);
    let why = |it: &str| format!("`duration_ms` is {it}, not an integer from 0 to 31622400000");
    fails(sleep.clone(), json!({"x": -1}), &why("-1"));
    fails(sleep.clone(), json!({"x": 1e300}), &why("1e+300"));
    fails(sleep, json!({"x": "soon"}), &why("\"soon\""));
    let until = json!([{"id": "a", "type": "sleep_until", "until": {"$": "/input/x"}}]);
    fails(
        until.clone(),
        json!({"x": "2027-02-30T00:00:00Z"}),
        "`until` is \"2027-02-30T00:00:00Z\", not a time",
    );
    fails(until, json!({"x": {}}), "`until` is an object, not a time");
}

#[test]
fn a_key_of_a_megabyte_is_refused() {
    let steps =
        json!([{"id": "a", "type": "wait_for_event", "event": "e", "key": {"$": "/input/x"}}]);

    fails(steps, json!({"x": "k".repeat(1_000_000)}), "`key` has 1000000 bytes, and may have 1000");
}

#[test]
fn a_value_that_doubles_with_each_turn_ends_the_run() {
    let steps = json!([{"id": "again", "type": "loop", "input": "x", "max_iterations": 60,
        "until": {"op": "eq", "left": {"$": "/index"}, "right": 59},
        "do": [{"id": "twice", "type": "mapping", "output": {"$template": "{{ previous }}{{ previous }}"}}]}]);

    fails(steps, json!({}), "the value would have more than 1,048,576 bytes as JSON");
}

#[test]
fn entries_are_begun_as_often_as_the_limit_says() {
    let mut script = Script::new(
        json!([{"id": "each", "type": "foreach", "items": [1, 2, 3, 4], "do": [{"id": "a", "type": "mapping", "output": 1}]}]),
    );
    script.limits = Limits { max_steps: 3, ..Limits::default() };

    assert_eq!(script.end(), (Outcome::Failed, json!("the run reached its max_steps of 3")));
    script.check_all_cuts();
}

#[test]
fn time_at_work_is_limited_and_time_asleep_is_not() {
    let mut script = Script::new(json!([
        {"id": "nap", "type": "sleep", "duration_ms": 86_400_000},
        {"id": "hang", "type": "tool", "tool": "read"}
    ]));
    script.limits = Limits { timeout_ms: 1000, ..script.limits };
    script.hangs = vec!["hang"];

    assert_eq!(script.end(), (Outcome::TimedOut, json!("the run was not done in 1000 ms")));
}

#[test]
fn no_more_is_at_work_at_once_than_the_limit_says() {
    let mut script = Script::new(
        json!([{"id": "each", "type": "foreach", "items": [1, 2, 3], "concurrency": 3, "do": [{"id": "a", "type": "tool", "tool": "read"}]}]),
    );
    script.limits = Limits { max_parallel_tool_calls: 2, ..script.limits };

    let log = script.run();
    let mut open = 0;
    for (event, _) in &log {
        match event.name() {
            "tool.started" => open += 1,
            "tool.finished" => open -= 1,
            _ => {}
        }
        assert!(open <= 2, "{log:#?}");
    }
}

#[test]
fn a_thousand_turns_take_no_longer_each_than_ten() {
    let mut script = Script::new(
        json!([{"id": "each", "type": "foreach", "items": {"$": "/input"}, "concurrency": 8, "do": [{"id": "a", "type": "mapping", "output": {"$": "/item"}}]}]),
    );
    script.limits = Limits { max_steps: 1000, ..script.limits };
    script.input = (0..900).collect();

    let (outcome, output) = script.end();

    assert_eq!((outcome, output), (Outcome::Succeeded, (0..900).collect::<Value>()));
}
