//! Where a script runs: a new engine, made for one call and thrown away after it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use rquickjs::Context;
use rquickjs::Ctx;
use rquickjs::Function;
use rquickjs::IntoJs;
use rquickjs::Module;
use rquickjs::Object;
use rquickjs::Promise;
use rquickjs::Runtime;
use rquickjs::Value;
use rquickjs::context::EvalOptions;
use rquickjs::module::Declared;
use rquickjs::promise::PromiseState;

use super::encode;
use super::fault;
use super::fault::Stop;
use super::host;
use super::host::Errands;
use super::wire;
use super::wire::Until;
use super::wire::Work;
use crate::worker::Channel;
use crate::worker::Gone;

/// What scripts find, written in their own language.
const PRELUDE: &str = include_str!("prelude.js");
/// What old tools import. Their schema is the tool's `input_schema`, so what they say about it is left alone.
const MASTRA: &str = "export const createTool = (tool) => tool;";
const MASTRA_NAMES: [&str; 2] = ["@mastra/core", "@mastra/core/tools"];
/// How deep functions may call each other, in bytes of the stack.
const STACK: usize = 512 * 1024;
/// What scripts are called in their own stack traces.
pub const NAME: &str = "tool.js";

/// How much time is left, and whether the engine was stopped for it.
#[derive(Debug)]
pub struct Clock {
    deadline: Instant,
    pub is_over: Cell<bool>,
}

impl Clock {
    fn is_up(&self) -> bool {
        let is_up = Instant::now() >= self.deadline;
        if is_up {
            self.is_over.set(true);
        }
        is_up
    }
}

/// Does a job: runs a script, and says what came of it before the engine is thrown away.
pub fn work(job: &[u8], channel: &Rc<Channel>) -> Result<(), Gone> {
    let Ok(work) = serde_json::from_slice::<Work<'_>>(job) else { return Err(Gone) };
    let deadline = Instant::now() + Duration::from_millis(work.patience_ms);
    let clock = Rc::new(Clock { deadline, is_over: Cell::new(false) });
    let Some(engine) = engine(&work, &clock) else {
        return channel.done(&[&wire::done(&Err(fault::memory(work.memory)))]);
    };
    let done = engine.with(|ctx| match run(&ctx, &work, channel, &clock) {
        Ok(json) => Ok(Ok(json)),
        Err(Stop::Gone) => Err(Gone),
        Err(stop) => Ok(Err(fault::explain(&ctx, stop, &work, &clock))),
    })?;
    channel.done(&[&wire::done(&done)])
}

fn engine(work: &Work<'_>, clock: &Rc<Clock>) -> Option<Context> {
    let runtime = Runtime::new().ok()?;
    runtime.set_memory_limit(work.memory);
    runtime.set_max_stack_size(STACK);
    let clock = Rc::clone(clock);
    runtime.set_interrupt_handler(Some(Box::new(move || clock.is_up())));
    Context::full(&runtime).ok()
}

type Outcome<T> = Result<T, Stop>;

fn run<'js>(
    ctx: &Ctx<'js>,
    work: &Work<'_>,
    channel: &Rc<Channel>,
    clock: &Rc<Clock>,
) -> Outcome<String> {
    let errands = Rc::new(Errands::new(Rc::clone(channel)));
    let prelude: Function<'js> = ctx.eval(PRELUDE)?;
    let prelude: Object<'js> = prelude.call((host::native(ctx, &errands)?,))?;
    let script = Script { ctx, prelude, errands, clock };
    let input = script.input(work.input.get())?;
    let compiled = script.compile(&work.source)?;
    if work.until == Until::Read {
        return Ok("null".to_owned());
    }
    let main = script.main(compiled)?;
    let start: Function<'js> = script.prelude.get("start")?;
    let promise: Promise<'js> = start.call((main, input))?;
    script.settle(&promise)?;
    let result = promise.result::<Value<'js>>().ok_or(Stop::Stuck)??;
    encode::encode(&script.prelude, &result)
}

/// A source that was read.
enum Compiled<'js> {
    Function(Value<'js>),
    Module(Module<'js, Declared>),
}

/// A script under way.
struct Script<'a, 'js> {
    ctx: &'a Ctx<'js>,
    prelude: Object<'js>,
    errands: Rc<Errands>,
    clock: &'a Clock,
}

impl<'js> Script<'_, 'js> {
    /// The input, whose whole numbers keep all their digits.
    fn input(&self, json: &str) -> Outcome<Value<'js>> {
        if !encode::has_long_digits(json) {
            return Ok(self.ctx.json_parse(json)?);
        }
        let parse: Function<'js> = self.prelude.get("parse")?;
        Ok(parse.call((json,))?)
    }

    /// Reads a source, and runs nothing of it.
    fn compile(&self, source: &str) -> Outcome<Compiled<'js>> {
        if looks_like_function(source) {
            let source = source.trim_end().trim_end_matches(';');
            let whole = format!(
                "(async (input, ctx) => {{ const it = await ({source}\n); return typeof it === 'function' ? it(input, ctx) : it }})"
            );
            match self.eval(whole) {
                Err(Stop::Thrown) => drop(self.ctx.catch()),
                function => return function.map(Compiled::Function),
            }
        }
        match self.eval(format!("(async (input, ctx) => {{{source}\n}})")) {
            Err(Stop::Thrown) if source.contains("export") => {
                self.ctx.catch();
                for name in MASTRA_NAMES {
                    Module::declare(self.ctx.clone(), name, MASTRA)?;
                }
                Ok(Compiled::Module(Module::declare(self.ctx.clone(), NAME, source)?))
            }
            body => body.map(Compiled::Function),
        }
    }

    /// What is to be called: a function, or an object that has one.
    fn main(&self, compiled: Compiled<'js>) -> Outcome<Value<'js>> {
        let module = match compiled {
            Compiled::Function(function) => return Ok(function),
            Compiled::Module(module) => module,
        };
        let (module, loaded) = module.eval()?;
        self.settle(&loaded)?;
        loaded.result::<Value<'js>>().ok_or(Stop::Stuck)??;
        Ok(module.get("default")?)
    }

    fn eval(&self, source: String) -> Outcome<Value<'js>> {
        let mut options = EvalOptions::default();
        options.strict = false;
        options.filename = Some(NAME.to_owned());
        Ok(self.ctx.eval_with_options(source, options)?)
    }

    /// Does whatever is to be done until the promise is settled.
    fn settle(&self, promise: &Promise<'js>) -> Outcome<()> {
        let deliver: Function<'js> = self.prelude.get("deliver")?;
        let fire: Function<'js> = self.prelude.get("fire")?;
        loop {
            while self.ctx.execute_pending_job() {
                if self.clock.is_up() {
                    return Err(Stop::Late);
                }
            }
            if promise.state() != PromiseState::Pending {
                return Ok(());
            }
            let now = Instant::now();
            if let Some(timer) = self.errands.due(now) {
                fire.call::<_, ()>((timer,))?;
                continue;
            }
            let Some(next) = self.errands.next(self.clock.deadline) else {
                return Err(Stop::Stuck);
            };
            if self.clock.is_up() {
                return Err(Stop::Late);
            }
            if let Some((number, answer)) =
                self.errands.answer(next.saturating_duration_since(now))?
            {
                self.deliver(&deliver, number, &answer)?;
            }
        }
    }

    fn deliver(&self, deliver: &Function<'js>, number: u32, answer: &Bytes) -> Outcome<()> {
        let response = match wire::response(answer).ok_or(Gone)? {
            Ok(response) => response,
            Err(why) => {
                return Ok(deliver.call((number, Value::new_null(self.ctx.clone()), why))?);
            }
        };
        let head = serde_json::to_string(&response).map_err(|_| Gone)?;
        let body = match str::from_utf8(&response.body) {
            Ok(text) => text.into_js(self.ctx)?,
            Err(_) => host::bytes(self.ctx, &response.body)?.into_value(),
        };
        Ok(deliver.call((number, head, body))?)
    }
}

/// Whether a source may be one function and nothing else. It is tried as such: then it is what is
/// called, and anything else that is found there is what a body would have said.
fn looks_like_function(source: &str) -> bool {
    let source = source.trim().trim_end_matches(';');
    let source = source.strip_prefix("async").map_or(source, str::trim_start);
    let is_name = |it: char| it.is_alphanumeric() || it == '_' || it == '$';
    if source.starts_with("function") {
        // What follows a function that is declared may call it, if both are read as one expression.
        return source.ends_with('}');
    }
    source.starts_with('(')
        || source.split_once("=>").is_some_and(|(name, _)| name.trim().chars().all(is_name))
}
