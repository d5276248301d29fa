//! Servers of others that are programs: each is started when it is first asked, and again when it has ended.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use futures::future::join_all;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use serde_json::Value;
use serde_json::json;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout_at;

use super::away::longer;
use super::begin::ABOUT;
use super::begin::DISCOVERY;
use super::changes::Changes;
use super::client::Question;
use super::message;
use super::message::WITH_SESSIONS;
use super::process::Process;
use super::wire::Hear;
use super::wire::Session;
use super::wire::WireError;
use crate::app::Tasks;
use crate::config::Program;
use crate::config::Variable;
use crate::db::TenantId;
use crate::definitions::code_id;
use crate::egress::Secrets;
use crate::secrets::Vault;

/// How a definition says that it is a program: this, and its name.
pub const SCHEME: &str = "stdio:";
/// How long a program may take until it speaks the protocol: it may have to be downloaded first.
const START: Duration = Duration::from_mins(3);
/// The number of the request by which it is listened to.
const LISTENING: u64 = 1 << 41;

/// The programs of the file, by their names in lower case.
#[derive(Debug)]
pub struct Programs {
    all: BTreeMap<String, Slot>,
    vault: Vault,
    tasks: Tasks,
    changes: Arc<Changes>,
}

#[derive(Debug)]
struct Slot {
    program: Arc<Program>,
    /// Held while it is started.
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Running>,
    rest: Option<Rest>,
}

#[derive(Debug, Clone)]
struct Running {
    process: Process,
    session: Session,
}

/// How long a program that has ended is left alone.
#[derive(Debug)]
struct Rest {
    pause: Duration,
    until: Instant,
    why: String,
}

impl Programs {
    pub fn new(programs: &[Program], vault: &Vault, tasks: &Tasks, changes: &Arc<Changes>) -> Self {
        let slot = |it: &Program| {
            let slot = Slot { program: Arc::new(it.clone()), state: Arc::default() };
            (it.name.to_ascii_lowercase(), slot)
        };
        let all = programs.iter().map(slot).collect();
        Self { all, vault: vault.clone(), tasks: tasks.clone(), changes: Arc::clone(changes) }
    }

    /// Their names in lower case.
    pub fn names(&self) -> BTreeSet<String> {
        self.all.keys().cloned().collect()
    }

    /// Asks the program `name`, and reads until the answer is there. The revision that it was asked in comes with it.
    pub async fn ask(
        &self,
        name: &str,
        question: Question<'_>,
        hear: Hear<'_>,
    ) -> Result<(Value, String), WireError> {
        let slot = self.all.get(&name.to_ascii_lowercase());
        let slot = slot.ok_or_else(|| WireError::NotSent("there is no such program".to_owned()))?;
        let Running { process, session } = self.running(slot, question.until).await?;
        let Question { method, params, wants_progress, until, most, .. } = question;
        let asked = (method, params);
        let answer =
            process.ask(Some(&session), asked, wants_progress, (until, most), hear).await?;
        Ok((answer, session.version))
    }

    /// Makes the next call start the program, however it ended.
    pub fn forgive(&self, name: &str) {
        if let Some(slot) = self.all.get(&name.to_ascii_lowercase())
            && let Ok(mut state) = slot.state.try_lock()
        {
            state.settle();
            state.rest = None;
        }
    }

    /// Lets all of them end.
    pub async fn end(&self) {
        // One that is being started is killed with the runtime.
        let states = self.all.values().filter_map(|slot| slot.state.try_lock().ok());
        let running: Vec<_> = states.filter_map(|mut state| state.running.take()).collect();
        join_all(running.iter().map(|it| it.process.end())).await;
    }

    /// The program while it runs; it is started if it does not.
    async fn running(&self, slot: &Slot, until: Instant) -> Result<Running, WireError> {
        let until = tokio::time::Instant::from_std(until);
        let starting = |_| WireError::NotSent("the program is still being started".to_owned());
        let state = timeout_at(until, Arc::clone(&slot.state).lock_owned());
        let mut state = state.await.map_err(starting)?;
        state.settle();
        if let Some(running) = &state.running {
            return Ok(running.clone());
        }
        state.refuse_while_resting()?;
        let program = Arc::clone(&slot.program);
        let secrets = self.secrets(&program).await?;
        // Who asks may not wait so long; the program comes up nevertheless.
        let changes = Arc::clone(&self.changes);
        let tasks = self.tasks.clone();
        let start = async move { start(state, &program, secrets, changes, &tasks).await };
        let started = timeout_at(until, self.tasks.spawn(start)).await.map_err(starting)?;
        started.map_err(|_| WireError::NotSent("the program could not be started".to_owned()))?
    }

    async fn secrets(&self, program: &Program) -> Result<Secrets, WireError> {
        let names = program.env.values().filter_map(|it| match it {
            Variable::Secret(name) => Some(name.as_str()),
            Variable::Value(_) => None,
        });
        let secrets = self.vault.secrets_named(&TenantId::default(), names).await;
        secrets.map_err(|_| WireError::NotSent("secrets cannot be read now".to_owned()))
    }
}

impl State {
    /// Notes that the program has ended, if it has.
    fn settle(&mut self) {
        let Some(Running { process, .. }) = &self.running else { return };
        let Some(end) = process.ended() else { return };
        let before = self.rest.take().filter(|_| !process.has_answered()).map(|it| it.pause);
        let pause = longer(before);
        self.rest = Some(Rest { pause, until: end.at + pause, why: end.why.clone() });
        self.running = None;
    }

    fn failed(&mut self, why: &str) {
        let pause = longer(self.rest.take().map(|it| it.pause));
        self.rest = Some(Rest { pause, until: Instant::now() + pause, why: why.to_owned() });
    }

    fn refuse_while_resting(&self) -> Result<(), WireError> {
        let Some(Rest { until, why, .. }) = &self.rest else { return Ok(()) };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let seconds = left.as_secs() + 1;
        Err(WireError::NotSent(format!("{why}; it is started again in {seconds} s")))
    }
}

async fn start(
    mut state: OwnedMutexGuard<State>,
    program: &Program,
    secrets: Secrets,
    changes: Arc<Changes>,
    tasks: &Tasks,
) -> Result<Running, WireError> {
    let running = try_start(program, secrets, changes, tasks).await;
    match &running {
        Ok(running) => state.running = Some(running.clone()),
        Err(why) => state.failed(&why.to_string()),
    }
    running
}

async fn try_start(
    program: &Program,
    secrets: Secrets,
    changes: Arc<Changes>,
    tasks: &Tasks,
) -> Result<Running, WireError> {
    let command = command(program, &secrets)?;
    let upstream = code_id("mcp_upstream", &program.name);
    let note = Box::new(move || changes.note(&TenantId::default(), upstream));
    let (process, task) = Process::start(&program.name, command, secrets, note)
        .map_err(|why| WireError::NotSent(format!("the program cannot be started: {why}")))?;
    // It ends with the last who may ask it, or when it is told to.
    tasks.spawn_for_all(task);
    let session = begin(&process).await.map_err(|why| match why {
        WireError::NotSent(why) => WireError::NotSent(why),
        why => WireError::NotSent(format!("the program does not speak MCP: {why}")),
    });
    match session {
        Ok(session) => {
            process.note_begun();
            Ok(Running { process, session })
        }
        Err(why) => {
            process.end().await;
            Err(why)
        }
    }
}

/// The program with its environment, which is what the file says and nothing else.
fn command(program: &Program, secrets: &Secrets) -> Result<Command, WireError> {
    let mut command = Command::new(&program.command);
    command.args(&program.args).env_clear();
    command.stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    if let Some(cwd) = &program.cwd {
        command.current_dir(cwd);
    }
    for (variable, value) in &program.env {
        let value = match value {
            Variable::Value(value) => value,
            Variable::Secret(name) => secret(secrets, name, &program.name)?,
        };
        command.env(variable, value.expose_secret());
    }
    Ok(command)
}

/// The value of a secret that is for this program: one of its hosts is `<program>.stdio`.
fn secret<'s>(
    secrets: &'s Secrets,
    name: &str,
    program: &str,
) -> Result<&'s SecretString, WireError> {
    let secret = secrets.find(name);
    let secret =
        secret.ok_or_else(|| WireError::NotSent(format!("there is no secret `{name}`")))?;
    let host = format!("{}.stdio", program.to_ascii_lowercase());
    if !secret.hosts.iter().any(|it| it.covers(&host)) {
        let why =
            format!("the secret `{name}` is not for the program: `{host}` is none of its hosts");
        return Err(WireError::NotSent(why));
    }
    secret.note_used();
    Ok(&secret.value)
}

/// Finds out what the program speaks: the revision without sessions, or one of those before it.
async fn begin(process: &Process) -> Result<Session, WireError> {
    let (nothing, modern, now) = (json!({}), Session::modern(), Instant::now());
    let silent = |_: &str, _: &Value| {};
    let discover = ("server/discover", &nothing);
    let brief = (now + DISCOVERY, ABOUT);
    if let Ok(about) = process.ask(Some(&modern), discover, false, brief, &silent).await
        && message::knows_modern(&about)
    {
        // It is not answered before it ends.
        let params = json!({"notifications": {"toolsListChanged": true}});
        process
            .tell(&message::request(LISTENING, "subscriptions/listen", &params, true, false))
            .await;
        return Ok(modern);
    }
    let params = json!({"protocolVersion": WITH_SESSIONS, "capabilities": {},
        "clientInfo": message::about_us()});
    let initialize = ("initialize", &params);
    let about = process.ask(None, initialize, false, (now + START, ABOUT), &silent).await?;
    let version = message::agreed(&about).map_err(WireError::NotSent)?;
    process.tell(&message::notice("notifications/initialized", &json!({}))).await;
    Ok(Session { version, id: None })
}
