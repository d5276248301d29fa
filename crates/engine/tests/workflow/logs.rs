//! Logs of finished runs of workflows, as releases have written them: each folds to the same for ever.
//!
//! `logs/<engine>_workflow….jsonl` is the log of a run of the definition beside it, and never edited.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use chrono::DateTime;
use chrono::Utc;
use engine::Event;
use engine::WorkflowStep;
use expect_test::expect_file;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::script::Script;
use crate::script::line;

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    name: String,
    at: DateTime<Utc>,
    data: Box<RawValue>,
}

#[test]
fn a_log_of_a_workflow_folds_to_the_same_for_ever() {
    for log in ["8_workflow", "8_workflow_steps"] {
        folds_to_the_same(log);
    }
}

fn folds_to_the_same(log: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs");
    let steps = fs::read_to_string(folder.join(format!("{log}.json"))).unwrap();
    let mut run = Script::new(serde_json::from_str(&steps).unwrap()).workflow_run();
    let (mut told, mut last) = (String::new(), DateTime::UNIX_EPOCH);
    for text in fs::read_to_string(folder.join(format!("{log}.jsonl"))).unwrap().lines() {
        let Line { name, at, data } = serde_json::from_str(text).unwrap();
        let event = Event::parse(&name, data.get()).unwrap();
        // Nothing is next of a run that has not begun.
        let next = (name != "run.started").then(|| run.next(at));
        match (&event, next) {
            (Event::RunFinished(end), next) => {
                assert_eq!(next, Some(WorkflowStep::Finish(end.clone())), "{text}");
            }
            (Event::RunResumed(_), _) => {}
            // What the interpreter says itself, it says again. Times of what took some are those of then.
            (_, Some(WorkflowStep::Record(due))) => assert_eq!(due.name(), event.name(), "{text}"),
            _ => {}
        }
        run.apply(&event, at);
        writeln!(told, "{}", line(&event)).unwrap();
        last = at;
    }
    assert_eq!(run.next(last), WorkflowStep::Finished);
    writeln!(told, "{} entries begun, {} attempts", run.steps(), run.run_attempt()).unwrap();
    expect_file![folder.join(format!("{log}.txt"))].assert_eq(&told);
}
