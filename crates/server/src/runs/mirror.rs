//! Runs that other processes execute, as their readers here see them.
//!
//! However many read such a run here, one task follows its log in the database and shows it to all
//! of them like one that is executed here. It asks the database now and then; hints of other
//! processes make it ask at once, and bring the text of the model call that is open.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::sync::DropGuard;

use super::RunsError;
use super::Status;
use super::hint::Said;
use super::live::After;
use super::live::End;
use super::live::Live;
use super::live::Shown;
use super::log;
use super::log::Texts;
use super::service::Runs;
use super::store;
use super::text::CallText;
use crate::db::Id;
use crate::db::TenantId;

/// How often the database is asked without any hint.
const POLL: Duration = Duration::from_millis(500);
/// The same while other processes are heard.
const POLL_WHEN_TOLD: Duration = Duration::from_secs(1);

/// The runs of other processes that somebody here watches.
#[derive(Debug, Default)]
pub struct Mirrors(Mutex<HashMap<Id, Weak<Mirror>>>);

/// A run of another process. It is followed as long as somebody holds this.
#[derive(Debug)]
pub struct Mirror {
    followed: Arc<Followed>,
    #[expect(dead_code, reason = "dropped with the last reader, it ends the task")]
    watched: DropGuard,
}

/// What the task that follows a run keeps.
#[derive(Debug)]
struct Followed {
    tenant: TenantId,
    live: Arc<Live>,
    /// Text that stands after an event which was not read yet.
    ahead: Mutex<Option<(u64, CallText)>>,
    hinted: Notify,
}

/// Begins to follow a run after event `seq`, unless it is followed already.
pub fn follow(runs: &Runs, tenant: &TenantId, run_id: Id, seq: u64) -> Arc<Mirror> {
    let mut mirrors = runs.mirrors().lock();
    let found = mirrors.get(&run_id).and_then(Weak::upgrade);
    if let Some(found) = found.filter(|it| it.live().state().end.is_none()) {
        return found;
    }
    let followed = Arc::new(Followed {
        tenant: tenant.clone(),
        live: Arc::new(Live::new(run_id, seq)),
        ahead: Mutex::default(),
        hinted: Notify::new(),
    });
    let unwatched = CancellationToken::new();
    let watched = unwatched.clone().drop_guard();
    let mirror = Arc::new(Mirror { followed: Arc::clone(&followed), watched });
    mirrors.insert(run_id, Arc::downgrade(&mirror));
    drop(mirrors);
    runs.relay().watch(run_id);
    runs.tasks.spawn(keep_following(runs.clone(), followed, unwatched));
    mirror
}

impl Mirrors {
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The runs that are followed.
    pub fn ids(&self) -> Vec<Id> {
        self.lock().keys().copied().collect()
    }

    /// How far a run is known here, if it is followed: its last event, and code points after it.
    pub fn place(&self, run_id: Id) -> Option<(u64, usize)> {
        let mirror = self.get(run_id)?;
        let state = mirror.live().state();
        Some((state.last_seq, state.open.as_ref().map_or(0, CallText::points)))
    }

    /// The log of a run may have `seq` events now.
    pub fn reached(&self, run_id: Id, seq: u64) {
        if let Some(mirror) = self.get(run_id)
            && mirror.live().state().last_seq < seq
        {
            mirror.followed.hinted.notify_one();
        }
    }

    /// The run's owner heard its model say something.
    pub fn hear(&self, said: &Said) {
        if let Some(mirror) = self.get(said.run) {
            mirror.followed.hear(said);
        }
    }

    /// The run is executed here now.
    pub fn enter(&self, run_id: Id) {
        if let Some(mirror) = self.get(run_id) {
            mirror.followed.hinted.notify_one();
        }
    }

    /// Hints may have been missed.
    pub fn look_again(&self) {
        for mirror in self.lock().values().filter_map(Weak::upgrade) {
            mirror.followed.hinted.notify_one();
        }
    }

    fn get(&self, run_id: Id) -> Option<Arc<Mirror>> {
        self.lock().get(&run_id).and_then(Weak::upgrade)
    }

    fn forget(&self, followed: &Arc<Followed>) {
        let mut mirrors = self.lock();
        let known = mirrors.get(&followed.live.run_id).map(Weak::upgrade);
        if known.flatten().is_none_or(|it| Arc::ptr_eq(&it.followed, followed)) {
            mirrors.remove(&followed.live.run_id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Weak<Mirror>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mirror {
    pub fn live(&self) -> &Arc<Live> {
        &self.followed.live
    }
}

impl Followed {
    /// Shows what was read, and what was heard before it was read.
    fn show(&self, events: Vec<Shown>) {
        let mut ahead = self.lock_ahead();
        let last = events.last().map_or(0, |event| event.seq);
        let heard = ahead.take_if(|(seq, _)| *seq <= last);
        self.live.show(events, heard.filter(|(seq, _)| *seq == last).map(|(_, text)| text));
    }

    fn hear(&self, said: &Said) {
        // Held until the text stands somewhere, so that no event comes in between.
        let mut ahead = self.lock_ahead();
        let last_seq = self.live.state().last_seq;
        if said.seq == last_seq {
            self.live.hear(said);
        } else if said.seq > last_seq {
            if ahead.as_ref().is_none_or(|(seq, _)| *seq < said.seq) {
                *ahead = Some((said.seq, CallText::new(&said.call)));
            }
            if let Some((_, text)) = ahead.as_mut().filter(|(seq, _)| *seq == said.seq) {
                text.hear(said);
            }
            self.hinted.notify_one();
        }
    }

    fn lock_ahead(&self) -> MutexGuard<'_, Option<(u64, CallText)>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows a run until it is over or executed here, or until nobody watches it. Readers then look
/// for it anew; they are told of faults as well when they look.
async fn keep_following(runs: Runs, followed: Arc<Followed>, unwatched: CancellationToken) {
    let stopping = runs.tasks.stopping();
    while runs.live(followed.live.run_id).is_none() && goes_on(&runs, &followed).await {
        let poll = if runs.relay().hears() { POLL_WHEN_TOLD } else { POLL };
        tokio::select! {
            () = unwatched.cancelled() => break,
            () = stopping.cancelled() => break,
            () = followed.hinted.notified() => {}
            () = tokio::time::sleep(poll) => {}
        }
    }
    followed.live.end(End::LetGo);
    runs.mirrors().forget(&followed);
}

/// Reads what is new, and says whether more may come.
async fn goes_on(runs: &Runs, followed: &Followed) -> bool {
    if let Ok(goes_on) = read_on(runs, followed).await {
        return goes_on;
    }
    // Who looks anew would find the same now.
    tokio::time::sleep(POLL).await;
    false
}

async fn read_on(runs: &Runs, followed: &Followed) -> Result<bool, RunsError> {
    let Followed { tenant, live, .. } = followed;
    loop {
        let seq = live.state().last_seq;
        let events = log::page(runs, tenant, live.run_id, seq, Texts::All).await?;
        let count = events.len();
        let Some(after) = events.last().map(|event| event.after) else { break };
        followed.show(events);
        if after == After::Over || count < log::PAGE as usize {
            return Ok(after != After::Over);
        }
    }
    let status = runs.db.read(async |conn| store::status(conn, tenant, live.run_id).await);
    Ok(status.await?.is_some_and(|status: Status| !status.is_final()))
}
