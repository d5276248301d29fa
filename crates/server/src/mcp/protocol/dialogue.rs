//! What is asked of a client while it waits for an answer itself.
//!
//! A client with a session is asked on the stream of its request. Without sessions it is told what is needed, and
//! comes again with the answers and with a state, which only this server can have made for this caller and this call.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::Approval;
use engine::ApprovalKind;
use engine::arguments_hash;
use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::ClientCapabilities;
use rmcp::model::InputRequest;
use rmcp::model::InputRequests;
use rmcp::model::InputRequiredResult;
use rmcp::model::InputResponses;
use rmcp::service::RequestContext;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::db::Id;
use crate::http::CursorError;
use crate::mcp::Request;
use crate::mcp::approve;
use crate::mcp::asks;
use crate::mcp::asks::Ask;
use crate::mcp::asks::NoValue;
use crate::mcp::asks::Question;
use crate::mcp::call;
use crate::mcp::call::CallError;
use crate::mcp::offers::Offer;
use crate::mcp::protocol::convert;
use crate::mcp::protocol::handler::fault;
use crate::runs::Run;
use crate::runs::Status;
use crate::runs::approvals;
use crate::tools::ToolContent;

/// For so long a state can be used.
const LIFETIME: Duration = Duration::from_hours(1);

/// What is asked for one request, and what was answered so far.
pub struct Dialogue<'a> {
    request: &'a Request,
    capabilities: Value,
    is_modern: bool,
    /// What a state belongs to: the caller and what he asks for.
    whose: String,
    state: State,
    /// What the client has brought, until it is looked at.
    responses: InputResponses,
    until: Instant,
}

/// What is remembered between two requests of a client without a session, by the client.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    answers: Map<String, Value>,
    /// The run that waits for the answers.
    run: Option<Id>,
    until: i64,
}

/// What a client asks for, and what it brings when it comes again.
pub struct Asked<'a> {
    pub method: &'static str,
    pub name: &'a str,
    pub arguments: &'a Map<String, Value>,
    pub responses: Option<InputResponses>,
    pub state: Option<String>,
}

/// Why there is no result now.
#[derive(Debug)]
pub enum Stop {
    /// The client must come again with answers.
    Later(Box<InputRequiredResult>),
    /// Whoever asked may do better.
    Refused(String),
    Error(ErrorData),
    /// The client does not want it any more.
    GivenUp,
}

impl<'a> Dialogue<'a> {
    pub fn new(
        request: &'a Request,
        asked: Asked<'_>,
        context: &RequestContext<RoleServer>,
    ) -> Result<Self, ErrorData> {
        let caller = &request.caller;
        let arguments = arguments_hash(&Value::Object(asked.arguments.clone()));
        let (by, client) = (caller.subject.to_string(), &caller.client_id);
        let whose =
            json!([asked.method, asked.name, arguments, caller.tenant.as_str(), by, client]);
        let capabilities = serde_json::to_value(context.client_capabilities().unwrap_or_default());
        let mut own = Self {
            request,
            capabilities: capabilities.map_err(|cause| fault(&cause))?,
            is_modern: convert::is_modern(context.protocol_version().as_ref()),
            whose: format!("mcp state {whose}"),
            state: State::default(),
            responses: asked.responses.unwrap_or_default(),
            until: call::patience(),
        };
        if let Some(state) = asked.state.filter(|_| own.is_modern) {
            own.state = own.open(&state).map_err(|why| ErrorData::invalid_params(why, None))?;
        }
        Ok(own)
    }

    /// Until when the request is answered.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// The run that was begun when the client came before.
    pub fn run(&self) -> Option<Id> {
        self.state.run
    }

    /// The arguments of a call of `offer`: those that were `given`, and those that the client is asked for.
    pub async fn arguments(
        &mut self,
        offer: &Offer,
        given: Map<String, Value>,
    ) -> Result<Map<String, Value>, Stop> {
        let Offer::Tool(tool) = offer else { return Ok(given) };
        let tool = &tool.content;
        let unclear = || Stop::Refused("nobody understands what this tool asks for".to_owned());
        let rounds = asks::of(tool).ok_or_else(unclear)?;
        if let Some(name) = asks::names(tool).find(|name| given.contains_key(*name)) {
            return Err(Stop::Refused(format!("`{name}` is asked for, and not given with a call")));
        }
        let mut known = given;
        known.extend(self.state.answers.clone());
        for round in rounds {
            self.settle(tool, round, &mut known).await?;
        }
        Ok(known)
    }

    /// Asks for what is not `known` yet of a round.
    async fn settle(
        &mut self,
        tool: &ToolContent,
        mut round: asks::Round,
        known: &mut Map<String, Value>,
    ) -> Result<(), Stop> {
        round.retain(|(name, _)| !known.contains_key(name));
        let (round, lacking): (Vec<_>, Vec<_>) =
            round.into_iter().partition(|(_, ask)| self.can(ask.capability()));
        let lacking = lacking.iter().filter(|(name, _)| asks::is_required(tool, name));
        let lacking: Vec<_> = lacking.map(|(_, ask)| ask.capability()).collect();
        if !lacking.is_empty() {
            return Err(self.lacks(&lacking));
        }
        let question = |(name, ask): &(String, Ask)| {
            ask.question(asks::schema(tool, name), known)
                .map(|it| (name.clone(), it))
                .map_err(|why| Stop::Refused(format!("`{name}` cannot be asked for: {why}")))
        };
        let mut questions = round.iter().map(question).collect::<Result<Vec<_>, _>>()?;
        let answers = self.put(&questions).await?;
        for (name, ask) in round {
            let Some(answer) = answers.get(&name) else { continue };
            let value = ask
                .read(asks::schema(tool, &name), answer)
                .map_err(|why| self.no_value(&name, why))?;
            self.state.answers.insert(name.clone(), value.clone());
            known.insert(name, value);
        }
        questions.retain(|(name, _)| !answers.contains_key(name));
        if questions.is_empty() { Ok(()) } else { Err(self.unanswered(questions)) }
    }

    /// The run `id` when it rests, or when somebody is wanted for what it, or one below it, waits for: the client shows
    /// that, or is to be told of a page.
    pub async fn until_rest(
        &self,
        id: Id,
        rest: impl Future<Output = Result<Run, CallError>>,
    ) -> Result<Run, CallError> {
        let Request { app, caller, .. } = self.request;
        let is_wanted = |it: &Approval| it.consent.is_some() || self.shows(it);
        tokio::select! {
            run = rest => run,
            run = call::wanted(app, caller, id, is_wanted) => run,
        }
    }

    /// Whether the client can show what is to be decided.
    fn shows(&self, approval: &Approval) -> bool {
        match approval.kind {
            ApprovalKind::Consent => self.capabilities["elicitation"]["url"].is_object(),
            _ => self.can("elicitation"),
        }
    }

    /// Lets the person decide what `run`, and those below it, wait for; `false`: there is nothing that he may and does.
    pub async fn approve(&mut self, run: &Run) -> Result<bool, Stop> {
        let Request { app, caller, outlet, .. } = self.request;
        if !matches!(run.summary.status, Status::Suspended | Status::Waiting) {
            return Ok(false);
        }
        let open = approvals::open(&app.runs, caller, run.summary.id).await;
        let mut open = open.map_err(CallError::from)?;
        open.retain(|it| self.shows(it));
        let key = |id: &str| format!("approval_{id}");
        let questions: Vec<_> =
            open.iter().map(|it| (key(&it.id), approve::question(it))).collect();
        let answers = self.put(&questions).await?;
        let mut is_decided = false;
        for approval in &open {
            let Some(answer) = answers.get(&key(&approval.id)) else { continue };
            let until = self.until;
            let is_done = approve::answer(app, caller, approval, answer, until).await?;
            if let (true, Some(outlet), Some(_)) = (is_done, outlet, &approval.consent) {
                let params = json!({"elicitationId": approval.id});
                let done = json!({"jsonrpc": "2.0", "method": "notifications/elicitation/complete", "params": params});
                let _ = outlet.send(done);
            }
            is_decided |= is_done;
        }
        if questions.is_empty() || !answers.is_empty() || !self.is_modern {
            return Ok(is_decided);
        }
        self.state.run = Some(run.summary.id);
        Err(self.unanswered(questions))
    }

    /// What the client answers, as far as it does.
    async fn put(
        &mut self,
        questions: &[(String, Question)],
    ) -> Result<BTreeMap<String, Value>, Stop> {
        if questions.is_empty() {
            return Ok(BTreeMap::new());
        }
        if self.is_modern {
            let mut brought = std::mem::take(&mut self.responses);
            brought.retain(|key, _| questions.iter().any(|(it, _)| it == key));
            return Ok(brought);
        }
        let Request { app, session, outlet, .. } = self.request;
        let (Some(session), Some(outlet)) = (session, outlet) else { return Ok(BTreeMap::new()) };
        let mut answers = BTreeMap::new();
        for (name, question) in questions {
            let id = app.ids.next().to_string();
            let asking = app.mcp.questions.ask((session, outlet), &id, question);
            let asking = tokio::time::timeout_at(self.until, asking);
            let answer = app.tasks.stopping().run_until_cancelled(asking).await;
            let Some(Ok(Some(mut answer))) = answer else { break };
            if let Some(why) = answer["error"]["message"].as_str() {
                return Err(Stop::Refused(format!("the client does not answer: {why}")));
            }
            answers.insert(name.clone(), answer["result"].take());
        }
        Ok(answers)
    }

    fn can(&self, capability: &str) -> bool {
        match self.capabilities.get(capability) {
            // One that shows pages only cannot show forms.
            Some(modes) if capability == "elicitation" => {
                modes.get("form").is_some() || modes.get("url").is_none()
            }
            can => can.is_some_and(Value::is_object),
        }
    }

    /// The client cannot be asked for what a call takes.
    fn lacks(&self, capabilities: &[&str]) -> Stop {
        if !self.is_modern {
            let all = capabilities.join("` and `");
            return Stop::Refused(format!("the client cannot be asked: it lacks `{all}`"));
        }
        let needed = capabilities.iter().map(|it| ((*it).to_owned(), json!({})));
        let needed = serde_json::from_value::<ClientCapabilities>(Value::Object(needed.collect()));
        match needed {
            Ok(needed) => Stop::Error(ErrorData::missing_required_client_capability(needed)),
            Err(cause) => Stop::Error(fault(&cause)),
        }
    }

    fn no_value(&self, name: &str, why: NoValue) -> Stop {
        let said = format!("`{name}` was not given: {why}");
        match why {
            NoValue::Wrong(_) if self.is_modern => {
                Stop::Error(ErrorData::invalid_params(said, None))
            }
            _ => Stop::Refused(said),
        }
    }

    /// Some questions have no answer: the client may bring it, unless it has just been asked.
    fn unanswered(&mut self, questions: Vec<(String, Question)>) -> Stop {
        if !self.is_modern {
            return Stop::Refused("the client did not answer".to_owned());
        }
        let asked = questions.into_iter().map(|(name, Question { method, params })| {
            let request = json!({"method": method, "params": params});
            let request = serde_json::from_value::<InputRequest>(request);
            let strange = |_| Stop::Refused(format!("`{name}` is not asked for as clients are"));
            Ok((name.clone(), request.map_err(strange)?))
        });
        let (app, now) = (&self.request.app, self.request.app.clock.now().time());
        self.state.until = (now + LIFETIME).timestamp();
        match asked.collect::<Result<InputRequests, Stop>>() {
            Ok(asked) => {
                let state = app.cursors.seal(&self.whose, &self.state, now);
                Stop::Later(Box::new(InputRequiredResult::new(Some(asked), Some(state))))
            }
            Err(stop) => stop,
        }
    }

    /// The state that a client has brought, or what is wrong with it.
    fn open(&self, state: &str) -> Result<State, &'static str> {
        let app = &self.request.app;
        let now = app.clock.now().time();
        let too_old = "the state is too old; begin again without it";
        match app.cursors.open::<State>(&self.whose, state, now) {
            Ok(state) if state.until > now.timestamp() => Ok(state),
            Ok(_) | Err(CursorError::Expired) => Err(too_old),
            Err(CursorError::Unknown) => Err("the state is not one of this server"),
            Err(CursorError::OtherList) => Err("the state belongs to another call or caller"),
        }
    }
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(why) => Self::Refused(why),
            CallError::Fault(cause) => Self::Error(fault(&*cause)),
        }
    }
}

impl Stop {
    /// As the error that it is where there is no result to say it in.
    pub fn error(self) -> Result<InputRequiredResult, ErrorData> {
        match self {
            Self::Later(required) => Ok(*required),
            Self::Refused(why) => Err(ErrorData::invalid_params(why, None)),
            Self::Error(error) => Err(error),
            Self::GivenUp => Err(ErrorData::invalid_request(GIVEN_UP, None)),
        }
    }
}

/// What is said to who has given up.
pub const GIVEN_UP: &str = "the call was canceled";
