//! Scripts that want to harm: each ends within its time, takes no more than its memory, and harms
//! nobody.

use std::fs;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use sandbox::javascript::Failure;
use tokio::time::Instant;

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

/// Those of our notes: engines were stopped late by some, and not at all by the last ones.
const KNOWN: &[&str] = &[
    "while (true);",
    "for (;;) { try { for (;;); } catch {} }",
    "return /^(a+)+$/.test('a'.repeat(50) + 'b')",
    "[3, 2, 1].sort(() => { for (;;); })",
    "return Array.prototype.indexOf.call({ length: 2 ** 32 }, 1)",
    "return Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)",
    "return Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)",
    "const loop = async () => { for (;;) await null; }; await loop()",
    "const loop = () => Promise.resolve().then(loop); loop(); await new Promise(() => {})",
    "const a = []; for (;;) a.push(new Array(1000).fill(7))",
    "return 'x'.repeat(1e9)",
    "return new ArrayBuffer(2 ** 30)",
    "let s = 'x'; for (;;) s += s",
    "const f = (n) => f(n + 1) + 1; return f(0)",
    "return JSON.parse('['.repeat(1e6))",
    "let n = 3n; for (;;) n *= n",
    "return 3n ** 100000000n",
    "Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0)",
    "return typeof std + typeof os + require('fs')",
    "return process.exit(1)",
    "return new WebAssembly.Module(new Uint8Array(8))",
    "for (;;) { try { const a = []; for (;;) a.push({}); } catch {} }",
    "let s = 'a'.repeat(1e6); for (;;) s = s.replaceAll('a', 'aa')",
    "await new Promise(() => {})",
    "return new Array(4294967295).join('')",
    "return new Array(4294967295).sort()",
    "return Array.prototype.reverse.call({ length: 2 ** 53 - 1 })",
    "return Array.prototype.copyWithin.call({ length: 2 ** 53 - 1 }, 0, 1)",
    "return Array.prototype.unshift.call({ length: 2 ** 53 - 1 - 1 }, 1)",
    "let n = 0; Array.prototype.reverse.call({ get length() { return n++ ? 0 : 2 ** 53 - 1 } })",
];

/// Our own: what is around the engine is attacked, too.
const OWN: &[&str] = &[
    "return { toJSON() { for (;;); } }",
    "return { get a() { for (;;); } }",
    "throw { get stack() { for (;;); } }",
    "throw { get message() { for (;;); }, name: 'x' }",
    "Promise.prototype.then = function () { for (;;); }; return Promise.resolve(1)",
    "Object.prototype.toJSON = function () { for (;;); }; return {}",
    "Array.prototype[Symbol.iterator] = function* () { for (;;) yield ['a', 'b'] }; return fetch('https://a/x')",
    "Map.prototype.get = () => { for (;;); }; await fetch('https://a/x')",
    "return [...(function* () { for (;;) yield 1 })()]",
    "return new Proxy([], { get: () => 2 ** 32 - 1 })",
    "const a = {}; a.a = new Proxy({}, { ownKeys: () => ['a'], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }), get: (t, k) => k === 'toJSON' ? undefined : new Proxy(a.a, {}) }); return a",
    "for (;;) console.log('x'.repeat(1000))",
    "const s = 'x'.repeat(2 ** 23); for (;;) console.log(s)",
    "console.log({ toJSON() { for (;;); } })",
    "const f = () => { setTimeout(f); setTimeout(f) }; f(); await new Promise(() => {})",
    "setInterval(() => {}, 0); await new Promise(() => {})",
    "for (;;) fetch('https://a/x').catch(() => {})",
    "for (;;) await fetch('https://a/large')",
    "const kept = []; for (;;) kept.push(await fetch('https://a/large'))",
    "await fetch('https://a/' + 'x'.repeat(2 ** 24))",
    "await fetch('https://a/x', { method: 'POST', body: 'x'.repeat(2 ** 24) })",
    "for (;;) new URL('https://a/' + 'x'.repeat(1e6)).searchParams.append('a', 'b'.repeat(1e6))",
    "for (;;) new TextEncoder().encode('é'.repeat(4e6))",
    "for (;;) crypto.getRandomValues(new Uint8Array(65536))",
    "crypto.getRandomValues(new Uint8Array(65537))",
    "const f = () => structuredClone(Array(1e6).fill({})); for (;;) f()",
    "new Function('for (;;);')()",
    "for (;;) eval('1')",
    "await import('/etc/passwd')",
    "await import('./tool.js')",
    "const kept = []; for (;;) kept.push(new Uint8Array(1e6).fill(1))",
    "const r = new FinalizationRegistry(() => { for (;;); }); for (;;) r.register({}, 1)",
    "class A { static { for (;;); } }",
    "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return structuredClone(a)",
    "let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return 'made'",
    "return Array.fromAsync((async function* () { for (;;) yield 1 })())",
    "}); for (;;); (async () => {",
    "return 1 }); globalThis.x = 1; (async () => {",
];

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
