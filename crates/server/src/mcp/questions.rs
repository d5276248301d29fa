//! What clients with a session are asked while they wait for an answer themselves.
//!
//! A question goes out on the stream of the request that it belongs to, and comes back as a request of its own. Its
//! number is made by chance, so that no process takes the answer to another's question for one to its own.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use serde_json::Value;
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::mcp::asks::Question;

/// Those of this process that have no answer yet.
#[derive(Debug, Default)]
pub struct Questions(Mutex<HashMap<String, Open>>);

#[derive(Debug)]
struct Open {
    session: String,
    answer: oneshot::Sender<Value>,
}

/// A question that is forgotten with whoever waits for its answer.
struct Waiting<'a> {
    questions: &'a Questions,
    id: &'a str,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.questions.lock().remove(self.id);
    }
}

impl Questions {
    /// Asks the client of `session` by its `outlet`, and waits for the message that answers; `None`: nobody is there
    /// to answer.
    pub async fn ask(
        &self,
        (session, outlet): (&str, &UnboundedSender<Value>),
        id: &str,
        question: &Question,
    ) -> Option<Value> {
        let (answer, answered) = oneshot::channel();
        self.lock().insert(id.to_owned(), Open { session: session.to_owned(), answer });
        let _waiting = Waiting { questions: self, id };
        let Question { method, params } = question;
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        outlet.send(message).ok()?;
        answered.await.ok()
    }

    /// Gives an answer to whoever waits for it in this process; says whether there was one.
    pub fn answer(&self, session: &str, message: &Value) -> bool {
        let Some(id) = id_of_answer(message) else { return false };
        let mut open = self.lock();
        if open.get(id).is_none_or(|it| it.session != session) {
            return false;
        }
        open.remove(id).is_some_and(|it| it.answer.send(message.clone()).is_ok())
    }

    /// Those who are asked something.
    pub fn sessions(&self) -> BTreeSet<String> {
        self.lock().values().map(|it| it.session.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// To which of our questions a message is an answer, if it is one to any.
pub fn id_of_answer(message: &Value) -> Option<&str> {
    let answers = message.get("result").is_some() || message.get("error").is_some();
    message["id"].as_str().filter(|_| answers && message.get("method").is_none())
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn an_answer_finds_its_question_in_its_own_session_only() {
        let questions = Questions::default();
        let (outlet, mut said) = mpsc::unbounded_channel::<Value>();
        let question = Question { method: "roots/list", params: json!({}) };
        let answer = json!({"jsonrpc": "2.0", "id": "q", "result": {"roots": []}});
        let answering = async {
            assert_eq!(said.recv().await.unwrap()["method"], "roots/list");
            assert!(!questions.answer("t", &answer));
            assert!(!questions.answer("s", &json!({"id": "other", "result": {}})));
            assert!(!questions.answer("s", &json!({"id": "q", "method": "ping"})));
            assert!(questions.answer("s", &answer));
            assert!(!questions.answer("s", &answer));
        };

        let (answered, ()) = tokio::join!(questions.ask(("s", &outlet), "q", &question), answering);

        assert_eq!(answered, Some(answer.clone()));
        drop(said);
        assert_eq!(questions.ask(("s", &outlet), "q", &question).await, None);
        assert!(questions.lock().is_empty());
    }
}
