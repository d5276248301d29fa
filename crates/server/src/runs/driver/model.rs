//! A model call of a run: asked, listened to, recorded.

use std::future::Future;
use std::pin::pin;
use std::time::Instant;

use engine::LeftOut;
use engine::ModelCall;
use engine::ModelFailed;
use engine::ModelStarted;
use engine::RunError;
use engine::RunErrorKind;
use futures::StreamExt;
use futures::stream::BoxStream;
use llm::Answer;
use llm::ChatModel;
use llm::Chunk;
use llm::ErrorKind;
use llm::ModelError;

use super::Driver;
use super::Interruption;
use super::Stop;
use crate::runs::journal::JournalError;
use crate::runs::live::Shown;
use crate::runs::text::CallText;

/// How a model call ended.
#[derive(Debug)]
enum Heard {
    Answer(Box<Answer>),
    Error(ModelError),
    Interrupted(Interruption),
}

impl Driver {
    pub(super) async fn call_model(&mut self, mut call: ModelCall) -> Result<(), Stop> {
        if !call.wait.is_zero() {
            self.store().await?;
            if let Err(interruption) = self.uninterrupted(tokio::time::sleep(call.wait)).await {
                return self.interrupt(interruption);
            }
        }
        let mut allowance = match self.afford(&mut call).await? {
            Ok(allowance) => allowance,
            Err(reached) => return self.record(reached),
        };
        let ModelCall { mut started, request, .. } = call;
        if let Ok(found) = self.runs.models.resolve(&request.model) {
            started.left_out = left_out(&*found.model, &request);
            started.unbound = found.model.unbound(&request);
        }
        self.record(started.clone())?;
        if self.first_before_asking {
            self.store().await?;
        }
        let stored = self.log.store();
        let began = Instant::now();
        // The request and the commit are under way together; no text is shown before the commit.
        let heard = self.listen(&started, self.begin_call(request), stored).await?;
        let text = self.live.state().open.clone().unwrap_or_default();
        match heard {
            Heard::Answer(answer) => {
                let (cost, cut) = (allowance.cost(&answer), allowance.cut(&answer));
                self.log.settle(allowance.after_answer(&answer));
                let event = self.agent()?.answered(&started, *answer, cost, began.elapsed());
                self.record(event)?;
                cut.map_or(Ok(()), |reached| self.record(reached))
            }
            Heard::Error(error) => {
                self.log.settle(allowance.after_error(&error));
                let event = self.agent()?.failed(&started, &error, text.partial(), self.chance());
                self.record(event)
            }
            Heard::Interrupted(interruption) => {
                self.break_off(&started, &text, &interruption)?;
                self.interrupt(interruption)
            }
        }
    }

    fn begin_call(
        &self,
        mut request: llm::Request,
    ) -> BoxStream<'static, Result<Chunk, ModelError>> {
        match self.runs.models.resolve(&request.model) {
            Ok(found) => {
                request.model = found.name;
                found.model.stream(request)
            }
            Err(why) => {
                let error = ModelError {
                    kind: ErrorKind::NotConfigured,
                    message: why.to_string(),
                    status: None,
                    retryable: false,
                    retry_after: None,
                    partial: None,
                };
                futures::stream::once(async { Err(error) }).boxed()
            }
        }
    }

    /// Listens to a model until it has ended; its text stands in `live` while it grows, and after.
    async fn listen(
        &self,
        started: &ModelStarted,
        mut stream: BoxStream<'static, Result<Chunk, ModelError>>,
        stored: impl Future<Output = Result<Vec<Shown>, JournalError>>,
    ) -> Result<Heard, Stop> {
        let mut early = Some(CallText::new(&started.call_id));
        let mut stored = pin!(stored);
        let mut interruption = pin!(self.interruption());
        let heard = loop {
            tokio::select! {
                biased;
                interruption = &mut interruption => break Heard::Interrupted(interruption),
                shown = &mut stored, if early.is_some() => self.live.show(shown?, early.take()),
                chunk = stream.next() => match chunk {
                    Some(Ok(Chunk::Delta(delta))) => match &mut early {
                        Some(text) => text.append(&delta),
                        None => self.live.grow(&delta),
                    },
                    Some(Ok(Chunk::Finished(answer))) => break Heard::Answer(answer),
                    Some(Err(error)) => break Heard::Error(error),
                    None => break Heard::Error(without_end()),
                },
            }
        };
        if early.is_some() {
            self.live.show(stored.await?, early);
        }
        Ok(heard)
    }

    /// Records the end of a model call that we broke off, with what readers have seen of it.
    fn break_off(
        &mut self,
        started: &ModelStarted,
        text: &CallText,
        interruption: &Interruption,
    ) -> Result<(), Stop> {
        let (kind, message) = match interruption {
            Interruption::HandOver => return Ok(()),
            Interruption::Canceled => (RunErrorKind::Canceled, "the run was canceled"),
            Interruption::DeadlinePassed => (RunErrorKind::Timeout, "the run ran out of time"),
        };
        self.record(ModelFailed {
            call_id: started.call_id.clone(),
            model: started.model.clone(),
            error: RunError::new(kind, message),
            retry_in_ms: None,
            next_model: None,
            partial: text.partial(),
            may_have_used: started.may_use,
        })
    }
}

/// The tools of `request` that `model` cannot be offered: its adapter leaves them out.
fn left_out(model: &dyn ChatModel, request: &llm::Request) -> Vec<LeftOut> {
    let refused = request
        .tools
        .iter()
        .filter_map(|tool| Some(LeftOut { tool: tool.name.clone(), reason: model.refusal(tool)? }));
    refused.collect()
}

fn without_end() -> ModelError {
    ModelError {
        kind: ErrorKind::Truncated,
        message: "the model's answer broke off".to_owned(),
        status: None,
        retryable: true,
        retry_after: None,
        partial: None,
    }
}
