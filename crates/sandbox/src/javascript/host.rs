//! What the prelude is given to work with. Scripts themselves never hold any of it.

use std::cell::Cell;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Duration;
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;
use bytes::Bytes;
use rquickjs::Ctx;
use rquickjs::Exception;
use rquickjs::Function;
use rquickjs::Object;
use rquickjs::TypedArray;
use rquickjs::Value;
use rquickjs::prelude::Opt;
use rustix::rand::GetRandomFlags;
use url::Url;
use url::form_urlencoded;
use url::quirks;

use super::wire;
use super::wire::Request;
use crate::worker::Channel;
use crate::worker::Gone;

/// What scripts find when they ask for it.
const EXTRAS: &str = include_str!("extras.js");
/// Requests of a script that may be under way at once.
const REQUESTS: usize = 16;
/// Timers that may be set at once.
const TIMERS: usize = 1000;
/// What a script may say on the console: lines, and bytes of them all.
const LINES: usize = 200;
const LINE_BYTES: usize = 64 * 1024;
/// How often a script says how far it is, and the bytes of it at once, at most.
const REPORTS: usize = 1000;
const REPORT_BYTES: usize = 4096;

/// What is under way for a script outside of its engine.
#[derive(Debug)]
pub struct Errands {
    channel: Rc<Channel>,
    open: RefCell<BTreeSet<u32>>,
    timers: RefCell<BinaryHeap<Reverse<(Instant, u32)>>>,
    lines: Cell<usize>,
    line_bytes: Cell<usize>,
    reports: Cell<usize>,
}

impl Errands {
    pub fn new(channel: Rc<Channel>) -> Self {
        Self {
            channel,
            open: RefCell::default(),
            timers: RefCell::default(),
            lines: Cell::new(0),
            line_bytes: Cell::new(0),
            reports: Cell::new(0),
        }
    }

    /// Takes out a timer whose time has come.
    pub fn due(&self, now: Instant) -> Option<u32> {
        let mut timers = self.timers.borrow_mut();
        let Reverse((at, _)) = timers.peek()?;
        if *at > now {
            return None;
        }
        timers.pop().map(|Reverse((_, timer))| timer)
    }

    /// Until when something is to be waited for; `None`: nothing will ever happen.
    pub fn next(&self, deadline: Instant) -> Option<Instant> {
        let timer = self.timers.borrow().peek().map(|Reverse((at, _))| *at);
        let request = (!self.open.borrow().is_empty()).then_some(deadline);
        [timer, request].into_iter().flatten().min().map(|it| it.min(deadline))
    }

    /// Waits for the answer to a request.
    pub fn answer(&self, patience: Duration) -> Result<Option<(u32, Bytes)>, Gone> {
        let answer = self.channel.answer(patience)?;
        // One to an earlier script is nobody's business any more.
        Ok(answer.filter(|(number, _)| self.open.borrow_mut().remove(number)))
    }

    fn send(&self, request: &Request) -> Result<u32, &'static str> {
        let mut open = self.open.borrow_mut();
        if open.len() >= REQUESTS {
            return Err("too many requests are under way at once");
        }
        let head = wire::headed(request, &request.body);
        let number = self.channel.ask(&[&head]).map_err(|_| "the request is too large")?;
        open.insert(number);
        Ok(number)
    }

    fn timer(&self, timer: u32, after: f64) -> Result<(), &'static str> {
        let mut timers = self.timers.borrow_mut();
        if timers.len() >= TIMERS {
            return Err("too many timers are set at once");
        }
        let after = Duration::try_from_secs_f64(after.clamp(0.0, 1e9) / 1000.0).unwrap_or_default();
        timers.push(Reverse((Instant::now() + after, timer)));
        Ok(())
    }

    fn clear_timer(&self, timer: u32) {
        self.timers.borrow_mut().retain(|Reverse((_, it))| *it != timer);
    }

    fn log(&self, level: u8, line: &str) {
        let (lines, used) = (self.lines.get(), self.line_bytes.get());
        if lines > LINES {
            return;
        }
        let is_last = lines == LINES || used >= LINE_BYTES;
        self.lines.set(if is_last { LINES + 1 } else { lines + 1 });
        let line = if is_last { "further lines are left out" } else { line };
        let end = line.floor_char_boundary(LINE_BYTES.saturating_sub(used).max(64));
        let cut = if end < line.len() { "… (cut)" } else { "" };
        self.line_bytes.set(used + line.len());
        let _ = self.channel.note(&[&[level], &line.as_bytes()[..end], cut.as_bytes()]);
    }

    fn progress(&self, said: &str) {
        let count = self.reports.get();
        if count < REPORTS && said.len() <= REPORT_BYTES {
            self.reports.set(count + 1);
            let _ = self.channel.note(&[&[wire::PROGRESS], said.as_bytes()]);
        }
    }
}

/// The functions that the prelude calls.
pub fn native<'js>(ctx: &Ctx<'js>, errands: &Rc<Errands>) -> rquickjs::Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    outside(ctx, errands, &native)?;
    let define = |name, function: rquickjs::Result<Function<'js>>| native.set(name, function?);
    define(
        "encode",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, text: String| bytes(&ctx, text.as_bytes())),
    )?;
    define("decode", Function::new(ctx.clone(), decode))?;
    define("random", Function::new(ctx.clone(), random))?;
    define("url", Function::new(ctx.clone(), url))?;
    define("setUrl", Function::new(ctx.clone(), set_url))?;
    define("readQuery", Function::new(ctx.clone(), read_query))?;
    define("writeQuery", Function::new(ctx.clone(), write_query))?;
    define(
        "extras",
        Function::new(ctx.clone(), |ctx: Ctx<'js>| ctx.eval::<Value<'js>, _>(EXTRAS)),
    )?;
    Ok(native)
}

/// Those that leave the engine.
fn outside<'js>(
    ctx: &Ctx<'js>,
    errands: &Rc<Errands>,
    native: &Object<'js>,
) -> rquickjs::Result<()> {
    let own = Rc::clone(errands);
    let send = move |ctx: Ctx<'js>, head: String, body: String, is_base64: bool| {
        let request = serde_json::from_str::<Request>(&head).map_err(|_| "the request is none");
        let body = if is_base64 { from_base64(&body) } else { Ok(body.into_bytes()) };
        let sent = request.and_then(|it| own.send(&Request { body: body?.into(), ..it }));
        sent.map_err(|why| Exception::throw_type(&ctx, why))
    };
    native.set("send", Function::new(ctx.clone(), send)?)?;
    let own = Rc::clone(errands);
    let timer = move |ctx: Ctx<'js>, timer: u32, after: f64| {
        own.timer(timer, after).map_err(|why| Exception::throw_range(&ctx, why))
    };
    native.set("timer", Function::new(ctx.clone(), timer)?)?;
    let own = Rc::clone(errands);
    let clear = move |timer: u32| own.clear_timer(timer);
    native.set("clearTimer", Function::new(ctx.clone(), clear)?)?;
    let own = Rc::clone(errands);
    let log = move |level: u8, line: String| own.log(level, &line);
    native.set("log", Function::new(ctx.clone(), log)?)?;
    let own = Rc::clone(errands);
    let progress = move |said: String| own.progress(&said);
    native.set("progress", Function::new(ctx.clone(), progress)?)
}

/// Bytes as a `Uint8Array`.
pub fn bytes<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> rquickjs::Result<TypedArray<'js, u8>> {
    TypedArray::new_copy(ctx.clone(), bytes)
}

/// The text that bytes are. They come in base64, since to look at those of the engine is not safe.
fn decode(ctx: Ctx<'_>, base64: String, fatal: bool) -> rquickjs::Result<String> {
    let bytes = from_base64(&base64).map_err(|why| Exception::throw_type(&ctx, why))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) if fatal => Err(Exception::throw_type(&ctx, "the bytes are not UTF-8")),
        Err(error) => Ok(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

fn from_base64(base64: &str) -> Result<Vec<u8>, &'static str> {
    STANDARD.decode(base64).map_err(|_| "the bytes are none")
}

fn random(ctx: Ctx<'_>, length: usize) -> rquickjs::Result<TypedArray<'_, u8>> {
    let mut chance = vec![0; length.min(65536)];
    match rustix::rand::getrandom(&mut chance, GetRandomFlags::empty()) {
        Ok(filled) if filled == length => bytes(&ctx, &chance),
        _ => Err(Exception::throw_range(&ctx, "at most 65536 random bytes at once")),
    }
}

/// The parts of a URL, in the order in which the prelude names them.
fn url(ctx: Ctx<'_>, text: String, base: Opt<String>) -> rquickjs::Result<Vec<String>> {
    let base = base.0.map(|base| Url::parse(&base)).transpose();
    let url = base.and_then(|base| Url::options().base_url(base.as_ref()).parse(&text));
    url.map(|url| parts(&url)).map_err(|_| Exception::throw_type(&ctx, "Invalid URL"))
}

fn parts(url: &Url) -> Vec<String> {
    let parts = [
        quirks::href(url),
        quirks::protocol(url),
        quirks::username(url),
        quirks::password(url),
        quirks::host(url),
        quirks::hostname(url),
        quirks::port(url),
        quirks::pathname(url),
        quirks::search(url),
        quirks::hash(url),
    ];
    parts.map(str::to_owned).into_iter().chain([quirks::origin(url)]).collect()
}

/// What becomes of a URL when one of its parts is set; what cannot be is left as it is.
fn set_url(
    ctx: Ctx<'_>,
    href: String,
    part: String,
    value: String,
) -> rquickjs::Result<Vec<String>> {
    let mut url = Url::parse(&href).map_err(|_| Exception::throw_type(&ctx, "Invalid URL"))?;
    let _ = match part.as_str() {
        "protocol" => quirks::set_protocol(&mut url, &value),
        "username" => quirks::set_username(&mut url, &value),
        "password" => quirks::set_password(&mut url, &value),
        "host" => quirks::set_host(&mut url, &value),
        "hostname" => quirks::set_hostname(&mut url, &value),
        "port" => quirks::set_port(&mut url, &value),
        part => {
            match part {
                "pathname" => quirks::set_pathname(&mut url, &value),
                "search" => quirks::set_search(&mut url, &value),
                _ => quirks::set_hash(&mut url, &value),
            }
            Ok(())
        }
    };
    Ok(parts(&url))
}

fn read_query(text: String) -> Vec<Vec<String>> {
    let pairs = form_urlencoded::parse(text.as_bytes());
    pairs.map(|(name, value)| vec![name.into_owned(), value.into_owned()]).collect()
}

fn write_query(pairs: Vec<Vec<String>>) -> String {
    let pairs = pairs.iter().filter_map(|it| Some((it.first()?, it.get(1)?)));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
