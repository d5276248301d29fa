//! Turns at the one writer of an embedded database.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::oneshot;

/// Who goes first: what somebody waits for, or what nobody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) enum Lane {
    Interactive,
    Background,
}

/// After this many interactive turns in a row a background one is let through, so that a busy server
/// still gets its background work done.
const PATIENCE: u32 = 32;

/// Two queues for one thing. Interactive turns go first, each queue is first come, first served.
#[derive(Debug, Clone, Default)]
pub(in crate::db) struct Lanes(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    taken: bool,
    interactive: VecDeque<oneshot::Sender<Turn>>,
    background: VecDeque<oneshot::Sender<Turn>>,
    interactive_in_a_row: u32,
}

/// The right to use the thing, until it is dropped.
#[derive(Debug)]
pub(in crate::db) struct Turn(Lanes);

impl Lanes {
    /// Waits for a turn. Who stops waiting loses his place and holds up nobody.
    pub(in crate::db) async fn turn(&self, lane: Lane) -> Turn {
        let receiver = {
            let mut state = self.state();
            if !state.taken {
                state.taken = true;
                return Turn(self.clone());
            }
            let (sender, receiver) = oneshot::channel();
            match lane {
                Lane::Interactive => state.interactive.push_back(sender),
                Lane::Background => state.background.push_back(sender),
            }
            receiver
        };
        // A sender is only ever dropped after it has sent, or together with all of this.
        receiver.await.unwrap_or_else(|_| Turn(self.clone()))
    }

    /// Gives the turn to the next who still waits.
    fn pass_on(&self) {
        loop {
            let Some(next) = self.state().next() else { return };
            match next.send(Turn(self.clone())) {
                Ok(()) => return,
                // He has just gone: not his turn, and none that may be passed on by itself.
                Err(turn) => mem::forget(turn),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let patient = self.interactive_in_a_row < PATIENCE || self.background.is_empty();
        if patient && let Some(next) = self.interactive.pop_front() {
            self.interactive_in_a_row += 1;
            return Some(next);
        }
        self.interactive_in_a_row = 0;
        let next = self.background.pop_front().or_else(|| self.interactive.pop_front());
        self.taken = next.is_some();
        next
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn interactive_goes_before_background_that_waited_longer() {
        let lanes = Lanes::default();
        let first = lanes.turn(Lane::Background).await;
        let mut background = pin!(lanes.turn(Lane::Background));
        let mut interactive = pin!(lanes.turn(Lane::Interactive));
        assert!(poll!(&mut background).is_pending());
        assert!(poll!(&mut interactive).is_pending());

        drop(first);

        assert!(poll!(&mut background).is_pending());
        let Poll::Ready(second) = poll!(&mut interactive) else { panic!("still waits") };
        drop(second);
        assert!(poll!(&mut background).is_ready());
    }

    #[tokio::test]
    async fn background_gets_a_turn_in_a_crowd() {
        let lanes = Lanes::default();
        let mut turn = lanes.turn(Lane::Interactive).await;
        let mut background = pin!(lanes.turn(Lane::Background));
        assert!(poll!(&mut background).is_pending());

        for _ in 0..PATIENCE {
            let mut next = pin!(lanes.turn(Lane::Interactive));
            assert!(poll!(&mut next).is_pending());
            drop(turn);
            turn = next.await;
        }
        let mut next = pin!(lanes.turn(Lane::Interactive));
        assert!(poll!(&mut next).is_pending());
        drop(turn);

        assert!(poll!(&mut next).is_pending());
        assert!(poll!(&mut background).is_ready());
        assert!(poll!(&mut next).is_ready());
    }

    #[tokio::test]
    async fn who_stops_waiting_holds_up_nobody() {
        let lanes = Lanes::default();
        let first = lanes.turn(Lane::Interactive).await;
        let mut last = pin!(lanes.turn(Lane::Background));
        {
            let mut gone_before = pin!(lanes.turn(Lane::Interactive));
            let mut gone_after = pin!(lanes.turn(Lane::Interactive));
            assert!(poll!(&mut gone_after).is_pending());
            assert!(poll!(&mut gone_before).is_pending());
            assert!(poll!(&mut last).is_pending());
            drop(first);
            // `gone_after` has been given the turn now, and never takes it.
        }

        assert!(poll!(&mut last).is_ready());
        drop(lanes.turn(Lane::Interactive).await);
    }
}
