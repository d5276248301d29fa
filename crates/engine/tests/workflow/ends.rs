//! How entries and runs fail, are begun again, and are made up for.

use chrono::TimeDelta;
use engine::Decision;
use engine::Limits;
use engine::Outcome;
use expect_test::expect;
use serde_json::json;

use crate::script::Script;

#[test]
fn an_entry_that_failed_is_begun_again_later_each_time() {
    let mut script = Script::new(json!([
        {"id": "fetch", "type": "tool", "tool": "read", "input": 1, "retry": {"max": 2, "backoff_ms": 1000, "factor": 3}}
    ]));
    script.fails.insert("fetch", "busy");
    script.fails.insert("fetch#2", "busy");

    script.check(expect![[r#"
        run.started
        step.started fetch
        tool.started fetch read(1)
        tool.finished fetch Failed
        step.finished fetch Tool: busy
        timer.set fetch#2 1005 ms
        run.waiting Waiting 1
        run.resumed Timer
        timer.fired fetch#2
        step.started fetch attempt 2
        tool.started fetch#2 read(1)
        tool.finished fetch#2 Failed
        step.finished fetch Tool: busy
        timer.set fetch#3 4010 ms
        run.waiting Waiting 1
        run.resumed Timer
        timer.fired fetch#3
        step.started fetch attempt 3
        tool.started fetch#3 read(1)
        tool.finished fetch#3 Done
        step.finished fetch 1
        run.finished Succeeded 1
    "#]]);
    script.check_all_cuts();
}

#[test]
fn only_the_errors_that_are_named_are_tried_again() {
    let mut script = Script::new(json!([
        {"id": "fetch", "type": "tool", "tool": "read", "retry": {"max": 2, "on": ["timeout"]}}
    ]));
    script.fails.insert("fetch", "busy");

    assert_eq!(script.end(), (Outcome::Failed, json!("busy")));
}

#[test]
fn a_failure_may_be_gone_on_from() {
    let mut script = Script::new(json!([
        {"id": "fetch", "type": "tool", "tool": "read", "on_error": "continue"},
        {"id": "see", "type": "mapping", "output": {"s": {"$": "/steps/fetch/status"}, "e": {"$": "/steps/fetch/error/message"}, "p": {"$": "/previous"},
            "o": {"$first": [{"$": "/steps/fetch/output"}, "nothing"]}}}
    ]));
    script.fails.insert("fetch", "busy");

    let expected = json!({"s": "failed", "e": "busy", "p": null, "o": "nothing"});
    assert_eq!(script.end(), (Outcome::Succeeded, expected));
}

#[test]
fn what_takes_too_long_is_given_up_with_all_within() {
    let mut script = Script::new(json!([
        {"id": "slow", "type": "parallel", "timeout_ms": 1000, "on_error": "continue", "branches": {
            "a": [{"id": "hang", "type": "tool", "tool": "pay"}],
            "b": [{"id": "wait", "type": "agent", "agent": "slow", "input": "x"}]
        }},
        {"id": "after", "type": "mapping", "output": {"$": "/steps/slow/error/message"}}
    ]));
    script.hangs = vec!["hang", "run_wait"];

    script.check(expect![[r#"
        run.started
        step.started slow
        step.started hang
        step.started wait
        child.started run_wait slow("x")
        tool.started hang pay({"list":[1,2,3],"n":1,"yes":true})
        tool.finished hang Unknown
        step.finished hang Canceled: given up: `slow` was not done in 1000 ms
        step.finished wait Canceled: given up: `slow` was not done in 1000 ms
        step.finished slow Timeout: `slow` was not done in 1000 ms
        step.started after
        step.finished after "`slow` was not done in 1000 ms"
        run.finished Succeeded "`slow` was not done in 1000 ms"
    "#]]);
}

#[test]
fn a_branch_that_fails_ends_the_others_at_once_or_when_they_are_done() {
    let script = |fail_fast: bool| {
        let mut script = Script::new(json!([
            {"id": "both", "type": "parallel", "fail_fast": fail_fast, "branches": {
                "a": [{"id": "slow", "type": "tool", "tool": "read"}, {"id": "more", "type": "mapping", "output": 1}],
                "b": [{"id": "bad", "type": "tool", "tool": "read"}]
            }}
        ]));
        script.fails.insert("bad", "broken");
        script
    };

    script(true).check(expect![[r#"
        run.started
        step.started both
        step.started slow
        step.started bad
        tool.started slow read({"list":[1,2,3],"n":1,"yes":true})
        tool.started bad read({"list":[1,2,3],"n":1,"yes":true})
        tool.finished bad Failed
        step.finished bad Tool: broken
        tool.finished slow Failed
        step.finished slow Canceled: given up: broken
        step.finished both Tool: broken
        run.finished Failed Tool: broken
    "#]]);
    let log = script(false).run();
    let lines: Vec<_> = log.iter().map(|(event, _)| crate::script::line(event)).collect();
    assert!(lines.contains(&"step.finished more 1".to_owned()), "{lines:#?}");
    assert_eq!(script(false).end(), (Outcome::Failed, json!("broken")));
    script(true).check_all_cuts();
    script(false).check_all_cuts();
}

#[test]
fn what_is_done_is_made_up_for_in_reverse_order_when_the_run_fails() {
    let mut script = Script::new(json!([
        {"id": "hold", "type": "tool", "tool": "pay", "input": {"sum": 5},
         "compensate": {"id": "release", "type": "tool", "tool": "put", "input": {"back": {"$": "/steps/hold/output/sum"}}}},
        {"id": "each", "type": "foreach", "items": [1, 2], "do": [
            {"id": "book", "type": "tool", "tool": "pay", "input": {"$": "/item"}, "compensate": {"id": "unbook", "type": "tool", "tool": "put"}}
        ]},
        {"id": "bad", "type": "tool", "tool": "read", "compensate": {"id": "never", "type": "tool", "tool": "put"}}
    ]));
    script.fails.insert("bad", "broken");
    script.fails.insert("each[0].unbook", "lost");

    script.check(expect![[r#"
        run.started
        step.started hold
        tool.started hold pay({"sum":5})
        tool.finished hold Done
        step.finished hold {"sum":5}
        step.started each
        step.started each[0].book
        tool.started each[0].book pay(1)
        tool.finished each[0].book Done
        step.finished each[0].book 1
        step.started each[1].book
        tool.started each[1].book pay(2)
        tool.finished each[1].book Done
        step.finished each[1].book 2
        step.finished each [1,2]
        step.started bad
        tool.started bad read([1,2])
        tool.finished bad Failed
        step.finished bad Tool: broken
        step.started each[1].unbook
        tool.started each[1].unbook put(2)
        tool.finished each[1].unbook Done
        step.finished each[1].unbook 2
        step.started each[0].unbook
        tool.started each[0].unbook put(1)
        tool.finished each[0].unbook Failed
        step.finished each[0].unbook Tool: lost
        step.started release
        tool.started release put({"back":5})
        tool.finished release Done
        step.finished release {"back":5}
        run.finished Failed Tool: broken
    "#]]);
    script.check_all_cuts();
}

#[test]
fn what_is_done_when_others_fail_is_done() {
    let hold = json!({"id": "hold", "type": "tool", "tool": "pay", "input": 5, "compensate": {"id": "release", "type": "tool", "tool": "put"}});
    let bad = json!({"id": "bad", "type": "tool", "tool": "read", "input": 1});
    let mut script = Script::new(json!([
        {"id": "both", "type": "parallel", "branches": {"a": [bad], "b": [hold]}}
    ]));
    script.fails.insert("bad", "broken");
    // What came of both is heard at once.
    script.ends_together = true;

    script.check(expect![[r#"
        run.started
        step.started both
        step.started bad
        step.started hold
        tool.started bad read(1)
        tool.started hold pay(5)
        tool.finished hold Done
        tool.finished bad Failed
        step.finished bad Tool: broken
        step.finished hold 5
        step.finished both Tool: broken
        step.started release
        tool.started release put(5)
        tool.finished release Done
        step.finished release 5
        run.finished Failed Tool: broken
    "#]]);
    script.check_all_cuts();

    // Its turn does not end well because of it.
    let (mut hold, mut bad) = (hold, bad);
    (hold["depends_on"], bad["depends_on"]) = (json!([]), json!([]));
    let mut script = Script::new(json!([
        {"id": "again", "type": "loop", "max_iterations": 5, "until": {"op": "gte", "left": {"$": "/index"}, "right": 0}, "do": [bad, hold]}
    ]));
    script.fails.insert("again[0].bad", "broken");
    script.ends_together = true;
    assert_eq!(script.end(), (Outcome::Failed, json!("broken")));
    script.check_all_cuts();
}

#[test]
fn what_is_done_when_the_run_is_canceled_or_late_is_done() {
    let mut script = Script::new(
        json!([{"id": "pay", "type": "tool", "tool": "pay", "input": 5, "timeout_ms": 1}]),
    );
    // It takes five milliseconds.
    script.check(expect![[r#"
        run.started
        step.started pay
        tool.started pay pay(5)
        tool.finished pay Done
        step.finished pay 5
        run.finished Succeeded 5
    "#]]);

    script = Script::new(json!([{"id": "pay", "type": "tool", "tool": "pay", "input": 5}]));
    script.limits = Limits { timeout_ms: 1, ..script.limits };
    script.check(expect![[r#"
        run.started
        step.started pay
        tool.started pay pay(5)
        tool.finished pay Done
        step.finished pay 5
        run.finished TimedOut Timeout: the run was not done in 1 ms
    "#]]);

    script.limits = Limits { timeout_ms: 1000, ..script.limits };
    script.cancel_after = Some(4);
    script.check(expect![[r#"
        run.started
        step.started pay
        tool.started pay pay(5)
        tool.finished pay Done
        run.cancel_requested
        step.finished pay 5
        run.finished Canceled Canceled: the run was canceled
    "#]]);
}

#[test]
fn what_makes_up_is_tried_again_in_its_time() {
    let mut script = Script::new(json!([
        {"id": "hold", "type": "tool", "tool": "pay",
         "compensate": {"id": "release", "type": "tool", "tool": "put", "retry": {"max": 1, "backoff_ms": 500}}},
        {"id": "bad", "type": "tool", "tool": "read"}
    ]));
    script.fails.insert("bad", "broken");
    script.fails.insert("release", "lost");

    script.check(expect![[r#"
        run.started
        step.started hold
        tool.started hold pay({"list":[1,2,3],"n":1,"yes":true})
        tool.finished hold Done
        step.finished hold {"list":[1,2,3],"n":1,"yes":true}
        step.started bad
        tool.started bad read({"list":[1,2,3],"n":1,"yes":true})
        tool.finished bad Failed
        step.finished bad Tool: broken
        step.started release
        tool.started release put({"list":[1,2,3],"n":1,"yes":true})
        tool.finished release Failed
        step.finished release Tool: lost
        timer.set release#2 515 ms
        run.waiting Waiting 1
        run.resumed Timer
        timer.fired release#2
        step.started release attempt 2
        tool.started release#2 put({"list":[1,2,3],"n":1,"yes":true})
        tool.finished release#2 Done
        step.finished release {"list":[1,2,3],"n":1,"yes":true}
        run.finished Failed Tool: broken
    "#]]);
    script.check_all_cuts();
}

#[test]
fn runs_that_nobody_waits_for_any_more_take_no_place() {
    let mut script = Script::new(json!([
        {"id": "slow", "type": "agent", "agent": "a", "timeout_ms": 1000, "on_error": "continue"},
        {"id": "then", "type": "tool", "tool": "read"}
    ]));
    script.hangs = vec!["run_slow"];
    script.limits = Limits { max_parallel_tool_calls: 1, ..script.limits };

    script.check(expect![[r#"
        run.started
        step.started slow
        child.started run_slow a({"list":[1,2,3],"n":1,"yes":true})
        run.waiting Waiting 1
        run.resumed Timer
        step.finished slow Timeout: `slow` was not done in 1000 ms
        step.started then
        tool.started then read(null)
        tool.finished then Done
        step.finished then null
        run.finished Succeeded 
    "#]]);
    script.check_all_cuts();
}

#[test]
fn a_time_that_has_come_meanwhile_is_now() {
    let script = Script::new(json!([{"id": "nap", "type": "sleep", "duration_ms": 1000}]));
    let (log, mut run) = (script.run(), script.workflow_run());
    for (event, at) in &log {
        run.apply(event, *at);
        if event.name() == "timer.set" {
            let (soon, late) = (*at, *at + TimeDelta::seconds(5));
            assert_eq!(run.next_time(soon), Some(soon + TimeDelta::seconds(1)));
            assert_eq!(run.next_time(late), Some(late));
        }
    }
}

#[test]
fn a_cancel_ends_what_is_open_and_makes_up_for_nothing() {
    let mut script = Script::new(json!([
        {"id": "hold", "type": "tool", "tool": "pay", "compensate": {"id": "release", "type": "tool", "tool": "put"}},
        {"id": "each", "type": "foreach", "items": [1, 2], "concurrency": 2, "do": [{"id": "nap", "type": "sleep", "duration_ms": 1000}]}
    ]));
    script.cancel_after = Some(9);

    script.check(expect![[r#"
        run.started
        step.started hold
        tool.started hold pay({"list":[1,2,3],"n":1,"yes":true})
        tool.finished hold Done
        step.finished hold {"list":[1,2,3],"n":1,"yes":true}
        step.started each
        step.started each[0].nap
        timer.set each[0].nap 1005 ms
        step.started each[1].nap
        run.cancel_requested
        step.finished each[0].nap Canceled: the run was canceled
        step.finished each[1].nap Canceled: the run was canceled
        step.finished each Canceled: the run was canceled
        run.finished Canceled Canceled: the run was canceled
    "#]]);
}

#[test]
fn nobody_decides_and_the_policy_does() {
    let end = |policy: &str| {
        let mut script = Script::new(json!([
            {"id": "ok", "type": "approval", "message": "Go?", "timeout_ms": 1000, "on_timeout": policy},
            {"id": "see", "type": "mapping", "output": {"$": "/previous/decision"}}
        ]));
        script.decisions.insert("ok", (Decision::Expire, json!(null)));
        script.check_all_cuts();
        script.end()
    };

    assert_eq!(end("reject"), (Outcome::Succeeded, json!("reject")));
    assert_eq!(end("approve"), (Outcome::Succeeded, json!("approve")));
    assert_eq!(end("fail"), (Outcome::Failed, json!("nobody has decided in time")));
}

#[test]
fn an_event_that_is_not_what_is_waited_for_fails_the_entry() {
    let mut script = Script::new(json!([
        {"id": "paid", "type": "wait_for_event", "event": "payment", "schema": {"type": "object"}}
    ]));
    script.events.insert("payment", json!(5));

    let (outcome, why) = script.end();
    assert_eq!(outcome, Outcome::Failed);
    assert!(
        why.as_str().unwrap().starts_with("the event `payment` is not what is waited for"),
        "{why}"
    );
}

#[test]
fn a_tool_that_is_not_there_fails_its_entry_and_is_not_called() {
    let script = Script::new(json!([{"id": "x", "type": "tool", "tool": "gone"}]));

    assert_eq!(script.end(), (Outcome::Failed, json!("there is no tool `gone`")));
}
