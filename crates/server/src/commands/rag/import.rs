//! `agent-server rag import`: files into a database.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use futures::StreamExt;
use futures::stream;
use http::StatusCode;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::files;
use super::path_of;
use super::progress::Outcome;
use super::progress::Progress;
use super::upload::Known;
use super::upload::Sent;
use crate::commands::Failure;
use crate::commands::api::Api;
use crate::commands::api::Refusal;
use crate::commands::api::Server;
use crate::config::Environment;

pub const HELP: &str = "\
A folder stands for all files in it and below, but for hidden ones and for pictures, sound, films
and archives. A pattern in quotes may have `*`, `?` and `**`. What the database has already is not
sent again, so an import that broke off goes on when it is called again. The same server and client
are meant as with `agent-server chat`.

The command ends with
  0  all files are in the database    1  some are not, as the last lines say

Examples:
  agent-server rag import handbook docs
  agent-server rag import handbook \"docs/**/*.pdf\" --metadata '{\"team\": \"hr\"}' --create";

/// How often a document is looked at while it is ingested.
const ROUND: Duration = Duration::from_millis(300);

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Id or name of the database
    database: String,
    /// Files, folders, and patterns
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Make the database if there is none of this name
    #[arg(long)]
    create: bool,
    /// Files that are under way at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    jobs: u8,
    /// What is said of each document, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<Map<String, Value>>,
    /// What must be held to find the documents; may be given more than once
    #[arg(long)]
    scope: Vec<String>,
    /// End when the files are sent, and do not wait for their ingestion
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    server: Server,
}

/// The documents of a database, by the hashes of their bytes.
type Documents = HashMap<String, Value>;

/// An import that is under way.
struct Import<'i> {
    api: &'i Api,
    /// Of the documents.
    path: String,
    there: Documents,
    fields: Vec<(&'static str, Value)>,
    waits: bool,
}

pub async fn run(args: ImportArgs, env: &Environment) -> Result<ExitCode, Failure> {
    let api = args.server.api(env)?;
    api.sign_in().await?;
    let found = files::find(&args.paths);
    if args.create {
        create(&api, &args.database).await?;
    }
    let path = format!("{}/documents", path_of(&args.database));
    let there = documents(&api, &path).await?;
    let metadata = args.metadata.map(|it| ("metadata", Value::Object(it)));
    let scopes = (!args.scope.is_empty()).then(|| ("scopes", json!(args.scope)));
    let fields = metadata.into_iter().chain(scopes).collect();
    let import = Import { api: &api, path, there, fields, waits: !args.no_wait };
    let mut progress = Progress::begin(found.files.len() + found.failures.len());
    for (path, why) in found.failures {
        progress.note(&path, Outcome::Failed(why));
    }
    let outcomes = found.files.into_iter().map(async |file: PathBuf| {
        let outcome = import.file(&file).await;
        (file, outcome)
    });
    let mut outcomes = stream::iter(outcomes).buffer_unordered(args.jobs.into());
    while let Some((file, outcome)) = outcomes.next().await {
        progress.note(&file, outcome?);
    }
    Ok(progress.end(found.passed_over))
}

impl Import<'_> {
    /// Brings a file; an error is the end of the whole import.
    async fn file(&self, file: &std::path::Path) -> Result<Outcome, Failure> {
        let known = match Known::read(file).await {
            Ok(known) => known,
            Err(error) => return Ok(Outcome::Failed(error.to_string())),
        };
        let (document, is_known) = match self.there.get(&known.hash) {
            Some(document) => (document.clone(), true),
            None => match known.send(self.api, &self.path, &self.fields).await {
                Ok(Sent::New(document)) => (document, false),
                Ok(Sent::Known(document)) => (document, true),
                Err(failure) if is_of_the_file(&failure) => {
                    return Ok(Outcome::Failed(failure.to_string()));
                }
                Err(failure) => return Err(failure),
            },
        };
        if !self.waits {
            return Ok(if is_known { Outcome::Known } else { Outcome::Sent });
        }
        self.ingested(document, is_known).await
    }

    /// Waits for the end of a document's ingestion.
    async fn ingested(&self, mut document: Value, is_known: bool) -> Result<Outcome, Failure> {
        let id = document["id"].as_str().unwrap_or_default().to_owned();
        loop {
            match document["embedding_status"].as_str() {
                Some("completed") if is_known => return Ok(Outcome::Known),
                Some("completed") => {
                    let passages = document["chunk_count"].as_i64().unwrap_or_default();
                    return Ok(Outcome::Imported(passages));
                }
                Some("failed") => {
                    let why = document["error_message"].as_str().unwrap_or("it failed");
                    return Ok(Outcome::Failed(why.to_owned()));
                }
                _ => tokio::time::sleep(ROUND).await,
            }
            match self.api.get(&format!("{}/{id}", self.path)).await {
                Ok(now) => document = now,
                Err(failure) if has_status(&failure, StatusCode::NOT_FOUND) => {
                    return Ok(Outcome::Failed("it was deleted meanwhile".to_owned()));
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// Makes the database, unless it is there.
async fn create(api: &Api, database: &str) -> Result<(), Failure> {
    match api.get(&path_of(database)).await {
        Err(failure) if has_status(&failure, StatusCode::NOT_FOUND) => {
            api.post_once("/rag/databases", &json!({ "name": database })).await.map(drop)
        }
        found => found.map(drop),
    }
}

/// All documents that there are.
async fn documents(api: &Api, path: &str) -> Result<Documents, Failure> {
    let (mut all, mut cursor) = (Documents::new(), String::new());
    loop {
        let page = api.get(&format!("{path}?limit=200{cursor}")).await?;
        for document in page["data"].as_array().into_iter().flatten() {
            if let Some(hash) = document["content_hash"].as_str() {
                all.insert(hash.to_owned(), document.clone());
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(all),
        }
    }
}

/// Whether it is this file that is refused, and others may do better.
fn is_of_the_file(failure: &Failure) -> bool {
    let statuses = [
        StatusCode::BAD_REQUEST,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNPROCESSABLE_ENTITY,
        StatusCode::REQUEST_TIMEOUT,
    ];
    statuses.into_iter().any(|status| has_status(failure, status))
}

fn has_status(failure: &Failure, status: StatusCode) -> bool {
    failure.downcast_ref::<Refusal>().is_some_and(|it| it.status == status)
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|_| "it must be a JSON object".to_owned())
}
