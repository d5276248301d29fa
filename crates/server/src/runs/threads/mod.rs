//! Threads: what one end user and agents said to each other, over many runs.
//!
//! A thread belongs to the subject that made it, and inside of that to an end user. Its messages are
//! only ever added, by the end of a run or by its owner, and go with the thread. One run of a thread is
//! at work at a time; the database itself sees to it (`runs_thread_at_work`).

pub mod begin;
pub mod delete;
pub mod excerpts;
pub mod recall;
pub mod routes;
pub mod store;
pub mod window;

use llm::Part;
use llm::Role;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;

/// A conversation, without its messages.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Thread {
    pub id: Id,
    #[schema(required)]
    pub title: Option<String>,
    /// The subject's own name for its end user. It does not change.
    #[schema(required, example = "u-123")]
    pub user: Option<String>,
    #[schema(example = "client:shop")]
    pub subject: String,
    pub message_count: u64,
    /// The run that is at work on it.
    #[schema(required)]
    pub active_run_id: Option<Id>,
    /// The first of the runs that wait for it.
    #[serde(skip)]
    pub next_run_id: Option<Id>,
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    pub created_at: At,
    pub updated_at: At,
}

/// What may change of a thread. What is not given stays; `null` takes it away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ThreadChange {
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub title: Change<Option<String>>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Change<Option<Map<String, Value>>>,
}

/// A member that need not be there.
#[derive(Debug, Default)]
pub enum Change<T> {
    #[default]
    Stays,
    To(T),
}

/// What somebody said in a thread.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ThreadMessage {
    pub id: Id,
    pub thread_id: Id,
    /// 1, 2, 3 … without gaps.
    pub seq: u64,
    pub role: Role,
    pub content: Vec<Part>,
    /// The run that it was said in.
    #[schema(required)]
    pub run_id: Option<Id>,
    pub created_at: At,
}

/// Messages that are added to a thread together, in this order.
#[derive(Debug)]
pub struct NewMessages {
    pub tenant: TenantId,
    pub thread_id: Id,
    pub run_id: Option<Id>,
    pub at: At,
    pub messages: Vec<NewMessage>,
}

/// A message as it is stored.
#[derive(Debug)]
pub struct NewMessage {
    pub id: Id,
    pub role: Role,
    /// Its parts, as JSON.
    pub content: String,
}

impl<'d, T: Deserialize<'d>> Deserialize<'d> for Change<T> {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::To)
    }
}

impl NewMessage {
    /// `message` under a new id.
    pub fn of(id: Id, message: &llm::Message) -> serde_json::Result<Self> {
        Ok(Self { id, role: message.role, content: serde_json::to_string(&message.content)? })
    }
}
