//! A worker and nothing else: what the tests of this crate start.

use std::process::ExitCode;

fn main() -> ExitCode {
    sandbox::worker::main(&[])
}
