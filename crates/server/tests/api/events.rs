//! `GET /runs/{id}/events`: one log, any place, any reader.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::harness::Client;
use crate::harness::Frame;

on_both! {
    async fn any_cursor_gives_exactly_the_remainder(server: TestServer) {
        server.agent("support").await;
        server.model.reply(Reply::text("Let me see 🌍.").call("current_time", json!({})));
        server.model.reply(Reply::tokens(["那个", " é", "!"]));
        let admin = server.admin().await;
        let body = json!({"input": "Go", "stream": true});
        let request = admin.request("POST", "/agents/support/execute").json(&body);
        let live = admin.frames(request).await;
        let path = format!("/runs/{}/events", live[0].data["run_id"].as_str().unwrap());
        let whole = told(&live);

        for (index, frame) in live.iter().enumerate() {
            let before = told(&live[..=index]);
            let rest = read(&admin, &path, &frame.id).await;
            assert_eq!(joined(before, told(&rest)), whole, "after {}", frame.id);
        }
        // Also at places that no frame has named.
        let started = live.iter().find(|frame| frame.event == "model.started").unwrap();
        for points in 0..=12 {
            let rest = read(&admin, &path, &format!("{}.{points}", started.id)).await;
            let text: String = rest.iter().filter(|it| it.data["data"]["call_id"] == "m1").map(Frame::delta).collect();
            let expected: String = "Let me see 🌍.".chars().skip(points).collect();
            assert_eq!(text, expected, "after {points} code points");
        }
    }

    async fn readers_of_a_running_run_see_the_same_as_later_ones(server: TestServer) {
        server.agent("support").await;
        let gate = Gate::new();
        server.model.reply(Reply::tokens(["One", " two", " three"]).hold(" two", &gate));
        let admin = server.admin().await;
        let begun = admin.post("/agents/support/execute", json!({"input": "Go", "background": true})).await;
        let path = format!("{}/events", begun.header("location").unwrap());
        gate.wait_reached().await;

        let readers = ["0", "1", "3", "3.2", "3.5"].map(|cursor| {
            let (admin, path) = (admin.clone(), path.clone());
            async move { (cursor, read(&admin, &path, cursor).await) }
        });
        let open = async { gate.open() };
        let (live, ()) = futures::join!(futures::future::join_all(readers), open);

        for (cursor, live) in live {
            let later = read(&admin, &path, cursor).await;
            assert_eq!(told(&live), told(&later), "after {cursor}");
        }
    }

    async fn a_reader_at_the_end_is_told_that_there_is_nothing(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let run = admin.post("/agents/support/execute", json!({"input": "Go"})).await.json();
        let path = format!("/runs/{}/events", run["id"].as_str().unwrap());
        let ask = |cursor: String| {
            let request = admin.request("GET", &path).header("accept", "text/event-stream");
            admin.send(request.header("last-event-id", cursor))
        };

        let end = ask(run["last_seq"].to_string()).await;
        assert_eq!((end.status, end.text.as_str()), (204, ""));
        let events = admin.get(&path).await.json()["data"].clone();
        let asked = events.as_array().unwrap().iter().find(|it| it["type"] == "model.started").unwrap();
        let beyond_text = format!("{}.99999", asked["seq"]);
        for senseless in ["99", "-1", "x", "1.", "1.x", &beyond_text] {
            let reply = ask(senseless.to_owned()).await;
            assert_eq!(reply.status, 400, "{senseless}");
            assert_eq!(reply.json()["errors"][0]["code"], "bad_cursor");
        }
    }

    async fn events_are_listed_page_by_page(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let run = admin.post("/agents/support/execute", json!({"input": "Go"})).await.json();
        let path = format!("/runs/{}/events", run["id"].as_str().unwrap());

        let mut names = Vec::new();
        let mut after = "0".to_owned();
        loop {
            let page = admin.get(&format!("{path}?limit=2&after={after}")).await.json();
            let data = page["data"].as_array().unwrap();
            names.extend(data.iter().map(|it| format!("{} {}", it["seq"], it["type"].as_str().unwrap())));
            let Some(next) = page["next_cursor"].as_str() else { break };
            next.clone_into(&mut after);
        }

        expect![[r#"
            1 run.started
            2 step.started
            3 model.started
            4 model.finished
            5 step.finished
            6 run.finished"#]].assert_eq(&names.join("\n"));
    }

    async fn the_growing_text_can_be_left_out(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let run = admin.post("/agents/support/execute", json!({"input": "Go"})).await.json();
        let path = format!("/runs/{}/events?deltas=false", run["id"].as_str().unwrap());

        let frames = admin.frames(admin.request("GET", &path)).await;

        assert_eq!(frames.len() as u64, run["last_seq"].as_u64().unwrap());
    }

    async fn large_values_of_many_events_are_read_at_once(server: TestServer) {
        server.agent("support").await;
        let text = |turn: usize, length| format!("{turn}{}", "a".repeat(length));
        let mut runs = Vec::new();
        // The first has one large value, the other one in each turn.
        for lengths in [[70_000, 1, 1, 1], [70_000; 4]] {
            for (turn, length) in lengths.into_iter().enumerate() {
                server.model.reply(Reply::text(&text(turn, length)).call("current_time", json!({})));
            }
            server.model.reply(Reply::text("Done."));
            let run = server.admin().await.post("/agents/support/execute", json!({"input": "Go"})).await;
            assert_eq!(run.status, 200, "{}", run.text);
            runs.push(run.json());
        }
        let path = |run: &Value| format!("/runs/{}", run["id"].as_str().unwrap());
        // A fork reads the log, and with such a budget that is all.
        server.admin().await.put("/budgets/tenant/default", json!({"max_tokens": 0})).await;
        let alone = server.alone().await;
        let statements = || server.app.db.stats().statements.load(Ordering::Relaxed);
        let mut costs = Vec::new();
        for run in &runs {
            let before = statements();
            let refused = alone.post(&format!("{}/fork", path(run)), json!({"from_seq": run["last_seq"]})).await;
            assert_eq!(refused.status, 429, "{}", refused.text);
            costs.push(statements() - before);
        }

        assert_eq!(costs[0], costs[1]);
        let frames = alone.frames(alone.request("GET", &format!("{}/events", path(&runs[1])))).await;
        let read: String = frames.iter().map(Frame::delta).collect();
        let whole: String = (0..4).map(|turn| text(turn, 70_000)).collect();
        assert_eq!(read, whole + "Done.");
    }

    async fn a_large_value_is_noted_and_read_by_its_address(server: TestServer) {
        server.agent("support").await;
        let (input, answer) = ("🌍".repeat(20_000), "é".repeat(50_000));
        server.model.reply(Reply::text(&answer));
        let admin = server.admin().await;
        let run = admin.post("/agents/support/execute", json!({"input": input})).await.json();
        let path = format!("/runs/{}/events", run["id"].as_str().unwrap());

        assert_eq!(run["output"]["text"], answer);
        let events = admin.get(&path).await.json();
        let note = &events["data"][0]["data"]["input"];
        assert_eq!((&note["truncated"], &note["size"]), (&json!(true), &json!(80_002)));
        let whole = admin.get(note["url"].as_str().unwrap()).await;
        assert_eq!((whole.status, whole.json()), (200, json!(input)));
        // The text that a reader puts together is whole all the same.
        let frames = read(&admin, &path, "3.49990").await;
        let rest: String = frames.iter().map(Frame::delta).collect();
        assert_eq!(rest, "é".repeat(10));
        let stranger = server.client("run.read").await;
        assert_eq!(stranger.get(note["url"].as_str().unwrap()).await.status, 404);
    }

    async fn others_do_not_see_the_run(server: TestServer) {
        server.agent("support").await;
        let shop = server.client("agent.execute run.read").await;
        let other = server.client("agent.execute run.read").await;
        let run = shop.post("/agents/support/execute", json!({"input": "Go"})).await.json();
        let path = format!("/runs/{}", run["id"].as_str().unwrap());

        assert_eq!(shop.get(&path).await.status, 200);
        for path in [path.clone(), format!("{path}/events"), format!("{path}/wait")] {
            assert_eq!(other.get(&path).await.status, 404, "{path}");
        }
        assert_eq!(other.post(&format!("{path}/cancel"), json!({})).await.status, 404);
        assert_eq!(other.get("/runs").await.json()["data"], json!([]));
        assert_eq!(server.admin().await.get(&path).await.status, 200);
        // Who sees all runs need not be able to end them.
        let watcher = server.client("admin.read agent.execute").await;
        assert_eq!(watcher.get(&path).await.status, 200);
        assert_eq!(watcher.post(&format!("{path}/cancel"), json!({})).await.status, 404);
    }
}

/// The frames after `cursor`; none, if there is nothing any more.
pub async fn read(client: &Client, path: &str, cursor: &str) -> Vec<Frame> {
    let request = client.request("GET", path).header("last-event-id", cursor);
    let reply = client.send(request.header("accept", "text/event-stream")).await;
    match reply.status {
        204 => Vec::new(),
        200 => crate::harness::frames(&reply.text),
        other => panic!("{other}: {}", reply.text),
    }
}

/// What a reader knows: the stored events, and the text of each part of each call.
pub type Told = (Vec<(String, serde_json::Value)>, BTreeMap<(String, u64), String>);

pub fn told(frames: &[Frame]) -> Told {
    let mut told = Told::default();
    for frame in frames {
        if frame.delta().is_empty() {
            told.0.push((frame.id.clone(), frame.data.clone()));
            continue;
        }
        let data = &frame.data["data"];
        let key = (data["call_id"].as_str().unwrap().to_owned(), data["part"].as_u64().unwrap());
        let text = told.1.entry(key).or_default();
        text.push_str(frame.delta());
    }
    told
}

fn joined(mut first: Told, rest: Told) -> Told {
    first.0.extend(rest.0);
    for (key, text) in rest.1 {
        first.1.entry(key).or_default().push_str(&text);
    }
    first
}
