//! Scripts that want to harm: each ends within its time, takes no more than its memory, and harms
//! nobody.

use std::fs;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use sandbox::javascript::Failure;
use tokio::time::Instant;

use crate::harmful::KNOWN;
use crate::harmful::OWN;
use crate::harness::Recorder;
use crate::harness::call;
use crate::harness::children;
use crate::harness::pool;
use crate::harness::run;

const PATIENCE: Duration = Duration::from_millis(300);
/// How much later than its time a script may be gone, on a machine with other work.
const SLACK: Duration = Duration::from_secs(5);
/// What a worker may ever hold: the script's 32 MB, and ours.
const RESIDENT_KB: u64 = 160 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_scripts_of_the_notes_are_contained() {
    let nexts = contain(KNOWN).await;

    // A worker that was killed is replaced at once; the rest of that time is other work of the machine.
    let quickest = nexts.into_iter().min().unwrap();
    assert!(quickest < Duration::from_millis(50), "{quickest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_scripts_of_our_own_are_contained() {
    contain(OWN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_scripts_do_not_hold_up_others() {
    let pool = pool(2);
    run(&pool, "return 1", "null").await.unwrap();

    let (mut took, done) = (Vec::new(), AtomicBool::new(false));
    let harm = async {
        let host = Recorder::default();
        for source in ["for (;;);", KNOWN[24], KNOWN[26], "const a = []; for (;;) a.push({})"] {
            call(&pool, &host, "b", source, "null", 5 * PATIENCE).await.unwrap_err();
        }
        done.store(true, SeqCst);
    };
    let work = async {
        while !done.load(SeqCst) {
            let began = Instant::now();
            assert_eq!(run(&pool, "return input", "7").await.as_deref(), Ok("7"));
            took.push(began.elapsed());
        }
    };
    tokio::join!(harm, work);

    took.sort();
    let p99 = took[took.len() * 99 / 100];
    assert!(took.len() > 20 && p99 < 5 * PATIENCE, "{p99:?} of {}", took.len());
}

/// Runs them, and says how long calls took whose worker had to be replaced.
async fn contain(scripts: &[&str]) -> Vec<Duration> {
    let pool = pool(1);
    let (mut wrong, mut nexts) = (Vec::new(), Vec::new());
    for source in scripts {
        let host = Recorder::default();
        let began = Instant::now();
        let came = call(&pool, &host, "a", source, "null", PATIENCE).await;
        let took = began.elapsed();
        let resident = resident();
        let began = Instant::now();
        let next = run(&pool, "return 1 + 1", "null").await;
        if matches!(came, Err(Failure::Late)) {
            nexts.push(began.elapsed());
        }
        println!("{took:>8.0?} {resident:>6} kB  {source}\n    {}", shown(&came));
        if took > PATIENCE + SLACK || resident > RESIDENT_KB || next.as_deref() != Ok("2") {
            wrong.push(format!("{source}: {took:?}, {resident} kB, next: {next:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    nexts
}

fn shown(came: &Result<String, Failure>) -> String {
    let shown = match came {
        Ok(json) => json.clone(),
        Err(failure) => format!("! {failure}"),
    };
    shown.chars().take(120).collect()
}

/// The most that any of our workers ever held, in kB.
fn resident() -> u64 {
    children().iter().filter_map(|id| field(id, "VmHWM:")).max().unwrap_or_default()
}

fn field(id: &str, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
