//! Finding passages: by their vectors, by their words, or by both.

mod answer;
mod asked;
mod elsewhere;
mod index;
mod look;
mod misfits;
mod order;
mod rerank;

use std::collections::HashMap;
use std::sync::Arc;

use retrieval::ChunkId;
use retrieval::Counted;
use retrieval::Filter;
use retrieval::Hit;
use retrieval::Kind;
use retrieval::WordQuery;
use retrieval::best;
use retrieval::embed_all;
use uuid::Uuid;

use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::DefinitionError;
use crate::http::Invalid;
use crate::rag::Database;
use crate::rag::DatabaseRows;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::databases::Mode;
use crate::rag::databases::Rerank;
use crate::rag::store::chunks;
use crate::rag::store::indexes::Generation;
use crate::rag::store::indexes::State;
use crate::rag::store::labels::Label;

pub use answer::Found;
pub use asked::Asked;
pub use index::Indexes;
use look::Ask;
use look::Looked;
use order::Legs;
use order::chosen;
use order::exact;
use order::ranked;

/// Hits that each leg gives for each passage that is wanted, and at least.
const POOL: usize = 4;
const LEAST: usize = 50;

/// What is looked for, and how.
#[derive(Debug, Clone)]
pub struct Query {
    pub text: String,
    pub mode: Mode,
    pub top_k: usize,
    pub min_score: Option<f32>,
    pub filter: Filter,
    pub diversity: Option<f32>,
    pub rerank: Option<Rerank>,
}

/// What is found, the best first.
#[derive(Debug)]
pub struct Answer {
    pub found: Vec<Found>,
    /// Of the vectors of each database that was searched.
    pub generations: Vec<i64>,
    /// What was done otherwise than it is usually done.
    pub warnings: Vec<String>,
}

/// What one database has for a query.
struct Part<'a> {
    database: &'a Database,
    /// What its vectors are made by.
    model: String,
    generation: i64,
    near: Vec<Hit>,
    rows: Rows,
    words: Counted,
    warning: Option<String>,
}

/// What the rows say of passages.
type Rows = HashMap<ChunkId, chunks::Found>;

impl Rag {
    /// Embeds a text and looks for it; gives the dimension of its vector. What its vector store was not told of
    /// because that was away is told now.
    pub async fn test(&self, tenant: &TenantId, database: &Database) -> Result<usize, RagError> {
        ensure_usable(database)?;
        self.ensure_store(tenant, database).await?;
        let text = "Is this found?".to_owned();
        let model = &database.content.embedding_model;
        let dimension = self.embed(database, model, &text, None).await?.len();
        let query = Query { top_k: 1, ..Query::of(text, Filter::all()) };
        self.search(tenant, database, query, |_| false).await?;
        Ok(dimension)
    }

    /// Searches `database` for somebody who holds what `holds` says. He finds what he may see, as it is now.
    pub async fn search(
        &self,
        tenant: &TenantId,
        database: &Database,
        query: Query,
        holds: impl Fn(&str) -> bool,
    ) -> Result<Answer, RagError> {
        let part = self.part(tenant, database, &query, &holds).await?;
        let mut answer = self.answer(tenant, vec![part], &query).await?;
        self.explain(tenant, &[database], &query, holds, &mut answer).await?;
        Ok(answer)
    }

    /// Searches databases by their names as if they were one. One that somebody may not search is not there for him;
    /// one that cannot be searched is left out with a warning, unless there is no other.
    pub async fn search_all(
        &self,
        tenant: &TenantId,
        names: &[String],
        query: &Query,
        holds: impl Fn(&str) -> bool,
    ) -> Result<Answer, RagError> {
        let mut databases: Vec<Arc<Database>> = Vec::new();
        for name in names {
            let found = self.databases().find(tenant, name).await?;
            let visible = found.filter(|it| it.content.scopes.iter().all(|scope| holds(scope)));
            let database =
                visible.ok_or_else(|| DefinitionError::not_found::<DatabaseRows>(name))?;
            if databases.iter().all(|other| other.id != database.id) {
                databases.push(database);
            }
        }
        let (mut parts, mut failed) = (Vec::new(), Vec::new());
        for database in &databases {
            match self.part(tenant, database, query, &holds).await {
                Ok(part) => parts.push(part),
                Err(error) if error.is_of_the_database() => {
                    failed.push((&database.content.name, error));
                }
                Err(error) => return Err(error),
            }
        }
        if parts.is_empty()
            && let Some((_, error)) = failed.pop()
        {
            return Err(error);
        }
        let mut answer = self.answer(tenant, parts, query).await?;
        let searched: Vec<&Database> = databases.iter().map(Arc::as_ref).collect();
        self.explain(tenant, &searched, query, &holds, &mut answer).await?;
        let warning = |(name, error): (_, RagError)| format!("`{name}` was not searched: {error}");
        answer.warnings.extend(failed.into_iter().map(warning));
        Ok(answer)
    }

    /// What one database has for a query.
    async fn part<'a>(
        &self,
        tenant: &TenantId,
        database: &'a Database,
        query: &Query,
        holds: impl Fn(&str) -> bool,
    ) -> Result<Part<'a>, RagError> {
        ensure_usable(database)?;
        // What was searched last is searched at once. Whether it is still so is read with the passages.
        let known = self.0.indexes.known(tenant, database.id);
        if let Some(state) = known.filter(|_| query.mode != Mode::Keyword)
            && let Ok(part) = self.part_of(tenant, database, query, &holds, &state).await
            && part.is_of(&state)
        {
            return Ok(part);
        }
        let Some(state) = self.state(tenant, database.id).await? else {
            return Ok(Part::empty(database));
        };
        let part = self.part_of(tenant, database, query, &holds, &state).await?;
        if self.store(tenant, &state)?.is_none() {
            self.0.indexes.know(tenant, database.id, state);
        }
        Ok(part)
    }

    /// What it has as of `state`, or later.
    async fn part_of<'a>(
        &self,
        tenant: &TenantId,
        database: &'a Database,
        query: &Query,
        holds: impl Fn(&str) -> bool,
        state: &State,
    ) -> Result<Part<'a>, RagError> {
        let Generation { number: generation, recipe, dimension } = state.current()?;
        let model = recipe.embedding_model;
        let vector = match dimension.filter(|_| query.mode != Mode::Keyword) {
            None => None,
            Some(dimension) => {
                let by = (generation, model.as_str(), dimension);
                Some(self.embed_once(tenant, database, by, &query.text).await?)
            }
        };
        let may = |label: &Label| {
            let is_held = label.scopes.iter().all(|scope| holds(scope));
            !label.is_failed && is_held && query.filter.matches(&label.metadata)
        };
        let words = (query.mode != Mode::Vector).then(|| WordQuery::of(&query.text));
        let ask = Ask {
            tenant,
            database: database.id,
            state,
            vector: vector.clone(),
            words,
            filter: &query.filter,
            count: query.pool(),
        };
        let Looked { near, words, warning } = self.look(&ask, &holds, may).await?;
        let mut rows = Rows::new();
        self.read_rows(tenant, Some(database.id), near.iter().copied(), &mut rows).await?;
        let near = vector.map(|it| exact(&it, &near, &rows, ask.count)).unwrap_or_default();
        Ok(Part { database, model, generation, near, rows, words, warning })
    }

    /// Puts together what databases have. Cosines of one model are compared with each other, and words are as rare as
    /// they are in all of them.
    async fn answer(
        &self,
        tenant: &TenantId,
        parts: Vec<Part<'_>>,
        query: &Query,
    ) -> Result<Answer, RagError> {
        let (mut legs, mut words) = (Legs::default(), Counted::default());
        let (mut rows, mut databases) = (Rows::new(), Vec::new());
        let (mut warnings, mut generations) = (Vec::new(), Vec::new());
        for part in parts {
            legs.vector.entry(part.model).or_default().extend(part.near);
            words = words.and(part.words);
            rows.extend(part.rows);
            warnings.extend(part.warning);
            generations.push(part.generation);
            databases.push(part.database);
        }
        for near in legs.vector.values_mut() {
            *near = best(std::mem::take(near), query.pool());
        }
        legs.keyword = words.best(query.pool());
        let mut hits = ranked(&legs, query);
        hits.truncate(match (&query.rerank, query.diversity) {
            (Some(_), _) => query.pool().min(rerank::MOST),
            (None, Some(_)) => hits.len(),
            (None, None) => query.top_k,
        });
        self.read_rows(tenant, None, hits.iter().map(|hit| hit.id), &mut rows).await?;
        if let Some(how) = &query.rerank {
            let found = hits.iter().filter_map(|hit| rows.get(&hit.id));
            match self.rerank(how, &query.text, found).await {
                Ok(reranked) => {
                    hits.clone_from(&reranked);
                    legs.rerank = reranked;
                }
                Err(why) => warnings.push(format!("the passages were not reranked: {why}")),
            }
        }
        let hits = chosen(hits, query, &rows);
        let found = answer::found(&legs, &hits, &databases, rows, &WordQuery::of(&query.text));
        Ok(Answer { found, generations, warnings })
    }

    /// Adds to `rows` what is not in them of these passages, all `of` one database or of several. One that was deleted
    /// meanwhile is not there.
    async fn read_rows(
        &self,
        tenant: &TenantId,
        of: Option<Id>,
        wanted: impl Iterator<Item = ChunkId>,
        rows: &mut Rows,
    ) -> Result<(), RagError> {
        let ids: Vec<Id> = wanted.filter(|it| !rows.contains_key(it)).map(id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let read = self.0.db.read(async |conn| chunks::list_found(conn, tenant, of, &ids).await);
        rows.extend(read.await?.into_iter().map(|row| (chunk(row.id), row)));
        Ok(())
    }

    /// The vector of a question, which is asked for once for as long as it is known.
    async fn embed_once(
        &self,
        tenant: &TenantId,
        database: &Database,
        (generation, model, dimension): (i64, &str, usize),
        text: &str,
    ) -> Result<Vec<f32>, RagError> {
        let key = Asked::key(tenant, generation, model, text);
        if let Some(known) = self.0.asked.find(&key).filter(|it| it.len() == dimension) {
            return Ok(known);
        }
        let vector = self.embed(database, model, text, Some(dimension)).await?;
        self.0.asked.keep(key, vector.clone());
        Ok(vector)
    }

    async fn embed(
        &self,
        database: &Database,
        model: &str,
        text: &str,
        dimension: Option<usize>,
    ) -> Result<Vec<f32>, RagError> {
        let embedder = self.0.embedders.find(model).map_err(|why| {
            let problems = vec![Invalid::new("/embedding_model", "model_not_configured", why)];
            RagError::DatabaseInvalid { name: database.content.name.clone(), problems }
        })?;
        let vectors = embed_all(embedder.as_ref(), &[text], Kind::Query, dimension).await?;
        Ok(vectors.into_iter().next().unwrap_or_default())
    }
}

impl Query {
    /// What is looked for as usual.
    pub fn of(text: String, filter: Filter) -> Self {
        let (mode, top_k, min_score, diversity, rerank) = (Mode::default(), 5, None, None, None);
        Self { text, mode, top_k, min_score, filter, diversity, rerank }
    }

    /// As many hits as are wanted of each leg: more than are shown, where they are put in another order.
    fn pool(&self) -> usize {
        if self.mode == Mode::Vector && self.diversity.is_none() && self.rerank.is_none() {
            return self.top_k;
        }
        self.top_k.saturating_mul(POOL).max(LEAST)
    }
}

impl<'a> Part<'a> {
    fn empty(database: &'a Database) -> Self {
        let model = database.content.embedding_model.clone();
        let (near, rows, words) = (Vec::new(), Rows::new(), Counted::default());
        Self { database, model, generation: 1, near, rows, words, warning: None }
    }

    /// Whether there was no other state when the rows were read; if there are none, it is not known.
    fn is_of(&self, state: &State) -> bool {
        self.rows.values().next().is_some_and(|row| row.revision == Some(state.revision))
    }
}

/// A database that is switched off, or whose definition is wrong, is not searched.
pub(super) fn ensure_usable(database: &Database) -> Result<(), RagError> {
    if database.is_usable() {
        return Ok(());
    }
    let mut problems = database.problems.clone();
    if !database.is_active {
        problems.push(Invalid::new("/is_active", "not_active", "the database is switched off"));
    }
    Err(RagError::DatabaseInvalid { name: database.content.name.clone(), problems })
}

fn chunk(id: Id) -> ChunkId {
    ChunkId(id.uuid().as_u128())
}

fn id(chunk: ChunkId) -> Id {
    Id::new(Uuid::from_u128(chunk.0))
}
