//! Makes the attempts that are due, on every process.

use std::sync::Arc;
use std::time::Duration;

use auth::scope::Scopes;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use metrics::counter;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tracing::error;
use tracing::info;
use tracing::warn;

use super::DeliveryState;
use super::PER_HOST;
use super::schedule;
use super::sign;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::egress::Answer;
use crate::egress::Body;
use crate::egress::Limits;
use crate::egress::Request;
use crate::egress::Wanted;
use crate::egress::retry_after;
use crate::runs::Run;
use crate::runs::RunsError;
use crate::runs::rights;
use crate::runs::service::Runs;
use crate::runs::store;
use crate::runs::store::deliveries;

/// How often a process looks for what is due.
const ROUND: Duration = Duration::from_millis(500);
/// Deliveries that are looked at in one round.
const LOOKED_AT: u32 = 100;
/// How often a process looks whether the clock was set back.
const CLOCK_ROUND: Duration = Duration::from_secs(5);
/// Clocks of several processes may differ by so much.
const SKEW: Duration = Duration::from_mins(1);
/// How much longer than its time an attempt belongs to who makes it.
const SPARE: Duration = Duration::from_mins(1);

/// An attempt that this process makes.
#[derive(Debug)]
pub struct Attempt {
    pub tenant: TenantId,
    pub id: Id,
    pub run_id: Id,
    pub url: String,
    pub secret: String,
    /// The number of this attempt; nobody else has it.
    pub number: i64,
    pub created_at: At,
}

/// What came of an attempt, as its row says it.
#[derive(Debug)]
pub struct Settled {
    pub state: DeliveryState,
    pub next_attempt_at: Option<At>,
    pub status: Option<i64>,
    pub error: Option<String>,
    pub delivered_at: Option<At>,
}

/// Why an attempt did not succeed.
struct Failure {
    status: Option<StatusCode>,
    error: String,
    retry_after: Option<Duration>,
}

/// Keeps delivering until the server stops. What is under way then may end.
pub fn start(runs: &Runs) {
    runs.tasks.spawn(keep_delivering(runs.clone()));
    runs.tasks.spawn(keep_to_the_clock(runs.clone()));
}

/// What was planned before the clock was set back would wait as much longer: it is due now.
async fn keep_to_the_clock(runs: Runs) {
    let stopping = runs.tasks.stopping();
    while tokio::time::timeout(CLOCK_ROUND, stopping.cancelled()).await.is_err() {
        let now = runs.clock.now();
        let future = At::new(now.time() + SKEW);
        let hurried =
            runs.db.read(async |conn| deliveries::planned_after(conn, future).await).await;
        let hurried = match hurried {
            Ok(false) => continue,
            Ok(true) => {
                runs.db.write_behind(async |tx| deliveries::hurry(tx, future, now).await).await
            }
            Err(cause) => Err(cause),
        };
        match hurried {
            Ok(()) => runs.webhooks.wake(),
            Err(cause) => {
                error!(error = &cause as &dyn std::error::Error, "webhooks must wait");
            }
        }
    }
}

async fn keep_delivering(runs: Runs) {
    let stopping = runs.tasks.stopping().clone();
    while !stopping.is_cancelled() {
        match round(&runs).await {
            // There may be more.
            Ok(begun) if begun > 0 => continue,
            Ok(_) => {}
            Err(cause) => {
                error!(error = &cause as &dyn std::error::Error, "webhooks must wait");
                // Not for a place: the one that was taken in vain has woken us already.
                let _ = stopping.run_until_cancelled(tokio::time::sleep(ROUND)).await;
                continue;
            }
        }
        let pause = tokio::time::timeout(ROUND, runs.webhooks.wake.notified());
        let _ = stopping.run_until_cancelled(pause).await;
    }
}

/// Begins what is due and has room, and says how many that were.
async fn round(runs: &Runs) -> Result<usize, RunsError> {
    let now = runs.clock.now();
    let busy: Vec<String> = {
        let busy = runs.webhooks.busy();
        busy.iter().filter(|(_, count)| **count >= PER_HOST).map(|(host, _)| host.clone()).collect()
    };
    let due = runs.db.read(async |conn| deliveries::due(conn, now, &busy, LOOKED_AT).await).await?;
    let mut begun = 0;
    for (tenant, id, host) in due {
        let Ok(permit) = Arc::clone(&runs.webhooks.permits).try_acquire_owned() else { break };
        let Some(place) = Place::take(runs, host, permit) else { continue };
        let until = At::new(now.time() + runs.webhooks.time + SPARE);
        let claim =
            runs.db.write_behind(async |tx| deliveries::claim(tx, &tenant, id, now, until).await);
        if let Some(attempt) = claim.await? {
            begun += 1;
            let runs = runs.clone();
            runs.tasks.clone().spawn(async move {
                let id = attempt.id;
                if let Err(cause) = make(&runs, attempt).await {
                    // It is made again when it no longer belongs to us.
                    error!(delivery.id = %id, error = &cause as &dyn std::error::Error,
                        "what came of a webhook could not be stored");
                }
                drop(place);
            });
        }
    }
    Ok(begun)
}

/// The right to make one attempt at a host.
struct Place {
    runs: Runs,
    host: String,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    fn take(runs: &Runs, host: String, permit: OwnedSemaphorePermit) -> Option<Self> {
        let mut busy = runs.webhooks.busy();
        let count = busy.entry(host.clone()).or_default();
        if *count >= PER_HOST {
            return None;
        }
        *count += 1;
        drop(busy);
        Some(Self { runs: runs.clone(), host, _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let webhooks = &self.runs.webhooks;
        let mut busy = webhooks.busy();
        if let Some(count) = busy.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                busy.remove(&self.host);
            }
        }
        drop(busy);
        webhooks.wake();
    }
}

/// Makes an attempt, and stores what came of it.
async fn make(runs: &Runs, attempt: Attempt) -> Result<(), RunsError> {
    let (tenant, run_id) = (&attempt.tenant, attempt.run_id);
    let record = runs.db.read(async |conn| store::find(conn, tenant, run_id).await).await?;
    let made = match record {
        Some(record) => {
            let scopes = rights::held(runs, &record).await?;
            send(runs, &attempt, &record.run, &scopes).await
        }
        None => Err(Failure::before("the run is deleted")),
    };
    let settled = settle(&attempt, made, runs.clock.now());
    counter!("webhook_attempts_total", "state" => settled.state.as_str()).increment(1);
    let (delivery_id, number) = (attempt.id, attempt.number);
    match settled.state {
        DeliveryState::Delivered => {
            info!(delivery.id = %delivery_id, run.id = %run_id, attempt = number, "webhook delivered");
        }
        DeliveryState::Failed => {
            warn!(delivery.id = %delivery_id, run.id = %run_id, attempt = number, "webhook given up");
        }
        DeliveryState::Pending => {}
    }
    let now = runs.clock.now();
    runs.db.write_behind(async |tx| deliveries::settle(tx, &attempt, &settled, now).await).await?;
    Ok(())
}

/// Sends the run, signed, and gives the status of a receiver that has it now.
/// What the run's client holds now are its `scopes`.
async fn send(
    runs: &Runs,
    attempt: &Attempt,
    run: &Run,
    scopes: &Scopes,
) -> Result<StatusCode, Failure> {
    let webhooks = &runs.webhooks;
    let url = attempt.url.parse().map_err(|_| Failure::before("its URL is none"))?;
    let keys = webhooks.keys(&attempt.tenant, scopes, &attempt.secret, &url).await;
    let keys = keys.map_err(|_| Failure::before("the key that signs it cannot be read now"))?;
    let keys = keys.map_err(|why| Failure::before(&format!("it cannot be signed: {why}")))?;
    let body = serde_json::to_vec(&Message { kind: "run.finished", run });
    let body = body.map_err(|_| Failure::before("the run cannot be written"))?;
    let timestamp = runs.clock.now().time().timestamp();
    let signature = sign::signatures(&keys, attempt.id, timestamp, &body);
    let headers = headers(&attempt.id.to_string(), &timestamp.to_string(), &signature);
    let limits = Limits { time: webhooks.time, response: Wanted::Head, hosts: None };
    let request = Request {
        headers: headers.map_err(|_| Failure::before("the headers cannot be written"))?,
        body: Body::Bytes(body.into()),
        ..Request::new(Method::POST, attempt.url.as_str(), limits)
    };
    match webhooks.egress.send(request).await {
        Ok(answer) if answer.status.is_success() => Ok(answer.status),
        Ok(answer) => Err(Failure::answered(&answer, runs.clock.now())),
        Err(error) => Err(Failure::before(&error.to_string())),
    }
}

/// The body of a webhook.
#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    run: &'a Run,
}

fn headers(
    id: &str,
    timestamp: &str,
    signature: &str,
) -> Result<HeaderMap, http::header::InvalidHeaderValue> {
    let pairs = [
        (header::CONTENT_TYPE, "application/json"),
        (HeaderName::from_static("webhook-id"), id),
        (HeaderName::from_static("webhook-timestamp"), timestamp),
        (HeaderName::from_static("webhook-signature"), signature),
    ];
    pairs.into_iter().map(|(name, value)| Ok((name, HeaderValue::from_str(value)?))).collect()
}

impl Failure {
    fn before(error: &str) -> Self {
        Self { status: None, error: error.to_owned(), retry_after: None }
    }

    fn answered(answer: &Answer, now: At) -> Self {
        Self {
            status: Some(answer.status),
            error: format!("the receiver answered {}", answer.status.as_u16()),
            retry_after: retry_after(&answer.headers, now.time()),
        }
    }
}

/// What the row says after an attempt. 410 means that the receiver wants no more.
fn settle(attempt: &Attempt, made: Result<StatusCode, Failure>, now: At) -> Settled {
    let number = |status: StatusCode| i64::from(status.as_u16());
    let failure = match made {
        Ok(status) => {
            return Settled {
                state: DeliveryState::Delivered,
                next_attempt_at: None,
                status: Some(number(status)),
                error: None,
                delivered_at: Some(now),
            };
        }
        Err(failure) => failure,
    };
    let next = match failure.status {
        Some(StatusCode::GONE) => None,
        _ => schedule::next_attempt(
            attempt.id,
            u32::try_from(attempt.number).unwrap_or(u32::MAX),
            attempt.created_at.time(),
            now.time(),
            failure.retry_after,
        ),
    };
    Settled {
        state: next.map_or(DeliveryState::Failed, |_| DeliveryState::Pending),
        next_attempt_at: next.map(At::new),
        status: failure.status.map(number),
        error: Some(failure.error),
        delivered_at: None,
    }
}
