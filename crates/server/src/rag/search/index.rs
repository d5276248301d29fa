//! The passages of databases in memory, as they are in the rows.
//!
//! Each search asks for the number of the last change (first, or with the passages that it found as of what it knew), and
//! reads what changed since. So every process answers by what was committed before it was asked, and nobody has to be
//! told of anything.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use retrieval::Among;
use retrieval::Change;
use retrieval::ChunkId;
use retrieval::Code;
use retrieval::Counted;
use retrieval::Hit;
use retrieval::Index;
use retrieval::Revision;
use retrieval::VectorError;
use retrieval::WordIndex;
use retrieval::WordQuery;
use retrieval::Words;
use tokio::sync::OwnedRwLockReadGuard;
use tokio::sync::RwLock;

use super::chunk;
use crate::db::Id;
use crate::db::TenantId;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::store::chunks;
use crate::rag::store::indexes;
use crate::rag::store::indexes::State;
use crate::rag::store::labels;
use crate::rag::store::labels::Label;

/// The sets of scopes of a database's documents, as of a revision.
type ScopeSets = Arc<Vec<Vec<String>>>;

/// About how many bytes the words of a passage take in memory.
const WORDS_BYTES: usize = 1500;

/// The databases in memory.
#[derive(Debug)]
pub struct Indexes {
    most: usize,
    slots: Mutex<HashMap<(TenantId, Id), Arc<Slot>>>,
    /// Counts the searches, to tell which database was not searched for longest.
    searches: AtomicU64,
}

/// Where one is.
#[derive(Debug, Default)]
struct Slot {
    loaded: Arc<RwLock<Option<Loaded>>>,
    bytes: AtomicUsize,
    last_search: AtomicU64,
    scopes: Mutex<Option<(i64, ScopeSets)>>,
    /// What was searched last.
    known: Mutex<Option<Arc<State>>>,
}

/// What of the passages is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Keeps {
    /// Their words alone: their vectors are in another store.
    Words,
    All,
}

/// The passages of a database.
#[derive(Debug)]
pub(super) struct Loaded {
    keeps: Keeps,
    /// Of the generation: its number, and how many numbers its vectors have.
    generation: i64,
    dimension: i64,
    index: Index,
    words: WordIndex,
    documents: HashMap<Id, Known>,
}

/// A document in memory.
#[derive(Debug)]
struct Known {
    label: Label,
    chunks: Vec<ChunkId>,
}

/// What is read to follow the rows.
struct News {
    labels: Vec<Label>,
    chunks: Vec<chunks::Loaded>,
    deleted: Vec<Id>,
}

/// The passages that somebody may find.
#[derive(Debug)]
pub(super) enum Visible {
    All,
    These(Vec<ChunkId>),
}

/// The passages of a database while a search looks at them.
pub(super) struct Reading(OwnedRwLockReadGuard<Option<Loaded>, Loaded>);

impl Indexes {
    /// Those that fit into `most` bytes together.
    pub fn new(most: usize) -> Self {
        Self { most, slots: Mutex::default(), searches: AtomicU64::new(0) }
    }

    fn slot(&self, tenant: &TenantId, database: Id) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry((tenant.clone(), database)).or_default();
        let search = self.searches.fetch_add(1, Ordering::Relaxed);
        slot.last_search.store(search, Ordering::Relaxed);
        Arc::clone(slot)
    }

    /// The state that a database had when it was searched last, if its vectors are nowhere else.
    pub(super) fn known(&self, tenant: &TenantId, database: Id) -> Option<Arc<State>> {
        let slot = self.slot(tenant, database);
        slot.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn know(&self, tenant: &TenantId, database: Id, state: State) {
        let slot = self.slot(tenant, database);
        *slot.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(state));
    }

    /// Forgets the databases that were not searched for longest, until the others fit.
    fn make_room(&self, own: &Arc<Slot>) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let all: usize = slots.values().map(|slot| slot.bytes.load(Ordering::Relaxed)).sum();
            let others = slots.iter().filter(|(_, slot)| !Arc::ptr_eq(slot, own));
            let oldest = others.min_by_key(|(_, slot)| slot.last_search.load(Ordering::Relaxed));
            match oldest.map(|(key, _)| key.clone()) {
                Some(key) if all > self.most => slots.remove(&key),
                _ => return,
            };
        }
    }

    fn forget(&self, tenant: &TenantId, database: Id) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.remove(&(tenant.clone(), database));
    }
}

impl Rag {
    /// The state of a database as it is now; `None` if it never had any passages.
    pub(super) async fn state(
        &self,
        tenant: &TenantId,
        database: Id,
    ) -> Result<Option<State>, RagError> {
        let state =
            self.0.db.read(async |conn| indexes::find(conn, tenant, database).await).await?;
        if state.is_none() {
            self.0.indexes.forget(tenant, database);
        }
        Ok(state)
    }

    /// The sets of scopes that documents of a database have.
    pub(super) async fn scope_sets(
        &self,
        tenant: &TenantId,
        database: Id,
        revision: i64,
    ) -> Result<ScopeSets, RagError> {
        let slot = self.0.indexes.slot(tenant, database);
        let known = slot.scopes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((seen, sets)) = known
            && seen == revision
        {
            return Ok(sets);
        }
        let read = self.0.db.read(async |conn| labels::list_scopes(conn, tenant, database).await);
        let sets = Arc::new(read.await?);
        *slot.scopes.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((revision, Arc::clone(&sets)));
        Ok(sets)
    }

    /// The passages of a database as they are at `state` or later.
    pub(super) async fn index(
        &self,
        tenant: &TenantId,
        database: Id,
        state: &State,
        keeps: Keeps,
    ) -> Result<Reading, RagError> {
        let slot = self.0.indexes.slot(tenant, database);
        loop {
            let read = Arc::clone(&slot.loaded).read_owned().await;
            if let Ok(loaded) = OwnedRwLockReadGuard::try_map(read, |it| {
                it.as_ref().filter(|loaded| loaded.keeps >= keeps && loaded.is_as_new_as(state))
            }) {
                return Ok(Reading(loaded));
            }
            let mut written = slot.loaded.write().await;
            let is_enough = |loaded: &Loaded| loaded.keeps >= keeps && loaded.is_as_new_as(state);
            if !written.as_ref().is_some_and(is_enough) {
                // Until it is whole again there is nothing.
                let old = written.take().filter(|old| old.keeps >= keeps);
                let new = self.follow(tenant, database, state, keeps, old).await?;
                slot.bytes.store(new.bytes(), Ordering::Relaxed);
                *written = Some(new);
                self.0.indexes.make_room(&slot);
            }
        }
    }

    /// Makes `old` what the rows say, or reads all of them.
    async fn follow(
        &self,
        tenant: &TenantId,
        database: Id,
        state: &State,
        keeps: Keeps,
        old: Option<Loaded>,
    ) -> Result<Loaded, RagError> {
        let old = old.filter(|old| old.can_follow(state));
        if old.is_none() {
            self.ensure_it_fits(tenant, database, state, keeps).await?;
        }
        let (generation, since) = (state.generation, old.as_ref().map_or(-1, Loaded::revision));
        let read = self.0.db.read(async |conn| {
            let deleted = if since < 0 {
                Vec::new()
            } else {
                indexes::list_deletions(conn, tenant, database, since).await?
            };
            let labels = labels::list(conn, tenant, database, generation, since).await?;
            let chunks = chunks::list_loaded(conn, tenant, database, generation, since).await?;
            Ok::<_, RagError>(News { labels, chunks, deleted })
        });
        let news = read.await?;
        let mut loaded = match old {
            Some(old) => old,
            None => Loaded::new(state, keeps),
        };
        loaded.take(news, state)?;
        Ok(loaded)
    }

    async fn ensure_it_fits(
        &self,
        tenant: &TenantId,
        database: Id,
        state: &State,
        keeps: Keeps,
    ) -> Result<(), RagError> {
        let (db, generation) = (&self.0.db, state.generation);
        let count = db.read(async |conn| chunks::count(conn, tenant, database, generation).await);
        let count = count.await?;
        let one = WORDS_BYTES
            + match keeps {
                Keeps::Words => 0,
                Keeps::All => usize::try_from(state.dimension).unwrap_or_default(),
            };
        let needed = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(one);
        let most = self.0.indexes.most;
        if needed > most {
            return Err(RagError::IndexTooLarge { needed: needed >> 20, most: most >> 20 });
        }
        Ok(())
    }
}

impl Loaded {
    fn new(state: &State, keeps: Keeps) -> Self {
        let dimension = usize::try_from(state.dimension).unwrap_or_default();
        // All that is read makes the revision after this one.
        let nothing = unsigned(state.revision - 1);
        Self {
            keeps,
            generation: state.generation,
            dimension: state.dimension,
            index: Index::new(dimension, unsigned(state.generation), nothing),
            words: WordIndex::default(),
            documents: HashMap::new(),
        }
    }

    fn is_of(&self, state: &State) -> bool {
        (self.generation, self.dimension) == (state.generation, state.dimension)
    }

    fn revision(&self) -> i64 {
        i64::try_from(self.index.revision()).unwrap_or(i64::MAX)
    }

    fn is_as_new_as(&self, state: &State) -> bool {
        self.is_of(state) && self.revision() >= state.revision
    }

    /// Whether all that changed since can be read; deletions of long ago are forgotten.
    fn can_follow(&self, state: &State) -> bool {
        let behind = state.revision - self.revision();
        self.is_of(state) && (0..indexes::REMEMBERED / 2).contains(&behind)
    }

    fn bytes(&self) -> usize {
        self.index.bytes() + self.words.bytes()
    }

    /// Takes over what changed up to `state`. Documents come whole: what a document has no more is deleted.
    fn take(&mut self, news: News, state: &State) -> Result<(), RagError> {
        let mut changes = Vec::new();
        for id in news.deleted {
            let gone = self.documents.remove(&id).map(|known| known.chunks);
            self.drop_all(gone.unwrap_or_default(), &mut changes);
        }
        // A document that changed in between the two looks comes with the next revision.
        let renewed: HashSet<Id> = news.labels.iter().map(|label| label.id).collect();
        for label in news.labels {
            let id = label.id;
            let old = self.documents.insert(id, Known { label, chunks: Vec::new() });
            self.drop_all(old.map(|known| known.chunks).unwrap_or_default(), &mut changes);
        }
        for row in news.chunks.into_iter().filter(|row| renewed.contains(&row.document_id)) {
            let Some(known) = self.documents.get_mut(&row.document_id) else { continue };
            let id = chunk(row.id);
            known.chunks.push(id);
            self.words.put(id, Words::from_bytes(&row.words).unwrap_or_default());
            if self.keeps == Keeps::All {
                changes.push(Change::Put(id, code(&row)));
            }
        }
        let (generation, last) = (unsigned(self.generation), unsigned(state.revision));
        for number in self.index.revision() + 1..last {
            self.index.apply(&Revision { generation, number, changes: Vec::new() })?;
        }
        if last > self.index.revision() {
            self.index.apply(&Revision { generation, number: last, changes })?;
        }
        Ok(())
    }

    fn drop_all(&mut self, chunks: Vec<ChunkId>, changes: &mut Vec<Change>) {
        for id in chunks {
            self.words.delete(id);
            changes.push(Change::Delete(id));
        }
    }
}

impl Reading {
    /// The passages of the documents that `may` be found.
    pub fn visible(&self, may: impl Fn(&Label) -> bool) -> Visible {
        let is_visible = |known: &&Known| may(&known.label);
        let visible: Vec<&Known> = self.0.documents.values().filter(is_visible).collect();
        if visible.len() == self.0.documents.len() {
            return Visible::All;
        }
        Visible::These(visible.iter().flat_map(|known| &known.chunks).copied().collect())
    }

    pub fn near(
        &self,
        query: &[f32],
        count: usize,
        visible: &Visible,
    ) -> Result<Vec<Hit>, VectorError> {
        self.0.index.near(query, count, visible.among())
    }

    pub fn count_words(&self, query: &WordQuery, visible: &Visible) -> Counted {
        self.0.words.count(query, visible.among())
    }
}

impl Visible {
    fn among(&self) -> Among<'_> {
        match self {
            Self::All => Among::All,
            Self::These(ids) => Among::Ids(ids),
        }
    }
}

fn code(row: &chunks::Loaded) -> Code {
    #[expect(clippy::cast_possible_truncation, reason = "it was an f32")]
    let scale = row.scale as f32;
    Code { scale, values: row.code.iter().map(|byte| i8::from_le_bytes([*byte])).collect() }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
