//! One keep-alive HTTP/1.1 connection to a port of this machine.
//!
//! As thin as it can be: its CPU time is taken from the server that is measured.

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::Full;
use hyper::Method;
use hyper::Request;
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Result;

/// A request that is sent again and again.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    pub path: String,
    /// The value of `Authorization`, or nothing.
    pub authorization: Option<String>,
    /// The value of `Accept`.
    pub accept: &'static str,
    pub body: Bytes,
}

impl Call {
    pub fn get(path: &str) -> Self {
        Self { method: Method::GET, ..Self::post(path, &Value::Null) }
    }

    pub fn post(path: &str, body: &Value) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            authorization: None,
            accept: "application/json",
            body: if body.is_null() { Bytes::new() } else { body.to_string().into() },
        }
    }

    pub fn with_token(self, token: &str) -> Self {
        Self { authorization: Some(format!("Bearer {token}")), ..self }
    }

    pub fn streamed(self) -> Self {
        Self { accept: "text/event-stream", ..self }
    }

    fn request(&self, port: u16) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(&self.path)
            .header("host", format!("127.0.0.1:{port}"))
            .header("accept", self.accept)
            .header("content-type", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        Ok(request.body(Full::new(self.body.clone()))?)
    }
}

/// A connection, opened by the first call and again by the first call after it was closed.
#[derive(Debug)]
pub struct Connection {
    port: u16,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    sender: SendRequest<Full<Bytes>>,
    /// Drives the connection; ends with it.
    _driver: JoinSet<()>,
}

impl Connection {
    pub fn to(port: u16) -> Self {
        Self { port, open: None }
    }

    /// Sends `call` and gives the answer's head; the body is still to come.
    pub async fn send(&mut self, call: &Call) -> Result<Response<Incoming>> {
        let mut open = match self.open.take() {
            Some(open) if !open.sender.is_closed() => open,
            _ => self.connect().await?,
        };
        open.sender.ready().await?;
        let response = open.sender.send_request(call.request(self.port)?).await?;
        self.open = Some(open);
        Ok(response)
    }

    /// Sends `call` and gives status and body.
    pub async fn fetch(&mut self, call: &Call) -> Result<(u16, Bytes)> {
        let response = self.send(call).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    /// Sends `call` and gives the JSON of a good answer.
    pub async fn fetch_json(&mut self, call: &Call) -> Result<Value> {
        let (status, body) = self.fetch(call).await?;
        if !(200..300).contains(&status) {
            let body = String::from_utf8_lossy(&body);
            return Err(format!("{} {} answered {status}: {body}", call.method, call.path).into());
        }
        Ok(serde_json::from_slice(&body)?)
    }

    /// Closes it, as after an answer that was not read to its end.
    pub fn close(&mut self) {
        self.open = None;
    }

    async fn connect(&self) -> Result<Open> {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).await?;
        socket.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(socket)).await?;
        let mut drivers = JoinSet::new();
        drivers.spawn(async move {
            // How it ended shows in the call that was waiting for it.
            let _ = driver.await;
        });
        Ok(Open { sender, _driver: drivers })
    }
}
