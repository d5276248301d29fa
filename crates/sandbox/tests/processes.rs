//! How workers are started, given out, replaced and ended. These tests look at the children of this
//! process, so they take turns.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "workers/harness.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod harness;

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use futures::future::join_all;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use sandbox::Pool;
use sandbox::Settings;
use sandbox::javascript::Failure;
use tokio::sync::Barrier;
use tokio::sync::Mutex;
use tokio::sync::MutexGuard;
use tokio::time::Instant;
use tokio::time::timeout;

use harness::PATIENCE;
use harness::Recorder;
use harness::call;
use harness::children;
use harness::pool;
use harness::run;
use harness::settings;

static TURN: Mutex<()> = Mutex::const_new(());

/// Nobody else has workers meanwhile.
async fn turn() -> MutexGuard<'static, ()> {
    let turn = TURN.lock().await;
    until(|| children().is_empty()).await;
    turn
}

#[tokio::test]
async fn a_worker_killed_in_the_middle_of_a_call_fails_this_call_only() {
    let _turn = turn().await;
    let pool = pool(1);
    let host = Recorder::default();
    let doomed = call(&pool, &host, "a", "console.log('here'); for (;;);", "null", PATIENCE);
    let murder = async {
        until(|| !host.said.lock().unwrap().is_empty()).await;
        // The spare one, too.
        kill_all();
    };

    let (failure, ()) = tokio::join!(doomed, murder);

    assert!(matches!(failure, Err(Failure::Died(_))), "{failure:?}");
    assert_eq!(run(&pool, "return 1", "null").await.as_deref(), Ok("1"));
}

#[tokio::test]
async fn a_worker_killed_while_it_is_idle_is_noticed_by_nobody() {
    let _turn = turn().await;
    let pool = pool(1);
    for _ in 0..5 {
        assert_eq!(run(&pool, "return 1", "null").await.as_deref(), Ok("1"));
        kill_all();
    }
}

#[tokio::test]
async fn a_worker_serves_one_owner_only() {
    let _turn = turn().await;
    let pool = pool(1);
    let mut seen: Vec<(&str, Vec<String>)> = Vec::new();
    for owner in ["a", "a", "b", "a"] {
        let host = Recorder::default();
        call(&pool, &host, owner, "return 1", "null", PATIENCE).await.unwrap();
        seen.push((owner, children()));
    }

    // One that works and one that is ready; the one of `a` stays until `b` comes.
    let stays = |at: usize| seen[at].1.iter().filter(|id| seen[at + 1].1.contains(id)).count();
    assert_eq!(stays(0), 2);
    assert_eq!((stays(1), stays(2)), (1, 1), "the spare one is used, the other ended: {seen:?}");
}

#[tokio::test]
async fn a_worker_is_replaced_after_a_thousand_calls() {
    let _turn = turn().await;
    let pool = pool(1);
    run(&pool, "return 1", "null").await.unwrap();
    let first = children();
    let left = || children().iter().filter(|id| first.contains(id)).count();
    for _ in 2..1000 {
        run(&pool, "return 1", "null").await.unwrap();
    }
    assert_eq!(left(), 2);

    run(&pool, "return 1", "null").await.unwrap();

    until(|| left() == 1).await;
}

#[tokio::test]
async fn workers_that_have_nothing_to_do_are_ended() {
    let _turn = turn().await;
    let pool = Pool::new(Settings { idle: Duration::from_millis(100), ..settings(3) });
    let calls =
        (0..3).map(|_| run(&pool, "await new Promise((yes) => setTimeout(yes, 20))", "null"));
    join_all(calls).await.into_iter().for_each(|it| drop(it.unwrap()));
    assert!(children().len() >= 3);

    let gone = until(|| children().is_empty());
    tokio::select! {
        () = gone => {}
        never = pool.tend() => match never {},
    }

    assert_eq!(run(&pool, "return 1", "null").await.as_deref(), Ok("1"));
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_its_worker_and_makes_room() {
    let _turn = turn().await;
    let pool = pool(1);
    for script in [
        "for (;;);",
        "await fetch('https://a/slow')",
        "setInterval(() => {}, 1); await new Promise(() => {})",
    ] {
        let host = Recorder::default();
        let script = format!("console.log('here'); {script}");
        let dropped = call(&pool, &host, "a", &script, "null", PATIENCE);
        tokio::select! {
            came = dropped => panic!("{came:?}"),
            () = until(|| !host.said.lock().unwrap().is_empty()) => {}
        }
        let began = Instant::now();
        assert_eq!(run(&pool, "return 1", "null").await.as_deref(), Ok("1"));
        assert!(began.elapsed() < PATIENCE / 2);
        until(|| children().len() <= 2).await;
    }
}

#[tokio::test]
async fn what_waits_in_vain_for_a_worker_is_not_begun() {
    let _turn = turn().await;
    let pool = Pool::new(Settings { queue: 1, ..settings(1) });
    let host = Recorder::default();
    let short = Duration::from_millis(200);
    let holder = call(&pool, &host, "a", "console.log('here'); for (;;);", "null", PATIENCE);
    let others = async {
        until(|| !host.said.lock().unwrap().is_empty()).await;
        let waits = call(&pool, &host, "a", "return fetch('https://a/x')", "null", short);
        let finds_no_room = call(&pool, &host, "b", "return 1", "null", short);
        tokio::join!(waits, finds_no_room)
    };

    let (waited, found_no_room) = tokio::select! {
        came = holder => panic!("{came:?}"),
        others = others => others,
    };

    assert!(matches!(waited, Err(Failure::Busy(_))), "{waited:?}");
    assert!(matches!(found_no_room, Err(Failure::Busy(_))), "{found_no_room:?}");
    assert!(host.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn owners_take_turns_however_much_one_wants() {
    let _turn = turn().await;
    let pool = pool(1);
    let order = std::sync::Mutex::new(Vec::new());
    let one = async |owner: &'static str| {
        let host = Recorder::default();
        call(&pool, &host, owner, "return 1", "null", PATIENCE).await.unwrap();
        order.lock().unwrap().push(owner);
    };
    let many = join_all((0..10).map(|_| one("a")));
    let few = join_all((0..2).map(|_| one("b")));

    tokio::join!(many, few);

    let order = order.into_inner().unwrap();
    let last = order.iter().rposition(|owner| *owner == "b").unwrap();
    assert!(last <= 4, "{order:?}");
}

#[tokio::test]
async fn who_computes_for_long_lets_others_go_first_and_talking_does_not_help() {
    let _turn = turn().await;
    let pool = pool(4);
    let hosts = [Recorder::default(), Recorder::default()];
    let silent = call(&pool, &hosts[0], "a", "for (;;);", "null", PATIENCE);
    let talking = "for (let i = 0;; i += 1) if (i % 100000 === 0) console.log('x')";
    let talking = call(&pool, &hosts[1], "a", talking, "null", PATIENCE);
    let seen = until(|| children().iter().filter(|id| priority(id) == 19).count() == 2);

    tokio::select! {
        came = silent => panic!("{came:?}"),
        came = talking => panic!("{came:?}"),
        () = seen => {}
    }

    until(|| children().len() <= 1).await;
    assert_eq!(run(&pool, "return 1", "null").await.as_deref(), Ok("1"));
    assert!(children().iter().all(|id| priority(id) == 0), "a quick call is not put back");
}

#[tokio::test]
async fn who_only_waits_is_not_put_back() {
    let _turn = turn().await;
    let pool = pool(1);
    let waits = "await new Promise((yes) => setTimeout(yes, 200)); return 1";
    assert_eq!(run(&pool, waits, "null").await.as_deref(), Ok("1"));
    let first = children();
    assert_eq!(run(&pool, waits, "null").await.as_deref(), Ok("1"));
    assert_eq!(children(), first, "the same worker goes on");
}

#[tokio::test]
async fn a_worker_that_was_put_back_is_used_no_more() {
    let _turn = turn().await;
    let pool = pool(1);
    let long = "const end = Date.now() + 500; while (Date.now() < end); return 1";
    assert_eq!(run(&pool, long, "null").await.as_deref(), Ok("1"));
    until(|| children().len() == 1).await;
    assert!(children().iter().all(|id| priority(id) == 0), "it is the one kept ready");
}

#[tokio::test]
async fn no_owner_takes_all_workers() {
    let _turn = turn().await;
    for (workers, most) in [(2, 1), (3, 2), (4, 3)] {
        let (pool, host) = (pool(workers), Recorder::default());
        let many =
            join_all((0..workers).map(|_| {
                call(&pool, &host, "a", "console.log('here'); for (;;);", "null", PATIENCE)
            }));
        let other = async {
            until(|| host.said.lock().unwrap().len() == most).await;
            let quick = Recorder::default();
            call(&pool, &quick, "b", "return 1", "null", PATIENCE).await
        };

        let came = tokio::select! { came = many => panic!("{came:?}"), came = other => came };

        assert_eq!(came.unwrap(), "1");
        assert_eq!(host.said.lock().unwrap().len(), most, "the last one waits");
    }
}

#[tokio::test]
async fn a_program_that_is_no_worker_is_said_to_be_none() {
    let _turn = turn().await;
    for program in ["/bin/true", "/bin/cat", "/usr/bin/yes", "/nowhere"] {
        let program = Settings { program: program.into(), ..settings(1) };
        let pool = Pool::new(program);
        let answer = run(&pool, "return 1", "null").await;
        assert_eq!(answer.unwrap_err(), "scripts cannot be run here", "{pool:?}");
    }
    let silent =
        Settings { program: "/bin/sleep".into(), arguments: vec!["100".into()], ..settings(1) };
    let patience = Duration::from_millis(300);
    let late =
        call(&Pool::new(silent), &Recorder::default(), "a", "return 1", "null", patience).await;
    assert!(matches!(late, Err(Failure::Busy(_))), "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_cancels_at_once_leave_a_pool_that_works() {
    let _turn = turn().await;
    let most = 3;
    let pool = pool(most);
    let (finished, dropped) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let one = async |number: u64| {
        let host = Recorder::default();
        let owner = ["a", "b", "c"][usize::try_from(number % 3).unwrap()];
        let script = match number % 4 {
            0 => "for (;;);",
            1 => "await fetch('https://a/slow')",
            2 => {
                "console.log('x'.repeat(1000));
                 return (await (await fetch('https://a/large')).text()).length"
            }
            _ => "await new Promise((yes) => setTimeout(yes, 3)); return input",
        };
        let patience = Duration::from_millis(number * 37 % 50);
        let wanted = call(&pool, &host, owner, script, "null", PATIENCE);
        match timeout(patience, wanted).await {
            Ok(came) => {
                let bears = came.is_ok() || matches!(came, Err(Failure::Busy(_)));
                assert!(bears, "{came:?}");
                finished.fetch_add(1, SeqCst);
            }
            Err(_) => _ = dropped.fetch_add(1, SeqCst),
        }
    };
    for round in 0..10 {
        join_all((0..20).map(|number| one(round * 20 + number))).await;
    }

    // All places are free again: so many calls can wait for each other.
    let host = Recorder { meeting: Some(Barrier::new(most)), ..Recorder::default() };
    let script = "return (await fetch('https://a/meet')).status";
    let meet = ["a", "b", "c"].map(|owner| call(&pool, &host, owner, script, "null", PATIENCE));
    for came in join_all(meet).await {
        assert_eq!(came.unwrap(), "200");
    }
    assert!(dropped.load(SeqCst) > 20, "{dropped:?} were dropped and {finished:?} finished");
    until(|| children().len() <= most + 1).await;
}

fn kill_all() {
    for id in children() {
        let id = Pid::from_raw(id.parse().unwrap()).unwrap();
        // It may be gone by itself.
        let _ = kill_process(id, Signal::KILL);
    }
}

/// The nice value of a process: field 19 of its `stat`.
fn priority(id: &str) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    after_name.split(' ').nth(16).and_then(|it| it.parse().ok()).unwrap_or_default()
}

async fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it did not come to that");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
