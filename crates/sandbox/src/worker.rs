//! The side of the worker: it confines itself, then does one job after the other.
//!
//! A worker has nothing but its streams: what it wants to know it asks whoever started it. It is one
//! thread; reading and writing wait.

use std::cell::Cell;
use std::cell::RefCell;
use std::convert::Infallible;
use std::os::fd::BorrowedFd;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use bytes::Buf;
use bytes::Bytes;
use bytes::BytesMut;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::io::Errno;
use rustix::stdio;

use crate::confine;
use crate::confine::Filter;
use crate::frame;
use crate::frame::Frame;
use crate::frame::Kind;
use crate::javascript;

/// What is read at once.
const PIECE: usize = 64 * 1024;

/// A kind of job that the program brings along. It gets the body of a job and gives what came of it; it
/// may not end, and may take all the memory there is: that ends the worker, and the job with it.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// How jobs of this kind begin: not 1, which is JavaScript.
    pub number: u8,
    pub work: fn(&[u8], &Asker<'_>) -> Vec<u8>,
}

/// The way to ask whoever gave a job, one question after the other.
#[derive(Debug)]
pub struct Asker<'c>(&'c Channel);

impl Asker<'_> {
    /// The answer to a question, once it is there. `None`: nobody is there any more.
    pub fn ask(&self, question: &[&[u8]]) -> Option<Bytes> {
        let number = self.0.ask(question).ok()?;
        loop {
            let Frame { kind, mut body } = self.0.receive().ok()?;
            // An answer may come late, when its job is done.
            if kind == Kind::Reply && frame::number(&mut body) == Ok(number) {
                return Some(body);
            }
        }
    }
}

/// Works until nobody has anything to do for it: JavaScript, and `tasks`. The process must not have done
/// anything else: no thread may be running, and what is open stays open.
pub fn main(tasks: &[Task]) -> ExitCode {
    // What lists of processes show; it does no harm if they do not.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"tool-worker");
    match confine::confine().map(|filter| serve(filter, tasks)) {
        Ok(Err(Gone)) => ExitCode::SUCCESS,
        Ok(Ok(never)) => match never {},
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(filter: Filter, tasks: &[Task]) -> Result<Infallible, Gone> {
    let channel = Rc::new(Channel::new());
    channel.send(Kind::Hello, &[&[u8::from(filter == Filter::On)]])?;
    loop {
        let Frame { kind, mut body } = channel.receive()?;
        // An answer may come late, when its job is done.
        if kind != Kind::Job || !body.has_remaining() {
            continue;
        }
        channel.send(Kind::Begun, &[])?;
        match body.get_u8() {
            javascript::TASK => javascript::work(&body, &channel)?,
            number => {
                let task = tasks.iter().find(|task| task.number == number).ok_or(Gone)?;
                channel.done(&[&(task.work)(&body, &Asker(&channel))])?;
            }
        }
    }
}

/// There is nobody any more to work for, or nobody who can be understood.
#[derive(Debug)]
pub(crate) struct Gone;

/// The worker's end of its streams.
#[derive(Debug)]
pub(crate) struct Channel {
    input: BorrowedFd<'static>,
    output: BorrowedFd<'static>,
    read: RefCell<BytesMut>,
    asked: Cell<u32>,
}

impl Channel {
    fn new() -> Self {
        let (input, output) = (stdio::stdin(), stdio::stdout());
        Self { input, output, read: RefCell::default(), asked: Cell::default() }
    }

    /// Asks a question, and gives its number.
    pub fn ask(&self, question: &[&[u8]]) -> Result<u32, Gone> {
        let number = self.asked.get().wrapping_add(1);
        self.asked.set(number);
        let number_bytes = number.to_le_bytes();
        let mut body: Vec<&[u8]> = vec![&number_bytes];
        body.extend(question);
        self.send(Kind::Ask, &body)?;
        Ok(number)
    }

    /// Says something in passing.
    pub fn note(&self, what: &[&[u8]]) -> Result<(), Gone> {
        self.send(Kind::Note, what)
    }

    /// Says what came of the job.
    pub fn done(&self, what: &[&[u8]]) -> Result<(), Gone> {
        self.send(Kind::Done, what)
    }

    /// Waits for an answer, at most so long.
    pub fn answer(&self, patience: Duration) -> Result<Option<(u32, Bytes)>, Gone> {
        let Some(Frame { kind, mut body }) = self.receive_within(Some(patience))? else {
            return Ok(None);
        };
        if kind != Kind::Reply {
            return Err(Gone);
        }
        let number = frame::number(&mut body).map_err(|_| Gone)?;
        Ok(Some((number, body)))
    }

    fn send(&self, kind: Kind, body: &[&[u8]]) -> Result<(), Gone> {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, kind, body).map_err(|_| Gone)?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match rustix::io::write(self.output, rest) {
                Ok(written) => rest = rest.get(written..).ok_or(Gone)?,
                Err(Errno::INTR) => {}
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }

    fn receive(&self) -> Result<Frame, Gone> {
        self.receive_within(None)?.ok_or(Gone)
    }

    fn receive_within(&self, patience: Option<Duration>) -> Result<Option<Frame>, Gone> {
        let mut read = self.read.borrow_mut();
        loop {
            if let Some(frame) = frame::take(&mut read).map_err(|_| Gone)? {
                return Ok(Some(frame));
            }
            if !self.is_readable(patience)? {
                return Ok(None);
            }
            let mut piece = vec![0; PIECE];
            match rustix::io::read(self.input, &mut piece) {
                Ok(0) => return Err(Gone),
                Ok(length) => read.extend_from_slice(piece.get(..length).ok_or(Gone)?),
                Err(Errno::INTR) => {}
                Err(_) => return Err(Gone),
            }
        }
    }

    /// Waits until there is something to read, at most so long.
    fn is_readable(&self, patience: Option<Duration>) -> Result<bool, Gone> {
        let Some(patience) = patience else { return Ok(true) };
        let mut streams = [PollFd::new(&self.input, PollFlags::IN)];
        let patience = Timespec::try_from(patience).map_err(|_| Gone)?;
        match rustix::event::poll(&mut streams, Some(&patience)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(_) => Err(Gone),
        }
    }
}
