//! Hashing passwords without letting it take the machine.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use auth::password::HashError;
use auth::password::PasswordHash;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use tokio::sync::Semaphore;

/// As many may wait for their turn; each then has it within seconds.
const WAITING: usize = 64;
/// As many are hashed at once at most, each in 19 MiB.
const AT_ONCE: usize = 4;

/// Hashes on threads of their own, never on all cores at once.
#[derive(Debug)]
pub struct Hasher {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum HasherError {
    #[error("too many passwords are being checked at once")]
    Busy,
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error("hashing a password was broken off")]
    Broken(#[from] tokio::task::JoinError),
}

impl Default for Hasher {
    /// Leaves one core to everything else, where there is more than one.
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let places = Semaphore::new(cores.saturating_sub(1).clamp(1, AT_ONCE));
        Self { places: Arc::new(places), waiting: AtomicUsize::default() }
    }
}

impl Hasher {
    pub async fn hash(&self, password: SecretString) -> Result<PasswordHash, HasherError> {
        Ok(self.run(move || PasswordHash::of(password.expose_secret())).await??)
    }

    /// Whether `hash` is of `password`. Without a hash it takes as long, and is not.
    pub async fn matches(
        &self,
        hash: Option<PasswordHash>,
        password: SecretString,
    ) -> Result<bool, HasherError> {
        let hash = hash.unwrap_or_else(PasswordHash::of_nobody);
        self.run(move || hash.matches(password.expose_secret())).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HasherError> {
        let waiting = Waiting::new(&self.waiting).ok_or(HasherError::Busy)?;
        let place =
            Arc::clone(&self.places).acquire_owned().await.map_err(|_| HasherError::Busy)?;
        drop(waiting);
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(place);
            result
        });
        Ok(done.await?)
    }
}

/// One who waits, until he is dropped.
struct Waiting<'w>(&'w AtomicUsize);

impl<'w> Waiting<'w> {
    fn new(count: &'w AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::app::Tasks;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn so_many_are_hashed_at_once_so_many_wait_and_no_more() {
        let hasher = Arc::new(Hasher {
            places: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::default(),
        });
        let (begun, has_begun) = mpsc::channel();
        let (go, gate) = mpsc::channel::<()>();
        let first = Arc::clone(&hasher);
        let first = Tasks::default().spawn(async move {
            let work = move || {
                begun.send(()).unwrap();
                gate.recv().unwrap();
            };
            first.run(work).await.unwrap();
        });
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        let others: Vec<_> = (0..WAITING).map(|_| Box::pin(hasher.run(|| ()))).collect();
        let mut others = futures::future::join_all(others);
        assert!(futures::poll!(&mut others).is_pending());

        assert!(matches!(hasher.run(|| ()).await, Err(HasherError::Busy)));

        go.send(()).unwrap();
        first.await.unwrap();
        assert!(others.await.into_iter().all(|done| done.is_ok()));
        hasher.run(|| ()).await.unwrap();
    }
}
