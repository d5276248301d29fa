//! What a script, and whatever broke out of one, cannot reach.

use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use expect_test::expect;
use tokio::time::Instant;

use crate::harness::pool;
use crate::harness::run;

#[test]
fn a_worker_that_broke_out_has_nothing() {
    let probe = Command::new(env!("CARGO_BIN_EXE_sandbox-probe")).env_clear().output().unwrap();

    expect![[r#"
        filter of system calls: yes
        read a file: no
        write a file: no
        connect: no
        open a socket: no
        open a pair of sockets: no
        start a program: no
        start a thread: no
        send a signal: no
        take 2 GB of memory: no
        raise a limit: no
        see an environment: no
    "#]]
    .assert_eq(std::str::from_utf8(&probe.stdout).unwrap());
}

#[tokio::test]
async fn a_script_finds_nothing_of_those_before_it() {
    let pool = pool(1);
    let pollute = "
        globalThis.left = input; Object.prototype.polluted = 1; Array.prototype.push = () => 7;
        JSON.parse = () => 'mine'; Promise.prototype.then = undefined; delete globalThis.URL;
        Object.defineProperty(globalThis, 'input', { value: 'mine' });
        globalThis.fetch = null; String.prototype.toString = () => 'mine';
        Object.freeze(Object.prototype); return 1";
    for _ in 0..3 {
        let _ = run(&pool, pollute, r#""secret""#).await;
        let clean = "return [typeof left, ({}).polluted ?? 'clean', [].push(1), JSON.parse('2'), typeof URL, input, typeof fetch, Object.isFrozen(Object.prototype)]";
        let found = run(&pool, clean, "3").await.unwrap();
        assert_eq!(found, r#"["undefined","clean",1,2,"function",3,"function",false]"#);
    }
}

#[tokio::test]
async fn a_script_sees_none_of_the_functions_that_leave_the_engine() {
    let names = "
        const all = new Set();
        const look = (it, depth) => {
            if ((typeof it !== 'object' && typeof it !== 'function') || it === null || all.has(it) || depth > 6) return;
            all.add(it);
            for (const key of Reflect.ownKeys(it)) { try { look(it[key], depth + 1) } catch {} }
            look(Object.getPrototypeOf(it), depth + 1);
        };
        look(globalThis, 0); look(ctx, 0); look(arguments => 1, 0);
        return [...all].filter((it) => typeof it === 'function' && ['send', 'timer', 'setUrl', 'extras'].includes(it.name)).length";
    assert_eq!(run(&pool(1), names, "null").await.as_deref(), Ok("0"));
}

#[tokio::test]
async fn a_worker_dies_with_the_process_that_started_it() {
    // The worker's input stays open: it is not that end which it notices. It tells its id before it is one.
    let script = r#"exec 3<&0; sh -c 'echo $$; exec "$0"' "$0" <&3 & wait"#;
    let mut parent = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_sandbox-worker")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(parent.stdout.take().unwrap());
    let mut id = String::new();
    reader.read_line(&mut id).unwrap();
    // Its greeting says that it has confined itself.
    assert!(!reader.fill_buf().unwrap().is_empty());
    let worker = Path::new("/proc").join(id.trim());
    assert!(worker.exists());

    parent.kill().unwrap();
    parent.wait().unwrap();

    let began = Instant::now();
    while worker.join("exe").read_link().is_ok() {
        assert!(began.elapsed() < Duration::from_secs(5), "the worker lives on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
