//! `agent-server chat`: talk to an agent in the terminal, as a client of a running server.

mod ask;
mod show;
mod talk;
mod watch;

use std::io::IsTerminal;
use std::io::stdin;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

pub use self::show::place;
use self::talk::Memory;
use self::talk::Talk;
use self::talk::Turn;
use crate::commands::Failure;
use crate::commands::api::Server;
use crate::commands::terminal;
use crate::config::Environment;

pub const HELP: &str = "\
The client is the management client of the settings (MANAGEMENT_CLIENT_ID and _SECRET, in a
folder of `agent-server dev` also those of its dev.env), unless options name another. Ctrl-C
cancels the answer; a second one leaves it and ends the conversation.

With --once the answer alone is on standard output, and the command ends with
  0  it succeeded         3  it waits for somebody, who decides at /approvals
  1  it failed            4  it was canceled         5  it took too long

Examples:
  agent-server chat demo
  agent-server chat support --url https://agents.example.com --thread 0199a2c0-…
  agent-server chat support --once \"Where is my order?\"";

/// `130` is what a shell makes of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

#[derive(Debug, Args)]
pub struct ChatArgs {
    /// Id or name of the agent
    agent: String,
    #[command(flatten)]
    server: Server,
    /// The thread to go on with
    #[arg(long)]
    thread: Option<String>,
    /// Ask this, print the answer, and end
    #[arg(long, value_name = "TEXT")]
    once: Option<String>,
}

/// Talks, and says how the process is to end.
pub async fn run(args: ChatArgs, env: &Environment) -> Result<ExitCode, Failure> {
    let api = args.server.api(env)?;
    let scopes = api.sign_in().await?;
    let decides = scopes.covers("approval.decide");
    if let Some(text) = args.once {
        let memory = args.thread.map_or_else(Memory::default, Memory::Thread);
        let mut talk = Talk::quiet(&api, args.agent, memory)?;
        return Ok(once(talk.turn(&text).await?));
    }
    let memory = match args.thread {
        Some(thread) => Memory::Thread(thread),
        None => Memory::begin(&api).await,
    };
    if let Memory::Thread(thread) = &memory {
        terminal::dim(format!("thread {thread}"));
    }
    converse(Talk::aloud(&api, args.agent, memory, decides)?).await
}

async fn converse(mut talk: Talk<'_>) -> Result<ExitCode, Failure> {
    let prompt = if stdin().is_terminal() { "> " } else { "" };
    loop {
        terminal::text(prompt);
        let Some(line) = talk.line().await else { return Ok(ExitCode::SUCCESS) };
        if line.trim().is_empty() {
            continue;
        }
        if let Turn::Left = talk.turn(&line).await? {
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
}

/// Prints the answer to the one question, or why there is none.
fn once(turn: Turn) -> ExitCode {
    let run = match turn {
        Turn::Ended(run) => run,
        Turn::Suspended(approvals) => {
            terminal::aside(format!("it waits for a decision on {}", approvals.join(", ")));
            return ExitCode::from(3);
        }
        Turn::Left => return ExitCode::from(INTERRUPTED),
    };
    if run["status"] == "succeeded" {
        let text = run["output"]["text"].as_str().unwrap_or_default();
        // A program gets what was said, a terminal no orders.
        if std::io::stdout().is_terminal() {
            terminal::line(terminal::harmless(text));
        } else {
            terminal::line(text);
        }
        return ExitCode::SUCCESS;
    }
    terminal::aside(why(&run));
    match run["status"].as_str() {
        Some("canceled") => ExitCode::from(4),
        Some("timed_out") => ExitCode::from(5),
        _ => ExitCode::FAILURE,
    }
}

/// Why a run did not succeed.
fn why(run: &Value) -> String {
    let message = run["error"]["message"].as_str().unwrap_or("it did not succeed");
    terminal::harmless(message)
}
