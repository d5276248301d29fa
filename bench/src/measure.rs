//! The phases: what is sent to whom, in which order, and what is read off meanwhile.

use std::time::Duration;
use std::time::Instant;

use serde_json::json;
use tokio::time;

use crate::Result;
use crate::child::Child;
use crate::client::Call;
use crate::client::Connection;
use crate::load::LAST_TOKEN;
use crate::load::Length;
use crate::load::Load;
use crate::load::Outcome;
use crate::model::SetPace;
use crate::note;
use crate::process::Process;
use crate::process::machine_cpu;
use crate::server::ADDER;
use crate::server::EXPERT;
use crate::server::Server;
use crate::settings::Database;
use crate::settings::Settings;
use crate::sleepers;
use crate::sleepers::Slept;

pub const HELLO: &str = "Say hello to the benchmark.";
pub const USE_TOOL: &str = "use tool current_time with {}";
pub const USE_SCRIPT: &str = r#"use tool add with {"a": 40000, "b": 2042}"#;
/// What the script and the stub of the fake model give.
pub const SUM: &str = "sum=42042";

/// Who is measured, as the tables call the fake model.
pub const FLOOR: &str = "fake model alone";

/// Rest before memory is read, so that what a phase leaves behind is gone.
pub const REST: Duration = Duration::from_secs(2);

/// Longest time over which the first requests of streams are spread: a millisecond each.
const APART: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub struct Bench<'a> {
    settings: &'a Settings,
    model: &'a Child,
    pub rows: Vec<Row>,
}

/// A measured phase of one candidate.
#[derive(Debug)]
pub struct Row {
    pub who: &'static str,
    pub phase: Phase,
}

#[derive(Debug)]
pub enum Phase {
    Cold(Cold),
    Plain(Measured),
    Tool(Measured),
    /// An agent that calls a script.
    ScriptTool(Measured),
    /// A script alone.
    Script(Measured),
    /// A tool that sends a request, alone.
    Http(Measured),
    /// An agent with many tools.
    ManyTools(Measured),
    Stream(Measured),
    /// Many runs of a workflow that sleep.
    Sleepers(Slept),
}

impl Phase {
    pub fn cold(&self) -> Option<&Cold> {
        if let Self::Cold(cold) = self { Some(cold) } else { None }
    }

    pub fn plain(&self) -> Option<&Measured> {
        if let Self::Plain(measured) = self { Some(measured) } else { None }
    }

    pub fn tool(&self) -> Option<&Measured> {
        if let Self::Tool(measured) = self { Some(measured) } else { None }
    }

    pub fn script_tool(&self) -> Option<&Measured> {
        if let Self::ScriptTool(measured) = self { Some(measured) } else { None }
    }

    pub fn script(&self) -> Option<&Measured> {
        if let Self::Script(measured) = self { Some(measured) } else { None }
    }

    pub fn http(&self) -> Option<&Measured> {
        if let Self::Http(measured) = self { Some(measured) } else { None }
    }

    pub fn many_tools(&self) -> Option<&Measured> {
        if let Self::ManyTools(measured) = self { Some(measured) } else { None }
    }

    pub fn stream(&self) -> Option<&Measured> {
        if let Self::Stream(measured) = self { Some(measured) } else { None }
    }

    pub fn sleepers(&self) -> Option<&Slept> {
        if let Self::Sleepers(slept) = self { Some(slept) } else { None }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Cold {
    pub start: Duration,
    pub start_cpu: Duration,
    pub first_answer: Duration,
    pub idle_memory: u64,
}

/// What a load did to whoever bore it.
#[derive(Debug)]
pub struct Measured {
    pub workers: u32,
    pub outcome: Outcome,
    /// CPU time of the candidate, its database not included.
    pub cpu: Duration,
    pub database_cpu: Option<Duration>,
    pub peak_memory: u64,
    /// Transactions committed, where the candidate counts them.
    pub commits: Option<u64>,
    /// Cores that were used by nobody who takes part: how far to believe the rest.
    pub other_cores: f64,
}

/// Whoever answers: the server, or the fake model itself.
struct Candidate<'a> {
    who: &'static str,
    port: u16,
    process: Process,
    server: Option<&'a Server>,
}

impl<'a> Bench<'a> {
    pub fn new(settings: &'a Settings, model: &'a Child) -> Self {
        Self { settings, model, rows: Vec::new() }
    }

    /// Measures the fake model called directly: no server can be faster.
    pub async fn floor(&mut self) -> Result<()> {
        note(format_args!("== {FLOOR}"));
        let messages = json!([{"role": "user", "content": HELLO}]);
        let call = |stream: bool| {
            let request = json!({"model": "fake", "messages": messages, "stream": stream});
            Call::post("/v1/chat/completions", &request)
        };
        let (port, process) = (self.model.port, self.model.process());
        let candidate = Candidate { who: FLOOR, port, process, server: None };
        self.plain(&candidate, &call(false)).await?;
        self.streams(&candidate, &call(true).streamed()).await
    }

    /// Measures the server on `database`.
    pub async fn server(&mut self, database: Database) -> Result<()> {
        let who = database.title();
        note(format_args!("== {who}"));
        pace(self.model, 20, 0).await?;
        let mut server = Server::start(self.settings, database, self.model.port).await?;
        let (port, process) = (server.port(), server.process());
        let candidate = Candidate { who, port, process, server: Some(&server) };
        self.cold(&candidate, &server).await?;
        self.plain(&candidate, &server.execute(HELLO)).await?;
        self.tools(&candidate, &server).await?;
        self.streams(&candidate, &server.execute(HELLO).streamed()).await?;
        // A token lives for ten minutes, and this goes on for one.
        server.renew_token().await?;
        let slept = sleepers::run(&server, self.settings.sleepers).await?;
        self.rows.push(Row { who, phase: Phase::Sleepers(slept) });
        Ok(())
    }

    async fn cold(&mut self, candidate: &Candidate<'_>, server: &Server) -> Result<()> {
        time::sleep(REST).await;
        let idle_memory = server.process().memory();
        let begun = Instant::now();
        Connection::to(candidate.port).fetch_json(&server.execute(HELLO)).await?;
        let first_answer = begun.elapsed();
        let (start, start_cpu) = (server.start, server.start_cpu);
        self.push(candidate, Phase::Cold(Cold { start, start_cpu, first_answer, idle_memory }));
        Ok(())
    }

    async fn plain(&mut self, candidate: &Candidate<'_>, call: &Call) -> Result<()> {
        pace(self.model, 20, 0).await?;
        for (turn, workers) in self.settings.concurrency.iter().enumerate() {
            let load = self.load(candidate, call, *workers);
            if turn == 0 {
                load.clone().run().await; // to warm up
            }
            let measured = measure(candidate, self.model.process(), load).await?;
            self.push(candidate, Phase::Plain(measured));
        }
        Ok(())
    }

    async fn tools(&mut self, candidate: &Candidate<'_>, server: &Server) -> Result<()> {
        let whole = &[LAST_TOKEN, "The tool answered"];
        self.runs(candidate, &server.execute(USE_TOOL), whole, Phase::Tool).await?;
        let summed = &[LAST_TOKEN, SUM];
        self.runs(candidate, &server.ask(ADDER, USE_SCRIPT), summed, Phase::ScriptTool).await?;
        let numbers = json!({"a": 40_000, "b": 2042});
        self.runs(candidate, &server.call("add", &numbers), &[SUM], Phase::Script).await?;
        self.runs(candidate, &server.call("fetch_sum", &json!({})), &[SUM], Phase::Http).await?;
        let expert = server.ask(EXPERT, HELLO);
        self.runs(candidate, &expert, &[LAST_TOKEN], Phase::ManyTools).await
    }

    /// Runs of one kind, at each concurrency.
    async fn runs(
        &mut self,
        candidate: &Candidate<'_>,
        call: &Call,
        expect: &'static [&'static str],
        phase: fn(Measured) -> Phase,
    ) -> Result<()> {
        for workers in &self.settings.concurrency {
            let load = Load { expect, ..self.load(candidate, call, *workers) };
            let measured = measure(candidate, self.model.process(), load).await?;
            self.push(candidate, phase(measured));
        }
        Ok(())
    }

    async fn streams(&mut self, candidate: &Candidate<'_>, call: &Call) -> Result<()> {
        pace(self.model, self.settings.tokens.into(), self.settings.interval_ms).await?;
        for workers in &self.settings.streams {
            time::sleep(REST).await;
            let length = Length::OnceEach { within: APART * *workers };
            let load = Load { length, ..self.load(candidate, call, *workers) };
            let measured = measure(candidate, self.model.process(), load).await?;
            self.push(candidate, Phase::Stream(measured));
        }
        Ok(())
    }

    fn load(&self, candidate: &Candidate<'_>, call: &Call, workers: u32) -> Load {
        let length = Length::For(self.settings.length);
        let expect = &[LAST_TOKEN];
        Load { port: candidate.port, call: call.clone(), expect, workers, length }
    }

    fn push(&mut self, candidate: &Candidate<'_>, phase: Phase) {
        self.rows.push(Row { who: candidate.who, phase });
    }
}

/// Tells the fake model how to write.
pub async fn pace(model: &Child, tokens: u64, interval_ms: u64) -> Result<()> {
    let pace = serde_json::to_value(SetPace { tokens, interval_ms })?;
    Connection::to(model.port).fetch_json(&Call::post("/pace", &pace)).await?;
    Ok(())
}

async fn measure(candidate: &Candidate<'_>, model: Process, load: Load) -> Result<Measured> {
    let workers = load.workers;
    let database = candidate.server.and_then(|it| it.postgres.as_ref()).map(|it| it.process);
    let commits = || async {
        match candidate.server {
            Some(server) => server.commits().await.map(Some),
            None => Ok(None),
        }
    };
    candidate.process.forget_peak();
    let commits_before = commits().await?;
    let before = Cpu::read(candidate.process, database, model);
    let outcome = load.run().await;
    let cpu = Cpu::read(candidate.process, database, model).since(&before);
    let commits = commits().await?.zip(commits_before).map(|(after, before)| after - before);
    if outcome.failed() > 0 {
        note(format_args!("{}, {workers} at once: {:?}", candidate.who, outcome.errors));
    }
    Ok(Measured {
        workers,
        cpu: cpu.candidate,
        database_cpu: cpu.database,
        peak_memory: candidate.process.peak_memory(),
        commits,
        other_cores: cpu.others().as_secs_f64() / outcome.wall.as_secs_f64(),
        outcome,
    })
}

/// CPU time of all who take part, and of the machine.
struct Cpu {
    candidate: Duration,
    database: Option<Duration>,
    model: Duration,
    load: Duration,
    machine: Duration,
}

impl Cpu {
    fn read(candidate: Process, database: Option<Process>, model: Process) -> Self {
        Self {
            candidate: candidate.cpu(),
            database: database.map(Process::cpu),
            model: if candidate.0 == model.0 { Duration::ZERO } else { model.cpu() },
            load: Process(std::process::id()).own_cpu(),
            machine: machine_cpu(),
        }
    }

    fn since(self, before: &Self) -> Self {
        let database = self.database.zip(before.database);
        Self {
            candidate: self.candidate.saturating_sub(before.candidate),
            database: database.map(|(after, before)| after.saturating_sub(before)),
            model: self.model.saturating_sub(before.model),
            load: self.load.saturating_sub(before.load),
            machine: self.machine.saturating_sub(before.machine),
        }
    }

    fn others(&self) -> Duration {
        let ours = self.candidate + self.database.unwrap_or_default() + self.model + self.load;
        self.machine.saturating_sub(ours)
    }
}
