//! What a run reads of its thread before it begins, and what it leaves there at its end.

use std::sync::Arc;

use engine::MemoryRead;
use engine::MemoryWritten;
use engine::Recalled;
use engine::RunError;
use engine::RunErrorKind;
use engine::Step;
use llm::Message;
use tracing::error;

use super::Driver;
use super::Interruption;
use super::Stop;
use crate::db::Id;
use crate::runs::Record;
use crate::runs::journal::JournalError;
use crate::runs::threads::NewMessage;
use crate::runs::threads::NewMessages;
use crate::runs::threads::excerpts;
use crate::runs::threads::recall;
use crate::runs::threads::recall::Wanted;
use crate::runs::threads::store;
use crate::runs::threads::window;
use crate::runs::threads::window::Shown;

impl Driver {
    /// Reads what was said in the thread before, unless the log has it. `Some` says why it cannot be
    /// read.
    ///
    /// The thread is this run's own from here to its end, so that nobody adds a turn in between.
    pub(super) async fn read_memory(&mut self) -> Result<Option<RunError>, Stop> {
        let Some(thread_id) = self.thread() else { return Ok(None) };
        if self.agent()?.remembers() {
            return Ok(None);
        }
        self.obey().await?;
        if let Step::Finish(_) = self.agent()?.next(self.now()) {
            return Ok(None);
        }
        let record = Arc::clone(&self.record);
        let (tenant, memory) = (&record.tenant, &record.asked.memory);
        let latest = memory.last_messages;
        let read = self.runs.db.read(async |conn| {
            if latest == 0 {
                return Ok(Vec::new());
            }
            store::latest(conn, tenant, thread_id, latest).await
        });
        let mut shown = match window::window(read.await?, memory) {
            Ok(shown) => shown,
            Err(cause) => {
                error!(thread.id = %thread_id, error = %cause, "unreadable message");
                let message = "what was said in the thread before cannot be read";
                return Ok(Some(RunError::new(RunErrorKind::Internal, message)));
            }
        };
        let recalled = match self.find_like(thread_id, &shown.seqs).await {
            Ok(recalled) => recalled,
            Err(interruption) => {
                self.interrupt(interruption)?;
                return Ok(None);
            }
        };
        let (recalled, excerpts) = recalled.unzip();
        if let Some((message, tokens)) = excerpts.flatten() {
            shown.messages.push(message);
            shown.tokens += tokens;
        }
        let Shown { messages, tokens, .. } = shown;
        let thread_id = thread_id.to_string();
        self.record(MemoryRead { thread_id, messages, tokens, recalled })?;
        Ok(None)
    }

    /// What else of before is like the question, if the agent is to know that.
    async fn find_like(
        &self,
        thread: Id,
        shown: &[i64],
    ) -> Result<Option<(Recalled, Option<(Message, u64)>)>, Interruption> {
        let Record { tenant, run, asked, .. } = self.record.as_ref();
        let Some(how) = &asked.memory.semantic_recall else { return Ok(None) };
        let question = asked.input.messages().pop().map(|it| it.text()).unwrap_or_default();
        let query = excerpts::short(question.trim());
        if query.is_empty() {
            return Ok(None);
        }
        let (subject, user) = (run.summary.subject.as_str(), run.summary.user.as_deref());
        let wanted = Wanted { tenant, thread, subject, user, query, shown };
        let recalled = recall::recall(&self.runs, &wanted, &asked.memory, how);
        self.uninterrupted(recalled).await.map(Some)
    }

    /// Adds what was said to the thread, with the last event. A run that never came to read its thread
    /// leaves nothing there.
    pub(super) fn write_memory(&mut self) -> Result<(), Stop> {
        let Some(thread_id) = self.thread() else { return Ok(()) };
        if !self.agent()?.remembers() {
            return Ok(());
        }
        let said = self.agent()?.said();
        let messages: Result<Vec<_>, _> =
            said.iter().map(|it| NewMessage::of(self.runs.ids.next(), it)).collect();
        let messages = messages.map_err(JournalError::from)?;
        let message_ids = messages.iter().map(|it| it.id.to_string()).collect();
        self.record(MemoryWritten { thread_id: thread_id.to_string(), message_ids })?;
        self.log.say(NewMessages {
            tenant: self.record.tenant.clone(),
            thread_id,
            run_id: Some(self.live.run_id),
            at: self.runs.clock.now(),
            messages,
        });
        Ok(())
    }

    fn thread(&self) -> Option<Id> {
        self.record.run.summary.thread_id
    }
}
