//! One worker, seen from outside.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::process::Command;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tracing::warn;

use super::Host;
use super::Job;
use crate::frame;
use crate::frame::Frame;
use crate::frame::Kind;
use crate::frame::Malformed;

/// Questions of a job that may be open at once; workers keep to fewer.
const QUESTIONS: usize = 64;
/// Bytes that a worker may say in passing during a job; workers keep to less.
const NOTES: usize = 1024 * 1024;

/// Bytes of answers that may wait for a worker to take them, beside the last one.
const BACKLOG: usize = 1024 * 1024;
/// How often it is looked what a job has computed without asking for anything. Who has computed for
/// so long since the first look lets all others go first.
const LOOK: Duration = Duration::from_millis(10);
/// The lowest priority: such a worker gets what processor time the server and other workers leave.
const YIELDING: i32 = 19;

/// A worker. It is killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    read: BytesMut,
    unsent: BytesMut,
    started: Instant,
    /// Whether it has said that it has confined itself.
    pub greeted: bool,
    /// Whether it has said that it began with the job it was given last.
    pub begun: bool,
    /// Whether it works at the lowest priority, for the rest of its life.
    pub has_yielded: bool,
    pub jobs: u32,
    pub busy: Duration,
    pub idle_since: Instant,
}

/// The time in which a job asks for nothing.
struct Stretch {
    next_look: Instant,
    /// What the worker had computed at the first look.
    computed: Option<Duration>,
}

impl Stretch {
    fn begin() -> Self {
        Self { next_look: Instant::now() + LOOK, computed: None }
    }

    /// Whether the job has computed for too long. Waiting is not computing.
    fn is_over(&mut self, computed: Duration) -> bool {
        self.next_look = Instant::now() + LOOK;
        computed.saturating_sub(*self.computed.get_or_insert(computed)) >= LOOK
    }
}

/// Why a worker can be used no more.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("the worker is gone")]
    Gone(#[source] Option<io::Error>),
    #[error("the worker does not keep to what was agreed")]
    Protocol(#[from] Malformed),
}

impl Process {
    /// Starts one. It has no environment, stands in no folder of ours, and is in a group of its own,
    /// so that Ctrl-C at a terminal is for us alone: we may still need it.
    ///
    /// It dies with the thread that started it: that must be one that lives as long as the runtime.
    pub fn start(program: &Path, arguments: &[OsString]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let streams = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = streams.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            child,
            stdin,
            stdout,
            read: BytesMut::new(),
            unsent: BytesMut::new(),
            started: Instant::now(),
            greeted: false,
            begun: false,
            has_yielded: false,
            jobs: 0,
            busy: Duration::ZERO,
            idle_since: Instant::now(),
        })
    }

    /// The worker, unless it has ended meanwhile.
    pub fn alive(mut self) -> Option<Self> {
        matches!(self.child.try_wait(), Ok(None)).then_some(self)
    }

    /// Has a job done. Dropped before its end, the worker is in the middle of it, and of no more use.
    pub async fn work(&mut self, job: Job<'_>, host: &impl Host) -> Result<Bytes, Broken> {
        let began = Instant::now();
        self.begun = false;
        self.jobs += 1;
        frame::put(&mut self.unsent, Kind::Job, &[&[job.task], job.body])?;
        // Since it got what it went on with; what it says in passing does not count.
        let mut stretch = Stretch::begin();
        let mut answers = FuturesUnordered::new();
        let mut notes = 0;
        loop {
            while let Some(Frame { kind, mut body }) = frame::take(&mut self.read)? {
                match kind {
                    Kind::Hello => self.greet(&body),
                    _ if !self.greeted => return Err(Malformed.into()),
                    Kind::Begun => (self.begun, stretch) = (true, Stretch::begin()),
                    Kind::Ask if answers.len() < QUESTIONS => {
                        let number = frame::number(&mut body)?;
                        let answer = host.answer(body);
                        answers.push(async move { (number, answer.await) });
                    }
                    Kind::Note if notes + body.len() <= NOTES => {
                        notes += body.len();
                        host.hear(body);
                    }
                    Kind::Done => {
                        self.busy += began.elapsed();
                        return Ok(body);
                    }
                    _ => return Err(Malformed.into()),
                }
            }
            // Who does not take what is there asks for nothing more.
            let has_room = self.unsent.len() < BACKLOG;
            let is_waiting = !answers.is_empty() && has_room;
            let is_computing = self.begun && !self.has_yielded && !is_waiting;
            tokio::select! {
                read = self.stdout.read_buf(&mut self.read) => heard(read)?,
                sent = self.stdin.write_buf(&mut self.unsent), if !self.unsent.is_empty() => {
                    sent.map_err(|cause| Broken::Gone(Some(cause)))?;
                }
                Some((number, answer)) = answers.next(), if !answers.is_empty() && has_room => {
                    frame::put(&mut self.unsent, Kind::Reply, &[&number.to_le_bytes(), &answer])?;
                    stretch = Stretch::begin();
                }
                () = sleep_until(stretch.next_look), if is_computing => {
                    if stretch.is_over(self.computed()) {
                        self.let_others_go_first();
                    }
                }
            }
        }
    }

    /// How long it has been at work on a processor; workers have one thread. Where the system does not
    /// say it, all the time that passes counts.
    fn computed(&self) -> Duration {
        let told = self.child.id().and_then(|id| {
            let line = fs::read_to_string(format!("/proc/{id}/schedstat")).ok()?;
            line.split(' ').next()?.parse().ok()
        });
        told.map_or_else(|| self.started.elapsed(), Duration::from_nanos)
    }

    fn let_others_go_first(&mut self) {
        let id = self.child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        let Some(id) = id else { return };
        self.has_yielded = true;
        if let Err(cause) = rustix::process::setpriority_process(Some(id), YIELDING) {
            warn!(error = &cause as &dyn std::error::Error, "a worker keeps its priority");
        }
    }

    fn greet(&mut self, hello: &[u8]) {
        self.greeted = true;
        if hello != [1] {
            warn!("workers run without a filter of system calls: this kernel has none");
        }
    }
}

fn heard(read: io::Result<usize>) -> Result<(), Broken> {
    match read {
        Ok(0) => Err(Broken::Gone(None)),
        Ok(_) => Ok(()),
        Err(cause) => Err(Broken::Gone(Some(cause))),
    }
}
