//! Why a script failed, in words for who wrote it: what it threw and where, and nothing of us.

use rquickjs::Coerced;
use rquickjs::Ctx;
use rquickjs::FromJs;
use rquickjs::Value;

use super::engine::Clock;
use super::engine::NAME;
use super::wire::Fault;
use super::wire::Work;
use crate::worker::Gone;

/// The most that is told of what was thrown, in bytes.
const MESSAGE: usize = 2000;

/// What ends a script.
#[derive(Debug)]
pub enum Stop {
    /// It threw something: the engine has it.
    Thrown,
    Late,
    /// It waits for what cannot happen.
    Stuck,
    /// There is nobody any more to tell.
    Gone,
    /// Its result cannot be told.
    Unfit(String),
}

impl From<rquickjs::Error> for Stop {
    fn from(error: rquickjs::Error) -> Self {
        match error {
            rquickjs::Error::Exception => Self::Thrown,
            rquickjs::Error::InvalidString(_) => {
                Self::Unfit("the source has a NUL character".to_owned())
            }
            rquickjs::Error::Allocation => {
                Self::Unfit("the script needs too much memory".to_owned())
            }
            other => Self::Unfit(other.to_string()),
        }
    }
}

impl From<Gone> for Stop {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// The script needs more memory than it may have.
pub fn memory(limit: usize) -> Fault {
    let message = format!("the script needs more memory than the {} MB it may have", limit >> 20);
    Fault { message, line: None }
}

/// Says what happened.
pub fn explain(ctx: &Ctx<'_>, stop: Stop, work: &Work<'_>, clock: &Clock) -> Fault {
    let plain = |message: &str| Fault { message: message.to_owned(), line: None };
    match stop {
        Stop::Thrown => thrown(ctx, work, clock),
        Stop::Late | Stop::Gone => late(work),
        Stop::Stuck => {
            plain("the script waits for something that never happens: no request or timer is left")
        }
        Stop::Unfit(message) => Fault { message, line: None },
    }
}

fn late(work: &Work<'_>) -> Fault {
    let message = format!("the script did not end within {} ms", work.patience_ms);
    Fault { message, line: None }
}

fn thrown(ctx: &Ctx<'_>, work: &Work<'_>, clock: &Clock) -> Fault {
    let value = ctx.catch();
    if clock.is_over.get() {
        return late(work);
    }
    let stack = text_of(ctx, &value, "stack").unwrap_or_default();
    // A script that breaks off is noticed in the line that we put after it.
    let lines = u32::try_from(work.source.lines().count()).unwrap_or(u32::MAX);
    let line = line(&stack).map(|it| it.min(lines));
    let name = text_of(ctx, &value, "name");
    let message = text_of(ctx, &value, "message");
    if message.as_deref() == Some("out of memory") {
        return Fault { line, ..memory(work.memory) };
    }
    let mut message = match (name, message) {
        (Some(name), Some(message)) if value.is_object() => format!("{name}: {message}"),
        _ => format!("the script threw {}", as_text(ctx, &value)),
    };
    if clock.is_over.get() {
        return late(work);
    }
    message.truncate(message.floor_char_boundary(MESSAGE));
    Fault { message, line }
}

fn text_of<'js>(ctx: &Ctx<'js>, value: &Value<'js>, member: &str) -> Option<String> {
    let text = value.as_object()?.get::<_, Option<Coerced<String>>>(member);
    if text.is_err() {
        ctx.catch();
    }
    text.ok()?.map(|it| it.0)
}

fn as_text<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> String {
    if let Ok(Some(Ok(json))) =
        ctx.json_stringify(value.clone()).map(|it| it.map(|it| it.to_string()))
    {
        return json;
    }
    ctx.catch();
    if let Ok(text) = Coerced::<String>::from_js(ctx, value.clone()) {
        return text.0;
    }
    ctx.catch();
    "something without a text".to_owned()
}

/// The first line of the script's own that a stack trace names.
fn line(stack: &str) -> Option<u32> {
    let (_, place) = stack.split_once(&format!("{NAME}:"))?;
    place.split(|it: char| !it.is_ascii_digit()).next()?.parse().ok()
}
