//! The log: lines for people on a terminal, JSON for programs.

use std::io::IsTerminal;
use std::io::stdout;
use std::panic;

use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Log;
use crate::config::LogFormat;

/// Begins to write the log to standard output. Panics go into it, too.
pub fn start(log: &Log) {
    let is_pretty = match log.format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::ByTerminal => stdout().is_terminal(),
    };
    // It tells of each request that it begins and ends.
    let quiet = format!("rmcp=warn,{}", log.level);
    let filter = EnvFilter::builder().parse_lossy(quiet);
    let lines = fmt().with_env_filter(filter);
    // A second start, as in tests, keeps the first log.
    let _ = if is_pretty {
        lines.with_target(false).compact().finish().try_init()
    } else {
        lines.json().flatten_event(true).with_span_list(false).finish().try_init()
    };
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        error!(place, "a task panicked: {}", panic.payload_as_str().unwrap_or_default());
    }));
}
