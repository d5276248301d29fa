//! How MCP is spoken.

use crate::config::Env;
use crate::config::programs::Program;
use crate::config::programs::programs;
use crate::config::reader::Reader;

#[derive(Debug, Clone)]
pub struct Mcp {
    /// By which it may be called, beside that of the issuer and those of one's own machine.
    pub hosts: Vec<String>,
    /// Sessions that may be open.
    pub sessions: u32,
    /// The same of one caller by one client.
    pub sessions_of_one: u32,
    /// Calls that one caller may make of one tool in a minute.
    pub calls_per_minute: u32,
    /// Servers of others that we start.
    pub programs: Vec<Program>,
}

pub fn mcp<E: Env>(from: &mut Reader<E>) -> Mcp {
    Mcp {
        hosts: from.list("MCP_ALLOWED_HOSTS", host),
        sessions: from.number("MCP_SESSIONS_MAX", 1..=1_000_000),
        sessions_of_one: from.number("MCP_SESSIONS_PER_CALLER", 1..=1_000_000),
        calls_per_minute: from.number("MCP_CALLS_PER_MINUTE", 1..=1_000_000),
        programs: programs(from),
    }
}

fn host(text: &str) -> Result<String, String> {
    let authority = text.parse::<http::uri::Authority>().ok();
    let host = authority.filter(|it| it.as_str() == it.host());
    host.map(|it| it.host().to_owned())
        .ok_or_else(|| "each must be a host such as `agents.internal`, without a port".into())
}
