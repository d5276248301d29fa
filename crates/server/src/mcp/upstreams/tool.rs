//! The tools of upstreams: what a call of one does.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Upstreams;
use super::Whose;
use super::client::Question;
use super::headers::Mirrored;
use super::headers::headers_of;
use super::headers::mirrored;
use super::message;
use super::usable;
use super::wire::WireError;
use crate::http::Invalid;
use crate::tools::Does;
use crate::tools::Maker;
use crate::tools::OfServer;
use crate::tools::Progress;
use crate::tools::Tool;
use crate::tools::ToolContent;
use crate::tools::ToolContext;
use crate::tools::ToolFailure;
use crate::tools::ToolKind;

/// How often a call is made again whose server asks for something first.
const ROUNDS: usize = 4;

/// The kind `mcp`.
#[derive(Debug)]
pub struct RemoteTools(pub Upstreams);

/// A tool of an upstream.
#[derive(Debug)]
struct RemoteTool {
    upstreams: Upstreams,
    of: OfServer,
    timeout: Duration,
    mirrored: Vec<Mirrored>,
}

impl Maker for RemoteTools {
    fn kind(&self) -> ToolKind {
        ToolKind::Mcp
    }

    fn make(&self, content: &ToolContent) -> Result<Does, Vec<Invalid>> {
        let of = OfServer::of(content)?;
        let mirrored = mirrored(&content.input_schema)
            .map_err(|why| vec![Invalid::new("/input_schema", "bad_header", why)])?;
        Ok(Does::Call(Arc::new(RemoteTool {
            upstreams: self.0.clone(),
            of,
            timeout: Duration::from_millis(content.timeout_ms),
            mirrored,
        })))
    }
}

impl Tool for RemoteTool {
    fn keeps_time(&self) -> bool {
        true
    }

    fn call<'a>(
        &'a self,
        context: &'a ToolContext,
        arguments: Value,
    ) -> BoxFuture<'a, Result<Value, ToolFailure>> {
        async move { self.ask(context, &arguments).await }.boxed()
    }
}

impl RemoteTool {
    async fn ask(&self, context: &ToolContext, arguments: &Value) -> Result<Value, ToolFailure> {
        let until = Instant::now() + self.timeout;
        let OfServer { server, tool } = &self.of;
        let found = self.upstreams.rows().find(&context.tenant, server).await;
        let found = found.map_err(|_| ToolFailure::failed("servers cannot be read now"))?;
        let upstream = usable(found, server).map_err(ToolFailure::failed)?;
        let whose = Whose {
            tenant: &context.tenant,
            subject: &context.subject,
            client_id: &context.client_id,
            scopes: &context.scopes,
        };
        let mut params = json!({"name": tool, "arguments": arguments});
        let headers = headers_of(&self.mirrored, arguments);
        let most = usize::try_from(upstream.content.max_result_bytes).unwrap_or(usize::MAX);
        let hear = |method: &str, params: &Value| {
            if method == "notifications/progress"
                && let Some(progress) = progress(params)
            {
                context.report(progress);
            }
        };
        for _ in 0..ROUNDS {
            let question = Question {
                method: "tools/call",
                params: &params,
                wants_progress: true,
                headers: &headers,
                until,
                most,
            };
            let asked = self.upstreams.ask(&upstream, whose, question, &hear).await;
            let (result, _) = asked.map_err(failure)?;
            let Some(answers) = unattended(&result) else { return result_of(result) };
            params = json!({"name": tool, "arguments": arguments});
            params.as_object_mut().into_iter().for_each(|it| it.extend(answers.clone()));
        }
        Err(ToolFailure::failed("the server asks for something again and again"))
    }
}

/// What a call came to that was not answered.
fn failure(error: WireError) -> ToolFailure {
    match error {
        WireError::Lost(_) => ToolFailure::unknown(error),
        WireError::TooLarge(_) => ToolFailure::Failed(format!("the tool was called, but {error}")),
        WireError::Consent(needed) => ToolFailure::Consent(needed),
        error => ToolFailure::failed(error),
    }
}

/// With what a call is made again whose server asks for something first, if it can do without a person: nobody is there
/// who fills in forms, and we have no folders of ours to show. `None`: it does not ask, or not for such.
fn unattended(result: &Value) -> Option<Map<String, Value>> {
    if result["resultType"] != "input_required" {
        return None;
    }
    let answer = |asked: &Value| match asked["method"].as_str()? {
        "elicitation/create" => Some(json!({"action": "cancel"})),
        "roots/list" => Some(json!({"roots": []})),
        _ => None,
    };
    let asked = result["inputRequests"].as_object();
    let answers = asked.into_iter().flatten().map(|(name, it)| Some((name.clone(), answer(it)?)));
    let answers: Map<String, Value> = answers.collect::<Option<_>>()?;
    let state = result["requestState"].as_str();
    if answers.is_empty() && state.is_none() {
        return None;
    }
    let mut members = Map::new();
    if !answers.is_empty() {
        members.insert("inputResponses".to_owned(), answers.into());
    }
    members.extend(state.map(|it| ("requestState".to_owned(), it.into())));
    Some(members)
}

fn progress(params: &Value) -> Option<Progress> {
    let mut progress = Progress::new(params["progress"].as_f64()?);
    if let Some(total) = params["total"].as_f64() {
        progress = progress.of(total);
    }
    Some(match params["message"].as_str() {
        Some(message) => progress.saying(message),
        None => progress,
    })
}

/// What a call came to: what is structured as it is, one text as a text, all else in its blocks.
fn result_of(mut result: Value) -> Result<Value, ToolFailure> {
    if let Some(kind) = result["resultType"].as_str().filter(|it| *it != "complete") {
        let kind = message::excerpt(kind);
        return Err(ToolFailure::Failed(format!("the server wants something first: {kind}")));
    }
    let content = result["content"].take();
    let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
    if result["isError"] == true {
        let texts: Vec<_> = blocks.iter().filter_map(|it| it["text"].as_str()).collect();
        let why = message::excerpt(&texts.join(" "));
        let why =
            if why.is_empty() { "the tool failed and did not say why".to_owned() } else { why };
        return Err(ToolFailure::Failed(why));
    }
    let structured = result["structuredContent"].take();
    if !structured.is_null() {
        return Ok(structured);
    }
    match blocks {
        [] => Ok(Value::Null),
        [only] if only["type"] == "text" => Ok(only["text"].clone()),
        _ => Ok(json!({"content": content})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_what_a_model_can_use() {
        let text = json!({"type": "text", "text": "42"});
        let of = |result: Value| result_of(result).unwrap();

        assert_eq!(of(json!({"content": [text]})), "42");
        assert_eq!(
            of(json!({"content": [text], "structuredContent": {"n": 42}})),
            json!({"n": 42})
        );
        assert_eq!(of(json!({"content": [text, text]})), json!({"content": [text, text]}));
        assert_eq!(of(json!({"content": [], "resultType": "complete"})), Value::Null);
        assert_eq!(of(json!({"content": "nonsense"})), Value::Null);
    }

    #[test]
    fn a_server_that_asks_first_is_told_that_nobody_is_there() {
        let form = json!({"method": "elicitation/create", "params": {"message": "Sure?"}});
        let of = |result: Value| unattended(&result).map(Value::Object);
        let asks = |asked: Value| json!({"resultType": "input_required", "inputRequests": asked, "requestState": "s"});

        let answers = json!({"a": {"action": "cancel"}, "b": {"roots": []}});
        let asked = asks(json!({"a": form, "b": {"method": "roots/list"}}));
        assert_eq!(of(asked), Some(json!({"inputResponses": answers, "requestState": "s"})));
        assert_eq!(of(asks(json!({}))), Some(json!({"requestState": "s"})));
        assert_eq!(of(asks(json!({"a": {"method": "sampling/createMessage"}}))), None);
        assert_eq!(of(json!({"resultType": "input_required"})), None);
        assert_eq!(of(json!({"content": []})), None);
    }

    #[test]
    fn what_failed_there_has_failed_here() {
        let why = |result: Value| result_of(result).unwrap_err().to_string();

        let text = json!({"type": "text", "text": "no such\n order"});
        assert_eq!(why(json!({"content": [text], "isError": true})), "no such order");
        assert_eq!(why(json!({"isError": true})), "the tool failed and did not say why");
        assert_eq!(
            why(json!({"resultType": "input_required"})),
            "the server wants something first: input_required"
        );
    }
}
