//! Tools that are shown as prompts and resources, and what else can be read.

use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use crate::mcp::door::names;
use crate::mcp::speak::ask;
use crate::mcp::speak::create;
use crate::mcp::speak::fixed;
use crate::mcp::speak::result;

const ALL: &str = "mcp.access tool.execute agent.execute";

fn shown(name: &str, kind: &str, config: Value, mcp: Value) -> Value {
    json!({
        "name": name, "display_name": name, "description": "About it.", "kind": kind, "config": config, "metadata": {"mcp": mcp},
        "input_schema": {"type": "object", "properties": {"id": {"type": "string", "description": "Which.", "enum": ["7", "8", "70"]}}},
    })
}

on_both! {
    async fn a_tool_may_be_shown_as_a_prompt(server: TestServer) {
        create(&server, shown("review", "template", json!({"template": "Review {{ input.id }}."}), json!({"as": "prompt"}))).await;
        let image = json!({"content": [{"type": "image", "data": "AA==", "mimeType": "image/png"}, {"type": "text", "text": "What is it?"}]});
        create(&server, shown("look", "static", json!({"result": image}), json!({"as": "prompt", "result": "content"}))).await;
        let client = server.mcp_client(ALL).await;

        let listed = result(&client, "prompts/list", json!({})).await;

        expect![[r#"
            [
              {
                "arguments": [
                  {
                    "description": "Which.",
                    "name": "id",
                    "required": false
                  }
                ],
                "description": "About it.",
                "name": "look",
                "title": "look"
              },
              {
                "arguments": [
                  {
                    "description": "Which.",
                    "name": "id",
                    "required": false
                  }
                ],
                "description": "About it.",
                "name": "review",
                "title": "review"
              }
            ]"#]].assert_eq(&format!("{:#}", listed["prompts"]));
        assert_eq!(names(&result(&client, "tools/list", json!({})).await["tools"]), ["current_time"]);
        let got = result(&client, "prompts/get", json!({"name": "review", "arguments": {"id": "7"}})).await;
        assert_eq!(got["messages"], json!([{"role": "user", "content": {"type": "text", "text": "Review 7."}}]));
        let got = result(&client, "prompts/get", json!({"name": "look"})).await;
        assert_eq!(got["messages"][0]["content"]["mimeType"], "image/png");
        assert_eq!(got["messages"][1]["content"]["text"], "What is it?");
        for (method, wrong) in [
            ("prompts/get", json!({"name": "nothing"})),
            ("prompts/get", json!({"name": "current_time"})),
            ("prompts/get", json!({"name": "review", "arguments": {"id": "9"}})),
            ("tools/call", json!({"name": "review", "arguments": {"id": "7"}})),
        ] {
            let reply = ask(&client, method, wrong.clone()).await;
            assert_eq!(reply.json()["error"]["code"], -32602, "{wrong}: {}", reply.text);
        }
        let complete = |name: &str| json!({"ref": {"type": "ref/prompt", "name": name}, "argument": {"name": "id", "value": "7"}});
        let completed = result(&client, "completion/complete", complete("review")).await;
        assert_eq!(completed["completion"], json!({"values": ["7", "70"], "total": 2, "hasMore": false}));
        assert_eq!(ask(&client, "completion/complete", complete("x")).await.json()["error"]["code"], -32602);
    }

    async fn what_there_is_can_be_read(server: TestServer) {
        server.agent("support").await;
        let mcp = json!({"as": "resource", "uri": "note://{id}/text", "mime_type": "text/markdown"});
        create(&server, shown("note", "template", json!({"template": "# {{ input.id }}"}), mcp)).await;
        let mcp = json!({"as": "resource", "uri": "logo://small", "mime_type": "image/png"});
        create(&server, shown("logo", "static", json!({"result": {"blob": "AA=="}}), mcp)).await;
        let client = server.mcp_client(ALL).await;

        let listed = result(&client, "resources/list", json!({})).await;
        let templates = result(&client, "resources/templates/list", json!({})).await;

        let uris = |list: &Value, member: &str| -> Vec<String> {
            list.as_array().unwrap().iter().map(|it| it[member].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(uris(&listed["resources"], "uri"), ["agent://support", "logo://small"]);
        assert_eq!(uris(&templates["resourceTemplates"], "uriTemplate"), ["note://{id}/text", "run://{id}"]);
        let read = async |uri: &str| result(&client, "resources/read", json!({"uri": uri})).await["contents"][0].clone();
        assert_eq!(read("note://7/text").await, json!({"uri": "note://7/text", "mimeType": "text/markdown", "text": "# 7"}));
        assert_eq!(read("logo://small").await, json!({"uri": "logo://small", "mimeType": "image/png", "blob": "AA=="}));
        let about: Value = serde_json::from_str(read("agent://support").await["text"].as_str().unwrap()).unwrap();
        assert_eq!(about["name"], "ask_support");

        // A run that nobody waited for is there for whoever began it.
        fixed(&server, "one", json!(1), &[]).await;
        let called = result(&client, "tools/call", json!({"name": "one"})).await;
        let run = format!("run://{}", called["_meta"]["agent-server/run_id"].as_str().unwrap());
        let told: Value = serde_json::from_str(read(&run).await["text"].as_str().unwrap()).unwrap();
        assert_eq!((&told["status"], &told["output"]), (&json!("succeeded"), &json!(1)));
        let other = server.mcp_client(ALL).await;
        for (who, uri) in [(&other, run.as_str()), (&client, "run://x"), (&client, "note://9/text/"), (&client, "file:///etc/passwd")] {
            let reply = ask(who, "resources/read", json!({"uri": uri})).await;
            assert_eq!(reply.json()["error"]["code"], -32602, "{uri}: {}", reply.text);
        }
    }
}
