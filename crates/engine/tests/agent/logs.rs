//! Logs of finished runs, as releases have written them: each folds to the same for ever.
//!
//! `logs/<engine>_<what>.jsonl` is never edited. A release that adds events adds logs that have them. Those
//! of engine 1 have the format and the order of events of its release, in which a lost effect was told to
//! the model and nobody was asked. Those of engines 4 and 6 to 8 were written by a build of the whole server.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use chrono::DateTime;
use chrono::Utc;
use engine::Agent;
use engine::ApprovalRule;
use engine::Callee;
use engine::ENGINE;
use engine::Event;
use engine::OutputSpec;
use engine::Step;
use expect_test::expect_file;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::script::Script;

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    name: String,
    at: DateTime<Utc>,
    data: Box<RawValue>,
}

#[test]
fn a_log_of_any_release_folds_to_the_same_for_ever() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs");
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "jsonl") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        seen.extend(name.split_once('_').and_then(|(engine, _)| engine.parse::<i32>().ok()));
        // Those of workflows are folded beside the tests of these.
        if name.contains("workflow") {
            continue;
        }
        let told = fold(&name, &fs::read_to_string(&path).unwrap());
        expect_file![path.with_extension("txt")].assert_eq(&told);
    }
    // Of each engine, so that a folder that cannot be found is no success.
    assert_eq!(seen, (1..=ENGINE).collect());
}

/// What each model call of a log is given, what there is at its end, and what the engine would end it with.
fn fold(name: &str, log: &str) -> String {
    let mut agent = agent(name);
    let mut told = String::new();
    let mut last = DateTime::UNIX_EPOCH;
    for line in log.lines() {
        let Line { name, at, data } = serde_json::from_str(line).unwrap();
        let event = Event::parse(&name, data.get()).unwrap();
        match (&event, agent.next(at)) {
            (Event::ModelStarted(it), Step::CallModel(call)) => {
                let messages = serde_json::to_string_pretty(&call.request.messages).unwrap();
                writeln!(told, "{} is asked: {messages}", it.call_id).unwrap();
            }
            (Event::RunFinished(it), next) => {
                // The engine of today ends it as the one that wrote it did.
                assert_eq!(next, Step::Finish(it.clone()), "{line}");
                writeln!(told, "{:?}: {}", it.status, event.data().unwrap()).unwrap();
            }
            _ => {}
        }
        agent.apply(&event, at);
        last = at;
    }
    assert_eq!(agent.next(last), Step::Finished);
    let usage = serde_json::to_string(&agent.usage_of_all()).unwrap();
    writeln!(
        told,
        "{} steps, {} attempts, with children {usage}",
        agent.steps(),
        agent.run_attempt()
    )
    .unwrap();
    told
}

/// The agent that ran in all of them, as far as a log does not say it.
fn agent(name: &str) -> Agent {
    let mut script = Script::new(Vec::new());
    script.models = vec!["test/one".to_owned(), "test/two".to_owned()];
    if name.contains("child") {
        script.callee = Callee::Agent("adder".to_owned());
    }
    if name.contains("nested") {
        script.callee = Callee::Workflow("adder".to_owned());
    }
    if name.contains("limit") {
        script.limits.max_steps = 1;
    }
    if name.contains("structured") {
        let schema = json!({"type": "object", "required": ["sum"], "properties": {"sum": {"type": "integer"}}});
        script.output = Some(OutputSpec::new(schema).unwrap());
    }
    if name.contains("approved") || name.contains("rejected") {
        script.approval.rule = ApprovalRule::Always;
    }
    script.agent()
}
