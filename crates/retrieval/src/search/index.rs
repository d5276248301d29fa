//! The codes of one database in memory: all are looked at, or those that a first look by signs leaves.

use std::collections::BinaryHeap;
use std::collections::HashMap;

use pulp::Arch;
use pulp::NullaryFnOnce;

use super::ChunkId;
use super::Code;
use super::Hit;
use super::VectorError;
use super::best;
use super::cosine;
use super::rank;
use super::signs::Signs;

/// How many candidates of the scan are looked at again with all their digits, for `wanted` results.
///
/// 40 find the true ten best in more than 99 of 100 queries (see the test of recall).
fn candidates_for(wanted: usize) -> usize {
    wanted.saturating_mul(4).max(40)
}

/// Which chunks a scan looks at.
#[derive(Debug, Clone, Copy)]
pub enum Among<'a> {
    All,
    /// Those that passed a filter. Ids that are not in the index are passed over.
    Ids(&'a [ChunkId]),
}

/// One change of the rows behind an index.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A chunk is new, or has a new vector.
    Put(ChunkId, Code),
    Delete(ChunkId),
}

/// All changes of one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    pub generation: u64,
    /// From 1, without gaps within a generation.
    pub number: u64,
    pub changes: Vec<Change>,
}

/// Why an index cannot follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// The index has to be loaded anew.
    #[error("the change is of generation {got}, the index of generation {expected}")]
    Generation { expected: u64, got: u64 },
    /// The revisions between have to be read first.
    #[error("revision {got} came where {expected} was next")]
    Gap { expected: u64, got: u64 },
    #[error(transparent)]
    Vector(#[from] VectorError),
}

/// The codes of one generation of one database.
///
/// Invariants: rows are dense, so a scan reads memory from one end to the other; `signs` has the same rows as `codes`;
/// `places` knows the row of each id;
/// the content is that of revision `revision` and of nothing later.
#[derive(Debug, Clone)]
pub struct Index {
    dimension: usize,
    generation: u64,
    revision: u64,
    codes: Vec<i8>,
    signs: Signs,
    scales: Vec<f32>,
    /// The largest scale that there was.
    coarsest: f32,
    ids: Vec<ChunkId>,
    places: HashMap<ChunkId, usize>,
}

impl Index {
    /// An index without chunks that has seen revision `revision`.
    pub fn new(dimension: usize, generation: u64, revision: u64) -> Self {
        let (codes, scales, ids, places) = (Vec::new(), Vec::new(), Vec::new(), HashMap::new());
        let signs = Signs::new(dimension);
        let coarsest = 0.0;
        Self { dimension, generation, revision, codes, signs, scales, coarsest, ids, places }
    }

    /// Makes room for `chunks` more, so that a first load takes no more memory than it needs.
    pub fn reserve(&mut self, chunks: usize) {
        self.codes.reserve_exact(chunks.saturating_mul(self.dimension));
        self.signs.reserve(chunks);
        self.scales.reserve_exact(chunks);
        self.ids.reserve_exact(chunks);
        self.places.reserve(chunks);
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// About how many bytes it holds: for a cap on the memory of all.
    pub fn bytes(&self) -> usize {
        let row = size_of::<f32>() + size_of::<ChunkId>();
        let place = size_of::<(ChunkId, usize)>() + 1;
        let places = self.places.capacity() * place;
        self.codes.capacity() + self.signs.bytes() + self.ids.capacity() * row + places
    }

    /// Puts in a chunk that was read with all others; for the first load, before any revision is applied.
    pub fn load(&mut self, id: ChunkId, code: &Code) -> Result<(), VectorError> {
        self.fits(code)?;
        self.put(id, code);
        Ok(())
    }

    /// Follows one revision: all of it, or nothing when it is refused. One that was seen before changes nothing.
    pub fn apply(&mut self, revision: &Revision) -> Result<(), FeedError> {
        if revision.generation != self.generation {
            return Err(FeedError::Generation {
                expected: self.generation,
                got: revision.generation,
            });
        }
        if revision.number <= self.revision {
            return Ok(());
        }
        if revision.number != self.revision + 1 {
            return Err(FeedError::Gap { expected: self.revision + 1, got: revision.number });
        }
        for change in &revision.changes {
            if let Change::Put(_, code) = change {
                self.fits(code)?;
            }
        }
        for change in &revision.changes {
            match change {
                Change::Put(id, code) => self.put(*id, code),
                Change::Delete(id) => self.delete(*id),
            }
        }
        self.revision = revision.number;
        Ok(())
    }

    /// The chunks that may be among the `wanted` nearest to `query`, by their codes the best first: not all that
    /// [`candidates_for`] says where codes tell them apart.
    pub fn near(
        &self,
        query: &[f32],
        wanted: usize,
        among: Among<'_>,
    ) -> Result<Vec<Hit>, VectorError> {
        let mut hits = self.candidates(query, candidates_for(wanted), among)?;
        if let Some(last) = wanted.checked_sub(1).and_then(|place| hits.get(place)) {
            // A number of a code is off by up to half a step, which makes step² / 12 of the variance of a score, for the
            // query as for the row, and twice that of a difference. Six deviations of it are not reached.
            let step = Code::of(query)?.scale;
            let reach = last.score - (6.0 * (self.coarsest.powi(2) + step.powi(2))).sqrt();
            hits.retain(|hit| hit.score >= reach);
        }
        Ok(hits)
    }

    /// The `count` chunks whose codes are nearest to that of `query`, best first.
    pub fn candidates(
        &self,
        query: &[f32],
        count: usize,
        among: Among<'_>,
    ) -> Result<Vec<Hit>, VectorError> {
        if query.len() != self.dimension {
            return Err(VectorError::Dimension { expected: self.dimension, got: query.len() });
        }
        let query = Code::of(query)?;
        let rows: Option<Vec<usize>> = match among {
            Among::All => None,
            Among::Ids(ids) => {
                Some(ids.iter().filter_map(|id| self.places.get(id).copied()).collect())
            }
        };
        let rows = self.signs.sift(&query.values, rows.as_deref(), count).or(rows);
        let (query, rows, best) = (&query, rows.as_deref(), Best::new(count));
        Ok(Arch::new().dispatch(Scan { index: self, query, rows, best }))
    }

    fn fits(&self, code: &Code) -> Result<(), VectorError> {
        if code.values.len() != self.dimension {
            return Err(VectorError::Dimension {
                expected: self.dimension,
                got: code.values.len(),
            });
        }
        if code.scale.is_finite() { Ok(()) } else { Err(VectorError::NotANumber) }
    }

    fn put(&mut self, id: ChunkId, code: &Code) {
        self.coarsest = self.coarsest.max(code.scale);
        if let Some(&row) = self.places.get(&id) {
            self.codes[row * self.dimension..(row + 1) * self.dimension]
                .copy_from_slice(&code.values);
            self.signs.set(row, &code.values);
            self.scales[row] = code.scale;
            return;
        }
        self.places.insert(id, self.ids.len());
        self.codes.extend_from_slice(&code.values);
        self.signs.push(&code.values);
        self.scales.push(code.scale);
        self.ids.push(id);
    }

    /// The last row moves to where the deleted one was.
    fn delete(&mut self, id: ChunkId) {
        let Some(row) = self.places.remove(&id) else { return };
        let last = self.ids.len() - 1;
        self.codes.copy_within(last * self.dimension.., row * self.dimension);
        self.codes.truncate(last * self.dimension);
        self.signs.swap_remove(row);
        self.scales.swap_remove(row);
        self.ids.swap_remove(row);
        if let Some(moved) = self.ids.get(row) {
            self.places.insert(*moved, row);
        }
    }
}

/// One look at the rows.
///
/// It is compiled once for each set of instructions, and run with the best that this machine has. For that all of
/// it has to be inlined into what calls it; closures are not.
struct Scan<'a> {
    index: &'a Index,
    query: &'a Code,
    /// All, if none are named.
    rows: Option<&'a [usize]>,
    best: Best,
}

impl NullaryFnOnce for Scan<'_> {
    type Output = Vec<Hit>;

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see the struct")]
    fn call(mut self) -> Vec<Hit> {
        match self.rows {
            None => {
                for row in 0..self.index.len() {
                    self.look(row);
                }
            }
            Some(rows) => {
                for row in rows {
                    self.look(*row);
                }
            }
        }
        self.best.sorted()
    }
}

impl Scan<'_> {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see the struct")]
    #[expect(clippy::cast_precision_loss, reason = "a rank needs no more than 24 bits")]
    fn look(&mut self, row: usize) {
        let Index { dimension, codes, scales, ids, .. } = self.index;
        let codes = &codes[row * dimension..(row + 1) * dimension];
        // Wrapping, because a check for overflow in each step keeps the loop from being vectorised; there is none
        // below 133,000 numbers a vector.
        let sum = codes.iter().zip(&self.query.values).fold(0_i32, |sum, (&one, &other)| {
            sum.wrapping_add(i32::from(one).wrapping_mul(i32::from(other)))
        });
        self.best.offer(Hit { id: ids[row], score: sum as f32 * scales[row] * self.query.scale });
    }
}

/// The true order of candidates: the cosine of `query` and their vectors, the best `wanted` first.
pub fn rescore<'a>(
    query: &[f32],
    candidates: impl IntoIterator<Item = (ChunkId, &'a [f32])>,
    wanted: usize,
) -> Vec<Hit> {
    let hits = candidates.into_iter();
    best(hits.map(|(id, vector)| Hit { id, score: cosine(query, vector) }).collect(), wanted)
}

/// The best hits so far, the worst of them on top.
struct Best {
    count: usize,
    heap: BinaryHeap<Ranked>,
    least: f32,
}

impl Best {
    fn new(count: usize) -> Self {
        Self {
            count,
            heap: BinaryHeap::with_capacity(count.min(4096) + 1),
            least: f32::NEG_INFINITY,
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the scan asks it for each row")]
    fn offer(&mut self, hit: Hit) {
        if hit.score >= self.least {
            self.take(hit);
        }
    }

    #[cold]
    fn take(&mut self, hit: Hit) {
        self.heap.push(Ranked(hit));
        if self.heap.len() > self.count {
            self.heap.pop();
        }
        if self.heap.len() == self.count {
            self.least = self.heap.peek().map_or(f32::INFINITY, |worst| worst.0.score);
        }
    }

    fn sorted(self) -> Vec<Hit> {
        self.heap.into_sorted_vec().into_iter().map(|ranked| ranked.0).collect()
    }
}

/// Ordered by rank: the greatest is the worst.
struct Ranked(Hit);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        rank(&self.0, &other.0)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}
