//! The row of a run, and the record that it holds.

use engine::DefinitionRef;
use engine::Input;
use engine::RunKind;
use serde::Deserialize;
use serde::de::Error as _;
use serde::de::IntoDeserializer;
use serde::de::value::Error;
use serde_json::Value;
use sqlx::FromRow;

use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::runs::Record;
use crate::runs::Run;
use crate::runs::RunSummary;
use crate::runs::RunsError;
use crate::runs::asked::Asked;

/// The columns of a [`SummaryRow`].
macro_rules! summary_columns {
    () => {
        "id, kind, definition_id, definition_name, definition_version, thread_id, parent_run_id, \
         forked_from, status, waiting_for, error, usage, limits, steps, attempt, last_seq, \
         subject, client_id, end_user, trigger, metadata, created_at, started_at, finished_at"
    };
}
pub(super) use summary_columns;

/// The columns of a [`RunRow`].
macro_rules! run_columns {
    () => {
        concat!("tenant_id, request, scopes, output, engine, ", summary_columns!())
    };
}
pub(super) use run_columns;

#[derive(Debug, FromRow)]
pub(super) struct RunRow {
    tenant_id: String,
    request: String,
    scopes: String,
    output: Option<String>,
    engine: i32,
    #[sqlx(flatten)]
    summary: SummaryRow,
}

/// What lists need of a row; the large columns are not among it.
#[derive(Debug, FromRow)]
pub(super) struct SummaryRow {
    id: Id,
    kind: String,
    definition_id: Id,
    definition_name: String,
    definition_version: i64,
    thread_id: Option<Id>,
    parent_run_id: Option<Id>,
    forked_from: Option<Id>,
    status: String,
    waiting_for: String,
    error: Option<String>,
    usage: String,
    limits: String,
    steps: i64,
    attempt: i64,
    last_seq: i64,
    subject: String,
    client_id: String,
    end_user: Option<String>,
    trigger: String,
    metadata: String,
    created_at: At,
    started_at: Option<At>,
    finished_at: Option<At>,
}

impl RunRow {
    pub fn read(self) -> Result<Record, RunsError> {
        let mut asked: Asked = serde_json::from_str(&self.request)?;
        let kind = word(&self.summary.kind)?;
        if kind != RunKind::Agent {
            let mut request: Value = serde_json::from_str(&self.request)?;
            asked.input = Input::read(kind, request["input"].take())?;
        }
        let output = self.output.as_deref().map(serde_json::from_str).transpose()?;
        let definition = self.summary.definition_id;
        let run = Run { summary: self.summary.read()?, input: asked.input.clone(), output };
        let tenant = TenantId::try_from(self.tenant_id).map_err(serde_json::Error::custom)?;
        let scopes = self.scopes.parse().map_err(serde_json::Error::custom)?;
        Ok(Record { tenant, definition, run, asked, scopes, engine: self.engine })
    }
}

impl SummaryRow {
    pub fn read(self) -> Result<RunSummary, RunsError> {
        Ok(RunSummary {
            id: self.id,
            kind: word(&self.kind)?,
            definition: DefinitionRef {
                id: self.definition_id.to_string(),
                name: self.definition_name,
                version: self.definition_version,
            },
            thread_id: self.thread_id,
            parent_run_id: self.parent_run_id,
            forked_from: self.forked_from,
            status: word(&self.status)?,
            waiting_for: serde_json::from_str(&self.waiting_for)?,
            error: self.error.as_deref().map(serde_json::from_str).transpose()?,
            usage: serde_json::from_str(&self.usage)?,
            limits: serde_json::from_str(&self.limits)?,
            steps: self.steps.try_into().unwrap_or(u32::MAX),
            attempt: self.attempt.try_into().unwrap_or(u32::MAX),
            last_seq: self.last_seq.cast_unsigned(),
            subject: self.subject,
            client_id: self.client_id,
            user: self.end_user,
            trigger: word(&self.trigger)?,
            metadata: serde_json::from_str(&self.metadata)?,
            created_at: self.created_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
        })
    }
}

/// The name of a kind of run in its row.
pub(super) fn kind(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Agent => "agent",
        RunKind::Workflow => "workflow",
        RunKind::Tool => "tool",
    }
}

/// Reads one of our enums from its name.
pub fn word<'a, T: Deserialize<'a>>(name: &'a str) -> Result<T, RunsError> {
    let word: Result<T, Error> = T::deserialize(name.into_deserializer());
    word.map_err(|error| serde_json::Error::custom(error).into())
}
