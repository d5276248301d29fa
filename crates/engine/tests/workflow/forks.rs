//! Runs of workflows that begin where another has been: what is recorded is used, and nothing of it done again.

use std::collections::BTreeSet;

use engine::Cut;
use engine::EntryFault;
use engine::Event;
use engine::ForkFault;
use engine::Outcome;
use engine::StepStatus;
use expect_test::Expect;
use expect_test::expect;
use llm::ToolStatus;
use serde_json::Value;
use serde_json::json;

use crate::everything;
use crate::script::Log;
use crate::script::Script;
use crate::script::end;
use crate::script::line;
use crate::without_last;

/// What a fork takes over, and what it does then.
#[track_caller]
fn check(log: &Log, expected: &Expect) {
    let lines = log.iter().map(|(event, _)| line(event) + "\n");
    expected.assert_eq(&lines.collect::<String>());
}

/// The calls and runs that a fork makes itself.
pub fn made(log: &Log) -> Vec<&str> {
    let resumed = log.iter().position(|(event, _)| matches!(event, Event::RunResumed(_))).unwrap();
    let made = log[resumed..].iter().filter_map(|(event, _)| match event {
        Event::ToolStarted(it) => Some(it.call_id.as_str()),
        Event::ChildStarted(it) => Some(it.call_id.as_str()),
        _ => None,
    });
    made.collect()
}

/// The entry that makes a call.
fn step(call_id: &str) -> Option<&str> {
    call_id.split('#').next()
}

fn three() -> Script {
    Script::new(json!([
        {"id": "a", "type": "tool", "tool": "pay", "input": {"a": {"$": "/input/n"}}},
        {"id": "b", "type": "tool", "tool": "pay", "input": {"b": {"$": "/previous"}}},
        {"id": "c", "type": "tool", "tool": "pay", "input": [{"$": "/steps/a/output"}, {"$": "/previous"}]}
    ]))
}

#[test]
fn an_entry_is_made_anew_with_what_was_recorded_before_it() {
    let script = three();
    let fork = script.fork(&script.run(), Cut::Step("c"), &json!({})).unwrap();

    check(
        &fork,
        &expect![[r#"
        run.started
        step.started a
        tool.started a pay({"a":1})
        tool.finished a Done
        step.finished a {"a":1}
        step.started b
        tool.started b pay({"b":{"a":1}})
        tool.finished b Done
        step.finished b {"b":{"a":1}}
        run.resumed Fork
        step.started c
        tool.started c pay([{"a":1},{"b":{"a":1}}])
        tool.finished c Done
        step.finished c [{"a":1},{"b":{"a":1}}]
        run.finished Succeeded [{"a":1},{"b":{"a":1}}]
    "#]],
    );
    // A fork of the fork takes over that of the first.
    let again = script.fork(&fork, Cut::Step("b"), &json!({})).unwrap();
    assert_eq!(made(&again), ["b", "c"]);
    assert_eq!(end(&again), end(&fork));
}

#[test]
fn what_is_given_instead_counts_for_what_is_made_anew() {
    let script = three();
    let log = script.run();
    let fork = |cut, overrides| script.fork(&log, cut, &overrides).unwrap();

    let other = fork(Cut::Step("c"), json!({"a": "other"}));
    assert_eq!(made(&other), ["c"]);
    assert_eq!(end(&other).1, json!(["other", {"b": {"a": 1}}]));
    // Of the entry itself: what comes after it is made anew.
    let other = fork(Cut::Step("b"), json!({"b": "given"}));
    assert_eq!(made(&other), ["c"]);
    assert_eq!(end(&other).1, json!([{"a": 1}, "given"]));
    // The last as well, and all.
    assert_eq!(end(&fork(Cut::Step("c"), json!({"c": 7}))).1, 7);
    let all = u64::try_from(log.len()).unwrap() + 1;
    assert_eq!(made(&fork(Cut::Seq(all), json!({"b": 7}))), [""; 0]);
}

#[test]
fn what_does_not_come_after_it_is_not_made_anew() {
    let script = Script::new(json!([
        {"id": "both", "type": "parallel", "branches": {
            "a": [{"id": "a1", "type": "tool", "tool": "pay", "input": 1}, {"id": "a2", "type": "tool", "tool": "pay", "input": 2}],
            "b": [{"id": "b1", "type": "agent", "agent": "x", "input": "?"}, {"id": "b2", "type": "tool", "tool": "pay", "input": {"$": "/previous/text"}}]}},
        {"id": "last", "type": "tool", "tool": "pay"}
    ]));
    let log = script.run();

    let fork = script.fork(&log, Cut::Step("a2"), &json!({})).unwrap();
    assert_eq!(made(&fork), ["a2", "last"]);
    assert_eq!(end(&fork), end(&log));
    // What contains an entry for which something is given is made of it.
    let fork = script.fork(&log, Cut::Step("last"), &json!({"a2": "given"})).unwrap();
    assert_eq!(made(&fork), ["last"]);
    assert_eq!(end(&fork).1, json!({"a": "given", "b": "run_b1"}));
    let fork = script.fork(&log, Cut::Step("last"), &json!({"both": "given"})).unwrap();
    assert_eq!(end(&fork).1, "given");
}

#[test]
fn a_retry_makes_only_what_failed() {
    let steps = json!([
        {"id": "each", "type": "foreach", "items": {"$": "/input/list"}, "concurrency": 3, "do": [
            {"id": "one", "type": "tool", "tool": "pay", "input": {"$": "/item"}},
            {"id": "two", "type": "tool", "tool": "read", "input": {"$": "/item"}}]},
        {"id": "last", "type": "mapping", "output": {"$": "/previous"}}
    ]);
    let mut failing = Script::new(steps.clone());
    failing.fails.insert("each[1].two", "busy");
    let log = failing.run();
    assert_eq!(end(&log).0, Outcome::Failed);
    let script = Script::new(steps.clone());

    let retry = script.fork(&log, Cut::Failure, &json!({})).unwrap();

    assert_eq!(end(&retry), (Outcome::Succeeded, json!([1, 2, 3])));
    // What is done is not made again, and a person says what came of what was given up.
    assert!(!made(&retry).iter().any(|it| it.strip_suffix(".one").is_some()), "{:?}", made(&retry));
    // One of the first turn alone: later ones are kept.
    let mut failing = Script::new(steps);
    failing.fails.insert("each[0].one", "busy");
    failing.limits.max_parallel_tool_calls = 8;
    let retry = script.fork(&failing.run(), Cut::Failure, &json!({})).unwrap();
    assert_eq!(end(&retry), (Outcome::Succeeded, json!([1, 2, 3])));
}

#[test]
fn a_call_of_which_nobody_knows_what_came_is_left_to_a_person() {
    let steps = json!([
        {"id": "both", "type": "parallel", "branches": {
            "a": [{"id": "hang", "type": "tool", "tool": "pay", "input": 5}],
            "b": [{"id": "bad", "type": "tool", "tool": "read"}]}}]);
    let mut failing = Script::new(steps.clone());
    failing.hangs = vec!["hang"];
    failing.fails.insert("bad", "broken");
    let script = Script::new(steps);
    let log = failing.run();

    let retry = script.fork(&log, Cut::Failure, &json!({})).unwrap();

    check(
        &retry,
        &expect![[r#"
            run.started
            step.started both
            step.started hang
            tool.started hang pay(5)
            run.resumed Fork
            tool.finished hang Unknown
            step.started bad
            approval.requested ask_hang UnknownEffect 
            tool.started bad read({"list":[1,2,3],"n":1,"yes":true})
            tool.finished bad Done
            step.finished bad {"list":[1,2,3],"n":1,"yes":true}
            run.waiting Suspended 1
            run.resumed Decision
            approval.decided ask_hang Done
            tool.finished hang Done
            step.finished hang 5
            step.finished both {"a":5,"b":{"list":[1,2,3],"n":1,"yes":true}}
            run.finished Succeeded {"a":5,"b":{"list":[1,2,3],"n":1,"yes":true}}
        "#]],
    );
    // Who names it wants it made.
    assert_eq!(made(&script.fork(&log, Cut::Step("hang"), &json!({})).unwrap()), ["hang", "bad"]);
    // While it is under way nobody begins beside it.
    let begun = log
        .iter()
        .position(|(event, _)| matches!(event, Event::ToolStarted(it) if it.call_id == "hang"))
        .unwrap();
    let open = script.fork(&log[..=begun], Cut::Step("bad"), &json!({}));
    assert_eq!(open.unwrap_err(), [ForkFault::From(EntryFault::OpenEffect("hang".to_owned()))]);
}

#[test]
fn what_was_made_up_for_is_made_anew_and_only_a_retry_makes_up_for_what_it_took_over() {
    let steps = json!([
        {"id": "read", "type": "tool", "tool": "read", "input": 1},
        {"id": "hold", "type": "tool", "tool": "pay", "input": 2, "compensate": {"id": "release", "type": "tool", "tool": "put"}},
        {"id": "bad", "type": "tool", "tool": "read", "input": 3}
    ]);
    let mut script = Script::new(steps);
    script.fails.insert("bad", "broken");
    let failed = script.run();

    assert_eq!(
        made(&script.fork(&failed, Cut::Failure, &json!({})).unwrap()),
        ["hold", "bad", "release"]
    );
    // Of a run that had no time to do so, a retry does it if it fails too; a fork leaves it to the run.
    let made_up = failed
        .iter()
        .position(|(event, _)| matches!(event, Event::StepStarted(it) if it.step == "release"))
        .unwrap();
    let late = failed[..made_up].to_vec();
    assert_eq!(made(&script.fork(&late, Cut::Failure, &json!({})).unwrap()), ["bad", "release"]);
    assert_eq!(made(&script.fork(&late, Cut::Step("bad"), &json!({})).unwrap()), ["bad"]);
}

#[test]
fn a_fork_goes_the_way_that_was_gone() {
    let script = Script::new(json!([
        {"id": "a", "type": "mapping", "output": true},
        {"id": "way", "type": "conditional",
         "cases": [{"when": {"op": "truthy", "value": {"$": "/steps/a/output"}}, "then": [{"id": "yes", "type": "tool", "tool": "pay", "input": 1}]}],
         "otherwise": [{"id": "no", "type": "tool", "tool": "pay", "input": 2}]},
        {"id": "last", "type": "mapping", "output": [{"$": "/steps/yes/output"}, {"$": "/steps/no/output"}, {"$": "/steps/a/output"}]}
    ]));

    let log = script.run();
    let fork = script.fork(&log, Cut::Step("last"), &json!({"a": false})).unwrap();

    assert_eq!(end(&fork).1, json!([1, null, false]));
    assert_eq!(made(&fork), [""; 0]);
    let other = script.fork(&log, Cut::Step("way"), &json!({"a": false})).unwrap();
    assert_eq!(end(&other).1, json!([null, 2, false]));
}

#[test]
fn entries_that_are_not_there_or_not_known_are_told() {
    let script = Script::new(json!([
        {"id": "a", "type": "tool", "tool": "pay", "compensate": {"id": "undo", "type": "tool", "tool": "put"}},
        {"id": "each", "type": "foreach", "items": [1, 2], "do": [{"id": "in", "type": "mapping", "output": 1}]},
        {"id": "way", "type": "conditional", "cases": [{"when": {"op": "truthy", "value": {"$": "/input/yes"}}, "then": [{"id": "yes", "type": "mapping", "output": 1}]}],
         "otherwise": [{"id": "no", "type": "mapping", "output": 2}]},
        {"id": "last", "type": "mapping", "output": {"$": "/previous"}}
    ]));
    let log = script.run();
    let faults = |cut, overrides: Value| script.fork(&log, cut, &overrides).unwrap_err();
    let from = |id| faults(Cut::Step(id), json!({}));

    assert_eq!(from("nowhere"), [ForkFault::From(EntryFault::Unknown)]);
    assert_eq!(from("undo"), [ForkFault::From(EntryFault::Unknown)]);
    assert_eq!(from("in"), [ForkFault::From(EntryFault::InTurns)]);
    assert_eq!(from("no"), [ForkFault::From(EntryFault::NeverRan)]);
    let all = faults(
        Cut::Step("way"),
        json!({"nowhere": 1, "in": 1, "no": 1, "last": 1, "yes": 1, "a": "x".repeat(1 << 21)}),
    );
    let of = |id: &str, why| ForkFault::Override(id.to_owned(), why);
    assert_eq!(
        all,
        [
            of("a", EntryFault::TooLarge),
            of("in", EntryFault::InTurns),
            of("no", EntryFault::NeverRan),
            of("nowhere", EntryFault::Unknown),
            of("last", EntryFault::MadeAnew),
            of("yes", EntryFault::MadeAnew)
        ]
    );
    assert_eq!(
        faults(Cut::Seq(3), json!({"last": 1})),
        [ForkFault::Override("last".to_owned(), EntryFault::MadeAnew)]
    );
}

#[test]
fn another_version_uses_what_it_has_too() {
    let log = three().run();
    let mut other = Script::new(json!([
        {"id": "a", "type": "tool", "tool": "pay", "input": "not made"},
        {"id": "new", "type": "tool", "tool": "read", "input": {"$": "/previous"}},
        {"id": "b", "type": "tool", "tool": "pay", "input": {"b": {"$": "/previous"}}},
        {"id": "c", "type": "mapping", "output": {"$": "/previous"}}
    ]));
    other.version = 2;

    let fork = other.fork(&log, Cut::Step("c"), &json!({})).unwrap();

    // What comes after a new entry has not been made with it.
    assert_eq!(made(&fork), ["new", "b"]);
    assert_eq!(end(&fork).1, json!({"b": {"a": 1}}));
}

#[test]
fn a_fork_at_any_event_ends_the_same_and_makes_no_recorded_call_again() {
    let mut script = Script::new(without_last(&everything()));
    script.fails.insert("fetch", "busy");
    script.events.insert("payment", json!("paid"));
    let whole = script.run();
    assert_eq!(end(&whole).0, Outcome::Succeeded);
    let mut refused = 0;
    for seq in 1..=u64::try_from(whole.len()).unwrap() + 1 {
        let before = &whole[..usize::try_from(seq - 1).unwrap()];
        let fork = match script.fork(&whole, Cut::Seq(seq), &json!({})) {
            Ok(fork) => fork,
            Err(faults) => {
                let [ForkFault::Open(open)] = &faults[..] else { panic!("{faults:?}") };
                assert!(
                    open.before < seq && open.after.is_some_and(|after| after > seq),
                    "{seq} {open:?}"
                );
                for nearest in [open.before, open.after.unwrap()] {
                    assert!(
                        script.fork(&whole, Cut::Seq(nearest), &json!({})).is_ok(),
                        "{seq} {nearest}"
                    );
                }
                refused += 1;
                continue;
            }
        };
        assert_eq!(end(&fork), end(&whole), "before {seq}");
        let done: BTreeSet<&str> = before
            .iter()
            .filter_map(|(event, _)| match event {
                Event::StepFinished(it) if it.status == StepStatus::Done => Some(it.step.as_str()),
                Event::ToolFinished(it) if it.status == ToolStatus::Done => step(&it.call_id),
                Event::ChildFinished(it) => step(it.run_id.strip_prefix("run_").unwrap()),
                _ => None,
            })
            .collect();
        for call in made(&fork) {
            let step = step(call).unwrap();
            assert!(!done.contains(step), "{step} is made again before {seq}");
        }
        // And its own log may be cut anywhere.
        for cut in [fork.len() / 2, fork.len() - 1] {
            assert_eq!(end(&script.go_on(&fork[..cut])).0, end(&whole).0, "before {seq}");
        }
    }
    assert!(refused > 0);
}
