//! Calls that wait for a person, and calls of which nobody knows what came.

use engine::ApprovalDecided;
use engine::ApprovalPolicy;
use engine::ApprovalRule;
use engine::Decision;
use engine::Effect;
use engine::OnTimeout;
use engine::Predicate;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use crate::script::Script;
use crate::script::calls;
use crate::script::says;

fn sum(a: u64, b: u64) -> Value {
    json!({"a": a, "b": b})
}

fn decided(decision: Decision) -> ApprovalDecided {
    ApprovalDecided {
        approval_id: String::new(),
        decision,
        arguments: None,
        result: None,
        payload: None,
        reason: None,
        by: Some("client:boss".to_owned()),
    }
}

fn one_call() -> Script {
    Script::new(vec![calls(&[("a", "add", sum(1, 2))]), says("done")])
}

fn with_approval(decision: ApprovalDecided) -> Script {
    let mut script = one_call();
    script.approval.rule = ApprovalRule::Always;
    script.decisions = vec![decision];
    script
}

fn lost(decision: ApprovalDecided) -> Script {
    let mut script = one_call();
    script.effect = Effect::Effect;
    script.die_after = Some("tool.started");
    script.decisions = vec![decision];
    script
}

#[test]
fn a_call_waits_for_its_approval_and_the_others_do_not_wait_for_it() {
    let mut script = Script::new(vec![
        calls(&[("a", "add", sum(100, 2)), ("b", "add", sum(3, 4))]),
        says("102 and 7"),
    ]);
    let large = json!({"op": "gte", "left": {"$": "/arguments/a"}, "right": 100});
    let large = Predicate::parse(&large, &["/arguments"]).unwrap();
    script.approval = ApprovalPolicy { rule: ApprovalRule::When(large), ..Default::default() };
    script.decisions = vec![decided(Decision::Approve)];

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        approval.requested p4 ToolCall a {"a":100,"b":2}
        tool.started b add
        tool.finished b 7
        run.waiting Suspended p4
        run.resumed
        approval.decided p4 Approve
        tool.started a add
        tool.finished a 102
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a 102] [b 7]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "102 and 7"
    "#]]);
}

#[test]
fn what_was_approved_with_other_arguments_is_called_with_them() {
    let edited = ApprovalDecided { arguments: Some(sum(5, 5)), ..decided(Decision::Approve) };

    with_approval(edited).check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        approval.requested p4 ToolCall a {"a":1,"b":2}
        run.waiting Suspended p4
        run.resumed
        approval.decided p4 Approve
        tool.started a add
        tool.finished a 10
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a 10]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "done"
    "#]]);
}

#[test]
fn an_approval_for_another_version_of_the_tool_is_none() {
    let mut script = with_approval(decided(Decision::Approve));
    script.decisions.push(decided(Decision::Approve));
    script.later_version = Some(2);

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        approval.requested p4 ToolCall a {"a":1,"b":2}
        run.waiting Suspended p4
        run.resumed
        approval.decided p4 Approve
        approval.requested p8 ToolCall a version 2 {"a":1,"b":2}
        run.waiting Suspended p8
        run.resumed
        approval.decided p8 Approve
        tool.started a add
        tool.finished a 3
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a 3]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "done"
    "#]]);
}

#[test]
fn a_rejected_call_is_not_made_and_the_model_learns_why() {
    let reason = Some("too much".to_owned());
    let rejected = ApprovalDecided { reason, ..decided(Decision::Reject) };

    with_approval(rejected).check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        approval.requested p4 ToolCall a {"a":1,"b":2}
        run.waiting Suspended p4
        run.resumed
        approval.decided p4 Reject
        tool.finished a the call was not approved: too much
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a {"error":"the call was not approved: too much"}]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "done"
    "#]]);
}

#[test]
fn what_nobody_decides_in_time_goes_by_the_policy() {
    let ends = [OnTimeout::Reject, OnTimeout::Approve, OnTimeout::Fail].map(|on_timeout| {
        let mut script = with_approval(ApprovalDecided { by: None, ..decided(Decision::Expire) });
        script.approval.on_timeout = on_timeout;
        let log = script.run();
        let tool = log.iter().rev().find(|it| it.name() == "tool.finished");
        let tool = tool.map_or_else(|| "no call".to_owned(), |it| it.data().unwrap());
        format!("{tool}\n{}\n", log.last().unwrap().data().unwrap())
    });

    expect![[r#"
        {"call_id":"a","status":"rejected","result":null,"error":{"kind":"rejected","message":"the call was not approved: nobody has decided in time"},"duration_ms":0}
        {"status":"succeeded","output":{"text":"done","object":null,"citations":[]},"error":null,"usage":{"input_tokens":2,"cached_tokens":0,"cache_write_tokens":0,"output_tokens":1,"reasoning_tokens":0,"cost_usd":null}}
        {"call_id":"a","status":"done","result":3,"error":null,"duration_ms":0}
        {"status":"succeeded","output":{"text":"done","object":null,"citations":[]},"error":null,"usage":{"input_tokens":2,"cached_tokens":0,"cache_write_tokens":0,"output_tokens":1,"reasoning_tokens":0,"cost_usd":null}}
        {"call_id":"a","status":"failed","result":null,"error":{"kind":"canceled","message":"nobody has decided on the call of `add` in time"},"duration_ms":0}
        {"status":"failed","output":null,"error":{"kind":"tool","message":"nobody has decided on the call of `add` in time","retryable":false,"provider_status":null},"usage":{"input_tokens":0,"cached_tokens":0,"cache_write_tokens":0,"output_tokens":0,"reasoning_tokens":0,"cost_usd":null}}
    "#]].assert_eq(&ends.concat());
}

#[test]
fn an_effect_whose_answer_was_lost_may_be_repeated_by_a_person() {
    lost(decided(Decision::Retry)).check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        run.resumed
        tool.finished a the call was sent, but its answer was lost
        approval.requested p7 UnknownEffect a {"a":1,"b":2}
        run.waiting Suspended p7
        run.resumed
        approval.decided p7 Retry
        tool.started a add attempt 2
        tool.finished a 3
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a 3]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "done"
    "#]]);
}

#[test]
fn a_person_may_say_what_came_of_a_lost_effect() {
    let result = Some(json!(3));

    lost(ApprovalDecided { result, ..decided(Decision::Done) }).check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        run.resumed
        tool.finished a the call was sent, but its answer was lost
        approval.requested p7 UnknownEffect a {"a":1,"b":2}
        run.waiting Suspended p7
        run.resumed
        approval.decided p7 Done
        tool.finished a 3
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a 3]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "done"
    "#]]);
}

#[test]
fn a_lost_effect_that_is_not_repeated_stays_unknown() {
    lost(decided(Decision::Reject)).check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        run.resumed
        tool.finished a the call was sent, but its answer was lost
        approval.requested p7 UnknownEffect a {"a":1,"b":2}
        run.waiting Suspended p7
        run.resumed
        approval.decided p7 Reject
        tool.finished a nobody knows whether the call had its effect, and it is not repeated
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a {"error":"nobody knows whether the call had its effect, and it is not repeated"}]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "done"
    "#]]);
}

#[test]
fn an_effect_that_says_it_does_not_know_is_no_other_case() {
    let mut script = one_call();
    script.effect = Effect::Effect;
    script.lose = 1;
    script.decisions = vec![decided(Decision::Retry)];

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        tool.finished a lost
        approval.requested p6 UnknownEffect a {"a":1,"b":2}
        run.waiting Suspended p6
        run.resumed
        approval.decided p6 Retry
        tool.started a add attempt 2
        tool.finished a 3
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a 3]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "done"
    "#]]);
}

#[test]
fn a_call_that_may_be_repeated_is_made_three_times_at_most() {
    let mut script = one_call();
    script.effect = Effect::Idempotent;
    script.lose = 5;

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        tool.finished a lost
        tool.started a add attempt 2
        tool.finished a lost
        tool.started a add attempt 3
        tool.finished a lost
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a {"error":"lost"}]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "done"
    "#]]);
}

#[test]
fn a_run_that_fails_gives_each_open_call_a_result() {
    let mut script = with_approval(decided(Decision::Expire));
    script.approval.on_timeout = OnTimeout::Fail;

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        approval.requested p4 ToolCall a {"a":1,"b":2}
        run.waiting Suspended p4
        run.resumed
        approval.decided p4 Expire
        tool.finished a nobody has decided on the call of `add` in time
        step.finished 1 Failed
        run.finished Failed  Tool: nobody has decided on the call of `add` in time
    "#]]);
}

#[test]
fn a_process_that_dies_in_a_call_counts_as_one_of_its_attempts() {
    let mut script = one_call();
    script.effect = Effect::Idempotent;
    let mut log = script.run();

    for _ in 0..5 {
        let begun = log.iter().rposition(|it| it.name() == "tool.started").unwrap();
        log.truncate(begun + 1);
        log = script.go_on(log);
    }

    assert_eq!(log.iter().filter(|it| it.name() == "tool.started").count(), 3);
    assert_eq!(log.iter().filter(|it| it.name() == "tool.finished").count(), 3);
}

#[test]
fn all_attempts_of_a_call_have_the_same_effect_id() {
    let mut script = one_call();
    script.effect = Effect::Idempotent;
    script.lose = 2;

    let log = script.run();

    let ids: Vec<_> = log
        .iter()
        .filter_map(|event| match event {
            engine::Event::ToolStarted(it) => Some((it.attempt, it.effect_id.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(ids.iter().map(|(attempt, _)| *attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(ids.iter().all(|(_, id)| *id == ids[0].1), "{ids:?}");
}

#[test]
fn a_run_with_approvals_that_is_cut_after_any_event_ends_as_if_it_had_not_been() {
    for decision in [Decision::Approve, Decision::Reject, Decision::Expire] {
        let script = with_approval(decided(decision));
        let whole = script.run();
        for cut in 1..whole.len() {
            let again = script.go_on(whole[..cut].to_vec());
            assert_eq!(again.last(), whole.last(), "{decision:?}, cut after event {cut}");
            let asked = again.iter().filter(|it| it.name() == "approval.requested").count();
            assert_eq!(asked, 1, "{decision:?}, cut after event {cut}");
        }
    }
}

fn without_consent(decisions: Vec<ApprovalDecided>) -> Script {
    let mut script = one_call();
    script.effect = Effect::Effect;
    script.without_consent = 1;
    script.decisions = decisions;
    script
}

#[test]
fn a_call_without_consent_waits_and_is_made_when_it_is_there() {
    without_consent(vec![decided(Decision::Approve)]).check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        tool.finished a ask him
        approval.requested p6 Consent a {"a":1,"b":2}
        run.waiting Suspended p6
        run.resumed
        approval.decided p6 Approve
        tool.started a add attempt 2
        tool.finished a 3
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a 3]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "done"
    "#]]);
}

#[test]
fn what_a_person_does_not_consent_to_is_not_done() {
    without_consent(vec![decided(Decision::Reject)]).check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        tool.started a add
        tool.finished a ask him
        approval.requested p6 Consent a {"a":1,"b":2}
        run.waiting Suspended p6
        run.resumed
        approval.decided p6 Reject
        tool.finished a the person has not consented
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a {"error":"the person has not consented"}]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "done"
    "#]]);
}

#[test]
fn who_has_agreed_to_a_call_is_not_asked_again_after_the_consent() {
    let mut script = without_consent(vec![decided(Decision::Approve), decided(Decision::Approve)]);
    script.approval.rule = ApprovalRule::Always;

    script.check(expect![[r#"
        run.started
        step.started 1
        model.started m1 test/one attempt 1: user
        model.finished m1
        approval.requested p4 ToolCall a {"a":1,"b":2}
        run.waiting Suspended p4
        run.resumed
        approval.decided p4 Approve
        tool.started a add
        tool.finished a ask him
        approval.requested p10 Consent a {"a":1,"b":2}
        run.waiting Suspended p10
        run.resumed
        approval.decided p10 Approve
        tool.started a add attempt 2
        tool.finished a 3
        step.finished 1 Done
        step.started 2
        model.started m2 test/one attempt 1: user, assistant, tool [a 3]
        model.finished m2
        step.finished 2 Done
        run.finished Succeeded "done"
    "#]]);
}

#[test]
fn a_run_that_waits_for_consent_may_be_forked_for_nothing_was_sent() {
    let mut log = without_consent(vec![decided(Decision::Approve)]).run();
    let asked = log.iter().position(|it| it.name() == "approval.requested").unwrap();
    log.truncate(asked + 1);

    let taken_over = engine::fork(&log, asked as u64 + 2).unwrap();

    assert!(taken_over.iter().all(|it| it.name() != "tool.started"), "{taken_over:?}");
}
