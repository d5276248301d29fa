//! The vectors of what was asked lately: who asks it again waits for no model, and pays for none.

use std::sync::Mutex;
use std::sync::PoisonError;

use hashlink::LruCache;
use retrieval::Kind;
use retrieval::cache_key;

use crate::db::TenantId;

/// Bytes that the vectors of all tenants take in memory at most.
const MOST: usize = 8 << 20;

/// Whose question, for passages of which generation, and the key of its vector. What one tenant asked makes no other
/// one's search faster, which would tell of it; and passages are made anew when a provider has changed a model.
type Key = (TenantId, i64, String);

#[derive(Debug)]
pub struct Asked(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    vectors: LruCache<Key, Vec<f32>>,
    bytes: usize,
}

impl Asked {
    pub fn new() -> Self {
        Self(Mutex::new(Kept { vectors: LruCache::new_unbounded(), bytes: 0 }))
    }

    pub fn key(tenant: &TenantId, generation: i64, model: &str, text: &str) -> Key {
        (tenant.clone(), generation, cache_key(model, Kind::Query, text))
    }

    pub fn find(&self, key: &Key) -> Option<Vec<f32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).vectors.get(key).cloned()
    }

    pub fn keep(&self, key: Key, vector: Vec<f32>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += size_of_val(vector.as_slice());
        let mut gone = kept.vectors.insert(key, vector);
        while let Some(vector) = gone.take().or_else(|| kept.oldest()) {
            kept.bytes -= size_of_val(vector.as_slice());
        }
    }
}

impl Kept {
    /// What was not asked for longest, if all of them are too many.
    fn oldest(&mut self) -> Option<Vec<f32>> {
        if self.bytes > MOST { self.vectors.remove_lru().map(|(_, vector)| vector) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_longest_makes_room() {
        let asked = Asked::new();
        let key = |text: &str| Asked::key(&TenantId::default(), 1, "model", text);
        let half = vec![0.5; MOST / size_of::<f32>() / 2];

        asked.keep(key("one"), half.clone());
        asked.keep(key("two"), half.clone());
        asked.keep(key("two"), half.clone());
        assert_eq!(asked.find(&key("one")), Some(half.clone()));
        asked.keep(key("three"), half.clone());

        assert_eq!(asked.find(&key("two")), None);
        assert_eq!(asked.find(&key("one")), Some(half.clone()));
        assert_eq!(asked.find(&key("three")), Some(half));
    }
}
