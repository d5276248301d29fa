//! The protocol on a line: messages of a client in, messages to it out.

use futures::StreamExt;
use futures::stream;
use rmcp::RoleServer;
use rmcp::ServiceExt;
use rmcp::model::ClientJsonRpcMessage;
use rmcp::model::GetExtensions;
use rmcp::model::JsonRpcMessage;
use rmcp::service::TxJsonRpcMessage;
use serde_json::Value;
use serde_json::json;
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::mcp::lines::Said;
use crate::mcp::protocol::handler::Handler;

/// Answers what is `said` on a line, until it ends or `end` fires.
pub async fn answer(said: Receiver<Said>, outlet: UnboundedSender<Value>, end: CancellationToken) {
    let broken = outlet.clone();
    let incoming = stream::unfold(said, async |mut said| {
        let next = said.recv().await?;
        Some((next, said))
    });
    let incoming = incoming.filter_map(move |said| {
        let message = read(said);
        if message.is_none() {
            let error = json!({"code": -32600, "message": "this is no message of JSON-RPC"});
            let _ = broken.send(json!({"jsonrpc": "2.0", "id": null, "error": error}));
        }
        std::future::ready(message)
    });
    let outgoing =
        futures::sink::unfold(outlet, async |outlet, message: TxJsonRpcMessage<RoleServer>| {
            let message = serde_json::to_value(&message).map_err(std::io::Error::other)?;
            outlet.send(message).map_err(|_| std::io::ErrorKind::BrokenPipe)?;
            Ok::<_, std::io::Error>(outlet)
        });
    let (outgoing, incoming) = (Box::pin(outgoing), Box::pin(incoming));
    match Handler::default().serve_with_ct((outgoing, incoming), end).await {
        Ok(served) => drop(served.waiting().await),
        Err(cause) => debug!(error = &cause as &dyn std::error::Error, "a line was not begun"),
    }
}

/// The message, with the request that it belongs to.
fn read(Said { request, message }: Said) -> Option<ClientJsonRpcMessage> {
    let mut message: ClientJsonRpcMessage = serde_json::from_value(message).ok()?;
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.extensions.insert(request);
    match &mut message {
        JsonRpcMessage::Request(it) => drop(it.request.extensions_mut().insert(parts)),
        JsonRpcMessage::Notification(it) => drop(it.notification.extensions_mut().insert(parts)),
        _ => {}
    }
    Some(message)
}
