//! What retries and forks take over of runs that broke off: what is recorded as done, and what was made up for.

use engine::Cut;
use engine::Event;
use engine::ForkFault;
use engine::Outcome;
use engine::RunError;
use engine::RunErrorKind;
use engine::StepFinished;
use engine::StepStatus;
use serde_json::Value;
use serde_json::json;

use crate::forks::made;
use crate::script::Log;
use crate::script::Script;
use crate::script::end;
use crate::script::line;

/// The log until after the event of this line.
fn until(log: &Log, last: &str) -> Log {
    let lines: Vec<_> = log.iter().map(|(event, _)| line(event)).collect();
    let position = lines.iter().position(|it| it.starts_with(last));
    log[..=position.unwrap_or_else(|| panic!("{last} is not in {lines:#?}"))].to_vec()
}

fn held() -> Value {
    json!([
        {"id": "hold", "type": "tool", "tool": "pay", "input": 2, "compensate": {"id": "release", "type": "tool", "tool": "put"}},
        {"id": "bad", "type": "tool", "tool": "read", "input": 3}
    ])
}

fn failing(steps: Value) -> Script {
    let mut script = Script::new(steps);
    script.fails.insert("bad", "broken");
    script
}

#[test]
fn a_call_that_is_recorded_as_done_is_not_made_again_although_its_entry_has_not_ended() {
    let script = failing(held());
    let log = until(&script.run(), "tool.finished hold Done");
    let seq = Cut::Seq(u64::try_from(log.len()).unwrap() + 1);

    // Only what belongs to a run is made up for by it.
    assert_eq!(made(&script.fork(&log, Cut::Failure, &json!({})).unwrap()), ["bad", "release"]);
    assert_eq!(made(&script.fork(&log, seq, &json!({})).unwrap()), ["bad"]);

    // Earlier releases gave such entries up.
    let mut given_up = log.clone();
    let ended = StepFinished {
        step: "hold".to_owned(),
        status: StepStatus::Failed,
        output: None,
        error: Some(RunError::new(RunErrorKind::Canceled, "given up: broken")),
        attempt: 1,
        duration_ms: 0,
    };
    given_up.push((ended.into(), log.last().unwrap().1));
    assert_eq!(
        made(&script.fork(&given_up, Cut::Failure, &json!({})).unwrap()),
        ["bad", "release"]
    );
    // Who names it wants it made.
    assert_eq!(
        made(&Script::new(held()).fork(&log, Cut::Step("hold"), &json!({})).unwrap()),
        ["hold", "bad"]
    );
}

#[test]
fn a_run_below_that_has_succeeded_is_not_begun_again() {
    let script = Script::new(json!([
        {"id": "ask", "type": "agent", "agent": "support", "input": "?"},
        {"id": "last", "type": "mapping", "output": {"$": "/previous/text"}}
    ]));
    let log = until(&script.run(), "child.finished run_ask");

    let retry = script.fork(&log, Cut::Failure, &json!({})).unwrap();

    assert_eq!(made(&retry), [""; 0]);
    assert_eq!(end(&retry), (Outcome::Succeeded, json!("run_ask")));
}

#[test]
fn a_retry_of_a_fork_makes_up_for_what_the_fork_has_done() {
    let steps = json!([
        {"id": "a", "type": "tool", "tool": "pay", "compensate": {"id": "undo_a", "type": "tool", "tool": "put"}},
        {"id": "b", "type": "tool", "tool": "pay", "compensate": {"id": "undo_b", "type": "tool", "tool": "put"}},
        {"id": "bad", "type": "tool", "tool": "read"}
    ]);
    let first = Script::new(steps.clone()).run();
    let script = failing(steps);
    let fork = script.fork(&first, Cut::Step("b"), &json!({})).unwrap();
    assert_eq!(made(&fork), ["b", "bad", "undo_b"]);
    let late = until(&fork, "step.finished bad");

    let retry = script.fork(&late, Cut::Failure, &json!({})).unwrap();
    assert_eq!(made(&retry), ["bad", "undo_b"]);
    // And a retry of that, which has done nothing itself.
    let again = script.fork(&until(&retry, "step.finished bad"), Cut::Failure, &json!({})).unwrap();
    assert_eq!(made(&again), ["bad", "undo_b"]);
    let Some((Event::RunStarted(started), _)) = again.first() else { panic!("{again:#?}") };
    assert!(started.is_retry && started.foreign > 0, "{started:#?}");
    // What was made up for is made anew, and is then its own.
    let retry = script.fork(&fork, Cut::Failure, &json!({})).unwrap();
    assert_eq!(made(&retry), ["b", "bad", "undo_b"]);
}

#[test]
fn what_may_have_been_made_up_for_is_not_relied_on() {
    let script = failing(held());
    let log = script.run();
    let sent = until(&log, "tool.started release");
    let undoing = ForkFault::Undoing { entry: "hold".to_owned(), by: "release".to_owned() };

    for cut in [Cut::Failure, Cut::Step("bad"), Cut::Seq(7)] {
        assert_eq!(
            script.fork(&sent, cut, &json!({})).unwrap_err(),
            std::slice::from_ref(&undoing),
            "{cut:?}"
        );
    }
    // Who makes it anew, or says what it gives, does not rely on it.
    assert!(script.fork(&sent, Cut::Step("hold"), &json!({})).is_ok());
    assert!(script.fork(&sent, Cut::Step("bad"), &json!({"hold": 2})).is_ok());
    // Once it is known what came of it, it is either there or not.
    let done = until(&log, "tool.finished release Done");
    let retry = script.fork(&done, Cut::Failure, &json!({})).unwrap();
    assert_eq!(made(&retry), ["hold", "bad", "release"]);
    let mut broken = failing(held());
    broken.fails.insert("release", "busy");
    let failed = until(&broken.run(), "tool.finished release Failed");
    let retry = script.fork(&failed, Cut::Failure, &json!({})).unwrap();
    assert_eq!(made(&retry), ["bad", "release"]);
}
