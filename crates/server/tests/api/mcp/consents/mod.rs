//! Upstreams that are used in the name of people, who consent to that.

mod far;
mod own;

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use serde_json::json;

use self::far::SECRET;
use self::far::World;
use self::far::fits;
use crate::harness::Client;
use crate::harness::dump;
use crate::harness::number;
use crate::mcp::speak::Session;
use crate::mcp::speak::messages;
use crate::mcp::speak::modern_of;
use crate::oauth::people::Browser;
use crate::oauth::people::NATIVE;
use crate::oauth::people::PASSWORD;
use crate::oauth::people::Wanted;
use crate::oauth::people::parameter;
use crate::oauth::people::public_client;
use crate::oauth::people::redeem;

const URL: &str = "http://server.test/mcp/consent/far";
const CONSENTS: &str = "SELECT COUNT(*) FROM mcp_consents WHERE subject LIKE 'user:%'";

/// What somebody calls by MCP, with these capabilities.
async fn call(client: &Client, capabilities: Value, more: Value) -> Value {
    let mut params = json!({"name": "far__greet", "arguments": {}});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reply = client.send(modern_of(client, "tools/call", params, &capabilities)).await;
    messages(&reply).pop().unwrap()["result"].clone()
}

/// Somebody who speaks MCP for the person in `browser`.
async fn speaks_for(world: &World, browser: &mut Browser) -> Client {
    let client = public_client(&world.server, "mcp.access tool.execute").await;
    let wanted = Wanted::of(&client, NATIVE)
        .with("resource", "http://server.test/mcp")
        .with("scope", "mcp.access tool.execute");
    let code = parameter(&browser.allow(&wanted).await, "code").unwrap();
    let stranger = world.server.stranger();
    let reply = redeem(&stranger, &client, &code).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    stranger.with_token(reply.json()["access_token"].as_str().unwrap())
}

on_both! {
    async fn a_run_waits_for_the_consent_of_its_person_and_goes_on(server: TestServer) {
        let world = World::of(&server).await;
        world.asker.tokens("at-maria", Some("rt-maria"), 3600);
        world.far.only_with("at-maria");
        let ((mut maria, id), (mut jonas, _)) = (world.person("maria").await, world.person("jonas").await);

        let run = world.call(&mut maria).await;

        let waits = world.rested(&run).await;
        let approval = waits["waiting_for"][0]["approval_id"].as_str().unwrap().to_owned();
        assert_eq!(waits["status"], "suspended");
        assert_eq!(waits["waiting_for"], json!([{"kind": "consent", "approval_id": approval, "upstream": "far", "url": URL}]));
        let asked = world.admin.get(&format!("/approvals/{approval}")).await.json();
        assert_eq!((&asked["kind"], &asked["consent"]), (&json!("consent"), &json!({"upstream": "far", "url": URL})));
        let decision = json!({"decision": "approve", "arguments_hash": asked["arguments_hash"]});
        let decided = world.admin.post(&format!("/approvals/{approval}"), decision).await;
        assert_eq!((decided.status, &decided.json()["errors"][0]["pointer"]), (422, &json!("/decision")));
        assert!(world.far.asked("tools/call").is_empty());

        // Another person's consent is his own.
        assert_eq!(world.consent(&mut jonas).await.status, 303);
        assert_eq!(world.rested(&run).await["status"], "suspended");
        let page = maria.get("/mcp/consent/far").await;
        assert!(page.text.contains("Let Far away be used in your name?"), "{}", page.text);
        let url = world.leave(&mut maria).await;
        let back = world.come_back(&mut maria, &url, &[]).await;

        assert_eq!((back.status, back.header("location")), (303, Some("/mcp/consent/far")));
        let done = world.over(&run).await;
        assert_eq!((&done["status"], &done["output"]), (&json!("succeeded"), &json!("Hello!")));
        let calls = world.far.asked("tools/call");
        assert_eq!((calls.len(), calls[0].header("authorization")), (1, "Bearer at-maria"));
        let events = world.admin.get(&format!("/runs/{run}/events?limit=200")).await.json();
        let kind = |it: &Value| it["type"].as_str().unwrap().to_owned();
        let names: Vec<_> = events["data"].as_array().unwrap().iter().map(kind).collect();
        assert_eq!(names, ["run.started", "step.started", "tool.started", "tool.finished", "approval.requested",
            "run.waiting", "run.resumed", "approval.decided", "tool.started", "tool.finished", "step.finished", "run.finished"]);
        assert_eq!(events["data"][6]["data"]["reason"], "consent");
        assert_eq!(events["data"][7]["data"]["by"], format!("user:{id}"));

        // He was asked as the RFCs say, and is not asked again.
        let asked = |name: &str| parameter(&url, name).unwrap();
        assert!(url.starts_with(&format!("{}/authorize?tenant=7&", world.asker.issuer)), "{url}");
        assert_eq!((asked("response_type"), asked("code_challenge_method"), asked("client_id")), ("code".into(), "S256".into(), "agents".into()));
        assert_eq!((asked("redirect_uri"), asked("resource"), asked("scope")), (format!("{URL}/callback"), world.far.url(), "offline_access".into()));
        let form = world.asker.asked().pop().unwrap();
        assert!(fits(&url, &form));
        assert_eq!((form["redirect_uri"].as_str(), form["resource"].as_str(), form["code"].as_str()), (format!("{URL}/callback").as_str(), world.far.url().as_str(), "a-code"));
        let registered = world.site().registered.lock().unwrap().clone();
        assert_eq!(registered.len(), 1, "we register ourselves once");
        assert_eq!(registered[0]["redirect_uris"], json!([format!("{URL}/callback")]));
        let again = world.call(&mut maria).await;
        assert_eq!(world.over(&again).await["status"], "succeeded");
        let stored = dump(&world.server).await;
        for secret in ["at-maria", "rt-maria", SECRET, asked("state").as_str()] {
            assert!(!stored.contains(secret), "{secret}");
        }
        let trail = world.admin.get("/audit?action=mcp_consent.create").await.json();
        assert_eq!((&trail["data"][0]["actor"], &trail["data"][0]["target"]), (&json!(format!("user:{id}")), &json!("far")));
    }

    async fn a_consent_is_shown_to_who_gave_it_and_taken_back_by_him(server: TestServer) {
        let world = World::of(&server).await;
        world.asker.tokens("at-maria", Some("rt-maria"), 3600);
        world.far.only_with("at-maria");
        let ((mut maria, _), (jonas, _)) = (world.person("maria").await, world.person("jonas").await);
        assert_eq!(world.consent(&mut maria).await.status, 303);
        let own = |browser: &Browser, method: &str, path: &str| browser.request(method, path).header("sec-fetch-site", "same-origin");
        let (mut jonas, path) = (jonas, "/mcp/consents/far");
        assert!(maria.get("/mcp/consent/far").await.text.contains("Far away may be used in your name"));

        let list = maria.send(own(&maria, "GET", "/mcp/consents")).await.json();

        assert_eq!(list, json!({"data": [{"upstream": "far", "display_name": "Far away", "url": URL, "scope": "tools",
            "created_at": "2026-11-25T10:00:00Z", "updated_at": "2026-11-25T10:00:00Z"}], "next_cursor": null}));
        assert_eq!(jonas.send(own(&jonas, "GET", "/mcp/consents")).await.json()["data"], json!([]));
        assert_eq!(jonas.send(own(&jonas, "DELETE", path)).await.json()["type"], "/problems/mcp-consent-not-found");
        assert_eq!(maria.send(own(&maria, "DELETE", path)).await.status, 204);
        assert_eq!(maria.send(own(&maria, "DELETE", path)).await.status, 404);
        assert_eq!(server_is_told(&world).await["token"], "rt-maria");
        let run = world.call(&mut maria).await;
        assert_eq!(world.rested(&run).await["waiting_for"][0]["kind"], "consent");
        // On the page as well, and with the upstream or the person.
        assert_eq!(world.consent(&mut maria).await.status, 303);
        assert_eq!(maria.submit("/mcp/consent/far", &[("decision", "take_back")]).await.status, 303);
        assert_eq!(number(&world.server, CONSENTS).await, 0);
        assert_eq!(world.consent(&mut maria).await.status, 303);
        assert_eq!(world.admin.delete("/mcp/upstreams/far").await.status, 204);
        assert_eq!(number(&world.server, CONSENTS).await, 0);
    }

    async fn a_token_is_renewed_by_one_process_for_all(server: TestServer) {
        let world = World::of(&server).await;
        // It is about to expire.
        world.asker.tokens("at-1", Some("rt-1"), 10);
        world.asker.tokens("at-2", Some("rt-2"), 100);
        world.asker.tokens("at-3", None, 100);
        let (mut maria, _) = world.person("maria").await;
        assert_eq!(world.consent(&mut maria).await.status, 303);
        let (_replica, there) = world.server.replica().await;
        world.far.only_with("at-2");

        let begun = (0..6).map(|n| {
            let (client, cookie) = (if n % 2 == 0 { world.server.stranger() } else { there.without_token() }, maria.cookie.clone());
            async move {
                let mut browser = Browser::at(&client);
                browser.cookie = cookie;
                let request = browser.request("POST", "/tools/far__greet/execute").header("sec-fetch-site", "same-origin");
                browser.send(request.json(&json!({"input": {}}))).await
            }
        });
        let done = join_all(begun).await;

        for reply in done {
            assert_eq!((reply.status, &reply.json()["output"]), (200, &json!("Hello!")), "{}", reply.text);
        }
        let renewals = world.asker.asked().split_off(1);
        assert_eq!(renewals.len(), 1, "{renewals:?}");
        assert_eq!((renewals[0]["grant_type"].as_str(), renewals[0]["refresh_token"].as_str()), ("refresh_token", "rt-1"));
        assert_eq!(renewals[0]["resource"], world.far.url());
        assert!(world.site().credentials.lock().unwrap().iter().all(|it| it.starts_with("Basic ")));
        // One that is not taken is renewed once; without another refresh token the last one stays.
        world.far.only_with("at-3");
        let run = world.call(&mut maria).await;
        assert_eq!(world.over(&run).await["status"], "succeeded");
        assert_eq!(world.asker.asked().last().unwrap()["refresh_token"], "rt-2");
    }

    async fn who_is_not_believed_any_more_is_asked_again(server: TestServer) {
        let world = World::of(&server).await;
        let (mut maria, _) = world.person("maria").await;
        world.asker.tokens("at-1", Some("rt-1"), 3600);
        assert_eq!(world.consent(&mut maria).await.status, 303);
        // Neither the token nor the next one is taken.
        world.far.only_with("none of these");
        let before = world.asker.asked().len();
        let run = world.call(&mut maria).await;
        assert_eq!(world.rested(&run).await["waiting_for"][0]["kind"], "consent");
        assert_eq!((world.asker.asked().len(), number(&world.server, CONSENTS).await), (before + 1, 0));
        world.far.only_with("at-1");
        assert_eq!(world.consent(&mut maria).await.status, 303);
        assert_eq!(world.over(&run).await["status"], "succeeded");

        // The refresh token is void.
        world.far.only_with("at-2");
        world.site().answers.lock().unwrap().clear();
        world.asker.answer(400, json!({"error": "invalid_grant"}));
        let run = world.call(&mut maria).await;
        assert_eq!(world.rested(&run).await["waiting_for"][0]["kind"], "consent");

        // There is none, and the token is over.
        world.site().answers.lock().unwrap().clear();
        world.asker.tokens("at-2", None, 100);
        assert_eq!(world.consent(&mut maria).await.status, 303);
        assert_eq!(world.over(&run).await["status"], "succeeded");
        world.server.app.clock.advance(Duration::from_secs(70));
        let run = world.call(&mut maria).await;
        assert_eq!(world.over(&run).await["status"], "succeeded", "it is good to its end");
        world.server.app.clock.advance(Duration::from_secs(30));
        let run = world.call(&mut maria).await;
        assert_eq!(world.rested(&run).await["waiting_for"][0]["kind"], "consent");
    }

    async fn a_scope_that_a_call_needs_is_asked_for_once(server: TestServer) {
        let world = World::of(&server).await;
        let (mut maria, _) = world.person("maria").await;
        for token in ["at-1", "at-2", "at-3"] {
            world.asker.tokens(token, None, 3600);
        }
        let first = world.leave(&mut maria).await;
        assert_eq!(world.come_back(&mut maria, &first, &[]).await.status, 303);
        world.far.only_with("at-1").wants(Some("files.write files.read"));
        let run = world.call(&mut maria).await;
        assert_eq!(world.rested(&run).await["waiting_for"][0]["kind"], "consent");

        let url = world.leave(&mut maria).await;
        world.far.wants(None).only_with("at-2");
        assert_eq!(world.come_back(&mut maria, &url, &[]).await.status, 303);

        assert_eq!(world.over(&run).await["status"], "succeeded");
        let scopes = |url: &str| parameter(url, "scope");
        assert_eq!((scopes(&first).as_deref(), scopes(&url).as_deref()),
            (Some("offline_access"), Some("files.write files.read offline_access")));
        // It has been asked for: whoever was asked is not asked again and again.
        world.far.wants(Some("files.read"));
        let run = world.call(&mut maria).await;
        let failed = world.over(&run).await;
        assert_eq!((&failed["status"], &failed["error"]["message"]),
            (&json!("failed"), &json!("the server wants the scope `files.read`, which was asked for and does not help")));
        assert_eq!(number(&world.server, CONSENTS).await, 1);
        // Who does not want to be asked for more takes it back, and begins anew.
        world.far.wants(Some("admin"));
        let run = world.call(&mut maria).await;
        assert_eq!(world.rested(&run).await["waiting_for"][0]["kind"], "consent");
        assert_eq!(number(&world.server, CONSENTS).await, 0);
        let back = maria.request("DELETE", "/mcp/consents/far").header("sec-fetch-site", "same-origin");
        assert_eq!(maria.send(back).await.status, 204);
        assert_eq!(scopes(&world.leave(&mut maria).await).as_deref(), Some("offline_access"));
    }

    async fn a_server_that_gives_no_token_now_costs_nobody_his_consent(server: TestServer) {
        let world = World::of(&server).await;
        let (mut maria, _) = world.person("maria").await;
        world.asker.tokens("at-1", Some("rt-1"), 100);
        world.far.only_with("at-1");
        assert_eq!(world.consent(&mut maria).await.status, 303);
        world.site().answers.lock().unwrap().clear();
        world.asker.answer(500, json!({}));
        world.server.app.clock.advance(Duration::from_secs(70));

        let run = world.call(&mut maria).await;
        assert_eq!(world.over(&run).await["status"], "succeeded", "the token is good for a while still");
        world.server.app.clock.advance(Duration::from_secs(40));
        let run = world.call(&mut maria).await;
        let failed = world.over(&run).await;

        assert_eq!(failed["error"]["message"], "the token could not be renewed: its token endpoint answered 500 Internal Server Error");
        assert_eq!(number(&world.server, CONSENTS).await, 1);
        world.site().answers.lock().unwrap().clear();
        world.asker.tokens("at-1", Some("rt-2"), 100);
        let run = world.call(&mut maria).await;
        assert_eq!(world.over(&run).await["status"], "succeeded");
    }

    async fn who_comes_back_otherwise_than_he_went_has_consented_to_nothing(server: TestServer) {
        let world = World::of(&server).await;
        let ((mut maria, _), (mut jonas, _)) = (world.person("maria").await, world.person("jonas").await);
        world.asker.tokens("at-1", Some("rt-1"), 100);
        let run = world.call(&mut maria).await;
        assert_eq!(world.rested(&run).await["status"], "suspended");
        for (change, status) in [
            (vec![("state", "x")], 400), (vec![("state", "")], 400), (vec![("code", "")], 400),
            (vec![("iss", "https://evil.example")], 502), (vec![("iss", "")], 502),
            (vec![("error", "access_denied"), ("code", "")], 403),
        ] {
            let url = world.leave(&mut maria).await;
            let back = world.come_back(&mut maria, &url, &change).await;
            assert_eq!(back.status, status, "{change:?}: {}", back.text);
        }
        // Nobody comes back for another, nor twice, nor late, nor with what was begun before that.
        let (url, mine) = (world.leave(&mut maria).await, world.leave(&mut jonas).await);
        assert_eq!(world.come_back(&mut jonas, &url, &[]).await.status, 400);
        assert_eq!(world.come_back(&mut maria, &mine, &[]).await.status, 400);
        assert_eq!(world.come_back(&mut Browser::new(&world.server), &url, &[]).await.header("location"), Some("/sign-in?then=%2Fmcp%2Fconsent%2Ffar"));
        let newer = world.leave(&mut maria).await;
        assert_eq!(world.come_back(&mut maria, &url, &[]).await.status, 400);
        world.server.app.clock.advance(Duration::from_secs(601));
        assert_eq!(world.come_back(&mut maria, &newer, &[]).await.status, 400);
        assert_eq!(world.asker.asked().len(), 0);
        assert_eq!(number(&world.server, CONSENTS).await, 0);
        let elsewhere = maria.request("POST", "/mcp/consent/far").header("sec-fetch-site", "cross-site");
        assert_eq!(maria.send(elsewhere.form(&[("decision", "allow")])).await.status, 403);

        // What the token endpoint answers must be a token.
        for (status, answer) in [
            (500, json!({})), (200, json!({})), (200, json!("x")), (400, json!({"error": "invalid_grant"})),
            (200, json!({"access_token": "x", "token_type": "mac"})), (200, json!({"access_token": "a b"})), (302, json!({})),
        ] {
            world.site().answers.lock().unwrap().clear();
            world.asker.answer(status, answer.clone());
            let back = world.consent(&mut maria).await;
            assert!([403, 502].contains(&back.status), "{answer}: {} {}", back.status, back.text);
        }
        assert_eq!(number(&world.server, CONSENTS).await, 0);
        assert_eq!(world.rested(&run).await["status"], "suspended");
        world.site().answers.lock().unwrap().clear();
        world.asker.tokens("at-1", None, 100);
        world.far.only_with("at-1");
        let url = world.leave(&mut maria).await;
        assert_eq!(world.come_back(&mut maria, &url, &[]).await.status, 303);
        let asked = world.asker.asked().len();
        assert_eq!(world.come_back(&mut maria, &url, &[]).await.status, 400, "a code is redeemed once");
        assert_eq!(world.asker.asked().len(), asked);
        assert_eq!(world.over(&run).await["status"], "succeeded");
    }

    async fn nobody_is_sent_to_a_server_that_is_not_what_it_should_be(server: TestServer) {
        let world = World::of(&server).await;
        let (mut maria, _) = world.person("maria").await;
        let whole = world.site().metadata.lock().unwrap().clone();
        for change in [
            json!({"issuer": "https://evil.example"}), json!({"issuer": format!("{}/", world.asker.issuer)}),
            json!({"code_challenge_methods_supported": ["plain"]}), json!({"code_challenge_methods_supported": []}),
            json!({"authorization_endpoint": "javascript:alert(1)"}), json!({"authorization_endpoint": "http://10.0.0.1/a"}),
            json!({"token_endpoint": "http://169.254.169.254/latest"}), json!({"token_endpoint": 7}),
        ] {
            world.asker.change(&change);
            let page = maria.submit("/mcp/consent/far", &[("decision", "allow")]).await;
            assert_eq!((page.status, page.header("refresh")), (502, None), "{change}: {}", page.text);
            *world.site().metadata.lock().unwrap() = whole.clone();
        }
        // One at which we are nobody, and cannot become somebody.
        let other = json!({"auth": {"type": "consent", "issuer": world.asker.issuer, "scope": "tools"}});
        assert_eq!(world.admin.put("/mcp/upstreams/far", other).await.status, 200);
        world.admin.delete("/mcp/consents/far").await;
        world.asker.change(&json!({"registration_endpoint": null, "issuer": world.asker.issuer}));
        crate::harness::in_sql(&world.server, "DELETE FROM mcp_registrations").await;
        let page = maria.submit("/mcp/consent/far", &[("decision", "allow")]).await;
        assert!(page.status == 502 && page.text.contains("the upstream needs a `client_id`"), "{}", page.text);
        let own = json!({"auth": {"type": "consent", "issuer": world.asker.issuer, "client_id": "known", "scope": "tools"}});
        assert_eq!(world.admin.put("/mcp/upstreams/far", own).await.status, 200);
        let url = world.leave(&mut maria).await;
        assert_eq!((parameter(&url, "client_id").as_deref(), parameter(&url, "scope").as_deref()), (Some("known"), Some("tools offline_access")));
    }

    async fn a_client_is_told_that_it_needs_a_person(server: TestServer) {
        let world = World::empty(&server).await;
        world.far.only_with("at-admin");
        let auth = json!({"type": "consent", "issuer": world.asker.issuer});
        let body = json!({"name": "far", "url": world.far.url(), "auth": auth});

        let made = world.admin.post("/mcp/upstreams", body).await.json();

        let why = format!("`far` is used in the name of a person who has consented to it, and `client:admin` has not: {URL}");
        assert_eq!((&made["state"], &made["last_error"], &made["consent_url"]), (&json!("needs_consent"), &json!(why), &json!(URL)));
        let world = World::of(&server).await;
        let shown = world.admin.get("/mcp/upstreams/far").await.json();
        assert_eq!((&shown["state"], &shown["tools"][0]["tool"]), (&json!("connected"), &json!("far__greet")));
        let shop = world.server.client("tool.execute").await;
        let run = shop.post("/tools/far__greet/execute", json!({"input": {}})).await.json()["run"].clone();
        let who = run["subject"].as_str().unwrap();
        let why = format!("`far` is used in the name of a person who has consented to it, and `{who}` has not: {URL}");
        assert_eq!((&run["status"], &run["error"]["message"]), (&json!("failed"), &json!(why)));
        assert!(world.far.asked("tools/call").is_empty());
    }

    async fn whoever_calls_by_mcp_is_led_to_the_page(server: TestServer) {
        let world = World::of(&server).await;
        world.asker.tokens("at-1", Some("rt-1"), 3600);
        world.far.only_with("at-1");
        let (mut maria, _) = world.person("maria").await;
        let client = speaks_for(&world, &mut maria).await;

        // Who shows no pages is told the address.
        let told = call(&client, json!({"elicitation": {}}), json!({})).await;
        assert!(told["content"][1]["text"].as_str().unwrap().contains(URL), "{told}");
        let pages = json!({"elicitation": {"url": {}}});
        let first = call(&client, pages.clone(), json!({})).await;
        let (key, asked) = first["inputRequests"].as_object().unwrap().iter().next().unwrap();
        assert_eq!((&asked["method"], &asked["params"]["mode"], &asked["params"]["url"]), (&json!("elicitation/create"), &json!("url"), &json!(URL)));
        let back = json!({"requestState": first["requestState"], "inputResponses": {key.as_str(): {"action": "accept"}}});
        let (done, consented) = tokio::join!(call(&client, pages, back), world.consent(&mut maria));
        assert_eq!((consented.status, &done["content"][0]["text"]), (303, &json!("Hello!")), "{done}");
        // Both runs went on, each once.
        let runs = world.admin.get("/runs?kind=tool").await.json()["data"].clone();
        for run in runs.as_array().unwrap() {
            assert_eq!(world.over(run["id"].as_str().unwrap()).await["status"], "succeeded");
        }
        assert_eq!(world.far.asked("tools/call").len(), 2);
    }

    async fn in_a_session_the_page_is_asked_for_on_the_stream_of_the_call(server: TestServer) {
        let world = World::of(&server).await;
        world.asker.tokens("at-1", Some("rt-1"), 3600);
        world.far.only_with("at-1");
        let (mut maria, _) = world.person("maria").await;
        let client = speaks_for(&world, &mut maria).await;
        let session = Session::with(&client, &json!({"elicitation": {"url": {}}})).await;
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "far__greet", "arguments": {}}});
        let mut stream = session.message(&body).send().await.unwrap();
        let mut seen = String::new();
        let mut until = async |wanted: &str| {
            while !seen.contains(wanted) {
                let chunk = stream.chunk().await.unwrap().unwrap_or_else(|| panic!("the end: {seen}"));
                seen += std::str::from_utf8(&chunk).unwrap();
            }
            let lines = seen.lines().filter_map(|line| line.strip_prefix("data:"));
            lines.filter_map(|data| serde_json::from_str::<Value>(data.trim()).ok()).next_back().unwrap()
        };
        let asked = until("elicitation/create").await;
        assert_eq!((&asked["params"]["mode"], &asked["params"]["url"]), (&json!("url"), &json!(URL)));
        let accept = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "accept"}});
        assert_eq!(session.send(&accept).await.status, 202);

        assert_eq!(world.consent(&mut maria).await.status, 303);

        let told = until("notifications/elicitation/complete").await;
        assert!(told["params"]["elicitationId"] == asked["params"]["elicitationId"] || told["id"] == 7, "{told}");
        assert_eq!(until("\"id\":7").await["result"]["content"][0]["text"], "Hello!");
        assert_eq!(world.far.asked("tools/call").len(), 1);
    }

    async fn somebody_signs_in_first_and_then_consents(server: TestServer) {
        let world = World::of(&server).await;
        world.person("maria").await;
        let mut browser = Browser::new(&world.server);

        let door = browser.get("/mcp/consent/far").await.header("location").unwrap().to_owned();

        assert_eq!(door, "/sign-in?then=%2Fmcp%2Fconsent%2Ffar");
        let inside = browser.submit("/sign-in", &[("username", "maria"), ("password", PASSWORD), ("then", "/mcp/consent/far")]).await;
        assert_eq!(inside.header("location"), Some("/mcp/consent/far"));
        for nothing in ["/mcp/consent/none", "/mcp/consent/none/callback?code=x&state=y"] {
            let page = browser.get(nothing).await;
            assert!(page.status == 404 && page.text.contains("There is nothing to consent to"), "{}", page.text);
        }
    }
}

/// What the authorization server is told of tokens that are not used any more.
async fn server_is_told(world: &World) -> std::collections::HashMap<String, String> {
    loop {
        if let Some(told) = world.site().revoked.lock().unwrap().last() {
            return told.clone();
        }
        tokio::task::yield_now().await;
    }
}
