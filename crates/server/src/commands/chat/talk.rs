//! A conversation: what is said to the agent, and what is done until it has answered.

use serde_json::Value;
use serde_json::json;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use super::ask;
use super::ask::Lines;
use super::show::Show;
use super::watch::Watch;
use super::why;
use crate::commands::Failure;
use crate::commands::api::Api;
use crate::commands::api::Refusal;
use crate::commands::terminal;

/// Messages that are kept here at most, when the server keeps none.
const MESSAGES: usize = 200;

/// Where the conversation is kept.
#[derive(Debug)]
pub enum Memory {
    /// By the server, in this thread.
    Thread(String),
    /// Here, as long as this process lives.
    Here(Vec<Value>),
}

impl Default for Memory {
    fn default() -> Self {
        Self::Here(Vec::new())
    }
}

impl Memory {
    /// A new thread, if the server has threads and this client may begin one.
    pub async fn begin(api: &Api) -> Self {
        let thread = api.post("/threads", &json!({})).await.ok();
        let id = thread.and_then(|thread| thread["id"].as_str().map(str::to_owned));
        id.map_or_else(Self::default, Self::Thread)
    }
}

/// How a turn ended.
#[derive(Debug)]
pub enum Turn {
    /// With this run.
    Ended(Value),
    /// Somebody must decide on these approvals first.
    Suspended(Vec<String>),
    /// Nobody here waits for it any more.
    Left,
}

/// A conversation with an agent.
#[derive(Debug)]
pub struct Talk<'a> {
    api: &'a Api,
    agent: String,
    memory: Memory,
    /// `None`: only the end is shown.
    show: Option<Show>,
    decides: bool,
    lines: Option<Lines>,
    interrupts: Signal,
}

impl<'a> Talk<'a> {
    /// One that shows what happens, and asks for decisions if its client `decides`.
    pub fn aloud(
        api: &'a Api,
        agent: String,
        memory: Memory,
        decides: bool,
    ) -> Result<Self, Failure> {
        let quiet = Self::quiet(api, agent, memory)?;
        Ok(Self { show: Some(Show::default()), lines: Some(Lines::open()), decides, ..quiet })
    }

    /// One that shows and asks nothing.
    pub fn quiet(api: &'a Api, agent: String, memory: Memory) -> Result<Self, Failure> {
        let interrupts = signal(SignalKind::interrupt())?;
        Ok(Self { api, agent, memory, show: None, decides: false, lines: None, interrupts })
    }

    /// The next line of the person; `None` if there is none any more, or Ctrl-C ends the conversation.
    pub async fn line(&mut self) -> Option<String> {
        let lines = self.lines.as_mut()?;
        tokio::select! {
            line = lines.next() => line,
            _ = self.interrupts.recv() => {
                terminal::line("");
                None
            }
        }
    }

    /// Says `text`, and follows the run that answers.
    pub async fn turn(&mut self, text: &str) -> Result<Turn, Failure> {
        let run_id = match self.begin(text).await {
            // With a refusal the conversation is not over.
            Err(refusal) if self.show.is_some() && refusal.is::<Refusal>() => {
                terminal::failure(&*refusal);
                return Ok(Turn::Ended(Value::Null));
            }
            begun => begun?,
        };
        let turn = self.follow(&run_id).await?;
        if let Turn::Ended(run) = &turn {
            self.remember(text, run);
            if let Some(show) = &mut self.show
                && run["status"] != "succeeded"
            {
                let status = run["status"].as_str().unwrap_or_default();
                show.aside(&format!("! {status}: {}", why(run)));
            }
        }
        Ok(turn)
    }

    /// Begins the run; its id.
    async fn begin(&mut self, text: &str) -> Result<String, Failure> {
        let path = format!("/agents/{}/execute", self.agent);
        loop {
            let body = match &self.memory {
                Memory::Thread(id) => json!({"input": text, "thread_id": id, "background": true}),
                Memory::Here(said) => {
                    let mut messages = said.clone();
                    messages.push(json!({"role": "user", "content": text}));
                    json!({"messages": messages, "background": true})
                }
            };
            let refused = match self.api.post_once(&path, &body).await {
                Ok(run) => return Ok(run["id"].as_str().unwrap_or_default().to_owned()),
                Err(refused) => refused,
            };
            let has_no_threads = refused
                .downcast_ref::<Refusal>()
                .is_some_and(|it| it.codes.iter().any(|code| code == "not_supported"));
            if !has_no_threads || matches!(self.memory, Memory::Here(_)) {
                return Err(refused);
            }
            terminal::aside(
                "this server keeps no threads: the conversation ends with this process",
            );
            self.memory = Memory::default();
        }
    }

    async fn follow(&mut self, run_id: &str) -> Result<Turn, Failure> {
        let mut watch = Watch::new(self.api, run_id);
        let mut is_canceled = false;
        loop {
            let event = tokio::select! {
                event = watch.next() => event?,
                _ = self.interrupts.recv() => {
                    if is_canceled {
                        return Ok(Turn::Left);
                    }
                    is_canceled = true;
                    self.cancel(run_id).await?;
                    continue;
                }
            };
            let Some(event) = event else {
                return Ok(Turn::Ended(self.api.get(&format!("/runs/{run_id}")).await?));
            };
            if let Some(show) = &mut self.show {
                show.event(&event.name, &event.data);
            }
            let asked = asked(&event.name, &event.data);
            if asked.is_empty() || is_canceled {
                continue;
            }
            if self.show.is_none() {
                return Ok(Turn::Suspended(asked));
            }
            match self.decide(asked).await? {
                Asked::Done => {}
                Asked::Interrupted => {
                    is_canceled = true;
                    self.cancel(run_id).await?;
                }
                Asked::NobodyThere(approvals) => return Ok(Turn::Suspended(approvals)),
            }
        }
    }

    async fn cancel(&mut self, run_id: &str) -> Result<(), Failure> {
        if let Some(show) = &mut self.show {
            show.aside("! canceled; once more leaves it");
        }
        self.api.post_once(&format!("/runs/{run_id}/cancel"), &json!({})).await.map(drop)
    }

    /// Asks for a decision on each of `approvals` that nobody has decided yet.
    async fn decide(&mut self, approvals: Vec<String>) -> Result<Asked, Failure> {
        if !self.decides {
            let ids = approvals.join(", ");
            terminal::dim(format!("? it waits for somebody who may decide on {ids}"));
            return Ok(Asked::Done);
        }
        for id in &approvals {
            let path = format!("/approvals/{id}");
            let approval = self.api.get(&path).await?;
            if approval["status"] != "pending" {
                continue;
            }
            terminal::line(format!("? {}", question(&approval)));
            loop {
                terminal::text(format!("  {}: ", ask::choices(&approval)));
                let Some(lines) = &mut self.lines else { break };
                let answer = tokio::select! {
                    answer = lines.next() => answer,
                    _ = self.interrupts.recv() => return Ok(Asked::Interrupted),
                };
                let Some(answer) = answer else { return Ok(Asked::NobodyThere(approvals)) };
                let Some(decision) = ask::decision(&approval, &answer) else { continue };
                match self.api.post(&path, &decision).await {
                    Ok(_) => break,
                    // Somebody else was faster, or it was too late: the events tell.
                    Err(refused) if refused.is::<Refusal>() => {
                        terminal::failure(&*refused);
                        break;
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
        Ok(Asked::Done)
    }

    /// Keeps what was said, if the server does not.
    fn remember(&mut self, text: &str, run: &Value) {
        let Memory::Here(said) = &mut self.memory else { return };
        let Some(answer) = run["output"]["text"].as_str().filter(|text| !text.is_empty()) else {
            return;
        };
        if run["status"] != "succeeded" {
            return;
        }
        said.push(json!({"role": "user", "content": text}));
        said.push(json!({"role": "assistant", "content": answer}));
        let old = said.len().saturating_sub(MESSAGES);
        said.drain(..old);
    }
}

/// What came of questions.
enum Asked {
    Done,
    /// Whoever was asked wants no answer any more.
    Interrupted,
    /// There are no lines any more.
    NobodyThere(Vec<String>),
}

/// The approvals that a run waits for from this event on.
fn asked(name: &str, data: &Value) -> Vec<String> {
    if name != "run.waiting" || data["status"] != "suspended" {
        return Vec::new();
    }
    let waiting = data["waiting_for"].as_array().into_iter().flatten();
    waiting.filter_map(|it| it["approval_id"].as_str().map(str::to_owned)).collect()
}

fn question(approval: &Value) -> String {
    let tool = approval["tool"]["name"].as_str().unwrap_or_default();
    let arguments = terminal::harmless(&approval["arguments"].to_string());
    if approval["kind"] == "unknown_effect" {
        return format!("nobody knows what came of {tool} {arguments}; is it to be made again?");
    }
    format!("{tool} {arguments}")
}
