//! The guarded client against real servers.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use super::canary::Canary;
use super::canary::moved;
use super::canary::ok;
use super::*;

fn egress(permits: &[&str]) -> Egress {
    told(permits, |_| Vec::new())
}

fn told(permits: &[&str], names: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Egress {
    let allow = Allow::new(permits.iter().map(|it| it.parse().unwrap()).collect());
    Egress::with(allow, Names::Told(Arc::new(names))).unwrap()
}

fn request(method: Method, url: &str) -> Request {
    let limits = Limits { time: Duration::from_secs(10), response: Wanted::Body(100), hosts: None };
    Request::new(method, url, limits)
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
    post.body = Body::Bytes("body".into());
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
    post.url = format!("{}/see", here.origin()).as_str().into();
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
    assert!(matches!(too_large, Err(EgressError::TooLarge { most: 100, .. })), "{too_large:?}");
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
    bound.limits.hosts = Some(vec!["*.example.com".parse().unwrap()]);

    let refused = egress.send(bound.clone()).await;
    bound.limits.hosts = Some(vec!["127.0.0.1".parse().unwrap()]);
    let answer = egress.send(bound).await.unwrap();

    assert!(matches!(refused, Err(EgressError::Refused(Refusal::OtherHost))));
    assert_eq!(&*answer.body, b"here");
    assert_eq!(canary.connections(), 1);
}

/// A secret for 127.0.0.1 alone.
fn secrets() -> Secrets {
    let secret = |name: &str, value: &str, host: &str| {
        Arc::new(Secret::new(name.to_owned(), value.into(), vec![host.parse().unwrap()]))
    };
    Secrets::new([
        secret("key", "s3cret/+value", "127.0.0.1"),
        secret("elsewhere", "another-value", "api.example.com"),
    ])
}

/// With secrets in the URL, a header, the credentials and the body.
fn with_secrets(url: &str) -> Request {
    let mut post = request(Method::POST, "");
    post.url = Text::scan(&format!("{url}?k={{{{secrets.key}}}}"));
    let header = SecretHeader::Value(Text::scan("Key {{secrets.key}}"));
    let basic = SecretHeader::Basic {
        username: "me".into(),
        password: Text::scan("{{secrets.key}}"),
        escape: Escape::None,
    };
    post.secret_headers =
        vec![(header::HeaderName::from_static("x-key"), header), (header::AUTHORIZATION, basic)];
    post.body = Body::Text(Text::scan("{\"k\": \"{{secrets.key}}\"}"), Escape::Json);
    post.secrets = secrets();
    post.limits.response = Wanted::Body(10_000);
    post
}

#[tokio::test]
async fn secrets_are_filled_in_on_the_way_out_and_taken_out_on_the_way_back() {
    let canary = Canary::start(|head| {
        ok(head).replacen("connection: close", "connection: close\r\nx-echo: s3cret/+value", 1)
    })
    .await;

    let answer = egress(&[&canary.origin()]).send(with_secrets(&canary.origin())).await.unwrap();

    let [head] = canary.heads().try_into().unwrap();
    assert!(head.starts_with("post /?k=s3cret%2f%2bvalue "), "{head}");
    assert!(head.contains("x-key: key s3cret/+value"), "{head}");
    assert!(head.contains("authorization: basic bwu6cznjcmv0lyt2ywx1zq=="), "{head}");
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(body.contains("?k=[secret:key] ") && body.contains("Basic [secret:key]"), "{body}");
    assert!(!body.contains("s3cret") && answer.headers["x-echo"] == "[secret:key]", "{body}");
}

#[tokio::test]
async fn a_secret_is_not_sent_to_a_host_that_it_is_not_for() {
    let canary = Canary::start(|_| ok("here")).await;
    let egress = egress(&[&canary.origin()]);
    let sent = async |edit: &dyn Fn(&mut Request)| {
        let mut request = with_secrets(&canary.origin());
        edit(&mut request);
        egress.send(request).await.map(|_| ()).map_err(|error| error.to_string())
    };
    let elsewhere = || Text::scan("{{secrets.elsewhere}}");
    let refused = Err("the secret `elsewhere` is not for this host".to_owned());

    let url = format!("{}/{{{{secrets.elsewhere}}}}", canary.origin());
    assert_eq!(sent(&|it| it.url = Text::scan(&url)).await, refused);
    assert_eq!(sent(&|it| it.body = Body::Text(elsewhere(), Escape::None)).await, refused);
    let name = header::ACCEPT;
    let header = |it: &mut Request| {
        it.secret_headers.push((name.clone(), SecretHeader::Value(elsewhere())));
    };
    assert_eq!(sent(&header).await, refused);
    let no_host = Err("a secret cannot name a host".to_owned());
    assert_eq!(
        sent(&|it| it.url = Text::scan("https://{{secrets.key}}.example.com/")).await,
        no_host
    );
    let unknown = Err("there is no secret `none`".to_owned());
    assert_eq!(
        sent(&|it| it.body = Body::Text(Text::scan("{{secrets.none}}"), Escape::None)).await,
        unknown
    );
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn a_redirect_takes_secrets_only_where_they_are_for() {
    let there = Canary::start(|_| ok("there")).await;
    let port = there.address.port();
    let here = Canary::start(move |head| match head.split(' ').nth(1).unwrap() {
        path if path.starts_with("/same") => moved(307, &format!("http://127.0.0.1:{port}/x")),
        path if path.starts_with("/leak") => {
            moved(307, &format!("http://other.example:{port}/?k=s3cret%2F%2Bvalue"))
        }
        _ => moved(307, &format!("http://other.example:{port}/x?{{{{secrets.key}}}}")),
    })
    .await;
    let other = format!("http://other.example:{port}");
    let egress = told(&[&here.origin(), &there.origin(), &other], |_| vec![LOOPBACK]);
    let to = |path: &str| with_secrets(&format!("{}{path}", here.origin()));

    assert_eq!(&*egress.send(to("/same")).await.unwrap().body, b"there");
    let refused = egress.send(to("/other")).await.unwrap_err().to_string();
    assert_eq!(refused, "a redirect was refused: the secret `key` is not for this host");
    let refused = egress.send(to("/leak")).await.unwrap_err().to_string();
    assert_eq!(refused, "a redirect was refused: the secret `key` is not for this host");
    let mut without_body = to("/other");
    without_body.body = Body::Bytes("plain".into());
    assert_eq!(&*egress.send(without_body).await.unwrap().body, b"there");

    let [same, other] = there.heads().try_into().unwrap();
    assert!(same.contains("x-key: key s3cret/+value"), "{same}");
    assert!(same.contains("authorization: basic"), "{same}");
    // The name of a secret in a redirect is only a text.
    assert!(other.contains("secrets.key") && !other.contains("x-key"), "{other}");
    assert!(!other.contains("s3cret") && !other.contains("authorization"), "{other}");
}

#[tokio::test]
async fn a_redirect_that_is_not_followed_is_the_answer() {
    let canary = Canary::start(|_| moved(307, "/elsewhere")).await;
    let egress = told(&[&canary.origin()], |_| vec![LOOPBACK]);

    let answer = egress.send(get(&canary.origin()).without_redirects()).await.unwrap();

    assert_eq!((answer.status.as_u16(), canary.connections()), (307, 1));
}
