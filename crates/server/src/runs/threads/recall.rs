//! Recalls earlier messages that are like what is asked.
//!
//! Messages are embedded when they are first looked for, by the agent's embedding model, and their vectors kept with
//! their thread. A run waits for none of this longer than its agent says: it goes on without, and its log says why.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use engine::Recalled;
use engine::Resembling;
use llm::Message;
use retrieval::Among;
use retrieval::ChunkId;
use retrieval::Code;
use retrieval::EmbedError;
use retrieval::Embedder;
use retrieval::Index;
use retrieval::Kind;
use retrieval::embed_all;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tracing::warn;

use super::excerpts;
use super::excerpts::Place;
use super::store::end_user::EndUser;
use super::store::vectors;
use super::store::vectors::NewVector;
use super::store::vectors::Vector;
use super::store::vectors::Written;
use crate::agents::Memory;
use crate::agents::RecallScope;
use crate::agents::SemanticRecall;
use crate::db::Id;
use crate::db::TenantId;
use crate::rag::NoEmbedder;
use crate::rag::reason;
use crate::runs::service::Runs;

/// Messages that one run has embedded, and those that are embedded and stored together.
const NEW: i64 = 256;
const SLICE: usize = 64;
/// How long that may take, whoever waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is looked for, and where.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub tenant: &'a TenantId,
    pub thread: Id,
    pub subject: &'a str,
    pub user: Option<&'a str>,
    pub query: &'a str,
    /// The messages of the thread that the model is shown anyway.
    pub shown: &'a [i64],
}

/// Why nothing, or less than there is, was recalled. The words are safe for callers.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("there is no such embedding model: {0}")]
    Model(#[from] NoEmbedder),
    #[error("{}", reason(.0))]
    Embed(#[from] EmbedError),
    #[error("it took longer than {0} ms")]
    Late(u32),
    #[error("the earlier messages could not be read")]
    Database(#[from] sqlx::Error),
}

/// What was found.
#[derive(Default)]
struct Found {
    messages: Vec<Resembling>,
    /// As the model is shown it, with an estimate of its tokens.
    excerpts: Option<(Message, u64)>,
    /// Why there may be more.
    fault: Option<Fault>,
}

/// What earlier messages say of `wanted`, as the model is to be shown it, and what is told of it.
pub async fn recall(
    runs: &Runs,
    wanted: &Wanted<'_>,
    memory: &Memory,
    how: &SemanticRecall,
) -> (Recalled, Option<(Message, u64)>) {
    let began = Instant::now();
    let model = how.embedding_model.as_deref();
    let model = model.unwrap_or_else(|| runs.rag.embedders().default_model()).to_owned();
    let found = find(runs, wanted, (memory.max_tokens, how), &model, began).await;
    let found = found.unwrap_or_else(|fault| Found { fault: Some(fault), ..Found::default() });
    if let Some(fault) = &found.fault {
        let thread = wanted.thread;
        warn!(thread.id = %thread, error = fault as &dyn std::error::Error, "not all was recalled");
    }
    let recalled = Recalled {
        scope: how.scope.as_str().to_owned(),
        model,
        query: wanted.query.to_owned(),
        found: found.messages,
        duration_ms: began.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        warning: found.fault.map(|fault| fault.to_string()),
    };
    (recalled, found.excerpts)
}

async fn find(
    runs: &Runs,
    wanted: &Wanted<'_>,
    (max_tokens, how): (Option<u64>, &SemanticRecall),
    model: &str,
    began: Instant,
) -> Result<Found, Fault> {
    let deadline = began + Duration::from_millis(how.timeout_ms.into());
    let late = |_| Fault::Late(how.timeout_ms);
    let embedder = runs.rag.embedders().find(model)?;
    let threads = threads(runs, wanted, how.scope).await?;
    let tenant = wanted.tenant;
    let said = runs.db.read(async |conn| vectors::count_said(conn, tenant, &threads).await);
    if usize::try_from(said.await?).is_ok_and(|said| said <= wanted.shown.len()) {
        return Ok(Found::default());
    }
    // What is begun is of use to the next run too: it goes on when this one has waited long enough.
    let (all, tenant, theirs) = (runs.clone(), tenant.clone(), threads.clone());
    let own = Arc::clone(&embedder);
    let adding = async move { add(&all, &tenant, &theirs, own.as_ref()).await };
    let stopping = runs.tasks.stopping().clone();
    let adding = tokio::time::timeout(PATIENCE, adding);
    let adding = runs.tasks.spawn(async move { stopping.run_until_cancelled(adding).await });
    let texts = [wanted.query];
    let query = embed_all(embedder.as_ref(), &texts, Kind::Query, None);
    let query = timeout_at(deadline, query).await.map_err(late)??;
    let fault = match timeout_at(deadline, adding).await {
        Ok(Ok(Some(Ok(Err(fault))))) => Some(fault),
        Ok(_) => None,
        Err(elapsed) => Some(late(elapsed)),
    };
    let query = query.into_iter().next().unwrap_or_default();
    let found = look(runs, wanted, (max_tokens, how), &threads, (embedder.model(), &query)).await?;
    Ok(Found { fault, ..found })
}

/// The messages that are most like `query` among those that have vectors.
async fn look(
    runs: &Runs,
    wanted: &Wanted<'_>,
    (max_tokens, how): (Option<u64>, &SemanticRecall),
    threads: &[Id],
    (model, query): (&str, &[f32]),
) -> Result<Found, Fault> {
    let tenant = wanted.tenant;
    let read = runs.db.read(async |conn| vectors::list(conn, tenant, threads, model).await);
    let shown: BTreeSet<Place> = wanted.shown.iter().map(|seq| (wanted.thread, *seq)).collect();
    let vectors = read.await?.into_iter().filter(|it| !shown.contains(&(it.thread_id, it.seq)));
    let best = nearest(query, &vectors.collect::<Vec<_>>(), how.top_k as usize);
    let places: Vec<Place> = best.iter().map(|(place, _)| *place).collect();
    let range = i64::from(how.message_range);
    let around: Vec<_> =
        places.iter().map(|(thread, seq)| (*thread, seq - range, seq + range)).collect();
    if around.is_empty() {
        return Ok(Found::default());
    }
    let read = runs.db.read(async |conn| vectors::list_written(conn, tenant, &around).await);
    let excerpts = excerpts::excerpts(&places, &read.await?, range, &shown, max_tokens);
    let told = |((thread, seq), score): (Place, f32)| Resembling {
        thread_id: thread.to_string(),
        seq: seq.cast_unsigned(),
        score: score.into(),
    };
    Ok(Found { messages: best.into_iter().map(told).collect(), excerpts, fault: None })
}

/// The threads that are looked at.
async fn threads(
    runs: &Runs,
    wanted: &Wanted<'_>,
    scope: RecallScope,
) -> Result<Vec<Id>, sqlx::Error> {
    let (RecallScope::User, Some(user)) = (scope, wanted.user) else {
        return Ok(vec![wanted.thread]);
    };
    let (tenant, subject) = (wanted.tenant.clone(), wanted.subject.to_owned());
    let of = EndUser { tenant, subject, user: user.to_owned() };
    let mut threads = runs.db.read(async |conn| vectors::list_threads(conn, &of).await).await?;
    if !threads.contains(&wanted.thread) {
        threads.push(wanted.thread);
    }
    Ok(threads)
}

/// Embeds messages that have no vector yet. What cannot be embedded holds up no other.
async fn add(
    runs: &Runs,
    tenant: &TenantId,
    threads: &[Id],
    embedder: &dyn Embedder,
) -> Result<(), Fault> {
    let model = embedder.model();
    let read =
        runs.db.read(async |conn| vectors::list_without(conn, tenant, threads, model, NEW).await);
    let mut done = Ok(());
    for slice in read.await?.chunks(SLICE) {
        let new = match embed(embedder, slice).await {
            Ok(vectors) => vectors,
            Err(fault) => {
                done = Err(fault.into());
                continue;
            }
        };
        let write = runs.db.write_behind(async |tx| vectors::insert(tx, tenant, model, &new).await);
        write.await?;
    }
    done
}

async fn embed(embedder: &dyn Embedder, slice: &[Written]) -> Result<Vec<NewVector>, EmbedError> {
    let texts: Vec<String> = slice.iter().map(excerpts::text_of).collect();
    let some: Vec<&str> = texts.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
    let mut vectors = embed_all(embedder, &some, Kind::Document, None).await?.into_iter();
    let new = |(written, text): (&Written, &String)| {
        let vector = if text.is_empty() { None } else { vectors.next() };
        let code = vector.and_then(|vector| Code::of(&vector).ok());
        NewVector { thread_id: written.thread_id, seq: written.seq, code }
    };
    Ok(slice.iter().zip(&texts).map(new).collect())
}

/// The messages whose vectors are most like `query`, the best first, as far as they are like it at all. Those of another
/// dimension, from before the model was changed under its name, are left out.
fn nearest(query: &[f32], vectors: &[Vector], count: usize) -> Vec<(Place, f32)> {
    let mut index = Index::new(query.len(), 0, 0);
    for (number, vector) in (0..).zip(vectors) {
        #[expect(clippy::cast_possible_truncation, reason = "it was an f32")]
        let scale = vector.scale as f32;
        let values = vector.code.iter().map(|byte| i8::from_le_bytes([*byte])).collect();
        let _ = index.load(ChunkId(number), &Code { scale, values });
    }
    let hits = index.candidates(query, count, Among::All).unwrap_or_default();
    let hits = hits.into_iter().filter(|hit| hit.score > 0.0);
    let place = |hit: retrieval::Hit| {
        let vector = usize::try_from(hit.id.0).ok().and_then(|number| vectors.get(number))?;
        Some(((vector.thread_id, vector.seq), hit.score))
    };
    hits.filter_map(place).collect()
}
