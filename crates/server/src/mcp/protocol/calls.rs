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
use crate::mcp::inbox::UnderWay;
use crate::mcp::offers;
use crate::mcp::offers::Offer;
use crate::mcp::protocol::convert;
use crate::mcp::protocol::dialogue::Asked;
use crate::mcp::protocol::dialogue::Dialogue;
use crate::mcp::protocol::dialogue::GIVEN_UP;
use crate::mcp::protocol::dialogue::Stop;
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
    let asked = Asked {
        method: "tools/call",
        name: &called.name,
        arguments: &arguments,
        responses: called.input_responses,
        state: called.request_state,
    };
    let dialogue = Dialogue::new(request, asked, context)?;
    let _under_way = under_way(request, context);
    let hearing = Hearing { lines, token: context.meta.get_progress_token() };
    let concluded = Box::pin(conclude(dialogue, &offer, arguments, &hearing, context)).await;
    let said = |why: String| Ok(CallToolResult::error(vec![ContentBlock::text(why)]).into());
    match concluded {
        Ok(run) => {
            let pages = call::pages(&request.app, &request.caller, &run).await;
            let pages = pages.map_err(|cause| fault(&cause))?;
            Ok(convert::result(&offer, run, &pages).into())
        }
        Err(Stop::Later(required)) => Ok((*required).into()),
        Err(Stop::Refused(why)) => said(why),
        Err(Stop::GivenUp) => said(GIVEN_UP.to_owned()),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// What comes of a call of `offer`, of which nobody wants to know how far it is.
pub async fn outcome(
    request: &Request,
    offer: &Offer,
    asked: Asked<'_>,
    context: &RequestContext<RoleServer>,
) -> Result<Value, Stop> {
    let _answering = request.app.mcp.calls.token();
    let _under_way = under_way(request, context);
    let arguments = asked.arguments.clone();
    let dialogue = Dialogue::new(request, asked, context).map_err(Stop::Error)?;
    let hearing = Hearing::default();
    let run = Box::pin(conclude(dialogue, offer, arguments, &hearing, context)).await?;
    let Some(output) = run.output.filter(|_| run.summary.status == Status::Succeeded) else {
        let why = run.summary.error.map(|error| error.message);
        let why = why.unwrap_or_else(|| format!("the run is {}", run.summary.status.as_str()));
        return Err(Stop::Error(ErrorData::internal_error(why, None)));
    };
    serde_json::to_value(&output).map_err(|cause| Stop::Error(fault(&cause)))
}

/// Lets whoever ends the call at another process find it.
fn under_way<'a>(
    request: &'a Request,
    context: &RequestContext<RoleServer>,
) -> Option<UnderWay<'a>> {
    let session = request.session.as_deref()?;
    let id = serde_json::to_string(&context.id).unwrap_or_default();
    Some(request.app.mcp.under_way.begin(session, id))
}

/// The run that a call is, when it rests and the client can do nothing about it.
async fn conclude(
    mut dialogue: Dialogue<'_>,
    offer: &Offer,
    given: Map<String, Value>,
    hearing: &Hearing,
    context: &RequestContext<RoleServer>,
) -> Result<Run, Stop> {
    let request = request(&context.extensions).map_err(Stop::Error)?;
    let Request { app, caller, .. } = request;
    let begun = if let Some(id) = dialogue.run() {
        Begun { run: call::find(app, caller, id).await?, live: None, replayed: true }
    } else {
        let arguments = tokio::select! {
            arguments = dialogue.arguments(offer, given) => arguments?,
            () = context.ct.cancelled() => return Err(Stop::GivenUp),
        };
        call::begin(app, caller, offer, arguments).await?
    };
    let begun_run = begun.run.clone();
    let ended = async {
        let mut said =
            hearing.wants().then(|| Said::new(app, caller, &begun.run, dialogue.until()));
        let status = begun.run.summary.status;
        let mut run = if status.is_final() || status == Status::Suspended {
            begun.run
        } else {
            let (id, until) = (begun.run.summary.id, dialogue.until());
            let rest = async {
                hearing.hear(said.as_mut(), context).await?;
                call::wait(app, caller, begun, until).await
            };
            dialogue.until_rest(id, rest).await?
        };
        while dialogue.approve(&run).await? {
            let mut more = match said.take() {
                Some(said) => said.again(app, caller, &run),
                None => Said::new(app, caller, &run, dialogue.until()),
            };
            let (id, until) = (run.summary.id, dialogue.until());
            let rest = async {
                hearing.hear(Some(&mut more), context).await?;
                call::wait_again(app, caller, run, until).await
            };
            run = dialogue.until_rest(id, rest).await?;
            said = Some(more);
        }
        Ok(run)
    };
    tokio::select! {
        ended = ended => ended,
        () = context.ct.cancelled() => {
            call::give_up(app, caller, &begun_run);
            Err(Stop::GivenUp)
        }
    }
}

/// What a client wants to hear meanwhile.
#[derive(Debug, Default)]
struct Hearing {
    lines: Option<Level>,
    token: Option<ProgressToken>,
}

impl Hearing {
    fn wants(&self) -> bool {
        self.lines.is_some() || self.token.is_some()
    }

    /// Passes on what is said, until the run rests.
    async fn hear(
        &self,
        said: Option<&mut Said>,
        context: &RequestContext<RoleServer>,
    ) -> Result<(), CallError> {
        let Some(said) = said else { return Ok(()) };
        while let Some(heard) = said.next().await? {
            for heard in heard {
                self.tell(&context.peer, heard).await;
            }
        }
        Ok(())
    }

    /// A client that is gone hears nothing, which is no fault.
    async fn tell(&self, peer: &Peer<RoleServer>, heard: Heard) {
        match heard {
            Heard::Progress { done, total, message } => {
                let Some(token) = &self.token else { return };
                let mut said = ProgressNotificationParam::new(token.clone(), done);
                (said.total, said.message) = (total, message);
                let _ = peer.notify_progress(said).await;
            }
            Heard::Line { level, source, message }
                if self.lines.is_some_and(|from| level >= from) =>
            {
                convert::say(peer, level, source, message).await;
            }
            Heard::Line { .. } => {}
        }
    }
}
