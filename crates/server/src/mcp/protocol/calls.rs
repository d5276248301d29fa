//! Calls: from what is asked, by a run, to what is answered.

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::CallToolRequestParams;
use rmcp::model::CallToolResponse;
use rmcp::model::CallToolResult;
use rmcp::model::ContentBlock;
use rmcp::model::ProgressNotificationParam;
use rmcp::model::ProgressToken;
use rmcp::service::Peer;
use rmcp::service::RequestContext;
use serde_json::Map;
use serde_json::Value;

use crate::mcp::Request;
use crate::mcp::call;
use crate::mcp::call::CallError;
use crate::mcp::call::Heard;
use crate::mcp::call::Level;
use crate::mcp::call::Said;
use crate::mcp::face::Role;
use crate::mcp::offers;
use crate::mcp::offers::Offer;
use crate::mcp::protocol::convert;
use crate::mcp::protocol::handler::fault;
use crate::mcp::protocol::handler::request;
use crate::runs::Run;
use crate::runs::Status;
use crate::runs::execute::Begun;

/// Answers a call. Of what is said meanwhile the client hears `lines` from this level on, and how far it is if it asks.
pub async fn call(
    called: CallToolRequestParams,
    lines: Option<Level>,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let request = request(&context.extensions)?;
    let _answering = request.app.mcp.calls.token();
    let found = offers::find(&request.app, &request.caller.tenant, &called.name).await;
    let offer = found.map_err(|cause| fault(&cause))?;
    // What the caller may not call was refused at the door; this is for what has changed since.
    let offer = offer.filter(|offer| offer.face().role == Role::Tool);
    let offer = offer
        .filter(|offer| offer.is_for(&request.caller))
        .ok_or_else(|| ErrorData::invalid_params(format!("Unknown tool: {}", called.name), None))?;
    let arguments = called.arguments.unwrap_or_default();
    let begun = match call::begin(&request.app, &request.caller, &offer, arguments).await {
        Ok(begun) => begun,
        Err(error) => return refusal(error),
    };
    let run = begun.run.clone();
    let ended = answered(request, begun, lines, context);
    match or_given_up(request, &run, context, ended).await {
        Some(Ok(run)) => Ok(convert::result(&offer, run).into()),
        Some(Err(error)) => refusal(error),
        None => Ok(CallToolResult::error(vec![ContentBlock::text("the call was canceled")]).into()),
    }
}

/// What comes of a call of `offer`, of which nobody wants to know how far it is.
pub async fn outcome(
    request: &Request,
    offer: &Offer,
    arguments: Map<String, Value>,
    context: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let Request { app, caller } = request;
    let _answering = app.mcp.calls.token();
    let called = async {
        let begun = call::begin(app, caller, offer, arguments).await?;
        let run = begun.run.clone();
        let ended = call::wait(app, caller, begun, call::patience());
        or_given_up(request, &run, context, ended).await.unwrap_or(Ok(run))
    };
    let run = match called.await {
        Ok(run) => run,
        Err(CallError::Refused(why)) => return Err(ErrorData::invalid_params(why, None)),
        Err(CallError::Fault(cause)) => return Err(fault(&*cause)),
    };
    let Some(output) = run.output.filter(|_| run.summary.status == Status::Succeeded) else {
        let why = run.summary.error.map(|error| error.message);
        let why = why.unwrap_or_else(|| format!("the run is {}", run.summary.status.as_str()));
        return Err(ErrorData::internal_error(why, None));
    };
    serde_json::to_value(&output).map_err(|cause| fault(&cause))
}

/// How `run` has `ended`; `None`: the client has given it up, and it is canceled.
async fn or_given_up<T>(
    Request { app, caller }: &Request,
    run: &Run,
    context: &RequestContext<RoleServer>,
    ended: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        ended = ended => Some(ended),
        () = context.ct.cancelled() => {
            call::give_up(app, caller, run);
            None
        }
    }
}

/// The run when it rests. Whoever wants to hear something meanwhile, does.
async fn answered(
    Request { app, caller }: &Request,
    begun: Begun,
    lines: Option<Level>,
    context: &RequestContext<RoleServer>,
) -> Result<Run, CallError> {
    let (token, latest) = (context.meta.get_progress_token(), call::patience());
    if token.is_none() && lines.is_none() {
        return call::wait(app, caller, begun, latest).await;
    }
    let mut said = Said::by(app, caller, &begun.run, latest);
    while let Some(heard) = said.next().await? {
        for heard in heard {
            tell(&context.peer, token.as_ref(), lines, heard).await;
        }
    }
    call::wait(app, caller, begun, latest).await
}

/// A client that is gone hears nothing, which is no fault.
async fn tell(
    peer: &Peer<RoleServer>,
    token: Option<&ProgressToken>,
    lines: Option<Level>,
    heard: Heard,
) {
    match heard {
        Heard::Progress { done, total, message } => {
            let Some(token) = token else { return };
            let mut said = ProgressNotificationParam::new(token.clone(), done);
            (said.total, said.message) = (total, message);
            let _ = peer.notify_progress(said).await;
        }
        Heard::Line { level, source, message } if lines.is_some_and(|from| level >= from) => {
            convert::say(peer, level, source, message).await;
        }
        Heard::Line { .. } => {}
    }
}

/// What the model is told, or the client if it is our fault.
fn refusal(error: CallError) -> Result<CallToolResponse, ErrorData> {
    match error {
        CallError::Refused(why) => Ok(CallToolResult::error(vec![ContentBlock::text(why)]).into()),
        CallError::Fault(cause) => Err(fault(&*cause)),
    }
}
