//! What other servers tell: it is verified, noted, and becomes a run.

use std::net::IpAddr;
use std::time::Duration;
use std::time::Instant;

use auth::token::Digest;
use http::HeaderMap;
use serde_json::Map;
use serde_json::Value;
use tracing::info;
use tracing::warn;

use super::TriggerError;
use super::count;
use super::entry;
use super::not_taken;
use super::ready;
use super::record;
use super::verify::Proof;
use super::verify::ensure_signed;
use super::verify::verify;
use crate::db::Conn;
use crate::db::Id;
use crate::definitions::metadata;
use crate::http::Invalid;
use crate::runs::execute;
use crate::runs::execute::ExecuteError;
use crate::runs::journal::Entry;
use crate::runs::journal::JournalError;
use crate::runs::service::Runs;
use crate::runs::store;
use crate::secrets::Vault;
use crate::workflows::store::firings;
use crate::workflows::store::firings::Of;
use crate::workflows::store::triggers;
use crate::workflows::triggers::Armed;
use crate::workflows::triggers::FiringError;
use crate::workflows::triggers::FiringStatus;
use crate::workflows::triggers::Signature;
use crate::workflows::triggers::Trigger;
use crate::workflows::triggers::keys::Ring;

/// How many levels the body of a delivery may have.
const DEPTH: usize = 64;

/// A request to a webhook.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'d> {
    pub headers: &'d HeaderMap,
    pub body: &'d [u8],
    /// From where it comes.
    pub from: IpAddr,
}

/// Who has sent something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// Whoever has a secret.
    Known,
    Stranger,
}

/// A run that a delivery has begun, now or when it came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    pub run_id: Id,
    pub is_repeated: bool,
}

/// Why a delivery has begun nothing.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// Why in particular is not for strangers; the history has it.
    #[error("the signature is missing, wrong or too old")]
    Unproven,
    #[error("too much came from this address; try again in {} s", .0.as_secs() + 1)]
    TooMuch(Duration),
    #[error("the trigger is paused")]
    Paused,
    #[error("the body is no JSON that can be taken: {0}")]
    NotJson(String),
    #[error("the workflow does not take this as its input")]
    Invalid(Vec<Invalid>),
    #[error("the workflow cannot be executed now; the history of the trigger says why")]
    Refused,
    #[error(transparent)]
    Failed(#[from] TriggerError),
}

/// Refuses what need not be read: what is not signed at all, and too much of one stranger.
pub async fn admit(
    runs: &Runs,
    armed: &Armed,
    headers: &HeaderMap,
    from: IpAddr,
) -> Result<(), HookError> {
    let Trigger::Webhook { signature, .. } = &armed.trigger else { return Ok(()) };
    if *signature == Signature::None {
        return runs.strangers().take(armed, from).map_err(HookError::TooMuch);
    }
    match ensure_signed(*signature, headers) {
        Ok(()) => Ok(()),
        Err(refusal) => Err(unproven(runs, armed, from, refusal).await),
    }
}

/// Takes what was sent to `armed`, and was admitted. The same delivery again is answered as the first time.
pub async fn deliver(
    runs: &Runs,
    vault: &Vault,
    armed: &Armed,
    delivery: Delivery<'_>,
) -> Result<Delivered, HookError> {
    let Proof { id, key } = prove(runs, vault, armed, delivery).await?;
    let sender = if key.is_some() { Sender::Known } else { Sender::Stranger };
    if armed.paused_at.is_some() {
        return Err(HookError::Paused);
    }
    let key = id.map(|id| Digest::of(&id).to_hex());
    if let Some(delivered) = repeated(runs, armed, key.as_deref()).await? {
        return Ok(delivered);
    }
    let input = match read(delivery.body) {
        Ok(input) => input,
        Err(why) => {
            let refusal = FiringError::new("not_json", why.clone());
            return Err(refuse(runs, armed, sender, refusal, HookError::NotJson(why)).await);
        }
    };
    let ready = match ready(runs, armed).await? {
        Ok(ready) => ready,
        Err(refusal) => {
            return Err(refuse(runs, armed, sender, refusal, HookError::Refused).await);
        }
    };
    let room = execute::ensure_room(runs, &ready.who.client_id).await;
    room.map_err(TriggerError::from)?;
    let told = told(&armed.trigger, delivery.headers);
    let record = match record(runs, armed, &ready, input, told).await? {
        Ok(record) => record,
        Err(wrong) => {
            let refusal = not_taken(&wrong);
            return Err(refuse(runs, armed, sender, refusal, HookError::Invalid(wrong)).await);
        }
    };
    let run_id = record.run.summary.id;
    let mut firing = armed.firing(runs.ids.next(), runs.clock.now(), FiringStatus::Started);
    firing.delivery.clone_from(&key);
    let entry = entry(record, firing);
    match runs.db.write(async |tx| begin(tx, armed, &entry).await).await {
        Ok(true) => {}
        Ok(false) => return Err(TriggerError::Changed.into()),
        Err(JournalError::Delivered) => {
            let first = repeated(runs, armed, key.as_deref()).await?;
            return first.ok_or_else(|| failed(JournalError::Delivered));
        }
        Err(cause) => return Err(failed(cause)),
    }
    info!(run.id = %run_id, workflow.id = %armed.workflow_id, "a webhook has begun a run");
    count(&armed.trigger, "started", 1);
    runs.work().notify_one();
    Ok(Delivered { run_id, is_repeated: false })
}

/// Looks whether it is from whom it says, or for everybody.
async fn prove(
    runs: &Runs,
    vault: &Vault,
    armed: &Armed,
    delivery: Delivery<'_>,
) -> Result<Proof, HookError> {
    let ring = Ring::of(&armed.trigger, &armed.tenant, vault).await.map_err(TriggerError::from)?;
    let proven = ring.and_then(|ring| {
        let proof = verify(&ring.keys, delivery.headers, delivery.body, runs.clock.now())?;
        proof.key.into_iter().for_each(|key| ring.note_used(key));
        Ok(proof)
    });
    match proven {
        Ok(proof) => Ok(proof),
        Err(refusal) => Err(unproven(runs, armed, delivery.from, refusal).await),
    }
}

/// Stores the run of `entry`, if `armed` still is what there is, and says whether it did.
async fn begin(tx: &mut Conn<'_>, armed: &Armed, entry: &Entry) -> Result<bool, JournalError> {
    if !triggers::is_current(tx, armed).await? {
        return Ok(false);
    }
    store::append(tx, &[entry]).await?;
    Ok(true)
}

/// The run that a delivery has begun, if it came before.
async fn repeated(
    runs: &Runs,
    armed: &Armed,
    key: Option<&str>,
) -> Result<Option<Delivered>, TriggerError> {
    let Some(key) = key else { return Ok(None) };
    let (tenant, workflow, trigger) = (&armed.tenant, armed.workflow_id, armed.trigger.id());
    let of = Of { tenant, workflow, trigger };
    let found = runs.db.read(async |conn| firings::find_delivery(conn, of, key).await).await?;
    Ok(found.map(|run_id| Delivered { run_id, is_repeated: true }))
}

/// Refuses what is not from whom it says. Whoever keeps sending such things is not listened to for a while.
async fn unproven(runs: &Runs, armed: &Armed, from: IpAddr, refusal: FiringError) -> HookError {
    match runs.strangers().note_unsigned(armed, from) {
        Ok(()) => refuse(runs, armed, Sender::Stranger, refusal, HookError::Unproven).await,
        Err(wait) => HookError::TooMuch(wait),
    }
}

/// Notes why nothing was begun, of what strangers send now and then only; what the sender is told is `error`, unless that
/// goes wrong.
async fn refuse(
    runs: &Runs,
    armed: &Armed,
    sender: Sender,
    refusal: FiringError,
    error: HookError,
) -> HookError {
    let (workflow, trigger) = (armed.workflow_id, armed.trigger.id());
    count(&armed.trigger, "refused", 1);
    let is_noted =
        sender == Sender::Known || runs.strangers().is_first(workflow, trigger, Instant::now());
    if !is_noted {
        return error;
    }
    warn!(workflow.id = %workflow, trigger.id = trigger, code = refusal.code, "a webhook was refused");
    let mut firing = armed.firing(runs.ids.next(), runs.clock.now(), FiringStatus::Refused);
    firing.firing.error = Some(refusal);
    let noted = runs.db.write(async |tx| firings::insert(tx, &firing).await).await;
    noted.map_or_else(|cause| TriggerError::from(cause).into(), |_| error)
}

fn failed(cause: JournalError) -> HookError {
    TriggerError::Execute(ExecuteError::Journal(cause)).into()
}

/// The body as a value. It comes from elsewhere: members may come twice, of which the last counts, and what no database
/// holds is replaced.
fn read(body: &[u8]) -> Result<Value, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if metadata::depth(&value) > DEPTH {
        return Err(format!("it has more than {DEPTH} levels"));
    }
    Ok(without_nul(value))
}

fn without_nul(value: Value) -> Value {
    let clean =
        |text: String| if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    match value {
        Value::String(text) => Value::String(clean(text)),
        Value::Array(items) => items.into_iter().map(without_nul).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, it)| (clean(name), without_nul(it))).collect()
        }
        other => other,
    }
}

/// What entries can read of a delivery beside its body: what GitHub calls what has happened.
fn told(trigger: &Trigger, headers: &HeaderMap) -> Map<String, Value> {
    let Trigger::Webhook { signature: Signature::Github, .. } = trigger else { return Map::new() };
    let event = headers.get("x-github-event").and_then(|it| it.to_str().ok());
    let event = event.filter(|it| it.len() <= 100);
    event.map(|it| ("event".to_owned(), Value::from(it))).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_comes_from_elsewhere_is_read_as_far_as_it_can_be() {
        assert_eq!(read(b""), Ok(json!({})));
        assert_eq!(read(b"\xef\xbb\xbf [1]"), Ok(json!([1])));
        assert_eq!(read(br#"{"a": 1, "a": "\u00e9\u0000"}"#), Ok(json!({"a": "é\u{fffd}"})));
        let deep = "[".repeat(65) + &"]".repeat(65);
        assert_eq!(read(deep.as_bytes()), Err("it has more than 64 levels".to_owned()));
        for bad in [&b"{"[..], b"a=1", b"\xff", br#""\ud800""#] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
