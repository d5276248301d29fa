//! What to answer, and how to break while doing so.

use std::time::Duration;

use serde_json::Value;

use super::Gate;
use super::Received;
use super::embed;

/// An answer to one request, in any wire format.
///
/// Begin with [`Reply::text`], [`Reply::call`] on it or on [`Reply::default`], [`Reply::error`],
/// [`Reply::raw`], [`Reply::html`] or [`Reply::silence`]; then add to it.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub(super) content: Content,
    pub(super) headers: Vec<(String, String)>,
    pub(super) steps: Vec<(Place, Step)>,
    pub(super) framing: Framing,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Said(Box<Said>),
    Error {
        status: u16,
        code: String,
        message: String,
    },
    Raw {
        status: u16,
        content_type: String,
        body: Vec<u8>,
    },
    /// One for each text that is to be embedded.
    Vectors(Vec<Vec<f32>>),
    /// Nothing, not even a head.
    Silence,
}

/// What a model says.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub reasoning: Vec<String>,
    pub text: Vec<String>,
    pub calls: Vec<Call>,
    /// In the words of the protocol; `None` for the usual one.
    pub finish_reason: Option<String>,
    pub usage: Option<Usage>,
}

#[derive(Debug, Clone)]
pub(super) struct Call {
    /// `None` for a made-up one.
    pub id: Option<String>,
    pub name: String,
    /// As the model writes them.
    pub arguments: String,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub input: u64,
    pub cached: u64,
    pub output: u64,
    pub reasoning: u64,
}

/// A place in the body of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Before this byte.
    Byte(usize),
    /// Behind the event that holds this text first.
    After(String),
}

/// What happens at a place.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The body ends as if it were whole.
    Cut,
    /// The connection breaks.
    Abort,
    /// Nothing more comes until the client goes away.
    Hang,
    Split,
    Hold(Gate),
}

/// How the events become bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Framing {
    pub crlf: bool,
    pub comments: bool,
    pub dribble: bool,
    pub unit: Unit,
    pub pause: Duration,
}

/// What one event is in the body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Unit {
    /// What stands before a blank line.
    #[default]
    Block,
    Line,
}

impl Default for Content {
    fn default() -> Self {
        Self::Said(Box::default())
    }
}

impl From<usize> for Place {
    fn from(byte: usize) -> Self {
        Self::Byte(byte)
    }
}

impl From<&str> for Place {
    fn from(text: &str) -> Self {
        Self::After(text.to_owned())
    }
}

/// What is said.
impl Reply {
    /// Says `text`, a word at a time.
    pub fn text(text: &str) -> Self {
        Self::tokens(text.split_inclusive(' '))
    }

    /// Says these pieces of text, each in an event of its own.
    pub fn tokens<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Self {
        Self::default().with(|said| said.text = tokens.into_iter().map(str::to_owned).collect())
    }

    /// Thinks `text` before it says anything.
    #[must_use]
    pub fn reasoning(self, text: &str) -> Self {
        self.with(|said| said.reasoning = text.split_inclusive(' ').map(str::to_owned).collect())
    }

    /// Calls a tool, beside those called before.
    #[must_use]
    pub fn call(self, name: &str, arguments: Value) -> Self {
        self.push_call(Call { id: None, name: name.to_owned(), arguments: arguments.to_string() })
    }

    /// Calls a tool under this id, with these arguments, which need not be JSON.
    #[must_use]
    pub fn raw_call(self, id: &str, name: &str, arguments: &str) -> Self {
        let (id, name, arguments) = (Some(id.to_owned()), name.to_owned(), arguments.to_owned());
        self.push_call(Call { id, name, arguments })
    }

    /// Gives this as the reason to stop, whatever the content is.
    #[must_use]
    pub fn finish_reason(self, reason: &str) -> Self {
        self.with(|said| said.finish_reason = Some(reason.to_owned()))
    }

    /// Counts these tokens; else it counts words.
    #[must_use]
    pub fn usage(self, input: u64, output: u64) -> Self {
        self.with(|said| {
            said.usage = Some(Usage { input, output, ..said.usage.unwrap_or_default() });
        })
    }

    /// So many of the input tokens came from the cache, and of the output tokens were reasoning.
    #[must_use]
    pub fn usage_details(self, cached: u64, reasoning: u64) -> Self {
        self.with(|said| {
            said.usage = Some(Usage { cached, reasoning, ..said.usage.unwrap_or_default() });
        })
    }

    /// Refuses, with an error in the form of the protocol.
    pub fn error(status: u16, message: &str) -> Self {
        Self::error_code(status, "fake_error", message)
    }

    /// Refuses, with this code (`type` in Anthropic's format).
    pub fn error_code(status: u16, code: &str, message: &str) -> Self {
        let (code, message) = (code.to_owned(), message.to_owned());
        Self { content: Content::Error { status, code, message }, ..Self::default() }
    }

    /// Embeds: these are the vectors of the texts. NaN is said as `null`.
    pub fn vectors(vectors: Vec<Vec<f32>>) -> Self {
        Self { content: Content::Vectors(vectors), ..Self::default() }
    }

    /// Embeds the texts of `received`: those with common words are near to each other.
    pub fn embedding(received: &Received, dimension: usize) -> Self {
        let texts = embed::texts(&received.body);
        Self::vectors(texts.iter().map(|text| embed::vector(text, dimension)).collect())
    }

    /// Answers with these bytes.
    pub fn raw(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let content_type = content_type.to_owned();
        Self {
            content: Content::Raw { status, content_type, body: body.into() },
            ..Self::default()
        }
    }

    /// Answers with this event stream as it is.
    pub fn sse(body: impl Into<Vec<u8>>) -> Self {
        Self::raw(200, "text/event-stream", body)
    }

    /// Answers with these lines as they are.
    pub fn lines(body: impl Into<Vec<u8>>) -> Self {
        Self::raw(200, "application/x-ndjson", body)
    }

    /// Answers 200 with a page of some proxy.
    pub fn html() -> Self {
        Self::raw(200, "text/html", "<!doctype html><title>Welcome</title><h1>It works!</h1>")
    }

    /// Takes the request and answers nothing until the client goes away.
    pub fn silence() -> Self {
        Self { content: Content::Silence, ..Self::default() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn push_call(self, call: Call) -> Self {
        self.with(|said| said.calls.push(call))
    }

    /// Changes what is said; errors and raw bodies say nothing.
    fn with(mut self, change: impl FnOnce(&mut Said)) -> Self {
        if let Content::Said(said) = &mut self.content {
            change(said);
        }
        self
    }
}

/// How it is sent, and how it breaks.
impl Reply {
    /// Ends the body at `place`, as if it were whole.
    #[must_use]
    pub fn cut(self, place: impl Into<Place>) -> Self {
        self.step(place, Step::Cut)
    }

    /// Breaks the connection at `place`.
    #[must_use]
    pub fn abort(self, place: impl Into<Place>) -> Self {
        self.step(place, Step::Abort)
    }

    /// Falls silent at `place` until the client goes away.
    #[must_use]
    pub fn hang(self, place: impl Into<Place>) -> Self {
        self.step(place, Step::Hang)
    }

    /// Sends what comes before `place` and what comes behind it apart.
    #[must_use]
    pub fn split(self, place: impl Into<Place>) -> Self {
        self.step(place, Step::Split)
    }

    /// Waits at `place` until `gate` opens.
    #[must_use]
    pub fn hold(self, place: impl Into<Place>, gate: &Gate) -> Self {
        self.step(place, Step::Hold(gate.clone()))
    }

    /// Sends one byte at a time.
    #[must_use]
    pub fn dribble(mut self) -> Self {
        self.framing.dribble = true;
        self
    }

    /// Ends lines with CR LF.
    #[must_use]
    pub fn crlf(mut self) -> Self {
        self.framing.crlf = true;
        self
    }

    /// Sends a comment before every event.
    #[must_use]
    pub fn comments(mut self) -> Self {
        self.framing.comments = true;
        self
    }

    /// Pauses before every event but the first. For load, not for timing in tests: see [`Gate`].
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        self.framing.pause = pause;
        self
    }

    fn step(mut self, place: impl Into<Place>, step: Step) -> Self {
        self.steps.push((place.into(), step));
        self
    }
}

impl Said {
    pub fn usage(&self) -> Usage {
        let counted = Usage {
            input: 1,
            output: u64::try_from(self.text.len() + self.calls.len()).unwrap_or_default(),
            ..Usage::default()
        };
        self.usage.unwrap_or(counted)
    }
}

impl Call {
    /// The id, or one that is made of the call's place.
    pub fn id(&self, place: usize) -> String {
        self.id.clone().unwrap_or_else(|| format!("call_{}", place + 1))
    }

    /// The arguments in pieces, as models stream them.
    pub fn fragments(&self) -> impl Iterator<Item = String> {
        let characters: Vec<char> = self.arguments.chars().collect();
        let pieces: Vec<String> =
            characters.chunks(8).map(|piece| piece.iter().collect()).collect();
        pieces.into_iter()
    }
}
