//! Settings of what speaks MCP.

use crate::config::table::Setting;
use crate::config::table::plain;

pub const MCP: &[Setting] = &[
    plain(
        "MCP_CALLS_PER_MINUTE",
        "600",
        "Calls that one caller may make of one tool by MCP in a minute, by each process; more are refused with 429 and \
         `Retry-After`. Reading resources counts as one tool.",
    ),
    plain(
        "MCP_ALLOWED_HOSTS",
        "",
        "Hosts, with commas between, by which `/mcp` may be called beside that of `TOKEN_SERVICE_URL` and those of \
         one's own machine, such as the name that a proxy puts into `Host`. Any other is refused, so that no page \
         can reach the server under a name of its own.",
    ),
    plain(
        "MCP_SERVERS_FILE",
        "",
        "JSON file of programs whose tools agents call, in the format that other programs know: \
         `{\"mcpServers\": {\"files\": {\"command\": \"npx\", \"args\": [\"-y\", \"…\"], \"env\": {}}}}`. See MCP.md.",
    ),
    plain(
        "MCP_SESSIONS_MAX",
        "1000",
        "Sessions of MCP clients that may be open, of all processes together; more are refused with 429. One that \
         was not used for a day is over.",
    ),
    plain(
        "MCP_SESSIONS_PER_CALLER",
        "100",
        "Sessions that one caller may have open by one client; one more ends the one that was used least lately.",
    ),
];
