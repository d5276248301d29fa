//! Processes of our own program that run what is not trusted.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use sandbox::Pool;
use sandbox::Settings;

use crate::rag;

/// What the program is started with to be such a process. It is not in the help: nobody else needs it.
const WORKER: &str = "worker";
/// Jobs that may wait for a process.
const QUEUE: usize = 1000;
/// A process that has had nothing to do for so long is ended.
const IDLE: Duration = Duration::from_mins(1);

/// Does what the server starts its own program for, if this process is one of those: it runs
/// JavaScript of tools and reads files, confined, until the server ends, and gives how the process is to end.
///
/// `App::builder().main()` begins with it. A program that starts its server otherwise calls this
/// before it does anything else: before any thread or runtime is started, and any file opened.
pub fn worker() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let is_worker = arguments.next().is_some_and(|it| it == WORKER) && arguments.next().is_none();
    is_worker.then(|| sandbox::worker::main(&[rag::TASK]))
}

/// Processes of `program`, which are started when they are needed.
pub fn pool(program: Option<PathBuf>, workers: NonZeroUsize) -> Pool {
    Pool::new(Settings {
        program: program.unwrap_or_else(own_program),
        arguments: vec![WORKER.into()],
        workers,
        queue: QUEUE,
        idle: IDLE,
    })
}

/// This very program, also when its file has been replaced by a newer one meanwhile.
fn own_program() -> PathBuf {
    if cfg!(target_os = "linux") {
        return PathBuf::from("/proc/self/exe");
    }
    // Without a name there is nothing to start, which is said when it is tried.
    std::env::current_exe().unwrap_or_default()
}
