//! JSON-RPC as a client of MCP writes and reads it.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::mcp::REVISIONS;

/// The first revision without sessions.
pub const MODERN: &str = "2026-07-28";
/// The newest one with sessions.
pub const WITH_SESSIONS: &str = "2025-11-25";
/// What a server says whose tools are others than before.
pub const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
/// The code of a server that does not know a revision.
const UNSUPPORTED_VERSION: i64 = -32022;
/// What is not done for a server that asks.
const METHOD_NOT_FOUND: i64 = -32601;
/// Characters of a message of others that are kept.
const EXCERPT: usize = 500;

/// What a server says.
#[derive(Debug, PartialEq)]
pub enum Said {
    /// The answer to the request with our id.
    Answer(Result<Value, Fault>),
    /// It asks us something; this is what it is answered.
    Asks(Value),
    Notice {
        method: String,
        params: Value,
    },
    /// An answer to something else.
    Other,
}

/// An error that a server answers with.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub code: i64,
    pub message: String,
    data: Value,
}

impl Fault {
    /// Whether the server would be spoken with in the revision without sessions, although it has refused it once.
    pub fn offers_modern(&self) -> bool {
        let supported = self.data["supported"].as_array();
        self.code == UNSUPPORTED_VERSION
            && supported.is_some_and(|it| it.iter().any(|it| it == MODERN))
    }
}

/// A request. In the revision without sessions it says of itself what a session would have said.
pub fn request(id: u64, method: &str, params: &Value, is_modern: bool, token: bool) -> Value {
    let mut params = params.as_object().cloned().unwrap_or_default();
    let mut meta = Map::new();
    if is_modern {
        let about = "io.modelcontextprotocol";
        meta.insert(format!("{about}/protocolVersion"), MODERN.into());
        meta.insert(format!("{about}/clientCapabilities"), json!({}));
        meta.insert(format!("{about}/clientInfo"), about_us());
    }
    if token {
        meta.insert("progressToken".to_owned(), id.into());
    }
    if !meta.is_empty() {
        params.insert("_meta".to_owned(), meta.into());
    }
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

pub fn notice(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// Who we are.
pub fn about_us() -> Value {
    json!({"name": "agent-server", "version": env!("CARGO_PKG_VERSION")})
}

/// Whether a server that says this of itself speaks the revision without sessions.
pub fn knows_modern(about: &Value) -> bool {
    let versions = about["supportedVersions"].as_array();
    versions.is_some_and(|it| it.iter().any(|it| it == MODERN))
}

/// The revision of the session that a server has begun so, or why there is none.
pub fn agreed(about: &Value) -> Result<String, String> {
    let version = about["protocolVersion"].as_str().unwrap_or_default();
    if REVISIONS.contains(&version) && version != MODERN {
        return Ok(version.to_owned());
    }
    let version = excerpt(version);
    Err(format!("it speaks the revision `{version}`, which is not known here"))
}

/// Reads a message, which must be one object of JSON-RPC. `None`: it is not.
pub fn read(message: Value, id: u64) -> Option<Said> {
    let Value::Object(mut message) = message else { return None };
    if message.get("jsonrpc").is_none_or(|it| it != "2.0") {
        return None;
    }
    let of = message.remove("id");
    if let Some(Value::String(method)) = message.remove("method") {
        let params = message.remove("params").unwrap_or_default();
        return Some(match of {
            Some(of) => Said::Asks(reply(&of, &method)),
            None => Said::Notice { method, params },
        });
    }
    let is_ours = of.as_ref().and_then(Value::as_u64) == Some(id);
    if let Some(mut error) = message.remove("error") {
        // An error about what was not understood at all has no id.
        if !is_ours && of.is_some_and(|it| !it.is_null()) {
            return Some(Said::Other);
        }
        let message = excerpt(error["message"].as_str().unwrap_or_default());
        let (code, data) = (error["code"].as_i64().unwrap_or_default(), error["data"].take());
        return Some(Said::Answer(Err(Fault { code, message, data })));
    }
    if !is_ours {
        return Some(Said::Other);
    }
    let result = message.remove("result").filter(Value::is_object)?;
    Some(Said::Answer(Ok(result)))
}

/// We offer a server nothing but that we are there.
fn reply(id: &Value, method: &str) -> Value {
    if method == "ping" {
        return json!({"jsonrpc": "2.0", "id": id, "result": {}});
    }
    let error = json!({"code": METHOD_NOT_FOUND, "message": "this client has no such method"});
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}

/// The beginning of a text of others, on one line.
pub fn excerpt(text: &str) -> String {
    let words = text.split(|it: char| it.is_whitespace() || it.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_session_says_who_asks_in_which_revision() {
        let request = request(7, "tools/call", &json!({"name": "a"}), true, true);

        assert_eq!(request["params"]["name"], "a");
        let meta = &request["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], MODERN);
        assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({}));
        assert_eq!(meta["progressToken"], 7);
    }

    #[test]
    fn a_server_may_offer_what_it_has_refused() {
        let offers = |data: Value| {
            let error = json!({"code": -32022, "message": "no", "data": data});
            let said = read(json!({"jsonrpc": "2.0", "id": 7, "error": error}), 7);
            matches!(said, Some(Said::Answer(Err(fault))) if fault.offers_modern())
        };

        assert!(offers(json!({"supported": [MODERN]})));
        assert!(!offers(json!({"supported": ["2099-01-01"]})));
        assert!(!offers(json!("nonsense")));
    }

    #[test]
    fn what_a_server_says_is_told_apart() {
        let said = |message: Value| read(message, 7);

        assert_eq!(
            said(json!({"jsonrpc": "2.0", "id": 7, "result": {"a": 1}})),
            Some(Said::Answer(Ok(json!({"a": 1}))))
        );
        let error = json!({"code": -32602, "message": "no\n such\u{0} tool"});
        assert_eq!(
            said(json!({"jsonrpc": "2.0", "id": null, "error": error})),
            Some(Said::Answer(Err(Fault {
                code: -32602,
                message: "no such tool".to_owned(),
                data: Value::Null
            })))
        );
        assert_eq!(said(json!({"jsonrpc": "2.0", "id": 8, "result": {}})), Some(Said::Other));
        let Some(Said::Asks(reply)) = said(json!({"jsonrpc": "2.0", "id": "x", "method": "ping"}))
        else {
            panic!("a ping is a question")
        };
        assert_eq!(reply, json!({"jsonrpc": "2.0", "id": "x", "result": {}}));
        for nonsense in [
            json!([]),
            json!("x"),
            json!({}),
            json!({"jsonrpc": "1.0", "id": 7, "result": {}}),
            json!({"jsonrpc": "2.0", "id": 7, "result": [1]}),
            json!({"jsonrpc": "2.0", "id": 7}),
        ] {
            assert_eq!(said(nonsense.clone()), None, "{nonsense}");
        }
    }
}
