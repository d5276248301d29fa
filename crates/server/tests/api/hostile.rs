//! Whoever calls the server wants it to reach what only it could, or to give secrets away: through every
//! door that leads out, nothing inside is connected to, and no value is left anywhere.

use std::collections::HashMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use agent_server::App;
use agent_server::db::Dialect;
use agent_server::egress::Names;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::model::Reply;
use testkit::receiver::Answer;
use testkit::receiver::Receiver;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::dump;
use crate::harness::in_sql;

/// This machine, its network and its neighbours, as attackers spell them.
const INSIDE: [&str; 44] = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "127.000.000.001",
    "0x7F.0x0.0x0.0x1",
    "%31%32%37.0.0.1",
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "0",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "192.168.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fd00::1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "ｌｏｃａｌｈｏｓｔ",
    "%6cocalhost",
    "user@127.0.0.1",
    "example.com@127.0.0.1",
    "example.com:443@localhost",
];

/// Names whose addresses lead inside, at once or the second time.
const NAMES: [&str; 4] =
    ["inside.example", "mapped.example", "nat64.example", "one-of-two.example"];
const REBOUND: &str = "rebound.example";
/// Documentation's addresses answer nobody. Where they are permitted one stands for a public server.
const PUBLIC: &str = "192.0.2.1";
const WEBHOOK_KEY: &str = "default=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How often each name was looked up.
type LookUps = Arc<Mutex<HashMap<String, usize>>>;

/// A server inside, which notes who connects to it.
struct Canary {
    port: u16,
    /// The ports that connections came from, in their order.
    visitors: watch::Sender<Vec<u16>>,
    listeners: Vec<JoinHandle<()>>,
}

impl Canary {
    async fn start() -> Self {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = v4.local_addr().unwrap().port();
        let visitors = watch::Sender::new(Vec::new());
        // Not every machine has the other family.
        let v6 = TcpListener::bind(("::1", port)).await.ok();
        let listeners = [Some(v4), v6].into_iter().flatten().map(|listener| {
            let visitors = visitors.clone();
            #[expect(clippy::disallowed_methods, reason = "it ends with the canary")]
            tokio::spawn(async move {
                while let Ok((_, from)) = listener.accept().await {
                    visitors.send_modify(|all| all.push(from.port()));
                }
            })
        });
        let listeners = listeners.collect();
        Self { port, visitors, listeners }
    }

    /// Fails if anybody has connected. That it would have been noticed is shown by a connection of our
    /// own, which is noticed after all before it.
    async fn was_left_alone(&self) {
        let mut noticed = self.visitors.subscribe();
        let mut own = Vec::new();
        for at in ["127.0.0.1", "::1"] {
            let Ok(stream) = TcpStream::connect((at, self.port)).await else { continue };
            let port = stream.local_addr().unwrap().port();
            own.push(port);
            noticed.wait_for(|all| all.contains(&port)).await.unwrap();
        }
        assert!(!own.is_empty());
        assert_eq!(*self.visitors.borrow(), own);
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.listeners.iter().for_each(JoinHandle::abort);
    }
}

/// A server that may ask `receiver` and [`PUBLIC`] beside what is public, and an agent of its.
async fn server(dialect: Dialect, receiver: &Receiver, look_ups: &LookUps) -> (TestServer, Client) {
    let look_ups = Arc::clone(look_ups);
    let names = Names::Told(Arc::new(move |name| {
        let mut look_ups = look_ups.lock().unwrap();
        let before = look_ups.entry(name.to_owned()).or_default();
        *before += 1;
        addresses(name, *before)
    }));
    let allow = format!("{},192.0.2.0/24", receiver.origin());
    let settings = [("AGENT_SERVER_EGRESS_ALLOW", &*allow), ("WEBHOOK_SECRETS", WEBHOOK_KEY)];
    let code = move || App::builder().names(names.clone());
    let server = TestServer::start_code(dialect, &settings, code).await;
    server.agent("support").await;
    let admin = server.admin().await;
    let hosts = [&["127.0.0.1", REBOUND][..], &NAMES].concat();
    let secret = json!({"name": "key", "value": VALUE, "hosts": hosts});
    assert_eq!(admin.post("/secrets", secret).await.status, 201);
    (server, admin)
}

fn addresses(name: &str, look_up: usize) -> Vec<IpAddr> {
    let addresses: &[&str] = match name {
        "inside.example" => &["127.0.0.1"],
        "mapped.example" => &["::ffff:127.0.0.1"],
        "nat64.example" => &["64:ff9b::7f00:1"],
        "one-of-two.example" => &["93.184.216.34", "127.0.0.1"],
        REBOUND if look_up == 1 => &[PUBLIC],
        REBOUND => &["127.0.0.1"],
        _ => &[],
    };
    addresses.iter().map(|it| it.parse().unwrap()).collect()
}

fn tool(name: &str, url: &str, more: Value) -> Value {
    let mut config = json!({"url": url, "allow_http": true, "hosts": ["127.0.0.1", "localhost", "*.example.com"]});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"name": name, "description": "Asks.", "kind": "http", "timeout_ms": 2000, "config": config,
        "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}}})
}

fn token_from(url: &str) -> Value {
    let auth = json!({"type": "oauth", "token_url": url, "client_id": "shop", "secret": "key", "scope": null});
    json!({"auth": auth})
}

fn imported(members: Value) -> Value {
    let mut body = json!({"dry_run": false});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

/// Why the call of a tool came to nothing.
async fn failure(client: &Client, tool: &str, input: Value) -> String {
    let reply = client.post(&format!("/tools/{tool}/execute"), json!({"input": input})).await;
    let run = reply.json();
    assert_eq!(reply.status, 502, "{}", reply.text);
    run["run"]["error"]["message"].as_str().unwrap().to_owned()
}

/// Why the first attempt to tell `url` of a run came to nothing.
async fn webhook_failure(client: &Client, url: &str) -> String {
    let run = client
        .post("/agents/support/execute", json!({"input": "Go", "webhook": {"url": url}}))
        .await;
    assert_eq!(run.status, 200, "{}", run.text);
    let path = format!("{}/deliveries", run.header("location").unwrap());
    let made = async {
        loop {
            let delivery = client.get(&path).await.json()["data"][0].clone();
            if let Some(error) = delivery["last_error"].as_str() {
                return error.to_owned();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), made).await.unwrap()
}

on_both! {
    async fn no_spelling_of_what_is_inside_is_connected_to(server: TestServer) {
        let (receiver, canary) = (Receiver::start().await, Canary::start().await);
        let (server, admin) = crate::hostile::server(server.app.db.dialect(), &receiver, &LookUps::default()).await;
        let document = json!({"openapi": "3.1.0", "paths": {"/x": {"get": {"operationId": "x"}}}});

        for (host, scheme) in INSIDE.iter().flat_map(|host| [(host, "http"), (host, "https")]) {
            let url = format!("{scheme}://{host}:{}/x", canary.port);
            let asked = [
                ("/tools/definitions", tool("t", &url, json!({}))),
                ("/tools/definitions", tool("t", &receiver.origin(), token_from(&url))),
                ("/tools/import/openapi", imported(json!({"url": url}))),
                ("/agents/support/execute", json!({"input": "Go", "webhook": {"url": url}})),
            ];
            for (path, body) in asked {
                let refused = admin.post(path, body).await;
                assert_eq!(refused.status, 422, "{path} {url}: {}", refused.text);
            }
            let none = admin.post("/tools/import/openapi", imported(json!({"document": document, "server": url}))).await;
            assert!(none.status == 422 || none.json()["data"] == json!([]), "{url}: {}", none.text);
        }

        canary.was_left_alone().await;
        assert_eq!((receiver.received(), server.model.received()), (0, 0));
    }

    async fn a_row_of_an_author_at_the_database_reaches_nothing_inside_either(server: TestServer) {
        let canary = Canary::start().await;
        let admin = server.admin().await;
        for (at, host) in ["127.0.0.1", "2130706433", "[::ffff:7f00:1]", "localhost"].iter().enumerate() {
            for scheme in ["http", "https"] {
                let config = json!({"url": format!("{scheme}://{host}:{}/", canary.port), "allow_http": true});
                in_sql(&server, &format!(
                    "INSERT INTO tool_definitions (name, display_name, description, input_schema, kind, config)
                     VALUES ('{scheme}{at}', 'T', 'Asks.', '{{\"type\": \"object\"}}', 'http', '{config}')",
                )).await;

                let refused = admin.post(&format!("/tools/{scheme}{at}/execute"), json!({"input": {}})).await;

                assert_eq!((refused.status, &refused.json()["type"]), (422, &json!("/problems/tool-invalid")), "{}", refused.text);
            }
        }

        canary.was_left_alone().await;
    }

    async fn a_name_that_leads_inside_is_not_connected_to(server: TestServer) {
        let (receiver, canary) = (Receiver::start().await, Canary::start().await);
        let look_ups = LookUps::default();
        let (_server, admin) = crate::hostile::server(server.app.db.dialect(), &receiver, &look_ups).await;
        let refused = "the URL was refused: its host is not on the public Internet";

        for (at, name) in NAMES.iter().enumerate() {
            let url = format!("https://{name}:{}/x", canary.port);
            for (kind, definition) in [
                ("plain", tool(&format!("plain{at}"), &url, json!({}))),
                ("token", tool(&format!("token{at}"), &receiver.origin(), token_from(&url))),
            ] {
                let made = admin.post("/tools/definitions", definition).await;
                assert_eq!(made.status, 201, "{}", made.text);
                let why = failure(&admin, &format!("{kind}{at}"), json!({})).await;
                assert!(why.contains(refused), "{url}: {why}");
            }
            let import = admin.post("/tools/import/openapi", imported(json!({"url": url}))).await;
            assert_eq!((import.status, &import.json()["errors"][0]["detail"]), (422, &json!(refused)));
            assert_eq!(webhook_failure(&admin, &url).await, refused);
            // Each request looked it up once: what was checked is what would be connected to.
            assert_eq!(look_ups.lock().unwrap()[*name], 4);
        }

        canary.was_left_alone().await;
        assert_eq!(receiver.received(), 0);
    }

    async fn a_name_that_changes_its_meaning_in_between_leads_nowhere(server: TestServer) {
        let (receiver, canary) = (Receiver::start().await, Canary::start().await);
        let look_ups = LookUps::default();
        let (_server, admin) = crate::hostile::server(server.app.db.dialect(), &receiver, &look_ups).await;
        let url = format!("https://{REBOUND}:{}/x", canary.port);
        let definition = tool("rebound", &url, json!({}));
        assert_eq!(admin.post("/tools/definitions", definition).await.status, 201);

        let unanswered = failure(&admin, "rebound", json!({})).await;
        let asked_once = look_ups.lock().unwrap()[REBOUND];
        let refused = failure(&admin, "rebound", json!({})).await;
        let webhook = webhook_failure(&admin, &url).await;

        assert!(!unanswered.contains("refused"), "{unanswered}");
        assert_eq!(asked_once, 1);
        for why in [refused, webhook] {
            assert!(why.contains("its host is not on the public Internet"), "{why}");
        }
        canary.was_left_alone().await;
    }

    async fn a_redirect_leads_nowhere_inside(server: TestServer) {
        let (receiver, canary) = (Receiver::start().await, Canary::start().await);
        let (_server, admin) = crate::hostile::server(server.app.db.dialect(), &receiver, &LookUps::default()).await;
        let port = canary.port;
        let targets = [
            format!("http://127.0.0.1:{port}/"),
            format!("https://127.0.0.1:{port}/"),
            format!("//127.0.0.1:{port}/"),
            format!("\\\\127.0.0.1:{port}\\"),
            format!("https://0x7f.1:{port}/"),
            format!("https://[::ffff:7f00:1]:{port}/"),
            format!("https://inside.example:{port}/"),
            format!("https://user@localhost:{port}/"),
            format!("ftp://127.0.0.1:{port}/"),
            format!("gopher://127.0.0.1:{port}/_x"),
            "file:///etc/passwd".to_owned(),
            "data:text/plain,x".to_owned(),
        ];
        for definition in [
            tool("get", &receiver.origin(), json!({})),
            tool("token", &receiver.origin(), token_from(&format!("{}/token", receiver.origin()))),
        ] {
            assert_eq!(admin.post("/tools/definitions", definition).await.status, 201);
        }

        for target in &targets {
            let moved = |status| Answer::With(status, "location", target.clone());
            for status in [302, 307] {
                let before = receiver.answer(moved(status)).received();
                let why = failure(&admin, "get", json!({})).await;
                assert!(why.contains("refused: "), "{target}: {why}");
                assert_eq!(receiver.received(), before + 1);
            }
            receiver.answer(moved(307));
            let why = failure(&admin, "token", json!({})).await;
            assert!(why.contains("refused: "), "{target}: {why}");
            receiver.answer(moved(307));
            let import = admin.post("/tools/import/openapi", imported(json!({"url": receiver.origin()}))).await;
            assert_eq!(import.status, 422, "{target}: {}", import.text);
            receiver.answer(moved(308));
            let why = webhook_failure(&admin, &receiver.origin()).await;
            assert!(why.contains("refused: "), "{target}: {why}");
        }

        canary.was_left_alone().await;
    }

    async fn a_script_reaches_nothing_inside(server: TestServer) {
        let (receiver, canary) = (Receiver::start().await, Canary::start().await);
        let (_server, admin) = crate::hostile::server(server.app.db.dialect(), &receiver, &LookUps::default()).await;
        let port = canary.port;
        let hosts = ["127.0.0.1", "localhost", "0.0.0.0", "169.254.169.254", "[::1]", "[::ffff:7f00:1]"];
        let hosts = [&hosts[..], &NAMES].concat();
        let tool = json!({
            "name": "script", "description": "Asks.", "kind": "javascript", "input_schema": {"type": "object"},
            "config": {"hosts": hosts},
            "execute_code": "const said = [];
                for (const url of input.urls) said.push(await ctx.fetch(url).then(() => 'reached', (error) => error.message));
                return said",
        });
        assert_eq!(admin.post("/tools/definitions", tool).await.status, 201);
        let execute = async |urls: Vec<String>| {
            let reply = admin.post("/tools/script/execute", json!({"input": {"urls": urls}})).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            let said = reply.json()["output"].as_array().unwrap().clone();
            assert!(said.len() == urls.len() && said.iter().all(|it| *it != "reached"), "{said:?}");
            said.iter().filter(|it| it.as_str().unwrap().contains("refused: ")).count()
        };

        let mut refused = 0;
        for some in INSIDE.iter().chain(&NAMES).collect::<Vec<_>>().chunks(10) {
            for scheme in ["http", "https"] {
                refused += execute(some.iter().map(|host| format!("{scheme}://{host}:{port}/")).collect()).await;
            }
        }
        // Others are not among the hosts that the script may ask.
        assert!(refused > 30, "{refused}");
        for target in [format!("http://127.0.0.1:{port}/"), format!("https://inside.example:{port}/")] {
            receiver.answer(Answer::With(302, "location", target));
            assert_eq!(execute(vec![receiver.origin()]).await, 1);
        }

        canary.was_left_alone().await;
        assert_eq!(receiver.received(), 2);
    }

    async fn an_argument_chooses_no_host(server: TestServer) {
        let (receiver, canary) = (Receiver::start().await, Canary::start().await);
        let (_server, admin) = crate::hostile::server(server.app.db.dialect(), &receiver, &LookUps::default()).await;
        let url = format!("{}/a/{{{{ input.id }}}}", receiver.origin());
        let more = json!({"query": {"q": "{{ input.id }}"}, "headers": {"x-id": "{{ input.id }}"}});
        assert_eq!(admin.post("/tools/definitions", tool("get", &url, more)).await.status, 201);
        let here = format!("127.0.0.1:{}", canary.port);

        let mut done = 0;
        for id in [
            format!("@{here}/"),
            format!("//{here}/"),
            format!("\\\\{here}\\"),
            format!("/../../{here}"),
            format!("https://{here}/"),
            format!("x\r\nHost: {here}\r\n\r\nGET / HTTP/1.1"),
            format!("x HTTP/1.1\nHost: {here}"),
            "..".to_owned(),
            "%2e%2e%2f".to_owned(),
            "x#y?z&q=w".to_owned(),
            "\u{2028}{{secrets.key}}\u{202e}".to_owned(),
        ] {
            let reply = admin.post("/tools/get/execute", json!({"input": {"id": id}})).await;
            done += usize::from(reply.status == 200);
        }

        let requests = receiver.webhooks();
        assert!(done > 4, "{done}");
        assert_eq!(requests.len(), done);
        for request in requests {
            let id = request.path.strip_prefix("/a/").unwrap().split('?').next().unwrap();
            assert!(!id.contains(['/', '#']) && request.path.matches('?').count() == 1, "{}", request.path);
            assert_eq!(format!("http://{}", request.header("host")), receiver.origin());
            assert!(!format!("{request:?}").contains(CORE));
        }
        canary.was_left_alone().await;
    }
}

on_both! {
    async fn a_hostile_document_asks_nobody_and_is_no_tool(server: TestServer) {
        let (receiver, canary) = (Receiver::start().await, Canary::start().await);
        let (_server, admin) = crate::hostile::server(server.app.db.dialect(), &receiver, &LookUps::default()).await;
        let far = json!({"$ref": format!("http://127.0.0.1:{}/x.json", canary.port)});
        let body = |schema: Value| json!({"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}});
        let node = json!({"$ref": "#/components/schemas/Node"});
        let document = json!({
            "openapi": "3.1.0",
            "components": {
                "schemas": {"Node": {"type": "object", "properties": {"next": node}}, "Far": far},
                "parameters": {"Loop": {"$ref": "#/components/parameters/Loop"}},
            },
            "paths": {
                "/body": {"post": {"requestBody": far}},
                "/cycle": body(node.clone()),
                "/file": {"get": {"parameters": [{"$ref": "file:///etc/passwd"}]}},
                "/item": far,
                "/loop": {"get": {"parameters": [{"$ref": "#/components/parameters/Loop"}]}},
                "/nested": body(json!({"$ref": "#/components/schemas/Far"})),
                "/parameter": {"get": {"parameters": [far]}},
                "/schema": body(far.clone()),
            },
        });
        receiver.answer(Answer::Json(200, document.to_string()));

        let asked = json!({"url": receiver.origin(), "server": receiver.origin(), "dry_run": true});
        let fetched = admin.post("/tools/import/openapi", imported(asked)).await.json();
        let asked = json!({"document": document, "server": receiver.origin()});
        let given = admin.post("/tools/import/openapi", imported(asked)).await.json();
        let input = json!({"input": {"body": {"next": {"next": {}}}}});
        let called = admin.post("/tools/post_cycle/execute", input).await;

        assert_eq!(given["skipped"], fetched["skipped"]);
        assert_eq!((given["data"].as_array().unwrap().len(), fetched["data"].as_array().unwrap().len()), (1, 1));
        let skipped = given["skipped"].as_array().unwrap().iter();
        let lines = skipped.map(|it| format!("{}: {}", it["operation"], it["reason"]).replace(&canary.port.to_string(), "PORT"));
        expect![[r#"
            "POST /body": "its `$ref` to `http://127.0.0.1:PORT/x.json` is outside of the document, and nothing is fetched"
            "GET /file": "its `$ref` to `file:///etc/passwd` is outside of the document, and nothing is fetched"
            "/item": "its `$ref` to `http://127.0.0.1:PORT/x.json` is outside of the document, and nothing is fetched"
            "GET /loop": "a `$ref` of it leads to itself"
            "POST /nested": "its `$ref` to `http://127.0.0.1:PORT/x.json` is outside of the document, and nothing is fetched"
            "GET /parameter": "its `$ref` to `http://127.0.0.1:PORT/x.json` is outside of the document, and nothing is fetched"
            "POST /schema": "its `$ref` to `http://127.0.0.1:PORT/x.json` is outside of the document, and nothing is fetched""#]].assert_eq(&lines.collect::<Vec<_>>().join("\n"));
        assert_eq!(called.status, 200, "{}", called.text);
        assert_eq!(receiver.webhooks()[1].body, r#"{"next":{"next":{}}}"#);
        canary.was_left_alone().await;
    }

    async fn a_document_of_five_thousand_operations_is_shown_whole_and_made_in_parts(server: TestServer) {
        let receiver = Receiver::start().await;
        let (_server, admin) = crate::hostile::server(server.app.db.dialect(), &receiver, &LookUps::default()).await;
        let paths = (0..5_000).map(|at| (format!("/p{at}"), json!({"get": {"operationId": format!("op{at}")}})));
        let document = json!({"openapi": "3.1.0", "paths": paths.collect::<serde_json::Map<_, _>>()}).to_string();
        for _ in 0..3 {
            receiver.answer(Answer::Json(200, document.clone()));
        }
        let asked = |more: Value| {
            let mut asked = json!({"url": receiver.origin(), "server": receiver.origin()});
            asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            asked
        };

        let shown = admin.post("/tools/import/openapi", asked(json!({}))).await.json();
        let too_many = admin.post("/tools/import/openapi", asked(json!({"dry_run": false}))).await;
        let some = json!({"dry_run": false, "operations": ["op7", "GET /p4999"]});
        let made = admin.post("/tools/import/openapi", asked(some)).await.json();

        assert_eq!((shown["data"].as_array().unwrap().len(), &shown["skipped"]), (5_000, &json!([])));
        assert_eq!((too_many.status, &too_many.json()["errors"][0]["code"]), (422, &json!("too_many")));
        assert_eq!((made["data"].as_array().unwrap().len(), &made["skipped"]), (2, &json!([])));
        let tools = admin.get("/tools/definitions").await.json();
        let tools = tools["data"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap());
        assert_eq!(tools.collect::<std::collections::BTreeSet<_>>(), ["current_time", "op4999", "op7"].into());
    }
}

/// A secret with letters that every way of writing it escapes in its own manner.
const VALUE: &str = "k3y/+\"pl4ntedSecretOfTools\"=&<%41> \\u0041";
/// What of it is the same in all of them, but for base64 and hexadecimal digits.
const CORE: &str = "pl4ntedSecretOfTools";
/// What the far side gives for it.
const TOKEN: &str = "t0ken-pl4ntedAccessOfTools";

/// How a value may stand in a text, whatever is around it.
fn forms(value: &str) -> Vec<String> {
    let hex = value.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let mut forms = vec![value.to_owned(), hex.to_uppercase(), hex];
    for shift in 0..3 {
        for engine in [&STANDARD, &URL_SAFE] {
            // Without the letters that bits of its neighbours are in.
            let text = engine.encode([&b"xx"[..shift], value.as_bytes()].concat());
            forms.push(text[shift + 1..text.len() - 4].to_owned());
        }
    }
    forms.push(escaped(value).to_lowercase());
    forms.push(escaped(value));
    forms
}

/// All letters of a text in JSON as nobody else writes them.
fn escaped(value: &str) -> String {
    value.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<Vec<_>>().concat()
}

fn escaped_by_hand(value: &str) -> String {
    let escaped = escaped(value);
    format!("{{\"error\": \"{escaped}\", \"{escaped}\": 1}}")
}

fn assert_clean(what: &str, text: &str) {
    for form in [CORE, TOKEN].iter().flat_map(|value| forms(value)) {
        let found = text.find(&form).map(|at| text[..at + form.len()].chars().rev().take(200));
        let found = found.map(|it| it.collect::<Vec<_>>().iter().rev().collect::<String>());
        assert!(found.is_none(), "{what} has {form}: …{}", found.unwrap_or_default());
    }
}

/// What the far side answers that was sent `value` among others, all of it hostile.
fn answers(value: &str) -> Vec<Answer> {
    let base64 = STANDARD.encode(format!("of the key {VALUE}."));
    let nested = json!({"again": value}).to_string();
    let mut answers: Vec<_> = [200, 400, 401, 404, 500, 302].map(Answer::Echo).into();
    for status in [200, 403, 503] {
        answers.push(Answer::Json(status, escaped_by_hand(VALUE)));
        answers.push(Answer::Json(status, escaped_by_hand(value)));
        answers.push(Answer::Json(
            status,
            json!({"said": VALUE, "coded": base64, (value): [nested]}).to_string(),
        ));
        answers.push(Answer::With(status, "location", format!("/{value}")));
    }
    for location in [
        "/again?k=k3y%2F%2B%22pl4ntedSecretOfTools%22%3D%26%3C%2541%3E%20%5Cu0041",
        "http://127.0.0.1:1/",
    ] {
        answers.push(Answer::With(307, "location", location.to_owned()));
        answers.push(Answer::Echo(200));
    }
    answers
}

on_both! {
    async fn no_value_that_tools_send_is_left_anywhere(server: TestServer) {
        let receiver = Receiver::start().await;
        let (server, admin) = crate::hostile::server(server.app.db.dialect(), &receiver, &LookUps::default()).await;
        let url = format!("{}/x", receiver.origin());
        let sent = json!({"method": "POST", "query": {"k": "{{secrets.key}}"}, "headers": {"x-plain": "yes"},
            "body": {"key": "{{secrets.key}}"}, "auth": {"type": "basic", "username": "me", "secret": "key"}});
        let names = ["post", "bearer", "header", "head", "token"];
        let tools = [
            sent,
            json!({"auth": {"type": "bearer", "secret": "key"}}),
            json!({"auth": {"type": "header", "name": "x-key", "secret": "key"}}),
            json!({"method": "HEAD", "auth": {"type": "bearer", "secret": "key"}}),
            token_from(&format!("{}/token", receiver.origin())),
        ];
        for (name, config) in names.iter().zip(tools) {
            let made = admin.post("/tools/definitions", tool(name, &url, config)).await;
            assert_eq!(made.status, 201, "{}", made.text);
        }
        let change = json!({"tools": names});
        assert_eq!(admin.put("/agents/definitions/support", change).await.status, 200);

        let mut seen = Vec::new();
        for name in names {
            let is_token = name == "token";
            for answer in answers(if is_token { TOKEN } else { VALUE }) {
                if is_token {
                    receiver.answer(Answer::Json(200, json!({"access_token": TOKEN, "expires_in": 1}).to_string()));
                }
                receiver.answer(answer.clone());
                if matches!(answer, Answer::Echo(401)) && is_token {
                    // It gets another one then.
                    receiver.answer(Answer::Json(400, escaped_by_hand(VALUE)));
                }
                let request = admin.request("POST", &format!("/tools/{name}/execute")).header("idempotency-key", format!("k{}", seen.len()));
                seen.push(admin.send(request.json(&json!({"input": {}}))).await);
            }
        }
        server.model.reply(Reply::text("").call("post", json!({})));
        server.model.reply(Reply::text("").call("bearer", json!({})));
        receiver.answer(Answer::Echo(200)).answer(Answer::Echo(500));
        seen.push(admin.post("/agents/support/execute", json!({"input": "Go"})).await);

        let is_sent = |request: &testkit::receiver::Webhook| format!("{request:?}").contains(CORE);
        assert!(receiver.webhooks().iter().filter(|it| is_sent(it)).count() > 20);
        let mut done = 0;
        for reply in &seen {
            done += usize::from(reply.status == 200);
            assert_clean("an answer", &reply.text);
            assert_clean("its headers", &format!("{:?}", reply.headers));
            let run = reply.header("location").unwrap();
            for path in [run.to_owned(), format!("{run}/events?limit=200"), format!("{run}/tree")] {
                assert_clean(&path, &admin.get(&path).await.text);
            }
        }
        assert!(done > 20 && done < seen.len(), "{done} of {}", seen.len());
        for path in ["/runs?limit=200", "/secrets", "/secrets/key", "/tools/definitions", "/tools/definitions/post/versions", "/metrics"] {
            assert_clean(path, &admin.get(path).await.text);
        }
        for request in server.model.requests() {
            assert_clean("what the model is told", &request.body.to_string());
        }
        let dump = dump(&server).await;
        assert!(dump.contains("[secret:key]") && dump.contains("tool.finished"));
        assert_clean("the database", &dump);
    }
}
