//! The program. All it does is in [`agent_server::commands`].

use std::process::ExitCode;

fn main() -> ExitCode {
    agent_server::App::builder().main()
}
