//! The guarded client against real servers.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

use super::*;

/// A server that counts its connections and keeps what it was sent.
#[derive(Clone)]
struct Canary {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Canary {
    /// Answers each request with what `answer` makes of its head.
    async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let canary = Self { address, connections: Arc::default(), heads: Arc::default() };
        let (seen, answer) = (canary.clone(), Arc::new(answer));
        #[expect(clippy::disallowed_methods, reason = "a test's server is no task of the app")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&seen.heads), Arc::clone(&answer)));
            }
        });
        canary
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn serve<F: Fn(&str) -> String>(
    mut stream: TcpStream,
    heads: Arc<Mutex<Vec<String>>>,
    answer: Arc<F>,
) {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !text.contains("\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => text.push_str(&String::from_utf8_lossy(&buffer[..read])),
        }
    }
    heads.lock().unwrap().push(text.to_lowercase());
    let answer = answer(&text);
    if answer == "hang" {
        std::future::pending::<()>().await;
    }
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn moved(status: u16, location: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
    )
}

fn egress(permits: &[&str]) -> Egress {
    told(permits, |_| Vec::new())
}

fn told(permits: &[&str], names: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Egress {
    let allow = Allow::new(permits.iter().map(|it| it.parse().unwrap()).collect());
    Egress::with(allow, Names::Told(Arc::new(names))).unwrap()
}

fn request(method: Method, url: &str) -> Request {
    let limits = Limits { time: Duration::from_secs(10), response: Wanted::Body(100), hosts: None };
    let (url, headers, body) = (url.to_owned(), HeaderMap::new(), Bytes::new());
    Request { method, url, headers, body, limits }
}

fn get(url: &str) -> Request {
    request(Method::GET, url)
}

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

#[tokio::test]
async fn no_spelling_of_this_machine_is_connected_to() {
    let canary = Canary::start(|_| ok("secret")).await;
    let port = canary.address.port();
    let to_loopback = told(&[], |_| vec![LOOPBACK]);
    let mapped = told(&[], |_| vec!["::ffff:127.0.0.1".parse().unwrap()]);
    let one_of_two = told(&[], |_| vec!["93.184.216.34".parse().unwrap(), LOOPBACK]);

    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.1",
        "[::1]",
        "[::ffff:7f00:1]",
        "localhost",
        "rebound.example",
        "a.b.example",
    ] {
        for egress in [&to_loopback, &mapped, &one_of_two] {
            for scheme in ["http", "https"] {
                let refused = egress.send(get(&format!("{scheme}://{host}:{port}/"))).await;
                assert!(matches!(refused, Err(EgressError::Refused(_))), "{host}: {refused:?}");
            }
        }
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_meaning_leads_nowhere() {
    let canary = Canary::start(|_| ok("secret")).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let asked_again = Arc::clone(&asked);
    // Public when it is looked at first, this machine ever after. 192.0.2.0/24 answers nobody; here it
    // stands for a public address, since it is permitted.
    let egress =
        told(&["192.0.2.0/24"], move |_| match asked_again.fetch_add(1, Ordering::SeqCst) {
            0 => vec!["192.0.2.1".parse().unwrap()],
            _ => vec![LOOPBACK],
        });
    let url = format!("https://rebound.example:{}/", canary.address.port());
    let mut first = get(&url);
    first.limits.time = Duration::from_millis(200);

    let unanswered = egress.send(first).await;
    let asked_for_the_first = asked.load(Ordering::SeqCst);
    let refused = egress.send(get(&url)).await;

    assert!(
        matches!(unanswered, Err(EgressError::TimedOut(_) | EgressError::Unreachable(_))),
        "{unanswered:?}"
    );
    assert_eq!(asked_for_the_first, 1);
    assert!(matches!(refused, Err(EgressError::Refused(Refusal::NotPublic))), "{refused:?}");
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn each_redirect_is_checked() {
    let inside = Canary::start(|_| ok("secret")).await;
    let targets = [
        inside.origin(),
        format!("//{}/", inside.address),
        "https://127.1/".into(),
        "https://[::ffff:127.0.0.1]/".into(),
        "https://rebound.example/".into(),
        "file:///etc/passwd".into(),
    ];
    for target in targets {
        let told_to = target.clone();
        let outside = Canary::start(move |_| moved(307, &told_to)).await;
        let permit = outside.origin();
        let egress = told(&[&permit], |_| vec![LOOPBACK]);

        let refused = egress.send(get(&format!("{permit}/x"))).await;

        let is_refused =
            matches!(refused, Err(EgressError::RedirectRefused(_) | EgressError::Refused(_)));
        assert!(is_refused, "{target}: {refused:?}");
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn redirects_are_followed_as_they_were_asked_and_without_credentials_elsewhere() {
    let there = Canary::start(|_| ok("there")).await;
    let to = format!("{}/there", there.origin());
    let here = Canary::start(move |head| match head.split(' ').nth(1) {
        Some("/same") => moved(308, "/other?x=1"),
        Some("/see") => moved(303, &to),
        _ => moved(307, &to),
    })
    .await;
    let egress = egress(&[&here.origin(), &there.origin()]);
    let mut post = request(Method::POST, &format!("{}/same", here.origin()));
    post.body = Bytes::from_static(b"body");
    for name in CREDENTIALS {
        post.headers.insert(name, "secret".parse().unwrap());
    }
    post.headers.insert("x-other", "kept".parse().unwrap());

    let answer = egress.send(post.clone()).await.unwrap();

    assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"there"[..]));
    let [first, second] = here.heads().try_into().unwrap();
    assert!(first.starts_with("post /same ") && second.starts_with("post /other?x=1 "));
    assert!(first.contains("authorization: secret") && second.contains("cookie: secret"));
    let [third] = there.heads().try_into().unwrap();
    assert!(third.starts_with("post /there ") && third.contains("x-other: kept"), "{third}");
    assert!(third.contains("content-length: 4") && !third.contains("secret"), "{third}");

    // What is no GET does not become one.
    post.url = format!("{}/see", here.origin());
    assert_eq!(egress.send(post).await.unwrap().status, 303);
    let answer = egress.send(get(&format!("{}/see", here.origin()))).await.unwrap();
    assert_eq!(&*answer.body, b"there");
}

#[tokio::test]
async fn redirects_without_end_are_given_up() {
    let canary = Canary::start(|_| moved(302, "/again")).await;

    let given_up = egress(&[&canary.origin()]).send(get(&canary.origin())).await;

    assert!(matches!(given_up, Err(EgressError::TooManyRedirects)));
    assert_eq!(canary.heads().len(), 1 + REDIRECTS);
}

#[tokio::test]
async fn an_answer_is_cut_at_its_limits() {
    let canary = Canary::start(|head| match head.split(' ').nth(1) {
        Some("/hang") => "hang".into(),
        Some("/cut") => "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf".into(),
        _ => ok(&"a".repeat(101)),
    })
    .await;
    let (egress, url) = (egress(&[&canary.origin()]), canary.origin());

    let too_large = egress.send(get(&url)).await;
    assert!(matches!(too_large, Err(EgressError::TooLarge(100))), "{too_large:?}");
    let cut = egress.send(get(&format!("{url}/cut"))).await;
    assert!(matches!(cut, Err(EgressError::Broken(_))), "{cut:?}");
    let mut head = get(&url);
    head.limits.response = Wanted::Head;
    assert_eq!(egress.send(head).await.unwrap().status, 200);
    let mut hangs = get(&format!("{url}/hang"));
    hangs.limits.time = Duration::from_millis(50);
    let late = egress.send(hangs).await;
    assert!(matches!(late, Err(EgressError::TimedOut(_))), "{late:?}");
}

#[tokio::test]
async fn a_request_may_be_bound_to_hosts() {
    let canary = Canary::start(|_| ok("here")).await;
    let egress = egress(&[&canary.origin()]);
    let mut bound = get(&canary.origin());
    bound.limits.hosts = Some(vec!["api.example.com".into()]);

    let refused = egress.send(bound.clone()).await;
    bound.limits.hosts = Some(vec!["127.0.0.1".into()]);
    let answer = egress.send(bound).await.unwrap();

    assert!(matches!(refused, Err(EgressError::Refused(Refusal::OtherHost))));
    assert_eq!(&*answer.body, b"here");
    assert_eq!(canary.connections(), 1);
}
