//! `/workflows/definitions`: workflows that are data, and when what is scheduled happens.

use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use crate::harness::Client;
use crate::harness::in_sql;

const DEFINITIONS: &str = "/workflows/definitions";
const REFUND: &str = "/workflows/definitions/refund";
const CHECK: &str = "/workflows/drafts/check";
const PREVIEW: &str = "/workflows/schedules/preview";

fn refund() -> Value {
    json!({
        "name": "refund",
        "input_schema": {"type": "object", "properties": {"order_id": {"type": "string"}}},
        "steps": [
            {"id": "fetch", "type": "tool", "tool": "get_order", "input": {"id": {"$": "/input/order_id"}}, "on_error": "fail"},
            {"id": "ok", "type": "approval", "message": "Refund {{ steps.fetch.output.total }}?", "timeout_ms": null},
            {"id": "answer", "type": "agent", "agent": "support", "input": {"$template": "Explain {{ previous.decision }}."}}
        ],
        "output": {"$": "/steps/answer/output/text"}
    })
}

async fn create(client: &Client, workflow: Value) -> Value {
    let reply = client.post(DEFINITIONS, workflow).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json()
}

/// The tool and the agent that the refund names.
async fn make_what_it_names(client: &Client) {
    let tool = json!({"name": "get_order", "description": "Finds an order.", "kind": "static",
        "input_schema": {"type": "object"}, "config": {"result": {"total": 40}}});
    assert_eq!(client.post("/tools/definitions", tool).await.status, 201);
    let agent = json!({"name": "support", "display_name": "Support", "instructions": "", "model": "openai/fake"});
    assert_eq!(client.post("/agents/definitions", agent).await.status, 201);
}

/// What is wrong, one fault a line.
fn faults(value: &Value) -> String {
    let line = |it: &Value| {
        let text = |name: &str| it[name].as_str().unwrap().to_owned();
        format!("{} {}: {}", text("pointer"), text("code"), text("detail"))
    };
    value.as_array().unwrap().iter().map(line).collect::<Vec<_>>().join("\n")
}

on_both! {
    async fn a_new_workflow_is_answered_whole(server: TestServer) {
        let admin = server.admin().await;
        make_what_it_names(&admin).await;

        admin.post(DEFINITIONS, refund()).await.is(expect![[r#"
            201 application/json
            {
              "content_hash": "sha256:7772ac11d1838c047185682ccdb2a3240f368027209322c9d7950313b8cc5c3d",
              "created_at": "2026-11-25T10:00:00Z",
              "created_by": "client:admin",
              "description": "",
              "display_name": "refund",
              "id": "01900000-0000-7000-8000-000000000005",
              "input_schema": {
                "properties": {
                  "order_id": {
                    "type": "string"
                  }
                },
                "type": "object"
              },
              "is_active": true,
              "limits": {
                "max_cost_usd": null,
                "max_parallel": 8,
                "max_steps": 10000,
                "max_tokens": null,
                "timeout_ms": 3600000
              },
              "metadata": {},
              "name": "refund",
              "output": {
                "$": "/steps/answer/output/text"
              },
              "output_schema": null,
              "problems": [],
              "scopes": [],
              "shadows": null,
              "source": "database",
              "steps": [
                {
                  "id": "fetch",
                  "input": {
                    "id": {
                      "$": "/input/order_id"
                    }
                  },
                  "tool": "get_order",
                  "type": "tool"
                },
                {
                  "id": "ok",
                  "message": "Refund {{ steps.fetch.output.total }}?",
                  "type": "approval"
                },
                {
                  "agent": "support",
                  "id": "answer",
                  "input": {
                    "$template": "Explain {{ previous.decision }}."
                  },
                  "type": "agent"
                }
              ],
              "triggers": [],
              "updated_at": "2026-11-25T10:00:00Z",
              "version": 1
            }
        "#]]);
    }

    async fn everything_wrong_with_a_workflow_is_said_at_once(server: TestServer) {
        let admin = server.admin().await;
        let wrong = json!({
            "name": "1st", "limits": {"max_steps": 0}, "output_schema": {"type": 1}, "tiggers": [],
            "input_schema": {"type": "object", "properties": {"a": {}}},
            "steps": [
                {"id": "a", "type": "tool"},
                {"id": "b", "type": "mapping", "output": [{"$": "/input/b"}, {"$": "/steps/c/output"}]},
                {"id": "c", "type": "magic"}
            ]
        });

        let reply = admin.post(DEFINITIONS, wrong).await;

        assert_eq!(reply.status, 422);
        expect![[r#"
            /limits/max_steps out_of_range: must be at least 1
            /name bad_format: a name is a letter, then letters, digits, `_` and `-`
            /output_schema/type bad_schema: this is not a JSON Schema: must be one of `array`, `boolean`, `integer`, `null`, `number`, `object` or `string`, or a list
            /steps/0/tool missing_member: is required
            /steps/1/output/0/$ unknown_member: the input has no member `b`, as its schema says
            /steps/1/output/1/$ not_before: `c` is not sure to be over here, or is in turns that are not around this
            /steps/2/type not_one_of: must be one of agent, tool, workflow, step, mapping, parallel, conditional, foreach, loop, sleep, sleep_until, wait_for_event, approval, script, fail
            /tiggers unknown_member: there is no such member; did you mean `triggers`?"#]].assert_eq(&faults(&reply.json()["errors"]));
    }

    async fn a_draft_is_told_what_would_be_refused_and_nothing_is_kept(server: TestServer) {
        let admin = server.admin().await;
        let wrong = json!({"name": "refund", "steps": [{"id": "a", "type": "tool", "tool": "get_order"}], "limits": 7});

        let found = admin.post(CHECK, wrong).await;

        assert_eq!(found.status, 200, "{}", found.text);
        expect![[r#"
            /limits wrong_type: must be an object or null, not a number
            /steps/0/tool unknown_tool: no tool is named `get_order`"#]]
        .assert_eq(&faults(&found.json()["problems"]));

        // What can be saved has no problems, also if it is there already.
        make_what_it_names(&admin).await;
        assert_eq!(admin.post(CHECK, refund()).await.json(), json!({"problems": []}));
        assert_eq!(admin.get(DEFINITIONS).await.json()["data"], json!([]));
        create(&admin, refund()).await;
        assert_eq!(admin.post(CHECK, refund()).await.json(), json!({"problems": []}));
        assert_eq!(admin.get(REFUND).await.json()["version"], 1);

        // Of what its author may not use he is told as when he saves it.
        let pay = json!({"name": "pay", "description": "Pays.", "kind": "javascript", "execute_code": "return 1",
            "input_schema": {"type": "object"}, "scopes": ["secret.write"]});
        assert_eq!(admin.post("/tools/definitions", pay).await.status, 201);
        let author = server.client("workflow.write workflow.execute").await;
        let paying = json!({"name": "his", "steps": [{"id": "a", "type": "tool", "tool": "pay"}]});
        let his = author.post(CHECK, paying.clone()).await.json();
        let refused = author.post(DEFINITIONS, paying).await.json();
        assert_eq!(his["problems"], refused["errors"]);
        assert_ne!(his["problems"], json!([]));
        assert_eq!(server.client("workflow.read").await.post(CHECK, refund()).await.status, 403);
    }

    async fn what_a_workflow_names_is_there_and_for_its_author_to_use(server: TestServer) {
        let admin = server.admin().await;
        let pay = json!({"name": "pay", "description": "Pays.", "kind": "javascript", "execute_code": "return 1",
            "input_schema": {"type": "object"}, "scopes": ["secret.write"]});
        assert_eq!(admin.post("/tools/definitions", pay).await.status, 201);
        let call = |retries: u32| json!([{"id": "a", "type": "parallel", "branches": {"x": [
            {"id": "b", "type": "tool", "tool": "Pay", "retry": {"max": retries}}]}}]);
        let unknown = json!([
            {"id": "a", "type": "tool", "tool": "nothing"}, {"id": "b", "type": "agent", "agent": "nobody"},
            {"id": "c", "type": "foreach", "items": [1], "do": [{"id": "d", "type": "workflow", "workflow": "nowhere"}]}
        ]);

        let refused = admin.post(DEFINITIONS, json!({"name": "w", "steps": unknown})).await;
        let again = admin.post(DEFINITIONS, json!({"name": "w", "steps": call(1)})).await;
        let author = server.client("workflow.write").await;
        let beyond = author.post(DEFINITIONS, json!({"name": "w", "steps": call(0)})).await;

        expect![[r#"
            /steps/0/tool unknown_tool: no tool is named `nothing`
            /steps/1/agent unknown_agent: no agent is named `nobody`
            /steps/2/do/0/workflow unknown_workflow: no workflow is named `nowhere`"#]].assert_eq(&faults(&refused.json()["errors"]));
        expect!["/steps/0/branches/x/0/retry/max out_of_range: must be 0: a call that has effects is never made again"].assert_eq(&faults(&again.json()["errors"]));
        expect!["/steps/0/branches/x/0/tool missing_scope: its use needs the scope `secret.write`, which you do not hold"].assert_eq(&faults(&beyond.json()["errors"]));
        create(&admin, json!({"name": "w", "steps": call(0)})).await;
    }

    async fn workflows_do_not_run_themselves(server: TestServer) {
        let admin = server.admin().await;
        let run = |name: &str| json!([{"id": "a", "type": "workflow", "workflow": name}]);
        create(&admin, json!({"name": "one", "steps": [{"id": "a", "type": "mapping", "output": 1}]})).await;
        create(&admin, json!({"name": "two", "steps": run("One")})).await;

        let itself = admin.post(DEFINITIONS, json!({"name": "me", "steps": run("ME")})).await;
        let circle = admin.put("/workflows/definitions/one", json!({"steps": run("two")})).await;

        expect!["/steps/0/workflow cycle: `ME` would run `me` in turn, which waits for it"].assert_eq(&faults(&itself.json()["errors"]));
        expect!["/steps/0/workflow cycle: `two` would run `one` in turn, which waits for it"].assert_eq(&faults(&circle.json()["errors"]));
    }

    async fn workflows_have_versions_that_are_guarded_and_restored(server: TestServer) {
        let admin = server.admin().await;
        make_what_it_names(&admin).await;
        create(&admin, refund()).await;
        let put = async |if_match: &str, body: Value| {
            admin.send(admin.request("PUT", REFUND).header("if-match", if_match).json(&body)).await
        };

        assert_eq!(put("\"1\"", json!({"description": "Refunds."})).await.json()["version"], 2);
        assert_eq!(put("\"2\"", json!({"steps": refund()["steps"]})).await.json()["version"], 2);
        assert_eq!(put("\"1\"", json!({"description": "No."})).await.json()["type"], "/problems/version-changed");
        let off = admin.post(&format!("{REFUND}/deactivate"), json!({})).await.json();
        assert_eq!((&off["is_active"], &off["version"]), (&json!(false), &json!(2)));
        let restored = admin.post(&format!("{REFUND}/versions/1/restore"), json!({})).await.json();
        assert_eq!((&restored["version"], &restored["description"]), (&json!(3), &json!("")));
        assert_eq!(admin.get(&format!("{REFUND}/versions")).await.json()["data"].as_array().unwrap().len(), 3);
        assert_eq!(admin.get(&format!("{REFUND}?version=2")).await.json()["description"], "Refunds.");
        assert_eq!(admin.get(&format!("{REFUND}?version=9")).await.json()["type"], "/problems/workflow-version-not-found");
        assert_eq!(admin.post(DEFINITIONS, refund()).await.json()["type"], "/problems/workflow-name-taken");
    }

    async fn what_workflows_name_is_not_deleted_by_accident(server: TestServer) {
        let admin = server.admin().await;
        make_what_it_names(&admin).await;
        create(&admin, refund()).await;
        create(&admin, json!({"name": "all", "steps": [{"id": "a", "type": "workflow", "workflow": "refund"}]})).await;

        for (path, dependent) in [
            ("/tools/definitions/get_order", "refund"),
            ("/agents/definitions/support", "refund"),
            (REFUND, "all"),
        ] {
            let reply = admin.delete(path).await;
            assert_eq!((reply.status, &reply.json()["dependents"]), (409, &json!([{"kind": "workflow", "name": dependent}])), "{path}");
        }
        assert_eq!(admin.delete("/tools/definitions/get_order?force=true").await.status, 204);
        let problems = admin.get(REFUND).await.json()["problems"].clone();
        expect!["/steps/0/tool unknown_tool: no tool is named `get_order`"].assert_eq(&faults(&problems));
        assert_eq!(admin.delete("/workflows/definitions/all").await.status, 204);
        assert_eq!(admin.delete(REFUND).await.status, 204);
        assert_eq!(admin.delete(REFUND).await.json()["type"], "/problems/workflow-not-found");
    }

    async fn callers_see_the_workflows_that_they_may_use(server: TestServer) {
        let admin = server.admin().await;
        let steps = json!([{"id": "a", "type": "mapping", "output": 1}]);
        create(&admin, json!({"name": "open", "steps": steps})).await;
        create(&admin, json!({"name": "closed", "steps": steps, "scopes": ["secret.write"]})).await;
        create(&admin, json!({"name": "off", "steps": steps, "is_active": false})).await;
        let caller = server.client("workflow.read").await;

        caller.get("/workflows").await.is(expect![[r#"
            200 application/json
            {
              "data": [
                {
                  "description": "",
                  "display_name": "open",
                  "id": "01900000-0000-7000-8000-000000000003",
                  "is_active": true,
                  "name": "open",
                  "scopes": [],
                  "source": "database",
                  "updated_at": "2026-11-25T10:00:00Z",
                  "version": 1
                }
              ],
              "next_cursor": null
            }
        "#]]);
        caller.get("/workflows/OPEN").await.is(expect![[r#"
            200 application/json
            {
              "description": "",
              "display_name": "open",
              "id": "01900000-0000-7000-8000-000000000003",
              "input_schema": null,
              "is_active": true,
              "name": "open",
              "output_schema": null,
              "scopes": [],
              "source": "database",
              "updated_at": "2026-11-25T10:00:00Z",
              "version": 1
            }
        "#]]);
        for hidden in ["closed", "off", "nobody"] {
            assert_eq!(caller.get(&format!("/workflows/{hidden}")).await.json()["type"], "/problems/workflow-not-found");
        }
        assert_eq!(caller.get(DEFINITIONS).await.status, 403);
    }

    async fn a_workflow_written_in_sql_says_what_is_wrong_with_it(server: TestServer) {
        let admin = server.admin().await;
        in_sql(&server, "INSERT INTO workflow_definitions (name, display_name, steps) VALUES ('old', 'Old', '[{\"id\": \"a\", \"type\": \"wait\"}]')").await;

        let old = admin.get("/workflows/definitions/old").await.json();

        expect!["/steps/0/type not_one_of: must be one of agent, tool, workflow, step, mapping, parallel, conditional, foreach, loop, sleep, sleep_until, wait_for_event, approval, script, fail"].assert_eq(&faults(&old["problems"]));
        assert_eq!(old["version"], 1);
    }

    async fn a_preview_shows_what_happens_when_clocks_change(server: TestServer) {
        let caller = server.client("workflow.read").await;
        let preview = async |cron: &str, zone: &str, after: &str| {
            let body = json!({"cron": cron, "timezone": zone, "after": after, "count": 2});
            let reply = caller.post(PREVIEW, body).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            reply.json()["data"].clone()
        };

        let gap = preview("30 2 * * *", "America/New_York", "2027-03-13T12:00:00Z").await;
        let overlap = preview("30 1 * * *", "America/New_York", "2027-11-06T12:00:00Z").await;
        let wrong = caller.post(PREVIEW, json!({"cron": "0 0 31 2 *", "timezone": "Mars/Base", "count": 0})).await;

        assert_eq!(gap, json!(["2027-03-14T07:00:00Z", "2027-03-15T06:30:00Z"]));
        assert_eq!(overlap, json!(["2027-11-07T05:30:00Z", "2027-11-08T06:30:00Z"]));
        assert_eq!(wrong.status, 422);
        let wrong = caller.post(PREVIEW, json!({"cron": "0 0 31 2 *", "timezone": "Mars/Base"})).await;
        expect![[r#"
            /cron bad_cron: never happens: none of its months has such a day
            /timezone unknown_timezone: must be the name of a time zone of the IANA database, such as `Europe/Berlin` or `UTC`"#]].assert_eq(&faults(&wrong.json()["errors"]));
        let now = caller.post(PREVIEW, json!({"cron": "@hourly"})).await.json();
        assert_eq!(now["data"].as_array().unwrap().len(), 5);
        // Later than that no time can be written.
        assert_eq!(preview("0 0 * * *", "UTC", "9999-12-30T12:00:00Z").await, json!(["9999-12-31T00:00:00Z"]));
    }
}
