//! `kill -9` at any instant of runs with tools, again and again.
//!
//! `make test` kills a few times; `make crash` kills hundreds of times. `CRASH_KILLS` says how often,
//! and `CRASH_SEED` begins with the same chances again; each test prints its own.

use std::hash::BuildHasher;
use std::hash::RandomState;
use std::time::Duration;

use futures::future::join_all;
use testkit::database::DatabaseKind;

use crate::till;
use crate::till::Till;

/// Kills without `CRASH_KILLS`.
const FEW: u64 = 10;
/// Runs that begin before each kill, and the requests that each of them makes.
const RUNS: usize = 4;
const REQUESTS: usize = 10;
/// A chance may want more requests than there will be.
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_every_run_ends_and_nothing_recorded_is_repeated_on_sqlite() {
    kill_at_random(DatabaseKind::Sqlite, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_every_run_ends_and_nothing_recorded_is_repeated_on_postgres() {
    kill_at_random(DatabaseKind::Postgres, 2).await;
}

async fn kill_at_random(kind: DatabaseKind, processes: usize) {
    let kills = setting("CRASH_KILLS").unwrap_or(FEW);
    let seed = setting("CRASH_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    say(&format!("{kind:?}: {kills} kills, CRASH_SEED={seed}"));
    let mut chance = Chance(seed);
    let till = Till::open(kind).await;
    let mut servers = Vec::new();
    for _ in 0..processes {
        servers.push(till.server().await);
    }
    let (mut runs, mut decided) = (Vec::new(), 0);
    for _ in 0..kills {
        // On all of them, for not only the one that is killed has work.
        let inputs = (0..RUNS).map(|run| servers[run % processes].begin("Go"));
        // What is seen of the runs, and not a clock, says how far they are.
        let wanted =
            till.model.received() + till.far_side.received() + chance.below(RUNS * REQUESTS);
        runs.extend(join_all(inputs).await);
        let _ = tokio::time::timeout(PATIENCE, async {
            while till.model.received() + till.far_side.received() < wanted {
                tokio::task::yield_now().await;
            }
        })
        .await;
        // The instant itself is chance: in between two requests there is much to break off.
        let moment = Duration::from_micros(chance.below(12_000) as u64);
        tokio::time::sleep(moment).await;
        servers.remove(chance.below(processes)).kill().await;
        servers.push(till.server().await);
        decided += till::decide_all(&servers[0]).await;
    }

    let ends = till.settle(&servers[0], &runs).await;

    decided += ends.decided;
    let all = runs.len();
    say(&format!("{all} runs, {} of them interrupted; {decided} decisions", ends.interrupted));
    assert!(ends.interrupted > 0, "no kill met a run");
    for server in servers {
        server.stop().await;
    }
}

/// Chances that begin with a seed: `SplitMix64`.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % limit as u64).unwrap()
    }
}

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap())
}

#[expect(clippy::print_stderr, reason = "who wants to try the same again needs the seed")]
fn say(line: &str) {
    eprintln!("{line}");
}
