//! Runs of workflows: what they record, and that any cut of their log changes nothing.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::panic, reason = "a panic is a failed test")]

mod bounds;
mod definitions;
mod ends;
mod forks;
mod logs;
mod retries;
mod script;
mod versions;

use engine::Decision;
use engine::Outcome;
use expect_test::expect;
use script::Script;
use serde_json::Value;
use serde_json::json;

#[test]
fn entries_run_in_order_and_read_what_came_before() {
    let mut script = Script::new(json!([
        {"id": "fetch", "type": "tool", "tool": "read", "input": {"id": {"$": "/input/n"}}},
        {"id": "ask", "type": "agent", "agent": "support", "input": {"$template": "Explain {{ steps.fetch.output.id }} to {{ context.who }}."}},
        {"id": "sum", "type": "mapping", "output": {"said": {"$": "/previous/text"}, "status": {"$": "/steps/fetch/status"}}}
    ]));
    script.output = json!([{"$": "/steps/sum/output"}, {"$": "/previous/said"}]);

    script.check(expect![[r#"
        run.started
        step.started fetch
        tool.started fetch read({"id":1})
        tool.finished fetch Done
        step.finished fetch {"id":1}
        step.started ask
        child.started run_ask support("Explain 1 to Ada.")
        run.waiting Waiting 1
        run.resumed Child
        child.finished run_ask Succeeded
        step.finished ask {"text":"run_ask"}
        step.started sum
        step.finished sum {"said":"run_ask","status":"done"}
        run.finished Succeeded [{"said":"run_ask","status":"done"},"run_ask"]
    "#]]);
}

#[test]
fn branches_run_at_once_and_join_by_name() {
    let script = Script::new(json!([
        {"id": "both", "type": "parallel", "input": {"x": 1}, "branches": {
            "a": [{"id": "a1", "type": "tool", "tool": "read"}, {"id": "a2", "type": "mapping", "output": {"$": "/previous/x"}}],
            "b": [{"id": "b1", "type": "tool", "tool": "pay"}]
        }},
        {"id": "end", "type": "mapping", "output": {"all": {"$": "/previous"}, "inner": {"$": "/steps/a2/output"}}}
    ]));

    script.check(expect![[r#"
        run.started
        step.started both
        step.started a1
        step.started b1
        tool.started a1 read({"x":1})
        tool.started b1 pay({"x":1})
        tool.finished b1 Done
        step.finished b1 {"x":1}
        tool.finished a1 Done
        step.finished a1 {"x":1}
        step.started a2
        step.finished a2 1
        step.finished both {"a":1,"b":{"x":1}}
        step.started end
        step.finished end {"all":{"a":1,"b":{"x":1}},"inner":1}
        run.finished Succeeded {"all":{"a":1,"b":{"x":1}},"inner":1}
    "#]]);
}

#[test]
fn the_first_case_that_holds_is_taken_and_the_others_leave_nothing() {
    let steps = json!([
        {"id": "route", "type": "conditional", "cases": [
            {"when": {"op": "gt", "left": {"$": "/input/n"}, "right": "text"}, "then": [{"id": "never", "type": "mapping", "output": 0}]},
            {"when": {"op": "gt", "left": {"$": "/input/n"}, "right": 10}, "then": [{"id": "big", "type": "mapping", "output": "big"}]},
            {"when": {"op": "gt", "left": {"$": "/input/n"}, "right": 5}, "then": [{"id": "middle", "type": "mapping", "output": "middle"}]}
        ], "otherwise": []},
        {"id": "join", "type": "mapping", "output": {"first": {"$first": [{"$": "/steps/big/output"}, {"$": "/steps/middle/output"}, "none"]}, "last": {"$": "/previous"}}}
    ]);
    let of = |n: u32| {
        let mut script = Script::new(steps.clone());
        script.input = json!({ "n": n });
        script.end()
    };

    assert_eq!(of(11), (Outcome::Succeeded, json!({"first": "big", "last": "big"})));
    assert_eq!(of(6), (Outcome::Succeeded, json!({"first": "middle", "last": "middle"})));
    assert_eq!(of(1), (Outcome::Succeeded, json!({"first": "none", "last": {"n": 1}})));
}

#[test]
fn turns_run_as_many_at_once_as_they_may_and_results_keep_the_order() {
    let script = Script::new(json!([
        {"id": "each", "type": "foreach", "items": {"$": "/input/list"}, "concurrency": 2, "do": [
            {"id": "send", "type": "tool", "tool": "pay", "input": {"n": {"$": "/item"}, "at": {"$": "/index"}}},
            {"id": "keep", "type": "mapping", "output": {"$template": "{{ index }}:{{ steps.send.output.n }}"}}
        ]}
    ]));

    script.check(expect![[r#"
        run.started
        step.started each
        step.started each[0].send
        step.started each[1].send
        tool.started each[0].send pay({"at":0,"n":1})
        tool.started each[1].send pay({"at":1,"n":2})
        tool.finished each[1].send Done
        step.finished each[1].send {"at":1,"n":2}
        step.started each[1].keep
        step.finished each[1].keep "1:2"
        step.started each[2].send
        tool.started each[2].send pay({"at":2,"n":3})
        tool.finished each[2].send Done
        step.finished each[2].send {"at":2,"n":3}
        step.started each[2].keep
        step.finished each[2].keep "2:3"
        tool.finished each[0].send Done
        step.finished each[0].send {"at":0,"n":1}
        step.started each[0].keep
        step.finished each[0].keep "0:1"
        step.finished each ["0:1","1:2","2:3"]
        run.finished Succeeded ["0:1","1:2","2:3"]
    "#]]);
}

#[test]
fn loops_test_before_or_after_their_turns() {
    let script = |member: &str, op: &str, most: u32| {
        Script::new(json!([
            {"id": "again", "type": "loop", "input": 0, "max_iterations": most,
             member: {"op": op, "left": {"$": "/index"}, "right": 2},
             "do": [{"id": "one", "type": "mapping", "output": {"$template": "{{ previous }}{{ index }}"}}]}
        ]))
    };

    assert_eq!(script("while", "lt", 5).end(), (Outcome::Succeeded, json!("001")));
    assert_eq!(script("until", "gte", 5).end(), (Outcome::Succeeded, json!("0012")));
    assert_eq!(script("while", "gt", 5).end(), (Outcome::Succeeded, json!(0)));
    let (outcome, why) = script("until", "gte", 2).end();
    assert_eq!((outcome, why), (Outcome::Failed, json!("the loop was not over after 2 turns")));
}

#[test]
fn a_graph_runs_what_it_can_and_joins_by_ids() {
    let script = Script::new(json!([
        {"id": "last", "type": "mapping", "output": {"$": "/previous"}, "depends_on": ["left", "right"]},
        {"id": "left", "type": "tool", "tool": "read", "input": "l", "depends_on": ["first"]},
        {"id": "right", "type": "tool", "tool": "read", "input": "r", "depends_on": ["first"]},
        {"id": "first", "type": "mapping", "output": 1}
    ]));

    assert_eq!(script.end(), (Outcome::Succeeded, json!({"left": "l", "right": "r"})));
    script.check_all_cuts();
}

#[test]
fn runs_sleep_and_wait_for_events_and_people() {
    let mut script = Script::new(json!([
        {"id": "nap", "type": "sleep", "duration_ms": 3_600_000},
        {"id": "day", "type": "sleep_until", "until": "2026-12-02T00:00:00Z"},
        {"id": "paid", "type": "wait_for_event", "event": "payment", "key": {"$": "/input/n"}, "schema": {"type": "object"}},
        {"id": "ok", "type": "approval", "message": "Send {{ steps.paid.output.sum }}?", "input": {"$": "/previous"}}
    ]));
    script.events.insert("payment", json!({"sum": 7}));
    script.decisions.insert("ok", (Decision::Approve, json!({"note": "yes"})));

    script.check(expect![[r#"
        run.started
        step.started nap
        timer.set nap 3600000 ms
        run.waiting Waiting 1
        run.resumed Timer
        timer.fired nap
        step.finished nap null
        step.started day
        timer.set day 86400000 ms
        run.waiting Waiting 1
        run.resumed Timer
        timer.fired day
        step.finished day null
        step.started paid
        run.waiting Waiting 1
        run.resumed Event
        event.received paid payment 1
        step.finished paid {"sum":7}
        step.started ok
        approval.requested ask_ok Step Send 7?
        run.waiting Suspended 1
        run.resumed Decision
        approval.decided ask_ok Approve
        step.finished ok {"by":"user:ada","decision":"approve","payload":{"note":"yes"}}
        run.finished Succeeded {"by":"user:ada","decision":"approve","payload":{"note":"yes"}}
    "#]]);
    script.check_all_cuts();
}

/// Every type of entry, in a graph, in branches and in turns.
fn everything() -> Script {
    let mut script = Script::new(json!([
        {"id": "fetch", "type": "tool", "tool": "read", "retry": {"max": 2, "backoff_ms": 1000}},
        {"id": "code", "type": "script", "code": "return input", "depends_on": []},
        {"id": "both", "type": "parallel", "depends_on": ["fetch", "code"], "branches": {
            "work": [
                {"id": "each", "type": "foreach", "items": {"$": "/input/list"}, "concurrency": 2, "do": [
                    {"id": "send", "type": "tool", "tool": "pay", "input": {"$": "/item"},
                     "compensate": {"id": "unsend", "type": "tool", "tool": "put"}},
                    {"id": "odd", "type": "conditional",
                     "cases": [{"when": {"op": "eq", "left": {"$": "/item"}, "right": 2},
                                "then": [{"id": "nested", "type": "workflow", "workflow": "other"}]}],
                     "otherwise": [{"id": "plain", "type": "mapping", "output": {"$": "/steps/send/output"}}]}
                ]},
                {"id": "again", "type": "loop", "max_iterations": 5, "until": {"op": "gte", "left": {"$": "/index"}, "right": 1},
                 "do": [{"id": "put", "type": "tool", "tool": "put", "input": {"$": "/index"}},
                        {"id": "nap", "type": "sleep", "duration_ms": 50}]}
            ],
            "talk": [
                {"id": "count", "type": "step", "step": "Count", "retry": {"max": 1, "backoff_ms": 10}},
                {"id": "charge", "type": "step", "step": "charge", "input": 7},
                {"id": "ask", "type": "agent", "agent": "support", "input": "Hello?"},
                {"id": "until", "type": "sleep_until", "until": "2026-12-01T00:01:00Z"},
                {"id": "come", "type": "wait_for_event", "event": "payment", "key": "k"},
                {"id": "late", "type": "wait_for_event", "event": "never", "timeout_ms": 1000, "on_error": "continue"},
                {"id": "ok", "type": "approval", "message": "Go on?"}
            ]
        }},
        {"id": "wrong", "type": "fail", "message": "no", "depends_on": ["both"]}
    ]));
    script.fails.insert("fetch", "busy");
    script.events.insert("payment", json!("paid"));
    script
}

#[test]
fn a_run_of_every_type_of_entry_ends_the_same_wherever_its_log_is_cut() {
    let mut script = everything();
    let (outcome, why) = script.end();
    assert_eq!((outcome, why), (Outcome::Failed, json!("no")));
    script.check_all_cuts();

    script = Script::new(without_last(&everything()));
    script.events.insert("payment", json!("paid"));
    let (outcome, output) = script.end();
    assert_eq!(outcome, Outcome::Succeeded);
    let expected =
        json!({"work": null, "talk": {"decision": "approve", "payload": null, "by": "user:ada"}});
    assert_eq!(output, expected);
    script.check_all_cuts();
}

fn without_last(script: &Script) -> Value {
    let mut steps = script.steps().as_array().unwrap().clone();
    steps.pop();
    Value::Array(steps)
}
