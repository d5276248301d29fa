//! What calls say while they are under way, from the tools to the run that waits for them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use engine::Event;
use engine::LogLevel;
use engine::LogLine;
use engine::ToolProgress;
use tokio::sync::Notify;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Between two entries of the journal for what calls say in passing.
const PACE: Duration = Duration::from_millis(500);
/// So many events one call gets that say how far it is; what it says after that is not heard.
const EVENTS: u32 = 1000;
/// Characters of a message that are kept.
const MESSAGE: usize = 500;
/// Lines of one call that are kept, and bytes of them. Whoever runs a script has bounded them before, to a little less.
const LINES: usize = 201;
const LINE_BYTES: usize = 66_000;

/// How far a call has come, in whatever it counts.
///
/// ```
/// # use agent_server::Progress;
/// Progress::new(3.0).of(10.0).saying("three files are copied");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    done: f64,
    total: Option<f64>,
    message: Option<String>,
}

impl Progress {
    pub fn new(done: f64) -> Self {
        Self { done, total: None, message: None }
    }

    /// What it will be in the end.
    #[must_use]
    pub fn of(mut self, total: f64) -> Self {
        self.total = Some(total);
        self
    }

    /// What is being done, for people; at most 500 characters of it are kept.
    #[must_use]
    pub fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }
}

/// What calls that are under way together have said.
#[derive(Debug, Default)]
pub struct Reports {
    state: Mutex<State>,
    stirred: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// How far calls are, each its last word.
    progress: BTreeMap<String, Progress>,
    /// Events about that of each call so far.
    counts: BTreeMap<String, u32>,
    /// When calls have last been heard.
    last: Option<Instant>,
    /// All else that calls have said, and since when it waits.
    said: Vec<Event>,
    since: Option<Instant>,
    /// Who waits until it is stored.
    waiting: Vec<oneshot::Sender<()>>,
    /// Lines of each call so far, and their bytes.
    lines: BTreeMap<String, (usize, usize)>,
    ended: BTreeSet<String>,
}

/// What is to be recorded.
#[derive(Debug, Default)]
pub struct Told {
    pub events: Vec<Event>,
    /// Who goes on when these are stored.
    pub waiting: Vec<oneshot::Sender<()>>,
}

/// It was not stored: what must be stored before it is done cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server lets the run go")]
pub struct LetGo;

impl Reports {
    /// A call says how far it is. What JSON cannot hold is not heard.
    pub fn put(&self, call_id: &str, progress: Progress) {
        let is_finite = progress.done.is_finite() && progress.total.is_none_or(f64::is_finite);
        let mut state = self.lock();
        let count = state.counts.get(call_id).copied().unwrap_or_default();
        if is_finite && count < EVENTS && !state.ended.contains(call_id) {
            state.progress.insert(call_id.to_owned(), progress);
            drop(state);
            self.stirred.notify_one();
        }
    }

    /// A call of the tool `source` says a line. Of one that says too much the rest is not heard.
    pub fn say(&self, call_id: &str, source: &str, level: LogLevel, mut message: String) {
        let mut state = self.lock();
        let (lines, bytes) = state.lines.get(call_id).copied().unwrap_or_default();
        if lines > LINES || state.ended.contains(call_id) {
            return;
        }
        if lines == LINES || bytes >= LINE_BYTES {
            "further lines are left out".clone_into(&mut message);
        }
        message.truncate(message.floor_char_boundary(LINE_BYTES));
        message.retain(|it| it != '\0'); // The log holds none.
        let lines = if bytes >= LINE_BYTES { LINES + 1 } else { lines + 1 };
        state.lines.insert(call_id.to_owned(), (lines, bytes + message.len()));
        let (source, call_id) = (source.to_owned(), Some(call_id.to_owned()));
        state.note(LogLine { level, source, message, call_id });
        drop(state);
        self.stirred.notify_one();
    }

    /// Has an event recorded with whatever comes next.
    pub fn note(&self, event: impl Into<Event>) {
        self.lock().note(event);
        self.stirred.notify_one();
    }

    /// Has an event recorded, and waits until it is stored.
    pub async fn store(&self, event: impl Into<Event>) -> Result<(), LetGo> {
        let (sender, stored) = oneshot::channel();
        {
            let mut state = self.lock();
            state.note(event);
            state.waiting.push(sender);
        }
        self.stirred.notify_one();
        stored.await.map_err(|_| LetGo)
    }

    /// A call has ended: what was said, but for how far calls are. Whatever it has begun beside itself is not
    /// heard any more.
    pub fn end(&self, call_id: &str) -> Vec<Event> {
        let mut state = self.lock();
        state.progress.remove(call_id);
        state.ended.insert(call_id.to_owned());
        state.since = None;
        std::mem::take(&mut state.said)
    }

    /// What is to be recorded next, when it is time for it.
    pub async fn next(&self) -> Told {
        loop {
            let due = self.lock().due();
            match due {
                None => self.stirred.notified().await,
                Some(due) if due <= Instant::now() => return self.take(),
                Some(due) => tokio::select! {
                    () = tokio::time::sleep_until(due) => {}
                    () = self.stirred.notified() => {}
                },
            }
        }
    }

    /// All that is to be recorded.
    pub fn take(&self) -> Told {
        let mut state = self.lock();
        state.last = Some(Instant::now());
        state.since = None;
        let progress = std::mem::take(&mut state.progress);
        for call_id in progress.keys() {
            *state.counts.entry(call_id.clone()).or_default() += 1;
        }
        let mut events = std::mem::take(&mut state.said);
        events.extend(progress.into_iter().map(|(call_id, said)| event(call_id, said).into()));
        Told { events, waiting: std::mem::take(&mut state.waiting) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, event: impl Into<Event>) {
        self.said.push(event.into());
        self.since.get_or_insert_with(Instant::now);
    }

    /// When something is to be recorded. How far a call is, is told at once the first time; lines of a call
    /// that is short go with its end.
    fn due(&self) -> Option<Instant> {
        let now = Instant::now();
        if !self.waiting.is_empty() {
            return Some(now);
        }
        let last = self.last.map_or(now, |last| last + PACE);
        let progress = (!self.progress.is_empty()).then_some(last);
        let said = self.since.map(|since| last.max(since + PACE));
        [progress, said].into_iter().flatten().min()
    }
}

fn event(call_id: String, Progress { done, total, message }: Progress) -> ToolProgress {
    // The log holds no NUL.
    let keep = |text: String| text.chars().filter(|it| *it != '\0').take(MESSAGE).collect();
    ToolProgress { call_id, progress: done, total, message: message.map(keep) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is recorded of how far calls are.
    async fn next(reports: &Reports) -> Vec<Event> {
        reports.next().await.events
    }

    fn line(message: &str) -> Event {
        let (level, source, message) = (LogLevel::Info, "t".to_owned(), message.to_owned());
        LogLine { level, source, message, call_id: Some("a".to_owned()) }.into()
    }

    #[tokio::test(start_paused = true)]
    async fn of_what_a_call_says_in_a_hurry_the_last_counts() {
        let reports = Reports::default();
        let began = Instant::now();
        reports.put("a", Progress::new(1.0));
        assert_eq!(next(&reports).await.len(), 1);
        assert_eq!(began.elapsed(), Duration::ZERO);

        for count in 2..100 {
            reports.put("a", Progress::new(f64::from(count)));
        }
        reports.put("b", Progress::new(f64::NAN));
        let next = next(&reports).await;

        assert_eq!(next, [event("a".to_owned(), Progress::new(99.0)).into()]);
        assert_eq!(began.elapsed(), PACE);

        reports.put("a", Progress::new(100.0));
        reports.end("a");
        reports.put("a", Progress::new(101.0));
        assert!(reports.lock().progress.is_empty(), "a call that has ended says something");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_fills_no_log() {
        let reports = Reports::default();
        let mut events = 0;
        for count in 0..2 * EVENTS {
            reports.put("a", Progress::new(count.into()).saying("é\0".repeat(MESSAGE + 1)));
            let said = tokio::time::timeout(PACE * 2, next(&reports)).await.unwrap_or_default();
            assert!(said.iter().all(|it| match it {
                Event::ToolProgress(it) => it.message == Some("é".repeat(MESSAGE)),
                _ => false,
            }));
            events += said.len();
        }

        assert_eq!(events, EVENTS as usize);

        for _ in 0..2 * LINES {
            reports.say("a", "t", LogLevel::Info, "x\0".to_owned());
        }
        reports.say("b", "t", LogLevel::Info, "é".repeat(LINE_BYTES));
        reports.say("b", "t", LogLevel::Info, "more".to_owned());
        reports.say("b", "t", LogLevel::Info, "and more".to_owned());
        let said = reports.end("a");
        assert_eq!(said[..2], [line("x"), line("x")]);
        assert_eq!(said[LINES], line("further lines are left out"));
        let lengths: Vec<_> = said[LINES + 1..]
            .iter()
            .map(|it| match it {
                Event::LogLine(it) => it.message.len(),
                _ => 0,
            })
            .collect();
        assert_eq!(lengths, [LINE_BYTES, 26]);
        reports.say("a", "t", LogLevel::Info, "late".to_owned());
        assert_eq!(reports.end("b"), []);
    }

    #[tokio::test(start_paused = true)]
    async fn lines_wait_for_the_end_of_a_short_call_and_no_longer_than_their_time() {
        let reports = Reports::default();
        let began = Instant::now();
        reports.say("a", "t", LogLevel::Info, "one".to_owned());
        reports.say("a", "t", LogLevel::Info, "two".to_owned());

        assert_eq!(next(&reports).await, [line("one"), line("two")]);
        assert_eq!(began.elapsed(), PACE);
        reports.say("a", "t", LogLevel::Info, "three".to_owned());
        assert_eq!(reports.end("a"), [line("three")]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_goes_on_when_it_is_stored_and_never_without() {
        let reports = Reports::default();
        let began = Instant::now();
        let told = async {
            let told = reports.next().await;
            assert_eq!(told.events, [line("sent")]);
            told.waiting.into_iter().for_each(|it| it.send(()).unwrap());
        };
        let (stored, ()) = tokio::join!(reports.store(line("sent")), told);
        assert_eq!((stored, began.elapsed()), (Ok(()), Duration::ZERO));

        let let_go = async { drop(reports.next().await) };
        assert_eq!(tokio::join!(reports.store(line("late")), let_go).0, Err(LetGo));
    }
}
