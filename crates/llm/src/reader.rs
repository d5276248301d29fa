//! Bytes to pieces of JSON, these to a message that grows; no network here.

use crate::Answer;
use crate::Delta;
use crate::Message;
use crate::lines;
use crate::lines::Lines;
use crate::refusal::Refusal;
use crate::sse;
use crate::sse::Decoder;
use crate::sse::Event;
use crate::sse::TooLong;

/// The most bytes of one answer that we take in.
const MAX_BODY: usize = 64 << 20;

/// How the body of an answer is cut into pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Events,
    /// A line each.
    Lines,
}

/// Understands the events of one wire format.
pub(crate) trait Assembler: Send + 'static {
    const FRAMING: Framing = Framing::Events;

    /// Takes in one event. What it adds to the text comes out of [`Assembler::deltas`].
    fn take(&mut self, event: Event<'_>) -> Result<Progress, Fault>;

    /// What was said since the last time.
    fn deltas(&mut self) -> Vec<Delta>;

    /// What was said so far, without calls.
    fn partial(&self) -> Message;

    /// The answer, once an event was [`Progress::Whole`] or [`Progress::Ended`].
    fn finish(&mut self) -> Answer;
}

/// What an event means for the answer; a later one is never less than an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Progress {
    /// A sign of life.
    Alive,
    Growing,
    /// The message is whole; its usage may still come.
    Whole,
    /// Nothing more will come.
    Ended,
}

/// What is wrong with an event.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is not of the protocol.
    Protocol,
    /// It is an error of the provider.
    Refused(Refusal),
    /// It, or the whole answer, is longer than anybody needs.
    TooLong,
}

/// Reads the body of an answer, in whatever pieces it comes.
#[derive(Debug)]
pub(crate) struct Reader<A> {
    assembler: A,
    frames: Frames,
    progress: Progress,
    /// Bytes so far.
    size: usize,
}

#[derive(Debug)]
enum Frames {
    Events(Decoder),
    Lines(Lines),
}

impl Framing {
    /// The media type of such a body.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }

    fn frames(self) -> Frames {
        match self {
            Self::Events => Frames::Events(Decoder::default()),
            Self::Lines => Frames::Lines(Lines::default()),
        }
    }
}

impl Frames {
    /// What the end of the body cut off; it may be incomplete.
    fn rest(&mut self) -> Option<Event<'_>> {
        match self {
            Self::Events(decoder) => decoder.rest(),
            Self::Lines(lines) => lines.rest(),
        }
    }
}

/// The events in one piece of a body.
enum Pieces<'d, 'b> {
    Events(sse::Events<'d, 'b>),
    Lines(lines::Rest<'d, 'b>),
}

impl Pieces<'_, '_> {
    fn next(&mut self) -> Result<Option<Event<'_>>, TooLong> {
        match self {
            Self::Events(events) => events.next(),
            Self::Lines(lines) => lines.next(),
        }
    }
}

impl<A: Assembler> Reader<A> {
    pub fn new(assembler: A) -> Self {
        Self { assembler, frames: A::FRAMING.frames(), progress: Progress::Alive, size: 0 }
    }

    /// Takes in the next piece. What comes behind the end of the answer is not looked at.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.size += bytes.len();
        if self.size > MAX_BODY {
            return Err(Fault::TooLong);
        }
        let Self { assembler, frames, progress, .. } = self;
        let mut events = match frames {
            Frames::Events(decoder) => Pieces::Events(decoder.events(bytes)),
            Frames::Lines(lines) => Pieces::Lines(lines.lines(bytes)),
        };
        while *progress < Progress::Ended {
            match events.next() {
                Ok(Some(event)) => *progress = assembler.take(event)?.max(*progress),
                Ok(None) => break,
                Err(TooLong) => return Err(Fault::TooLong),
            }
        }
        Ok(())
    }

    /// Takes in the end of the body: a last event may lack its blank line. If nothing is missing
    /// then, the answer has ended.
    pub fn end(&mut self) -> Result<(), Fault> {
        if self.progress < Progress::Ended
            && let Some(event) = self.frames.rest()
        {
            match self.assembler.take(event) {
                Ok(progress) => self.progress = progress.max(self.progress),
                // Half an event.
                Err(Fault::Protocol) => {}
                Err(fault) => return Err(fault),
            }
        }
        if self.progress == Progress::Whole {
            self.progress = Progress::Ended;
        }
        Ok(())
    }

    pub fn progress(&self) -> Progress {
        self.progress
    }

    pub fn deltas(&mut self) -> Vec<Delta> {
        self.assembler.deltas()
    }

    pub fn partial(&self) -> Option<Box<Message>> {
        let partial = self.assembler.partial();
        (!partial.content.is_empty()).then(|| Box::new(partial))
    }

    /// The answer; to be asked for once it has [`Progress::Ended`].
    pub fn finish(&mut self) -> Answer {
        self.assembler.finish()
    }
}
