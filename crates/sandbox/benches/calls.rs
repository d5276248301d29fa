//! How many scripts a pool runs, and how long each takes: `cargo bench --package sandbox`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program that measures")]

use std::num::NonZeroUsize;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::future::join_all;
use sandbox::Pool;
use sandbox::Settings;
use sandbox::javascript;
use sandbox::javascript::Host;
use sandbox::javascript::Level;
use sandbox::javascript::Progress;
use sandbox::javascript::Request;
use sandbox::javascript::Response;
use sandbox::javascript::Script;
use serde_json::value::RawValue;
use tokio::time::Instant;

const SECONDS: usize = 3;
/// Groups and sums twenty objects.
const GROUP: &str = "
    const sums = {};
    for (const { city, amount } of input) sums[city] = (sums[city] ?? 0) + amount;
    return sums";

struct Nobody;

impl Host for Nobody {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response, String>> {
        let answer =
            Response { status: 200, url: request.url, headers: Vec::new(), body: request.body };
        async { Ok(answer) }.boxed()
    }

    fn log(&self, _: Level, _: String) {}

    fn progress(&self, _: Progress) {}
}

#[tokio::main]
async fn main() {
    println!("{:<28} {:>8} {:>9} {:>9} {:>9}", "script, callers", "calls/s", "p50", "p99", "most");
    let fetch =
        "return await (await ctx.fetch('https://a/x', { method: 'POST', body: 'b' })).text()";
    let shapes = [("return 1", "return 1"), ("group 20 objects", GROUP), ("one fetch", fetch)];
    let workers = std::thread::available_parallelism().unwrap();
    for (name, source) in shapes {
        for callers in [1, workers.get(), 8 * workers.get()] {
            measure(&format!("{name}, {callers}"), source, callers, workers).await;
        }
    }
}

async fn measure(name: &str, source: &str, callers: usize, workers: NonZeroUsize) {
    let pool = Pool::new(Settings {
        program: env!("CARGO_BIN_EXE_sandbox-worker").into(),
        arguments: Vec::new(),
        workers,
        queue: 1000,
        idle: Duration::from_mins(1),
    });
    let objects: Vec<_> =
        (0..20).map(|n| format!(r#"{{"city":"c{}","amount":{n}}}"#, n % 4)).collect();
    let input = RawValue::from_string(format!("[{}]", objects.join(","))).unwrap();
    let until = Instant::now() + Duration::from_secs(SECONDS as u64);
    let caller = async || {
        let mut took = Vec::new();
        while Instant::now() < until {
            let began = Instant::now();
            let deadline = began + Duration::from_secs(10);
            let script = Script { source, input: &input, memory: 32 << 20, deadline };
            javascript::run(&pool, "a", script, &Nobody).await.unwrap();
            took.push(began.elapsed());
        }
        took
    };
    let mut took = join_all((0..callers).map(|_| caller())).await.concat();
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    let rate = took.len() / SECONDS;
    println!("{name:<28} {rate:>8} {:>9.1?} {:>9.1?} {:>9.1?}", at(50), at(99), at(100));
}
