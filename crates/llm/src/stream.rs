//! Reading an answer: bytes to events, events to a message that grows.

use std::collections::VecDeque;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use futures::stream::BoxStream;
use reqwest::Version;
use tokio::time::timeout;

use crate::Answer;
use crate::Chunk;
use crate::Delta;
use crate::ErrorKind;
use crate::Message;
use crate::ModelError;
use crate::http::Call;
use crate::http::Opened;
use crate::refusal::Refusal;
use crate::sse::Decoder;
use crate::sse::Event;
use crate::sse::TooLong;

/// The most bytes of one answer that we take in.
const MAX_BODY: usize = 64 << 20;

/// How long a whole answer may wait for what only belongs to it loosely, like its usage.
const TRAILER_TIME: Duration = Duration::from_secs(5);

/// How long the end of the body may take after the end of the answer, so that an HTTP/1
/// connection can be used again.
const CLOSING_TIME: Duration = Duration::from_millis(5);

/// Understands the events of one wire format.
pub(crate) trait Assembler: Send + 'static {
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
}

/// The answer to `call`, which is sent when the stream is first polled.
pub(crate) fn answer(
    call: Result<Call, ModelError>,
    assembler: impl Assembler,
) -> BoxStream<'static, Result<Chunk, ModelError>> {
    stream::unfold(State::Begin(call, assembler), State::next).boxed()
}

enum State<A> {
    Begin(Result<Call, ModelError>, A),
    Reading(Box<Reading<A>>),
    Done,
}

impl<A: Assembler> State<A> {
    async fn next(self) -> Option<(Result<Chunk, ModelError>, Self)> {
        let mut reading = match self {
            Self::Begin(call, assembler) => match begin(call, assembler).await {
                Ok(reading) => reading,
                Err(error) => return Some((Err(error), Self::Done)),
            },
            Self::Reading(reading) => reading,
            Self::Done => return None,
        };
        let chunk = reading.next().await;
        let state = match chunk {
            Ok(Chunk::Delta(_)) => Self::Reading(reading),
            _ => Self::Done,
        };
        Some((chunk, state))
    }
}

async fn begin<A>(call: Result<Call, ModelError>, assembler: A) -> Result<Box<Reading<A>>, ModelError> {
    let opened = Box::pin(call?.send()).await?;
    Ok(Box::new(Reading {
        opened,
        assembler,
        decoder: Decoder::default(),
        progress: Progress::Alive,
        size: 0,
        ready: VecDeque::new(),
        end: None,
    }))
}

/// An answer that is being read.
struct Reading<A> {
    opened: Opened,
    assembler: A,
    decoder: Decoder,
    progress: Progress,
    /// Bytes of the body so far.
    size: usize,
    /// What was read but not handed out yet.
    ready: VecDeque<Delta>,
    /// How it ended, to be handed out after `ready`.
    end: Option<Result<Answer, ModelError>>,
}

impl<A: Assembler> Reading<A> {
    async fn next(&mut self) -> Result<Chunk, ModelError> {
        loop {
            if let Some(delta) = self.ready.pop_front() {
                return Ok(Chunk::Delta(delta));
            }
            if let Some(end) = self.end.take() {
                return end.map(|answer| Chunk::Finished(Box::new(answer)));
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let read = self.read_piece().await;
        self.ready.extend(self.assembler.deltas());
        match read {
            Ok(()) if self.progress == Progress::Ended => {
                self.close().await;
                self.end = Some(Ok(self.assembler.finish()));
            }
            Ok(()) => {}
            Err(error) => {
                let partial = self.assembler.partial();
                let partial = (!partial.content.is_empty()).then(|| Box::new(partial));
                self.end = Some(Err(ModelError { partial, ..error }));
            }
        }
    }

    async fn read_piece(&mut self) -> Result<(), ModelError> {
        let Opened { response, deadlines, .. } = &mut self.opened;
        let piece = if self.progress == Progress::Whole {
            timeout(TRAILER_TIME, response.chunk()).await.unwrap_or(Ok(None))
        } else {
            deadlines.next_piece(response, self.progress > Progress::Alive).await?
        };
        match piece {
            Ok(Some(bytes)) => self.decode(&bytes),
            Ok(None) | Err(_) => self.end_of_body(),
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<(), ModelError> {
        self.size += bytes.len();
        if self.size > MAX_BODY {
            return Err(self.error(ErrorKind::Protocol, "sent too long an answer"));
        }
        let Self { decoder, assembler, progress, .. } = self;
        let mut events = decoder.events(bytes);
        let fault = loop {
            match events.next() {
                Ok(Some(event)) => match assembler.take(event) {
                    Ok(step) => *progress = step.max(*progress),
                    Err(fault) => break fault,
                },
                Ok(None) => return Ok(()),
                Err(TooLong) => break Fault::Protocol,
            }
            if *progress == Progress::Ended {
                return Ok(());
            }
        };
        Err(self.failed(fault))
    }

    /// Takes what the missing blank line kept back, then looks whether anything is missing.
    fn end_of_body(&mut self) -> Result<(), ModelError> {
        if let Some(event) = self.decoder.rest() {
            match self.assembler.take(event) {
                Ok(step) => self.progress = step.max(self.progress),
                Err(fault @ Fault::Refused(_)) => return Err(self.failed(fault)),
                // Half an event.
                Err(Fault::Protocol) => {}
            }
        }
        if self.progress < Progress::Whole {
            let error = self.error(ErrorKind::Truncated, "broke off its answer before the end");
            return Err(ModelError { retryable: true, ..error });
        }
        self.progress = Progress::Ended;
        Ok(())
    }

    /// Reads on to the end of the body if it is near: a connection that is dropped before cannot
    /// be used again. HTTP/2 needs no such care.
    async fn close(&mut self) {
        let response = &mut self.opened.response;
        if response.version() <= Version::HTTP_11 {
            let rest = async { while let Ok(Some(_)) = response.chunk().await {} };
            // Not near; then it costs a new connection next time.
            let _ = timeout(CLOSING_TIME, rest).await;
        }
    }

    fn failed(&self, fault: Fault) -> ModelError {
        match fault {
            Fault::Protocol => self.error(ErrorKind::Protocol, "sent something that is not of its protocol"),
            Fault::Refused(refusal) => {
                refusal.into_error(self.opened.deadlines.provider(), &self.opened.redactor)
            }
        }
    }

    fn error(&self, kind: ErrorKind, what: &str) -> ModelError {
        let provider = self.opened.deadlines.provider();
        ModelError::lasting(kind, format!("`{provider}` {what}"))
    }
}
