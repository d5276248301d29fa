//! A process that the bench started, and ends.

use std::io::BufRead;
use std::io::BufReader;
use std::net::TcpListener;
use std::process;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;

use crate::Result;
use crate::process::Process;

/// How long a process may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Child {
    child: process::Child,
    pub port: u16,
}

impl Child {
    /// This program as the fake model, on a port of its own choice.
    pub fn model() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("model").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let port = line.trim().parse().map_err(|_| "the fake model did not start")?;
        Ok(Self { child, port })
    }

    /// `command` on `port`, which it has to be told.
    pub fn start(command: &mut Command, port: u16) -> Result<Self> {
        Ok(Self { child: command.stdin(Stdio::null()).spawn()?, port })
    }

    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    pub fn is_alive(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    fn ends_within(&mut self, patience: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        if !self.ends_within(PATIENCE) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A port on which nobody listens now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
