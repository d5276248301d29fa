//! Tells other processes of the runs that they watch, and hears from them of those watched here.
//!
//! Who watches a run of another process says so every few seconds. The owner of the run then says how
//! far its log has come and what the open model call says, at most one message in [`BREATH`] for all
//! runs together, and nothing while nobody watches. There are no queues: what did not fit into a
//! message is still in the run, and goes into the next. What gets lost is noticed by the place that
//! the watcher gives with his next word, and said again.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio::time::timeout;
use tracing::info;
use tracing::trace;
use tracing::warn;

use super::hint;
use super::hint::Draft;
use super::hint::Hint;
use super::hint::Said;
use super::live::Live;
use super::mirror::Mirrors;
use super::service::Runs;
use super::text::Spot;
use crate::db::Channel;
use crate::db::Id;
use crate::db::Listener;

/// The pause between two messages.
const BREATH: Duration = Duration::from_millis(25);
/// How often a process repeats what it watches.
const RENEWAL: Duration = Duration::from_secs(2);
/// After so long without a word nobody watches any more.
const FORGOTTEN: Duration = Duration::from_secs(7);
/// Runs of which others may say that they watch them.
const AUDIENCES: usize = 20_000;
/// Bytes of a text that go into one message; with all of them escaped they still fit.
const PIECE: usize = 1200;
/// After so long without a word a process checks whether it hears itself.
const SILENCE: Duration = Duration::from_secs(30);
/// How long its own word may take.
const ECHO: Duration = Duration::from_secs(5);
/// The pauses between attempts to listen.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// What this process has to tell, and whether it hears others.
#[derive(Debug, Default)]
pub struct Relay {
    state: Mutex<State>,
    /// There may be something to tell.
    stirred: Notify,
    /// Something was left for a run that is executed here.
    signaled: Notify,
    /// Another process has left a message for a session of MCP.
    letters: Notify,
    /// Whether there is anybody to tell.
    on: AtomicBool,
    hears: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Runs of others for whose owner something was left.
    signaled: BTreeSet<Id>,
    /// Whether a message was left for a session of another process.
    has_letters: bool,
    /// Runs of others that are watched here, and of which that is to be said.
    watched: BTreeSet<Id>,
    audiences: BTreeMap<Id, Audience>,
    /// Whose turn was the last.
    last: Option<Id>,
}

/// Those on other processes who watch one run.
#[derive(Debug)]
struct Audience {
    until: Instant,
    /// The run, while it is executed here and not all was told.
    live: Option<Arc<Live>>,
    /// They know that the log has so many events.
    told: u64,
    /// They were told the text after event `seq` up to `spot`.
    seq: u64,
    spot: Spot,
}

/// Why nothing is heard any more.
#[derive(Debug, thiserror::Error)]
enum Deaf {
    #[error("the connection that listens is lost")]
    Lost,
    #[error(
        "what this process says does not come back: LISTEN needs a connection without a pooler of transactions"
    )]
    NoEcho,
    #[error("the database cannot be listened to")]
    Database(#[from] sqlx::Error),
}

/// Begins to tell and to hear, as long as this process has runs.
pub fn start(runs: &Runs, channel: Channel) {
    runs.relay().on.store(true, Ordering::Relaxed);
    runs.tasks.spawn_for_all(keep_listening(runs.clone(), channel));
    runs.tasks.spawn_for_all(keep_telling(runs.clone()));
}

impl Relay {
    /// Whether others are heard.
    pub fn hears(&self) -> bool {
        self.hears.load(Ordering::Relaxed)
    }

    /// Somebody here watches a run of another process.
    pub fn watch(&self, run_id: Id) {
        self.stir(|state| {
            state.watched.insert(run_id);
        });
    }

    /// Something was left for the owner of a run, who is another process.
    pub fn signal(&self, run_id: Id) {
        self.stir(|state| {
            state.signaled.insert(run_id);
        });
    }

    /// A message was left for whoever has a session of MCP.
    pub fn leave_letter(&self) {
        self.stir(|state| state.has_letters = true);
    }

    /// Waits until another process has left such a message.
    pub async fn letters(&self) {
        self.letters.notified().await;
    }

    /// A run is executed here, whoever watches it already.
    pub fn enter(&self, live: &Arc<Live>) {
        if let Some(audience) = self.lock().audiences.get_mut(&live.run_id) {
            audience.live = Some(Arc::clone(live));
        }
    }

    /// Waits until something was left for a run that is executed here.
    pub async fn signaled(&self) {
        self.signaled.notified().await;
    }

    fn stir(&self, change: impl FnOnce(&mut State)) {
        if self.on.load(Ordering::Relaxed) {
            change(&mut self.lock());
            self.stirred.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Says once more what is watched here, and forgets who has not.
    fn renew(&mut self, mirrors: &Mirrors) {
        // Who was not told of the last time goes first.
        if self.watched.is_empty() {
            self.watched.extend(mirrors.ids());
        }
        let now = Instant::now();
        self.audiences.retain(|_, audience| audience.until > now);
    }

    /// Others watch a run, and know it up to a place.
    fn admit(&mut self, run_id: Id, live: Option<Arc<Live>>, seq: u64, points: usize) {
        if self.audiences.len() >= AUDIENCES && !self.audiences.contains_key(&run_id) {
            return;
        }
        let until = Instant::now() + FORGOTTEN;
        let new = || Audience { until, live: None, told: seq, seq: 0, spot: Spot::default() };
        let audience = self.audiences.entry(run_id).or_insert_with(new);
        audience.until = until;
        audience.told = audience.told.min(seq);
        if audience.seq != seq {
            audience.spot = Spot::default();
        } else if points < audience.spot.points
            && let Some(live) = &live
        {
            let state = live.state();
            audience.spot = state.open.as_ref().map_or_else(Spot::default, |it| it.spot(points));
        }
        audience.live = live.or_else(|| audience.live.take());
    }

    /// What there is to tell now, as far as it fits into one message.
    fn compose(&mut self, from: Id, mirrors: &Mirrors) -> Option<String> {
        let mut draft = Draft::new(from);
        if std::mem::take(&mut self.has_letters) {
            // It is the first, so there is room.
            draft.add(&Hint::Letters);
        }
        while let Some(run) = self.signaled.pop_first() {
            if !draft.add(&Hint::Signaled { run }) {
                self.signaled.insert(run);
                return draft.finish();
            }
        }
        while let Some(run) = self.watched.pop_first() {
            let Some((seq, points)) = mirrors.place(run) else { continue };
            if !draft.add(&Hint::Watched { run, seq, points }) {
                self.watched.insert(run);
                return draft.finish();
            }
        }
        for run in self.in_turn() {
            let audience = self.audiences.get_mut(&run);
            if audience.is_some_and(|it| !it.tell(run, &mut draft)) {
                break;
            }
            self.last = Some(run);
        }
        draft.finish()
    }

    /// The runs that are executed here, beginning after the one whose turn was the last.
    fn in_turn(&self) -> Vec<Id> {
        let here = self.audiences.iter().filter(|(_, audience)| audience.live.is_some());
        let mut runs: Vec<Id> = here.map(|(run, _)| *run).collect();
        let turn = runs.partition_point(|run| Some(*run) <= self.last);
        runs.rotate_left(turn);
        runs
    }
}

impl Audience {
    /// Adds what is new of the run; `false` if there was no room.
    fn tell(&mut self, run: Id, draft: &mut Draft) -> bool {
        let Some(live) = self.live.clone() else { return true };
        let state = live.state();
        if state.last_seq > self.told {
            if !draft.add(&Hint::Reached { run, seq: state.last_seq }) {
                return false;
            }
            self.told = state.last_seq;
        }
        if let Some(open) = &state.open {
            let seq = state.last_seq;
            if self.seq != seq {
                (self.seq, self.spot) = (seq, Spot::default());
            }
            let (from, mut spot) = (self.spot.points, self.spot);
            if let Some(piece) = open.piece(&mut spot, PIECE) {
                let (part, kind, text) = (piece.part, piece.kind, piece.text.to_owned());
                let call = open.call_id.clone();
                if !draft.add(&Hint::Said(Said { run, seq, call, from, part, kind, text })) {
                    return false;
                }
                self.spot = spot;
            }
        }
        if state.end.is_some() {
            self.live = None;
        }
        true
    }
}

async fn keep_telling(runs: Runs) {
    let (relay, heart) = (runs.relay(), runs.heart());
    let mut renewed = Instant::now();
    loop {
        let (word, idle) = {
            let mut state = relay.lock();
            if renewed.elapsed() >= RENEWAL {
                renewed = Instant::now();
                state.renew(runs.mirrors());
            }
            let word = state.compose(runs.worker(), runs.mirrors());
            (word, state.audiences.is_empty() && runs.mirrors().is_empty())
        };
        if let Some(word) = &word
            && let Err(cause) = runs.db.tell(word).await
        {
            warn!(error = &cause as &dyn std::error::Error, "other processes hear later of runs");
        }
        tokio::select! {
            () = heart.cancelled() => return,
            () = relay.stirred.notified(), if idle && word.is_none() => {}
            () = tokio::time::sleep(BREATH), if !idle || word.is_some() => {}
        }
    }
}

async fn keep_listening(runs: Runs, channel: Channel) {
    let mut pause = FIRST_RETRY;
    loop {
        let deaf = tokio::select! {
            () = runs.heart().cancelled() => return,
            heard = listen(&runs, &channel) => heard,
        };
        let Err(deaf) = deaf;
        if runs.relay().hears.swap(false, Ordering::Relaxed) {
            pause = FIRST_RETRY;
        }
        warn!(
            error = &deaf as &dyn std::error::Error,
            "other processes are not heard: the database is asked instead"
        );
        tokio::select! {
            () = runs.heart().cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = LAST_RETRY.min(pause * 2);
    }
}

/// Hears others for as long as that works.
async fn listen(runs: &Runs, channel: &Channel) -> Result<Infallible, Deaf> {
    let mut listener = channel.listen().await?;
    check(runs, &mut listener).await?;
    if !runs.relay().hears.swap(true, Ordering::Relaxed) {
        info!("other processes are heard");
    }
    runs.mirrors().look_again();
    runs.relay().stir(|state| state.renew(runs.mirrors()));
    loop {
        match timeout(SILENCE, listener.next()).await {
            Ok(word) => hear(runs, &word?.ok_or(Deaf::Lost)?),
            Err(_) => check(runs, &mut listener).await?,
        }
    }
}

/// Says something, to hear it.
async fn check(runs: &Runs, listener: &mut Listener) -> Result<(), Deaf> {
    if let Some(word) = Draft::new(runs.worker()).sign_of_life() {
        runs.db.tell(&word).await?;
    }
    let word = timeout(ECHO, listener.next()).await.map_err(|_| Deaf::NoEcho)?;
    hear(runs, &word?.ok_or(Deaf::Lost)?);
    Ok(())
}

fn hear(runs: &Runs, word: &str) {
    let Some((from, hints)) = hint::read(word).filter(|(from, _)| *from != runs.worker()) else {
        return;
    };
    trace!(worker.id = %from, hints = hints.len(), "heard");
    for hint in hints {
        match hint {
            Hint::Watched { run, seq, points } => {
                let live = runs.live(run);
                runs.relay().stir(|state| state.admit(run, live, seq, points));
            }
            Hint::Reached { run, seq } => runs.mirrors().reached(run, seq),
            Hint::Said(said) => runs.mirrors().hear(&said),
            Hint::Signaled { run } if runs.live(run).is_some() => {
                runs.relay().signaled.notify_one();
            }
            Hint::Signaled { .. } => {}
            Hint::Letters => runs.relay().letters.notify_one(),
        }
    }
}

#[cfg(test)]
mod tests {
    use llm::Delta;
    use llm::DeltaKind;

    use super::*;
    use crate::db::LONGEST_WORD;
    use crate::runs::live::End;
    use crate::runs::text::CallText;

    const ME: u16 = 0;

    fn id(last: u16) -> Id {
        format!("0199c000-0000-7000-8000-00000000{last:04x}").parse().unwrap()
    }

    /// A run after event 3, with a model call that has said `text`.
    fn live(last: u16, text: &str) -> Arc<Live> {
        let live = Arc::new(Live::new(id(last), 3));
        live.show(Vec::new(), Some(CallText::new("m1")));
        live.grow(&Delta { part: 0, kind: DeltaKind::Text, text: text.to_owned() });
        live
    }

    fn told(state: &mut State) -> Vec<Hint> {
        let word = state.compose(id(ME), &Mirrors::default());
        word.map_or_else(Vec::new, |word| {
            assert!(word.len() <= LONGEST_WORD);
            hint::read(&word).unwrap().1
        })
    }

    fn text(hints: &[Hint]) -> Vec<(Id, usize, &str)> {
        let said = hints.iter().filter_map(|hint| match hint {
            Hint::Said(said) => Some((said.run, said.from, said.text.as_str())),
            _ => None,
        });
        said.collect()
    }

    #[test]
    fn nothing_is_said_of_a_run_that_nobody_watches() {
        let relay = Relay::default();
        let run = live(1, "Hello");

        relay.enter(&run);
        assert_eq!(told(&mut relay.lock()), []);

        // Who watches it before it begins is told when it does.
        relay.lock().admit(id(2), None, 0, 0);
        relay.enter(&live(2, "Hello"));
        let hints = told(&mut relay.lock());
        assert_eq!(hints[0], Hint::Reached { run: id(2), seq: 3 });
        assert_eq!(text(&hints), [(id(2), 0, "Hello")]);
    }

    #[test]
    fn only_what_is_new_is_said_and_what_got_lost_again() {
        let mut state = State::default();
        let run = live(1, "Hé");
        state.admit(id(1), Some(Arc::clone(&run)), 3, 0);
        assert_eq!(text(&told(&mut state)), [(id(1), 0, "Hé")]);
        assert_eq!(told(&mut state), []);

        run.grow(&Delta { part: 0, kind: DeltaKind::Text, text: "llo".to_owned() });
        assert_eq!(text(&told(&mut state)), [(id(1), 2, "llo")]);

        state.admit(id(1), Some(Arc::clone(&run)), 3, 5);
        assert_eq!(told(&mut state), []);
        state.admit(id(1), Some(Arc::clone(&run)), 3, 1);
        assert_eq!(text(&told(&mut state)), [(id(1), 1, "éllo")]);
        state.admit(id(1), Some(Arc::clone(&run)), 2, 0);
        let again = told(&mut state);
        assert_eq!(again[0], Hint::Reached { run: id(1), seq: 3 });
        assert_eq!(text(&again), [(id(1), 0, "Héllo")]);

        run.end(End::LetGo);
        assert_eq!(told(&mut state), []);
        assert!(state.audiences[&id(1)].live.is_none());
    }

    #[test]
    fn of_messages_for_sessions_others_are_told_once() {
        let mut state = State { has_letters: true, ..State::default() };

        assert_eq!(told(&mut state), [Hint::Letters]);
        assert_eq!(told(&mut state), []);
    }

    #[test]
    fn every_run_gets_its_turn_however_much_others_say() {
        let mut state = State::default();
        let endless = "\u{1}".repeat(100_000);
        for last in 1..=50 {
            state.admit(id(last), Some(live(last, &endless)), 3, 0);
        }

        let mut turns = BTreeMap::<Id, usize>::new();
        for _ in 0..200 {
            let hints = told(&mut state);
            assert!(!hints.is_empty());
            for (run, ..) in text(&hints) {
                *turns.entry(run).or_default() += 1;
            }
        }
        assert_eq!(turns.len(), 50);
        assert!(turns.values().all(|it| *it == 4), "{turns:?}");
    }
}
