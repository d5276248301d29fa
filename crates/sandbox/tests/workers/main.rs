//! What is run in real workers, seen from the side of the server.

#![expect(
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::print_stdout,
    reason = "a failed unwrap is a failed test, tables of scripts are long, and times are shown"
)]

mod confined;
mod console;
mod harmful;
mod harness;
mod hostile;
mod requests;
mod scripts;
mod values;
