//! Who waits for a worker, and whose turn it is.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// Bounded, and fair between owners: they take turns, however much each of them wants.
#[derive(Debug)]
pub struct Queue<T> {
    limit: usize,
    waiting: BTreeMap<Arc<str>, VecDeque<T>>,
    /// Each owner who waits, once; the first is next.
    turns: VecDeque<Arc<str>>,
}

impl<T> Queue<T> {
    pub fn new(limit: usize) -> Self {
        Self { limit, waiting: BTreeMap::new(), turns: VecDeque::new() }
    }

    /// Adds one at the end of its owner's line, or gives it back if there is no room. The last tenth
    /// of the room is for owners who do not have half of it already.
    pub fn push(&mut self, owner: &Arc<str>, item: T) -> Result<(), T> {
        let all: usize = self.waiting.values().map(VecDeque::len).sum();
        let own = self.waiting.get(owner).map_or(0, VecDeque::len);
        let room = if own < self.limit.div_ceil(2) { self.limit } else { self.limit / 10 * 9 };
        if all >= room {
            return Err(item);
        }
        if own == 0 {
            self.turns.push_back(Arc::clone(owner));
        }
        self.waiting.entry(Arc::clone(owner)).or_default().push_back(item);
        Ok(())
    }

    /// Takes out whose turn it is among the owners who `may` be next.
    pub fn pop(&mut self, may: impl Fn(&str) -> bool) -> Option<(Arc<str>, T)> {
        let first = self.turns.iter().position(|owner| may(owner))?;
        let owner = self.turns.remove(first)?;
        let line = self.waiting.get_mut(&owner)?;
        let item = line.pop_front()?;
        if line.is_empty() {
            self.waiting.remove(&owner);
        } else {
            self.turns.push_back(Arc::clone(&owner));
        }
        Some((owner, item))
    }

    /// Leaves out who waits no more.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.waiting.retain(|_, line| {
            line.retain(&keep);
            !line.is_empty()
        });
        self.turns.retain(|owner| self.waiting.contains_key(owner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_take_turns() {
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        let mut queue = Queue::new(100);
        for number in [1, 2, 3] {
            queue.push(&a, number).unwrap();
        }
        queue.push(&b, 9).unwrap();

        let order: Vec<_> =
            std::iter::from_fn(|| queue.pop(|_| true)).map(|(_, item)| item).collect();

        assert_eq!(order, [1, 9, 2, 3]);
    }

    #[test]
    fn an_owner_who_may_not_is_passed_over_and_keeps_the_turn() {
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        let mut queue = Queue::new(100);
        for (owner, number) in [(&a, 1), (&b, 9), (&a, 2), (&b, 8)] {
            queue.push(owner, number).unwrap();
        }

        assert_eq!(queue.pop(|owner| owner != "a"), Some((Arc::clone(&b), 9)));
        assert_eq!(queue.pop(|_| true), Some((a, 1)));
        assert_eq!(queue.pop(|owner| owner == "b"), Some((b, 8)));
        assert_eq!(queue.pop(|owner| owner == "b"), None);
    }

    #[test]
    fn one_owner_does_not_fill_it_for_all() {
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        let mut queue = Queue::new(20);
        let taken = (0..30).filter(|number| queue.push(&a, *number).is_ok()).count();
        assert_eq!(taken, 18);

        assert_eq!(queue.push(&b, 1), Ok(()));
        assert_eq!(queue.push(&b, 2), Ok(()));
        assert_eq!(queue.push(&b, 3), Err(3));
    }

    #[test]
    fn who_waits_no_more_makes_room() {
        let a = Arc::from("a");
        let mut queue = Queue::new(2);
        queue.push(&a, 1).unwrap();
        queue.retain(|number| *number != 1);

        assert!(queue.pop(|_| true).is_none());
        assert_eq!(queue.push(&a, 2), Ok(()));
        assert_eq!(queue.pop(|_| true), Some((a, 2)));
    }
}
