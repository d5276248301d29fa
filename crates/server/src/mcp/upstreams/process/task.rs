//! What has the process of a program.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

use bytes::BytesMut;
use rustix::process::Pid;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::process::ChildStderr;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::Changed;
use super::End;
use super::Open;
use super::Order;
use super::State;
use crate::egress::Secrets;
use crate::mcp::upstreams::lines::Lines;
use crate::mcp::upstreams::lines::Log;
use crate::mcp::upstreams::lines::Pace;
use crate::mcp::upstreams::message;
use crate::mcp::upstreams::message::Said;
use crate::mcp::upstreams::wire::WireError;

/// Requests that may be open.
const OPEN: usize = 256;
/// So many bytes may wait for the program to read them, and one message more.
const BACKLOG: usize = 8 << 20;
/// A program of which nothing was heard while somebody waited must say something within so long.
const PROBE: Duration = Duration::from_secs(10);
/// How long it may take to end by itself when its input has ended.
const GRACE: Duration = Duration::from_secs(2);
/// Requests of the task itself count from here.
const OWN: u64 = 1 << 40;

/// The processes of a program. All of them are killed when it is dropped.
pub(super) struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Group {
    pub(super) fn of(child: Child) -> Self {
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Self { child, id }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let _ = rustix::process::kill_process_group(id, Signal::KILL);
        }
    }
}

/// What has the process.
pub(super) struct Task {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: Option<ChildStderr>,
    group: Group,
    unsent: BytesMut,
    lines: Lines,
    log: Log,
    open: HashMap<u64, Open>,
    /// What it may say that nobody has asked for.
    pace: Pace,
    heard_at: Instant,
    /// Until when it must say something.
    probe: Option<Instant>,
    probes: u64,
    secrets: Secrets,
    changed: Changed,
    state: Arc<State>,
}

impl Task {
    pub(super) fn new(
        name: &str,
        mut group: Group,
        secrets: Secrets,
        changed: Changed,
        state: Arc<State>,
    ) -> std::io::Result<Self> {
        let child = &mut group.child;
        let streams = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = streams.ok_or(std::io::ErrorKind::BrokenPipe)?;
        let stderr = child.stderr.take();
        Ok(Self {
            stdin: Some(stdin),
            stdout,
            stderr,
            group,
            unsent: BytesMut::new(),
            lines: Lines::default(),
            log: Log::new(name, &secrets),
            open: HashMap::new(),
            pace: Pace::of_a_program(),
            heard_at: Instant::now(),
            probe: None,
            probes: OWN,
            secrets,
            changed,
            state,
        })
    }

    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let why = self.serve(&mut orders).await;
        orders.close();
        while let Ok(order) = orders.try_recv() {
            if let Order::Ask { open, .. } = order {
                let _ = open.answer.send(Err(WireError::NotSent(why.clone())));
            }
        }
        let Self { group, open, state, log, .. } = self;
        log.ended(&why);
        drop(group);
        let end = state.end.set(End { at: Instant::now(), why: why.clone() });
        debug_assert!(end.is_ok(), "a program ends once");
        for (_, open) in open {
            let _ = open.answer.send(Err(WireError::Lost(why.clone())));
        }
        state.gone.cancel();
    }

    /// Has the program until it ends, and says why it does.
    async fn serve(&mut self, orders: &mut mpsc::Receiver<Order>) -> String {
        loop {
            let probe = tokio::time::Instant::from_std(self.probe.unwrap_or(self.heard_at));
            tokio::select! {
                read = self.stdout.read_buf(self.lines.buffer()) => match read {
                    Ok(0) | Err(_) => return self.exit().await,
                    Ok(_) => if let Err(why) = self.hear() { return why },
                },
                read = mutter(&mut self.stderr, &mut self.log), if self.stderr.is_some() => {
                    if !read { self.stderr = None }
                }
                sent = send(&mut self.stdin, &mut self.unsent), if !self.unsent.is_empty() => {
                    // It may still say something, and will end if it reads nothing any more.
                    if !sent { self.unsent.clear() }
                }
                order = orders.recv() => match order {
                    None | Some(Order::End) => return self.let_end().await,
                    Some(order) => self.take(order),
                },
                () = sleep_until(probe), if self.probe.is_some() => {
                    return "the program says nothing any more".to_owned();
                }
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Ask { id, line, open } => {
                if self.open.len() >= OPEN {
                    self.open.retain(|_, open| !open.answer.is_closed());
                }
                if self.open.len() >= OPEN || self.unsent.len() >= BACKLOG {
                    let busy = "the program takes in no more requests".to_owned();
                    let _ = open.answer.send(Err(WireError::NotSent(busy)));
                    return;
                }
                self.write(&line);
                self.open.insert(id, open);
            }
            Order::Tell(line) => self.write(&line),
            Order::Forget { id, is_modern } => {
                let Some(open) = self.open.remove(&id) else { return };
                let params = json!({"requestId": id, "reason": "nobody waits for it any more"});
                self.write(&message::notice("notifications/cancelled", &params).to_string());
                if self.heard_at < open.since && self.probe.is_none() {
                    self.probe(is_modern);
                }
            }
            Order::End => {}
        }
    }

    /// Asks whether it is still there.
    fn probe(&mut self, is_modern: bool) {
        self.probes += 1;
        let method = if is_modern { "server/discover" } else { "ping" };
        let line = message::request(self.probes, method, &Value::Null, is_modern, false);
        self.write(&line.to_string());
        self.probe = Some(Instant::now() + PROBE);
    }

    /// Lets a message wait until it is read; where too much waits it is left out.
    fn write(&mut self, line: &str) {
        if self.unsent.len() >= BACKLOG {
            return;
        }
        self.unsent.extend_from_slice(line.as_bytes());
        self.unsent.extend_from_slice(b"\n");
    }

    /// Takes all lines that are whole, or says why no more is read of this program.
    fn hear(&mut self) -> Result<(), String> {
        (self.heard_at, self.probe) = (Instant::now(), None);
        while let Some(line) = self.lines.next() {
            let is_answer = self.understand(&line);
            if !is_answer && !self.pace.allows(line.len()) {
                return Err("the program said too much that nobody had asked for".to_owned());
            }
        }
        if self.lines.are_too_long() {
            return Err("the program said more on one line than is read".to_owned());
        }
        Ok(())
    }

    /// Hands on what a line says. `false`: it answers nothing that was asked.
    fn understand(&mut self, line: &[u8]) -> bool {
        let Ok(mut message) = serde_json::from_slice::<Value>(line) else { return false };
        self.secrets.redactors().for_each(|it| it.value(&mut message));
        let id = message["id"].as_u64().filter(|id| self.open.contains_key(id));
        match message::read(message, id.unwrap_or(u64::MAX)) {
            Some(Said::Answer(answer)) => {
                let Some(open) = id.and_then(|id| self.open.remove(&id)) else { return false };
                self.state.has_answered.store(true, Relaxed);
                let _ = open.answer.send(answer.map_err(WireError::Refused));
                return true;
            }
            Some(Said::Asks(reply)) => self.write(&reply.to_string()),
            Some(Said::Notice { method, .. }) if method == message::TOOLS_CHANGED => {
                (self.changed)();
            }
            Some(Said::Notice { method, params }) => {
                let of = params["progressToken"].as_u64().and_then(|id| self.open.get(&id));
                if let Some(open) = of {
                    let _ = open.notices.try_send((method, params));
                }
            }
            _ => {}
        }
        false
    }

    /// It has closed its output: how it has ended.
    async fn exit(&mut self) -> String {
        let status = tokio::time::timeout(GRACE, self.group.child.wait()).await;
        match status {
            Ok(Ok(status)) => format!("the program has ended ({status})"),
            _ => "the program has closed its output".to_owned(),
        }
    }

    /// Ends its input, upon which it should end.
    async fn let_end(&mut self) -> String {
        self.stdin = None;
        let _ = tokio::time::timeout(GRACE, self.group.child.wait()).await;
        "the server stops".to_owned()
    }
}

/// Reads what it says beside the protocol. `false`: that has ended.
async fn mutter(stderr: &mut Option<ChildStderr>, log: &mut Log) -> bool {
    let Some(stderr) = stderr else { return false };
    let read = stderr.read_buf(log.buffer()).await;
    let goes_on = read.is_ok_and(|count| count > 0);
    log.write();
    goes_on
}

/// Writes some of what waits. `false`: nothing more is read there.
async fn send(stdin: &mut Option<ChildStdin>, unsent: &mut BytesMut) -> bool {
    let Some(stdin) = stdin else { return false };
    stdin.write_buf(unsent).await.is_ok_and(|count| count > 0)
}
