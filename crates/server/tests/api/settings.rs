//! `/settings` and `/models/test`.

use expect_test::expect;
use serde_json::json;
use testkit::model::Reply;

use crate::access::another_tenant;
use crate::harness::ADMIN;
use crate::harness::TestServer;

on_both! {
    async fn what_the_server_is_set_to_do_is_told_without_any_secret(server: TestServer) {
        let settings = [
            ("OPENAI_API_KEY", "sk-a-key-that-nobody-sees"),
            ("ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
            ("ANTHROPIC_API_KEY", ""),
            ("RUN_RETENTION_DAYS", "7"),
        ];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;

        let reply = server.admin().await.get("/settings").await;

        assert_eq!(reply.status, 200, "{}", reply.text);
        let told = reply.json();
        assert_eq!(told["run_retention_days"], 7);
        assert_eq!(told["identity"]["registration"], "admin");
        let providers = told["models"]["providers"].as_array().unwrap();
        let of = |name: &str| providers.iter().find(|it| it["name"] == name).unwrap();
        assert_eq!(of("openai")["missing"], json!(null));
        assert_eq!(of("anthropic")["missing"], "ANTHROPIC_API_KEY");
        assert_eq!(of("anthropic")["host"], "api.anthropic.com");
        for secret in ["sk-a-key", ADMIN.1, "PRIVATE"] {
            assert!(!reply.text.contains(secret), "{secret}");
        }
        assert_eq!(server.client("agent.*").await.get("/settings").await.status, 403);
        // Where providers are is nothing for the tenants of others.
        let other = another_tenant(&server).await.get("/settings").await.json();
        assert_eq!(other["models"]["providers"][0]["host"], json!(null));
    }

    async fn a_model_is_tried_by_one_short_call(server: TestServer) {
        let admin = server.admin().await;
        let test = async |model: &str| admin.post("/models/test", json!({"model": model})).await;
        server.model.reply(Reply::text("OK"));

        let answered = test("openai/fake").await.json();

        assert_eq!((&answered["model"], &answered["text"]), (&json!("openai/fake"), &json!("OK")));
        assert_eq!(answered["error"], json!(null));
        server.model.reply(Reply::error(401, "no"));
        let refused = test("openai/fake").await.json();
        assert_eq!((&refused["text"], &refused["error"]["provider_status"]), (&json!(null), &json!(401)));
        test("nobody/fake").await.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "1 member is not valid",
              "errors": [
                {
                  "code": "unknown_model",
                  "detail": "there is no provider `nobody`; there are `anthropic`, `demo`, `google`, `ollama`, `openai`, `openai-responses`",
                  "pointer": "/model"
                }
              ],
              "status": 422,
              "type": "/problems/invalid-request"
            }
        "#]]);
        assert_eq!(server.client("agent.read").await.post("/models/test", json!({"model": "x"})).await.status, 403);
    }
}
