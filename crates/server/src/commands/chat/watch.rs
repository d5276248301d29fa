//! The events of a run, whatever becomes of the connection.

use std::collections::VecDeque;
use std::time::Duration;

use http::StatusCode;
use llm::sse::Decoder;
use reqwest::Response;
use serde_json::Value;

use crate::commands::Failure;
use crate::commands::api::Api;
use crate::commands::api::PAUSE;
use crate::commands::api::is_final;

/// A server says something every 15 s; one that does not is gone.
const SILENCE: Duration = Duration::from_secs(45);
/// How often a connection is tried again.
const ATTEMPTS: u32 = 60;

/// A reader of one run.
#[derive(Debug)]
pub struct Watch<'a> {
    api: &'a Api,
    path: String,
    last_id: String,
    connection: Option<(Response, Decoder)>,
    waiting: VecDeque<Event>,
    failures: u32,
    is_over: bool,
}

/// An event, and what it tells.
#[derive(Debug)]
pub struct Event {
    pub name: String,
    pub data: Value,
}

impl<'a> Watch<'a> {
    /// A reader of the run from its beginning.
    pub fn new(api: &'a Api, run_id: &str) -> Self {
        Self {
            api,
            path: format!("/runs/{run_id}/events"),
            last_id: String::new(),
            connection: None,
            waiting: VecDeque::new(),
            failures: 0,
            is_over: false,
        }
    }

    /// The next event; `None` after the end of the run. It may be dropped while it waits.
    pub async fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            if self.is_over {
                return Ok(None);
            }
            match &mut self.connection {
                Some((response, _)) => {
                    let piece = tokio::time::timeout(SILENCE, response.chunk()).await;
                    match piece {
                        Ok(Ok(Some(bytes))) => self.take(&bytes)?,
                        // It was cut, or the server let it go; the remainder is asked for.
                        _ => self.connection = None,
                    }
                }
                None => self.connect().await?,
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        if self.failures > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        self.failures += 1;
        match self.api.stream(&self.path, &self.last_id).await {
            Ok(response) if response.status() == StatusCode::NO_CONTENT => self.is_over = true,
            Ok(response) => self.connection = Some((response, Decoder::default())),
            Err(failure) if self.failures > ATTEMPTS || is_final(&failure) => return Err(failure),
            Err(_) => {}
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Some((_, decoder)) = &mut self.connection else { return Ok(()) };
        let mut events = decoder.events(bytes);
        while let Some(event) = events.next().map_err(|_| "the server sent an endless event")? {
            let mut whole: Value = serde_json::from_str(event.data)?;
            event.id.clone_into(&mut self.last_id);
            self.is_over = event.name == "run.finished";
            let (name, data) = (event.name.to_owned(), whole["data"].take());
            self.waiting.push_back(Event { name, data });
        }
        self.failures = 0;
        Ok(())
    }
}
