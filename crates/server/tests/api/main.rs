//! The API, asked over HTTP as a client asks it, on both databases.
//!
//! Time stands still and ids count, so that whole answers can be compared. A test is written once
//! and run on each database by [`on_both!`].
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test should fail loudly")]
#![expect(clippy::too_many_lines, reason = "whole answers are long")]

#[macro_use]
mod harness;

mod access;
mod agents;
mod approvals;
mod audit;
mod budgets;
mod children;
mod code;
mod code_steps;
mod events;
mod execute;
mod forks;
mod hooks;
mod hostile;
mod house;
mod http_tools;
mod idor;
mod javascript_tools;
mod mcp;
mod models;
mod oauth;
mod progress;
mod rag;
mod recall;
mod recovery;
mod retention;
mod rights;
mod runs;
mod secrets;
mod settings;
mod stale_triggers;
mod stats;
mod streams;
mod threads;
mod tools;
mod traces;
mod triggers;
mod webhooks;
mod workflow_cuts;
mod workflow_events;
mod workflow_forks;
mod workflow_runs;
mod workflow_tools;
mod workflows;
