//! A server of a test, outside or where nobody should come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

/// A server that counts its connections and keeps what it was sent.
#[derive(Clone)]
pub struct Canary {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Canary {
    /// Answers each request with what `answer` makes of it.
    pub async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let canary = Self { address, connections: Arc::default(), requests: Arc::default() };
        let (seen, answer) = (canary.clone(), Arc::new(answer));
        #[expect(clippy::disallowed_methods, reason = "a test's server is no task of the app")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&seen.requests), Arc::clone(&answer)));
            }
        });
        canary
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// All that was sent, a text each.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The same in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.requests().iter().map(|it| it.to_lowercase()).collect()
    }
}

async fn serve<F: Fn(&str) -> String>(
    mut stream: TcpStream,
    requests: Arc<Mutex<Vec<String>>>,
    answer: Arc<F>,
) {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !is_whole(&text) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => text.push_str(&String::from_utf8_lossy(&buffer[..read])),
        }
    }
    requests.lock().unwrap().push(text.clone());
    let answer = answer(&text);
    if answer == "hang" {
        std::future::pending::<()>().await;
    }
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.to_lowercase();
    let length = length.split("content-length: ").nth(1).and_then(|it| it.lines().next());
    length.is_none_or(|it| body.len() >= it.parse().unwrap())
}

pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub fn moved(status: u16, location: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
    )
}
