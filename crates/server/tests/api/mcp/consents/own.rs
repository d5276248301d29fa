//! A server of ours as the upstream of another one, and as its authorization server.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

use crate::harness::ADMIN;
use crate::harness::TestServer;
use crate::mcp::speak::fixed;
use crate::oauth::people::Browser;
use crate::oauth::people::PASSWORD;
use crate::oauth::people::user;

/// A port that leads to a server which is not there yet.
struct Door {
    listener: TcpListener,
    origin: String,
}

impl Door {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        Self { listener, origin }
    }

    fn leads_to(self, server: &TestServer, address: SocketAddr) {
        let tasks = server.app.tasks.clone();
        server.app.tasks.spawn_for_all(async move {
            while let Ok((mut near, _)) = self.listener.accept().await {
                tasks.spawn_for_all(async move {
                    let mut far = TcpStream::connect(address).await.unwrap();
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
    }
}

/// Goes through all that two servers of ours ask of a person, with these settings of the far one.
async fn consents(server: &TestServer, settings: &[(&str, &str)], is_document: bool) {
    let (near_door, far_door) = (Door::new().await, Door::new().await);
    let dialect = server.app.db.dialect();
    let both = format!("{},{}", near_door.origin, far_door.origin);
    let own = [
        ("TOKEN_SERVICE_URL", far_door.origin.as_str()),
        ("AGENT_SERVER_EGRESS_ALLOW", both.as_str()),
        ("REGISTRATION_SCOPES", "mcp.access tool.execute"),
    ];
    let far = TestServer::start_with(dialect, &[&own, settings].concat()).await;
    let own = [
        ("TOKEN_SERVICE_URL", near_door.origin.as_str()),
        ("AGENT_SERVER_EGRESS_ALLOW", both.as_str()),
    ];
    let near = TestServer::start_with(dialect, &own).await;
    let (url, near_origin) = (format!("{}/mcp", far_door.origin), near_door.origin.clone());
    far_door.leads_to(&far, far.address());
    near_door.leads_to(&near, near.address());
    fixed(&far, "greet", json!("Hello!"), &[]).await;
    user(&far, "maria", "operator").await;
    let mut there = Browser::new(&far);
    assert_eq!(there.sign_in("maria", PASSWORD).await.status, 303);
    let admin = near.admin().await;
    let body = json!({"name": "far", "url": url, "auth": {"type": "consent"}});
    let made = admin.post("/mcp/upstreams", body).await.json();
    assert_eq!(made["state"], "needs_consent", "{made}");
    let mut here = Browser::new(&near);
    assert_eq!(here.sign_in(ADMIN.0, ADMIN.1).await.status, 303);

    let away = here.submit("/mcp/consent/far", &[("decision", "allow")]).await;

    let to = away.header("refresh").unwrap_or_else(|| panic!("{}", away.text));
    let to = to.strip_prefix("0;url=").unwrap();
    let document = format!("{near_origin}/mcp/consent/far/client.json");
    let is_named = to.contains(
        url::form_urlencoded::byte_serialize(document.as_bytes()).collect::<String>().as_str(),
    );
    assert_eq!(is_named, is_document, "{to}");
    let (path, query) = to.split_once('?').unwrap();
    assert_eq!(path, format!("{}/oauth/authorize", url.strip_suffix("/mcp").unwrap()));
    let page = there.get(&format!("/oauth/authorize?{query}")).await;
    assert!(page.text.contains("Let Agent Server act for you?"), "{} {}", page.status, page.text);
    let mut form: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    form.push(("decision".to_owned(), "allow".to_owned()));
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let back = there.submit("/oauth/authorize", &form).await;
    let back = back.header("location").unwrap_or_else(|| panic!("{}", back.text)).to_owned();
    let back = back.strip_prefix(&near_origin).unwrap();
    let done = here.get(back).await;
    assert_eq!(
        (done.status, done.header("location")),
        (303, Some("/mcp/consent/far")),
        "{}",
        done.text
    );

    let seen = admin.get("/mcp/upstreams/far").await.json();
    assert_eq!(
        (&seen["state"], &seen["tools"][1]["tool"]),
        (&json!("connected"), &json!("far__greet")),
        "{seen}"
    );
    let run = admin.post("/tools/far__greet/execute", json!({"input": {}})).await.json();
    assert_eq!(run["output"], "Hello!", "{run}");
    // Who acted there is the person there.
    let runs = far.admin().await.get("/runs?kind=tool").await.json();
    let who = runs["data"][0]["subject"].as_str().unwrap();
    assert!(who.starts_with("user:"), "{who}");
    // What we renew is what the far side rotates.
    near.app.clock.advance(std::time::Duration::from_secs(570));
    far.app.clock.advance(std::time::Duration::from_secs(570));
    let admin = near.admin().await;
    for _ in 0..2 {
        let run = admin.post("/tools/far__greet/execute", json!({"input": {}})).await.json();
        assert_eq!(run["output"], "Hello!", "{run}");
        near.app.clock.advance(std::time::Duration::from_secs(570));
        far.app.clock.advance(std::time::Duration::from_secs(570));
    }
    // Taken back there, it is asked for anew here.
    let admin = near.admin().await;
    assert_eq!(admin.delete("/mcp/consents/far").await.status, 204);
    let run = admin.post("/tools/far__greet/execute", json!({"input": {}})).await.json();
    assert!(run["run"]["error"]["message"].as_str().unwrap().contains("has not"), "{run}");
}

on_both! {
    async fn a_server_of_ours_is_used_in_the_name_of_a_person_by_another(server: TestServer) {
        consents(&server, &[("REGISTRATION_POLICY", "open")], false).await;
    }

    async fn we_are_described_to_it_by_a_document_of_ours(server: TestServer) {
        consents(&server, &[("CLIENT_ID_DOCUMENTS", "127.0.0.1")], true).await;
    }
}
