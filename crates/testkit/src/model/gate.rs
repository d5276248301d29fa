//! A place where a reply waits for the test.

use tokio::sync::watch;

/// Closed at first. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    reached: bool,
    open: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    pub fn new() -> Self {
        Self { state: watch::Sender::default() }
    }

    /// Lets everything through, now and later.
    pub fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Waits until a reply stands before the gate.
    pub async fn wait_reached(&self) {
        self.wait_for(|state| state.reached).await;
    }

    pub(crate) async fn pass(&self) {
        self.state.send_modify(|state| state.reached = true);
        self.wait_for(|state| state.open).await;
    }

    async fn wait_for(&self, arrived: impl FnMut(&State) -> bool) {
        // It cannot fail: `self` holds the sender.
        let _ = self.state.subscribe().wait_for(arrived).await;
    }
}
