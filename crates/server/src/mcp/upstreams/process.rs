//! A program that speaks MCP on its standard streams, while it runs: one message a line.
//!
//! One task has the process. What it reads is bounded, and what is asked may be asked by many at once. Whatever the
//! program does, those who wait learn it in time: when it ends, the task ends, and nothing of its group is left.

mod task;

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use serde_json::Value;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::message;
use super::wire::Hear;
use super::wire::Session;
use super::wire::WireError;
use crate::egress::Secrets;
use task::Group;
use task::Task;

/// Requests that wait to be written.
const ORDERS: usize = 64;
/// How far calls are: so many notices of one may wait; more are left out.
const NOTICES: usize = 64;

/// A program that runs, or has run. Clones are the same.
#[derive(Debug, Clone)]
pub struct Process {
    orders: mpsc::Sender<Order>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    count: AtomicU64,
    /// Whether it has answered anything but what it is.
    has_answered: AtomicBool,
    gone: CancellationToken,
    end: OnceLock<End>,
}

/// When a program has ended, and why.
#[derive(Debug)]
pub struct End {
    pub at: Instant,
    pub why: String,
}

enum Order {
    Ask {
        id: u64,
        line: String,
        open: Open,
    },
    Tell(String),
    /// Nobody waits for this request any more.
    Forget {
        id: u64,
        is_modern: bool,
    },
    End,
}

/// Who waits for an answer.
struct Open {
    answer: oneshot::Sender<Result<Value, WireError>>,
    notices: mpsc::Sender<(String, Value)>,
    since: Instant,
}

/// What is told of a change that the program speaks of.
pub type Changed = Box<dyn Fn() + Send + Sync>;

impl Process {
    /// Starts `command`, and gives what has it, which must be run.
    pub fn start(
        name: &str,
        mut command: Command,
        secrets: Secrets,
        changed: Changed,
    ) -> std::io::Result<(Self, impl Future<Output = ()> + Send + 'static)> {
        let group = Group::of(command.process_group(0).kill_on_drop(true).spawn()?);
        let (orders, taken) = mpsc::channel(ORDERS);
        let process = Self { orders, state: Arc::default() };
        let task = Task::new(name, group, secrets, changed, Arc::clone(&process.state))?;
        Ok((process, task.run(taken)))
    }

    /// Asks, and waits for the answer until `until`.
    pub async fn ask(
        &self,
        session: Option<&Session>,
        asked: (&str, &Value),
        wants_progress: bool,
        (until, most): (Instant, usize),
        hear: Hear<'_>,
    ) -> Result<Value, WireError> {
        let time = until.saturating_duration_since(Instant::now());
        let (id, (method, params)) = (self.state.count.fetch_add(1, Relaxed), asked);
        let is_modern = session.is_some_and(Session::is_modern);
        let line = message::request(id, method, params, is_modern, wants_progress);
        let (answer, mut answered) = oneshot::channel();
        let (notices, mut coming) = mpsc::channel(NOTICES);
        let open = Open { answer, notices, since: Instant::now() };
        let order = Order::Ask { id, line: line.to_string(), open };
        let until = tokio::time::Instant::from_std(until);
        match tokio::time::timeout_at(until, self.orders.send(order)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(WireError::NotSent(self.why())),
            Err(_) => return Err(WireError::NotSent("there was no time to ask".to_owned())),
        }
        let _forgotten = Forgotten { process: self, id, is_modern };
        loop {
            tokio::select! {
                biased;
                Some((method, params)) = coming.recv() => hear(&method, &params),
                answer = &mut answered => {
                    let ended = |_| Err(WireError::Lost(self.why()));
                    return fitting(answer.unwrap_or_else(ended)?, most);
                }
                () = sleep_until(until) => {
                    let time = time.as_secs_f32();
                    return Err(WireError::Lost(format!("there was no answer within {time:.1} s")));
                }
            }
        }
    }

    /// Says something that is not answered.
    pub async fn tell(&self, message: &Value) {
        let _ = self.orders.send(Order::Tell(message.to_string())).await;
    }

    /// Lets it end, and waits until it has.
    pub async fn end(&self) {
        let _ = self.orders.send(Order::End).await;
        self.state.gone.cancelled().await;
    }

    /// How it has ended, if it has.
    pub fn ended(&self) -> Option<&End> {
        self.state.end.get()
    }

    /// Notes that it has said what it is: answers count from here.
    pub fn note_begun(&self) {
        self.state.has_answered.store(false, Relaxed);
    }

    pub fn has_answered(&self) -> bool {
        self.state.has_answered.load(Relaxed)
    }

    fn why(&self) -> String {
        self.ended().map_or_else(|| "the program ends".to_owned(), |it| it.why.clone())
    }
}

fn fitting(result: Value, most: usize) -> Result<Value, WireError> {
    if result.to_string().len() > most { Err(WireError::TooLarge(most)) } else { Ok(result) }
}

/// Tells the task that nobody waits any more. Where the answer is there it is nothing new.
struct Forgotten<'p> {
    process: &'p Process,
    id: u64,
    is_modern: bool,
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        let _ =
            self.process.orders.try_send(Order::Forget { id: self.id, is_modern: self.is_modern });
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn start(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Process::start("test", command, Secrets::default(), Box::new(|| {}));
        let (process, task) = started.unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test has no `app.tasks`")]
        tokio::spawn(task);
        process
    }

    async fn ask(process: &Process) -> Result<Value, WireError> {
        let until = Instant::now() + Duration::from_millis(50);
        process.ask(None, ("tools/list", &Value::Null), false, (until, 1000), &|_, _| {}).await
    }

    #[tokio::test]
    async fn who_asks_a_program_that_has_ended_is_told_why() {
        let process = start("exit 7");
        process.state.gone.cancelled().await;

        let why = ask(&process).await.unwrap_err();

        assert!(matches!(why, WireError::NotSent(_)), "{why}");
        assert_eq!(why.to_string(), "the program has ended (exit status: 7)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_says_nothing_any_more_is_killed() {
        let process = start("while read -r line; do :; done");

        let why = ask(&process).await.unwrap_err();
        process.state.gone.cancelled().await;

        assert!(matches!(why, WireError::Lost(_)), "{why}");
        assert_eq!(process.ended().unwrap().why, "the program says nothing any more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_reads_nothing_any_more_is_killed_too() {
        let process = start("sleep 1000");
        let (much, until) =
            (json!({"a": "x".repeat(9 << 20)}), Instant::now() + Duration::from_millis(50));
        let asked = ("tools/call", &much);

        let why = process.ask(None, asked, false, (until, 1000), &|_, _| {}).await.unwrap_err();
        let refused = ask(&process).await.unwrap_err();
        process.state.gone.cancelled().await;

        assert!(matches!(why, WireError::Lost(_)), "{why}");
        assert_eq!(refused.to_string(), "the program takes in no more requests");
        assert_eq!(process.ended().unwrap().why, "the program says nothing any more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_reads_nothing_ends_when_it_shall() {
        let process = start("sleep 1000");
        let (much, until) = (json!({"a": "x".repeat(9 << 20)}), Instant::now());
        let _ = process.ask(None, ("tools/call", &much), false, (until, 1000), &|_, _| {}).await;

        process.end().await;

        assert_eq!(process.ended().unwrap().why, "the server stops");
    }
}
