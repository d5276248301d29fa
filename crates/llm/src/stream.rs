//! An answer from the network: sent for, read and timed.

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
use crate::ModelError;
use crate::http::Call;
use crate::http::Opened;
use crate::reader::Assembler;
use crate::reader::Fault;
use crate::reader::Progress;
use crate::reader::Reader;

/// How long the end of the body may take after the end of the answer, so that an HTTP/1
/// connection can be used again.
const CLOSING_TIME: Duration = Duration::from_millis(20);

/// The answer to `call`, which is sent when the stream is first polled.
pub(crate) fn answer(
    call: Result<Call, ModelError>,
    assembler: impl Assembler,
) -> BoxStream<'static, Result<Chunk, ModelError>> {
    stream::unfold(State::Begin(Box::new(call), assembler), State::next).boxed()
}

enum State<A> {
    Begin(Box<Result<Call, ModelError>>, A),
    Reading(Box<Reading<A>>),
    Done,
}

impl<A: Assembler> State<A> {
    async fn next(self) -> Option<(Result<Chunk, ModelError>, Self)> {
        let mut reading = match self {
            Self::Begin(call, assembler) => match begin(*call, assembler).await {
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

async fn begin<A: Assembler>(
    call: Result<Call, ModelError>,
    assembler: A,
) -> Result<Box<Reading<A>>, ModelError> {
    let opened = Box::pin(call?.send(A::FRAMING)).await?;
    let reader = Reader::new(assembler);
    Ok(Box::new(Reading { opened, reader, ready: VecDeque::new(), end: None }))
}

/// An answer that is being read.
struct Reading<A> {
    opened: Opened,
    reader: Reader<A>,
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
        self.ready.extend(self.reader.deltas());
        match read {
            Ok(()) if self.reader.progress() == Progress::Ended => {
                self.close().await;
                self.end = Some(Ok(self.reader.finish()));
            }
            Ok(()) => {}
            Err(error) => {
                self.end = Some(Err(ModelError { partial: self.reader.partial(), ..error }));
            }
        }
    }

    async fn read_piece(&mut self) -> Result<(), ModelError> {
        let Opened { response, deadlines, .. } = &mut self.opened;
        let piece = match self.reader.progress() {
            // Whatever keeps the rest away, the answer is there.
            Progress::Whole => deadlines.trailer(response).await,
            Progress::Alive => deadlines.first_piece(response).await?,
            Progress::Growing | Progress::Ended => deadlines.next_piece(response).await?,
        };
        match piece {
            Ok(Some(bytes)) => self.reader.push(&bytes).map_err(|fault| self.failed(fault)),
            Ok(None) | Err(_) => self.end_of_body(),
        }
    }

    fn end_of_body(&mut self) -> Result<(), ModelError> {
        self.reader.end().map_err(|fault| self.failed(fault))?;
        if self.reader.progress() < Progress::Ended {
            let error = self.error(ErrorKind::Truncated, "broke off its answer before the end");
            return Err(ModelError { retryable: true, ..error });
        }
        Ok(())
    }

    /// Reads on to the end of the body if it is near: a connection that is dropped before cannot
    /// be used again. HTTP/2 needs no such care.
    async fn close(&mut self) {
        let response = &mut self.opened.response;
        if response.version() <= Version::HTTP_11 {
            let rest = async { while let Ok(Some(_)) = response.chunk().await {} };
            // Not near: it costs a new connection next time.
            let _ = timeout(CLOSING_TIME, rest).await;
        }
    }

    fn failed(&self, fault: Fault) -> ModelError {
        match fault {
            Fault::Protocol => {
                self.error(ErrorKind::Protocol, "sent something that is not of its protocol")
            }
            Fault::TooLong => self.error(ErrorKind::Protocol, "sent too long an answer"),
            Fault::Refused(refusal) => {
                let Opened { deadlines, redactor, .. } = &self.opened;
                let error = refusal.into_error(deadlines.provider(), redactor);
                ModelError { kind: ErrorKind::BrokenOff, ..error }
            }
        }
    }

    fn error(&self, kind: ErrorKind, what: &str) -> ModelError {
        let provider = self.opened.deadlines.provider();
        ModelError::lasting(kind, format!("`{provider}` {what}"))
    }
}
