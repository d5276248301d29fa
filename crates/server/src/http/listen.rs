//! The door: takes connections, speaks HTTP/1.1 and HTTP/2 on them, and closes them in time.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::debug;
use tracing::warn;

use crate::app::Tasks;
use crate::http::rest;

/// How long a connection may take to say what it wants, and so how long it may be idle. It is longer than
/// the usual patience of proxies, so that they close a connection first and none is lost on the way.
const HEADER_TIME: Duration = Duration::from_secs(75);
const PING_EVERY: Duration = Duration::from_secs(30);
const STREAMS_PER_CONNECTION: u32 = 256;
/// How long to wait when no more connections can be taken, as when all file handles are in use.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// Serves `routes` until the server stops. Then it takes no more connections, and those it has end with
/// the answer that they are at.
pub async fn listen(listener: TcpListener, routes: Router, tasks: &Tasks) {
    loop {
        tokio::select! {
            () = tasks.stopping().cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    tasks.spawn(serve(socket, peer, routes.clone(), tasks.clone()));
                }
                Err(error) => pause(error).await,
            }
        }
    }
}

/// A connection that was given up before it was taken is nothing to wait for.
async fn pause(error: io::Error) {
    let is_of_the_peer = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    );
    if !is_of_the_peer {
        warn!(%error, "no connection can be taken");
        tokio::time::sleep(ACCEPT_AGAIN).await;
    }
}

async fn serve(socket: TcpStream, peer: SocketAddr, routes: Router, tasks: Tasks) {
    if let Err(error) = socket.set_nodelay(true) {
        debug!(%error, "a connection sends small packets late");
    }
    let spoken = CancellationToken::new();
    let (first, own) = (spoken.clone(), tasks.clone());
    let routes = routes.map_request(move |mut request: Request<Incoming>| {
        first.cancel();
        request.extensions_mut().insert(ConnectInfo(peer));
        rest::take_along(request, &own)
    });
    let builder = builder();
    let connection =
        builder.serve_connection(TokioIo::new(socket), TowerToHyperService::new(routes));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = silence(&spoken) => return,
        () = tasks.stopping().cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection broke");
    }
}

/// Ends when a connection has asked for nothing in its time. Until the first bytes tell the version of HTTP,
/// no other clock runs.
async fn silence(spoken: &CancellationToken) {
    if timeout(HEADER_TIME, spoken.cancelled()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .max_concurrent_streams(STREAMS_PER_CONNECTION);
    builder
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use axum::routing::get;
    use axum::routing::post;
    use bytes::Bytes;
    use futures::StreamExt;
    use futures::channel::mpsc;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_stopping_server_finishes_what_it_has_begun_and_takes_nothing_new() {
        let (began, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (began, may_end) = (Arc::clone(&began), Arc::clone(&may_end));
            move || async move {
                began.notify_one();
                may_end.notified().await;
                "done"
            }
        };
        let tasks = Tasks::default();
        let address = start(Router::new().route("/", get(slow)), &tasks).await;
        let mut open = ask(address).await;
        began.notified().await;

        tasks.stopping().cancel();
        may_end.notify_one();
        let mut answer = String::new();
        open.read_to_string(&mut answer).await.unwrap();

        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("done"), "{answer}");
        assert_eq!(tasks.shut_down(Duration::from_secs(5)).await, 0);
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_connects_and_asks_for_nothing_is_let_go() {
        let address = start(Router::new(), &Tasks::default()).await;

        for said in ["", "P", "GET / HTTP/1.1\r\nHost:"] {
            let mut open = TcpStream::connect(address).await.unwrap();
            open.write_all(said.as_bytes()).await.unwrap();
            let mut answer = String::new();
            open.read_to_string(&mut answer).await.unwrap();
            assert!(!answer.contains("200"), "{said}: {answer}");
        }
    }

    #[tokio::test]
    async fn an_idle_connection_does_not_hold_up_the_end() {
        let tasks = Tasks::default();
        let address = start(Router::new().route("/", get(async || "x")), &tasks).await;
        let mut idle = ask(address).await;
        let mut first_byte = [0];
        idle.read_exact(&mut first_byte).await.unwrap();

        assert_eq!(tasks.shut_down(Duration::from_secs(5)).await, 0);
    }

    #[tokio::test]
    async fn the_handler_knows_who_asks_and_streams_are_sent_as_they_come() {
        let (send, receive) = mpsc::unbounded::<Bytes>();
        let receive = Arc::new(std::sync::Mutex::new(Some(receive)));
        let stream = move |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
            let parts = receive.lock().unwrap().take().unwrap();
            let first = futures::stream::iter([Bytes::from(peer.ip().to_string())]);
            Body::from_stream(first.chain(parts).map(Ok::<_, io::Error>))
        };
        let tasks = Tasks::default();
        let address = start(Router::new().route("/", get(stream)), &tasks).await;
        let mut open = ask(address).await;

        read_until(&mut open, "127.0.0.1\r\n").await;
        send.unbounded_send(Bytes::from("second")).unwrap();
        read_until(&mut open, "second\r\n").await;
    }

    #[tokio::test]
    async fn who_is_refused_while_he_writes_reads_the_answer() {
        let tasks = Tasks::default();
        let refuse = async || (http::StatusCode::PAYLOAD_TOO_LARGE, "too large");
        let routes = Router::new().route("/", post(refuse)).route("/next", get(async || "next"));
        let mut open = TcpStream::connect(start(routes, &tasks).await).await.unwrap();
        open.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n")
            .await
            .unwrap();

        // He does not look at the answer before he has written all.
        for _ in 0..800 {
            open.write_all(&[b'x'; 10_000]).await.unwrap();
        }
        read_until(&mut open, "too large").await;

        // Nor is the connection lost.
        open.write_all(b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        read_until(&mut open, "next").await;
    }

    #[tokio::test]
    async fn who_goes_on_writing_without_end_is_cut_off() {
        let tasks = Tasks::default();
        let routes = Router::new().route("/", post(async || "enough"));
        let address = start(routes, &tasks).await;
        let head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

        let mut quick = TcpStream::connect(address).await.unwrap();
        quick.write_all(head).await.unwrap();
        let chunk = [b"186a0\r\n", &vec![b'x'; 100_000][..], b"\r\n"].concat();
        let mut written = 0;
        while quick.write_all(&chunk).await.is_ok() {
            written += 100_000;
        }
        assert!((8 << 20..64 << 20).contains(&written), "{written} bytes were taken");

        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(head).await.unwrap();
        let mut answer = String::new();
        slow.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("enough"), "{answer}");
    }

    #[tokio::test]
    async fn who_asks_before_he_writes_is_told_no_and_not_to_go_on() {
        let tasks = Tasks::default();
        let routes = Router::new().route("/", post(async || "no"));
        let mut open = TcpStream::connect(start(routes, &tasks).await).await.unwrap();
        let head =
            b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
        open.write_all(head).await.unwrap();

        let mut answer = String::new();
        open.read_to_string(&mut answer).await.unwrap();

        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("no"), "{answer}");
    }

    async fn start(routes: Router, tasks: &Tasks) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let own = tasks.clone();
        tasks.spawn(async move { listen(listener, routes, &own).await });
        address
    }

    async fn ask(address: SocketAddr) -> TcpStream {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        socket
    }

    async fn read_until(socket: &mut TcpStream, end: &str) {
        let mut text = String::new();
        while !text.ends_with(end) {
            text.push(char::from(socket.read_u8().await.unwrap()));
        }
    }
}
