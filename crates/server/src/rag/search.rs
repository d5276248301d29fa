//! Finding passages: by their vectors, by their words, or by both.

mod answer;
mod index;

use std::collections::HashMap;

use retrieval::ChunkId;
use retrieval::Filter;
use retrieval::Hit;
use retrieval::Kind;
use retrieval::WordQuery;
use retrieval::candidates_for;
use retrieval::diversify;
use retrieval::embed_all;
use retrieval::fuse;
use retrieval::rescore;
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
use crate::rag::store::chunks;

pub use answer::Found;
pub use index::Indexes;

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
}

/// What is found, the best first.
#[derive(Debug)]
pub struct Answer {
    pub found: Vec<Found>,
    pub generation: i64,
}

/// What each leg found, by its own measure.
#[derive(Debug, Default)]
struct Legs {
    vector: Vec<Hit>,
    keyword: Vec<Hit>,
}

impl Rag {
    /// Embeds a text and looks for it; gives the dimension of its vector.
    pub async fn test(&self, tenant: &TenantId, database: &Database) -> Result<usize, RagError> {
        ensure_usable(database)?;
        let text = "Is this found?".to_owned();
        let model = &database.content.embedding_model;
        let dimension = self.embed(database, model, &text, None).await?.len();
        let (mode, filter) = (Mode::Hybrid, Filter::all());
        let query = Query { text, mode, top_k: 1, min_score: None, filter, diversity: None };
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
        ensure_usable(database)?;
        let Some(index) = self.index(tenant, database.id).await? else {
            return Ok(Answer { found: Vec::new(), generation: 1 });
        };
        let vector = match index.dimension().filter(|_| query.mode != Mode::Keyword) {
            None => None,
            dimension => {
                Some(self.embed(database, index.embedding_model(), &query.text, dimension).await?)
            }
        };
        let visible = index.visible(|label| {
            label.scopes.iter().all(|scope| holds(scope)) && query.filter.matches(&label.metadata)
        });
        let generation = index.generation();
        let pool = query.top_k.saturating_mul(POOL).max(LEAST);
        let words = (query.mode != Mode::Vector).then(|| WordQuery::of(&query.text));
        let (asked, own_words) = (vector.clone(), words.clone());
        // It takes a processor for a while, which others should not wait for.
        let legs = tokio::task::spawn_blocking(move || {
            let vector = asked.map(|it| index.near(&it, candidates_for(pool), &visible));
            let keyword = own_words.map(|it| index.with_words(&it, pool, &visible));
            (vector.transpose(), keyword.unwrap_or_default())
        });
        let (near, keyword) = legs.await?;
        let near = near.map_err(retrieval::FeedError::from)?.unwrap_or_default();
        let vectors = self.vectors(tenant, &near, &keyword, &query).await?;
        let vector_leg = vector.map(|it| exact(&it, &near, &vectors, pool)).unwrap_or_default();
        let legs = Legs { vector: vector_leg, keyword };
        let hits = ranked(&legs, &query, &vectors);
        let ids: Vec<Id> = hits.iter().map(|hit| id(hit.id)).collect();
        let rows = if ids.is_empty() {
            Vec::new()
        } else {
            self.0
                .db
                .read(async |conn| chunks::list_found(conn, tenant, database.id, &ids).await)
                .await?
        };
        let found = answer::found(database, &legs, &hits, rows, &WordQuery::of(&query.text));
        Ok(Answer { found, generation })
    }

    /// Searches databases by their names, and gives the best of all. One that somebody may not search is not there
    /// for him.
    pub async fn search_all(
        &self,
        tenant: &TenantId,
        names: &[String],
        query: &Query,
        holds: impl Fn(&str) -> bool,
    ) -> Result<Vec<Found>, RagError> {
        let mut all = Vec::new();
        for name in names {
            let found = self.databases().find(tenant, name).await?;
            let visible = found.filter(|it| it.content.scopes.iter().all(|scope| holds(scope)));
            let database =
                visible.ok_or_else(|| DefinitionError::not_found::<DatabaseRows>(name))?;
            all.extend(self.search(tenant, &database, query.clone(), &holds).await?.found);
        }
        all.sort_by(|one, other| other.score.total_cmp(&one.score));
        all.truncate(query.top_k);
        Ok(all)
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

    /// The vectors that are needed: of what is near, and of all where results should differ from each other.
    async fn vectors(
        &self,
        tenant: &TenantId,
        near: &[Hit],
        keyword: &[Hit],
        query: &Query,
    ) -> Result<HashMap<ChunkId, Vec<f32>>, RagError> {
        let mut ids: Vec<Id> = near.iter().map(|hit| id(hit.id)).collect();
        if query.diversity.is_some() {
            ids.extend(keyword.iter().map(|hit| id(hit.id)));
        }
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows =
            self.0.db.read(async |conn| chunks::list_vectors(conn, tenant, &ids).await).await?;
        Ok(rows.into_iter().map(|(id, vector)| (chunk(id), vector)).collect())
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

/// The candidates in their true order.
fn exact(
    query: &[f32],
    near: &[Hit],
    vectors: &HashMap<ChunkId, Vec<f32>>,
    wanted: usize,
) -> Vec<Hit> {
    let with_vector =
        near.iter().filter_map(|hit| Some((hit.id, vectors.get(&hit.id)?.as_slice())));
    rescore(query, with_vector, wanted)
}

/// The hits of both legs as one list, the best first.
fn ranked(legs: &Legs, query: &Query, vectors: &HashMap<ChunkId, Vec<f32>>) -> Vec<Hit> {
    let mut hits = match query.mode {
        Mode::Vector => legs.vector.clone(),
        Mode::Keyword => legs.keyword.clone(),
        Mode::Hybrid => {
            let ids = |leg: &[Hit]| leg.iter().map(|hit| hit.id).collect::<Vec<_>>();
            fuse(&[&ids(&legs.vector), &ids(&legs.keyword)])
        }
    };
    hits.retain(|hit| query.min_score.is_none_or(|least| hit.score >= least));
    if let Some(diversity) = query.diversity {
        let with_vector: Vec<(Hit, &[f32])> =
            hits.iter().filter_map(|hit| Some((*hit, vectors.get(&hit.id)?.as_slice()))).collect();
        return diversify(&with_vector, diversity, query.top_k);
    }
    hits.truncate(query.top_k);
    hits
}

fn chunk(id: Id) -> ChunkId {
    ChunkId(id.uuid().as_u128())
}

fn id(chunk: ChunkId) -> Id {
    Id::new(Uuid::from_u128(chunk.0))
}
