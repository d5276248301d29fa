//! Where an answer comes from: what the model was given of documents.

use engine::Agent;
use engine::Answer;
use engine::Callee;
use engine::Event;
use engine::Output;
use engine::RetrievalFinished;
use engine::Step;
use llm::ToolStatus;
use serde_json::Value;
use serde_json::json;

use crate::script::Script;
use crate::script::at;
use crate::script::calls;
use crate::script::citation;
use crate::script::says;

/// Two turns with a call each, and an answer.
fn script() -> Script {
    let call = |id| calls(&[(id, "add", json!({"a": 1, "b": 2}))]);
    Script::new(vec![call("a"), call("b"), says("3")])
}

fn found(call_id: &str, quotes: &[&str]) -> Event {
    RetrievalFinished {
        call_id: call_id.to_owned(),
        databases: vec!["handbook".to_owned()],
        query: "leave".to_owned(),
        citations: quotes.iter().map(|it| citation(it)).collect(),
        duration_ms: 1,
    }
    .into()
}

/// A log in which calls found something before they ended.
fn with(mut log: Vec<Event>, more: &[(&str, &[&str])]) -> Vec<Event> {
    for (call_id, quotes) in more {
        let is_end = |it: &Event| matches!(it, Event::ToolFinished(it) if it.call_id == *call_id);
        let end = log.iter().position(is_end).unwrap();
        log.insert(end, found(call_id, quotes));
    }
    log
}

/// The quotes behind what the run answers by its log.
fn quotes(agent: &mut Agent, log: &[Event]) -> Vec<String> {
    for event in log.iter().filter(|it| it.name() != "run.finished") {
        agent.apply(event, at(0));
    }
    let end = match agent.next(at(0)) {
        Step::Finish(end) => end.output,
        _ => None,
    };
    let answer = match end {
        Some(Output::Answer(answer)) => Some(answer),
        _ => None,
    };
    let Answer { citations, .. } = answer.unwrap();
    let quote = |it: &Value| it["quote"].as_str().unwrap().to_owned();
    citations.iter().map(quote).collect()
}

#[test]
fn what_the_model_was_given_stands_behind_its_answer_once() {
    let script = script();
    let log = with(script.run(), &[("a", &["one", "two"]), ("b", &["two", "three"])]);

    assert_eq!(quotes(&mut script.agent(), &log), ["one", "two", "three"]);
}

#[test]
fn what_a_call_found_and_did_not_give_stands_behind_nothing() {
    let script = script();
    let mut log = with(script.run(), &[("a", &["lost"]), ("b", &["early"]), ("b", &["late"])]);
    for event in &mut log {
        if let Event::ToolFinished(it) = event
            && it.call_id == "a"
        {
            it.status = ToolStatus::Failed;
        }
    }

    // The call was made twice: the first process died.
    assert_eq!(quotes(&mut script.agent(), &log), ["late"]);
}

#[test]
fn an_answer_has_so_many_citations_and_no_more() {
    let script = script();
    let many: Vec<String> = (0..60).map(|it| it.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let log = with(script.run(), &[("a", &many)]);

    assert_eq!(quotes(&mut script.agent(), &log), many[..50]);
}

#[test]
fn what_stands_behind_the_answer_of_a_child_stands_behind_this_one() {
    let mut script = script();
    script.callee = Callee::Agent("reader".to_owned());

    assert_eq!(quotes(&mut script.agent(), &script.run()), ["of the child"]);
}

#[test]
fn a_fork_takes_over_what_was_found() {
    let script = script();
    let log = with(script.run(), &[("a", &["one"]), ("b", &["two"])]);
    let of_second = |it: &Event| matches!(it, Event::RetrievalFinished(it) if it.call_id == "b");
    let second = log.iter().position(of_second).unwrap() as u64 + 1;

    let count = |from_seq| {
        let log = engine::fork(&log, from_seq).unwrap();
        log.iter().filter(|it| it.name() == "retrieval.finished").count()
    };

    // A call that is made anew searches anew.
    assert_eq!([count(second), count(second + 1), count(second + 2)], [1, 1, 2]);
}
