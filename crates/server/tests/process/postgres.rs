//! A PostgreSQL server of one test, which the test may stop.

use std::process::Stdio;

use testkit::database::TestDatabase;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::io::Lines;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/postgres");

/// A server; it is deleted when this is dropped.
pub struct Postgres {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Postgres {
    pub async fn start() -> Self {
        let mut process = Command::new(SCRIPT)
            .arg("hold")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut output = BufReader::new(output).lines();
        let url = output.next_line().await.unwrap().unwrap();
        Self { input, output, url }
    }

    /// The one database that it has.
    pub fn database(&self) -> TestDatabase {
        TestDatabase::on_a_server_of_its_own(&self.url)
    }

    /// Stops it at once, as if it had crashed: whoever asked it something gets no answer.
    pub async fn stop(&mut self) {
        self.tell("stop").await;
    }

    /// Starts it on the same port, with what was committed.
    pub async fn start_again(&mut self) {
        self.tell("start").await;
    }

    async fn tell(&mut self, verb: &str) {
        self.input.write_all(format!("{verb}\n").as_bytes()).await.unwrap();
        assert_eq!(self.output.next_line().await.unwrap().as_deref(), Some(verb));
    }
}
