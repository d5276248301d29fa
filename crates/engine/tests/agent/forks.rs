//! Runs that begin where others have been.

use engine::ApprovalDecided;
use engine::ApprovalRule;
use engine::Decision;
use engine::Effect;
use engine::Event;
use engine::LogLevel;
use engine::LogLine;
use engine::OnTimeout;
use engine::OpenEffect;
use engine::RequestStarted;
use expect_test::Expect;
use expect_test::expect;
use serde_json::json;

use crate::script::Script;
use crate::script::at;
use crate::script::calls;
use crate::script::error;
use crate::script::says;
use crate::script::started;

fn two_turns() -> Script {
    let first = [("a", "add", json!({"a": 1, "b": 2})), ("b", "add", json!({"a": 3, "b": 4}))];
    Script::new(vec![
        calls(&first),
        calls(&[("c", "add", json!({"a": 5, "b": 6}))]),
        says("3, 7 and 11"),
    ])
}

/// The log with which the new run begins.
fn begin(taken_over: Vec<Event>) -> Vec<Event> {
    let mut first = started();
    first.forked_from = Some("r0".to_owned());
    let mut log = vec![first.into()];
    log.extend(taken_over);
    log
}

fn names(log: &[Event], expected: Expect) {
    let names: Vec<_> = log.iter().map(Event::name).collect();
    expected.assert_eq(&names.join("\n"));
}

fn count(log: &[Event], name: &str) -> usize {
    log.iter().filter(|event| event.name() == name).count()
}

#[test]
fn a_fork_from_anywhere_ends_as_the_run_did() {
    let script = two_turns();
    let whole = script.run();
    let Some(Event::RunFinished(end)) = whole.last() else { panic!("no end") };

    for (from_seq, before) in (1..).zip(0..=whole.len()) {
        let taken_over = engine::fork(&whole, from_seq).unwrap();
        let results = count(&whole[..before], "tool.finished");
        assert_eq!(count(&taken_over, "tool.finished"), results, "before {from_seq}");
        let forked = script.go_on(begin(taken_over));

        let Some(Event::RunFinished(forked_end)) = forked.last() else { panic!("no end") };
        assert_eq!(forked_end.output, end.output, "before {from_seq}");
        assert_eq!(count(&forked, "tool.finished"), 3, "before {from_seq}");
        assert_eq!(count(&forked, "model.finished"), 3, "before {from_seq}");
    }
}

#[test]
fn requests_go_with_their_call_and_lines_do_not() {
    let mut whole = two_turns().run();
    let text = str::to_owned;
    let (method, url) = (text("POST"), text("https://api.example.com/"));
    let sent =
        RequestStarted { call_id: text("a"), request: 1, method, url, effect_id: text("e-1") };
    let (source, message) = (text("add"), text("it asks"));
    let line = LogLine { level: LogLevel::Info, source, message, call_id: Some(text("a")) };
    let begun = |it: &Event| matches!(it, Event::ToolStarted(it) if it.call_id == "a");
    let ended = |it: &Event| matches!(it, Event::ToolFinished(it) if it.call_id == "a");
    let begun = whole.iter().position(begun).unwrap();
    whole.insert(begun + 1, sent.into());
    whole.insert(begun + 1, line.into());
    let ended = 1 + whole.iter().position(ended).unwrap() as u64;

    let before = engine::fork(&whole, ended).unwrap();
    let after = engine::fork(&whole, ended + 1).unwrap();

    let counts = |log: &[Event]| (count(log, "request.started"), count(log, "log"));
    assert_eq!((counts(&before), counts(&after)), ((0, 0), (1, 0)));
}

#[test]
fn what_is_taken_over_is_not_used_again() {
    let script = Script::new(vec![says("one")]);
    let whole = script.run();
    let Some(Event::RunFinished(end)) = whole.last() else { panic!("no end") };
    assert_eq!(end.usage.tokens.input_tokens, 2);

    let forked = script.go_on(begin(engine::fork(&whole, whole.len() as u64).unwrap()));

    let Some(Event::RunFinished(end)) = forked.last() else { panic!("no end") };
    assert_eq!(end.usage.tokens.input_tokens, 0);
}

#[test]
fn a_fork_does_not_begin_in_the_middle_of_an_effect() {
    let mut script = two_turns();
    script.effect = Effect::Effect;
    let whole = script.run();
    names(
        &whole[4..9],
        expect![[r#"
            tool.started
            tool.started
            tool.finished
            tool.finished
            step.finished"#]],
    );

    assert_eq!(engine::fork(&whole, 5).map(|it| count(&it, "tool.started")), Ok(0));
    for from_seq in 6..=8 {
        let refused = OpenEffect { before: 5, after: Some(9) };
        assert_eq!(engine::fork(&whole, from_seq), Err(refused), "before {from_seq}");
    }
    assert_eq!(engine::fork(&whole, 9).map(|it| count(&it, "tool.started")), Ok(2));
    let never_ended = OpenEffect { before: 5, after: None };
    assert_eq!(engine::fork(&whole[..6], 7), Err(never_ended));
}

#[test]
fn who_agreed_to_one_call_agreed_to_no_other() {
    let mut script = Script::new(vec![calls(&[("a", "add", json!({"a": 1, "b": 2}))]), says("3")]);
    script.approval.rule = ApprovalRule::Always;
    script.decisions = vec![decided(Decision::Approve)];
    let whole = script.run();
    let started = whole.iter().position(|it| it.name() == "tool.started").unwrap() as u64 + 1;

    let before = engine::fork(&whole, started).unwrap();
    let after = engine::fork(&whole, started + 2).unwrap();

    assert_eq!(count(&before, "approval.requested") + count(&before, "approval.decided"), 0);
    assert_eq!((count(&after, "approval.requested"), count(&after, "approval.decided")), (1, 1));
    assert_eq!(count(&script.go_on(begin(before)), "approval.requested"), 1);
}

#[test]
fn a_retry_makes_the_failed_call_again_and_nothing_else() {
    let answers =
        Script::new(vec![calls(&[("a", "add", json!({"a": 1, "b": 2}))]), Err(error(false))]);
    let failed = answers.run();

    let taken_over = engine::retry(&failed);

    names(
        &taken_over,
        expect![[r#"
            step.started
            model.started
            model.finished
            tool.started
            tool.finished
            step.finished"#]],
    );
    let script = Script::new(vec![calls(&[]), says("3")]);
    let again = script.go_on(begin(taken_over));
    let Some(Event::RunFinished(end)) = again.last() else { panic!("no end") };
    assert_eq!(end.output.as_ref().unwrap().text(), Some("3"));
}

#[test]
fn what_is_taken_over_counts_against_no_limit() {
    let mut script = two_turns();
    script.limits.max_steps = 1;
    let failed = script.run();
    assert_eq!(count(&failed, "limit.reached"), 1);

    let again = script.go_on(begin(engine::retry(&failed)));

    // One more turn is allowed, and made.
    assert_eq!(count(&again, "step.finished"), 2);
    assert_eq!(count(&again, "limit.reached"), 1);
}

#[test]
fn an_effect_that_nobody_knows_of_stays_one_for_a_person() {
    let mut script = Script::new(vec![calls(&[("a", "add", json!({"a": 1, "b": 2}))]), says("3")]);
    script.effect = Effect::Effect;
    script.die_after = Some("tool.started");
    script.approval.on_timeout = OnTimeout::Fail;
    script.decisions = vec![decided(Decision::Expire)];
    let failed = script.run();
    assert_eq!(count(&failed, "approval.requested"), 1);

    let taken_over = engine::retry(&failed);

    names(
        &taken_over,
        expect![[r#"
            step.started
            model.started
            model.finished
            tool.started
            tool.finished"#]],
    );
    script.die_after = None;
    script.decisions = vec![decided(Decision::Retry)];
    let again = script.go_on(begin(taken_over));
    assert_eq!(count(&again, "approval.requested"), 1);
    let ids: Vec<_> = again.iter().filter_map(effect_id).collect();
    assert_eq!((ids.len(), ids[0]), (2, ids[1]), "the attempts are one effect");
}

#[test]
fn time_begins_with_the_new_run() {
    let script = two_turns();
    let mut agent = script.agent();
    let late = at(10 * 3_600_000);
    for event in begin(engine::fork(&script.run(), 10).unwrap()) {
        agent.apply(&event, at(0));
    }
    let resumed = engine::RunResumed { attempt: 1, reason: engine::ResumeReason::Fork };

    agent.apply(&resumed.into(), late);

    assert_eq!(agent.deadline(), Some(at(10 * 3_600_000 + 600_000)));
}

fn effect_id(event: &Event) -> Option<&str> {
    match event {
        Event::ToolStarted(it) => Some(&it.effect_id),
        _ => None,
    }
}

fn decided(decision: Decision) -> ApprovalDecided {
    ApprovalDecided {
        approval_id: String::new(),
        decision,
        arguments: None,
        result: None,
        payload: None,
        reason: None,
        by: None,
    }
}
