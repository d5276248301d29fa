//! `agent-server export`, `diff`, `apply` and `validate`.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Output;

use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;
use testkit::model::FakeModel;
use testkit::on_both;
use tokio::process::Command;

use crate::server;
use crate::server::PROGRAM;
use crate::server::SECRET;
use crate::server::Server;

/// A database, and a folder with files.
struct Place {
    database: TestDatabase,
    folder: TempDir,
}

impl Place {
    async fn on(kind: DatabaseKind) -> Self {
        let database = server::database(kind).await;
        Self { database, folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("definitions").join(name)
    }

    /// What comes of a command in the folder.
    async fn run(&self, arguments: &[&str]) -> Said {
        Said::of(run(self.folder.path(), arguments, Some(self.database.url())).await)
    }

    async fn server(&self) -> Server {
        Server::start(self.database.url(), &FakeModel::start().await).await
    }
}

/// What a command said, and how it ended.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        // A note of each workflow, as long as a release only keeps them.
        let is_said = |line: &&str| !line.contains("does not execute them");
        let text = |bytes| {
            let text = String::from_utf8(bytes).unwrap();
            text.split_inclusive('\n').filter(is_said).collect::<String>()
        };
        Self {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    #[track_caller]
    fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

async fn run(folder: &Path, arguments: &[&str], database: Option<&str>) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(folder).env_clear();
    if let Some(database) = database {
        command
            .env("DATABASE_URL", database)
            .env("DATABASE_SYNC", "normal")
            .env("MANAGEMENT_CLIENT_SECRET", SECRET)
            .env("AGENT_SERVER_ENCRYPTION_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    }
    command.output().await.unwrap()
}

/// Of each kind something; what is named comes later than what names it.
const SHOP: &str = r#"kind: agent
name: support
spec:
  display_name: Support
  instructions: |
    You help customers.
    Be brief.
  model: demo/scripted
  tools: [current_time, {name: refund, approval: always}, ask_lawyer]
  agents: [researcher]
  rag_databases: [handbook]
  scopes: [shop.support]
---
kind: agent
name: researcher
spec: {display_name: Researcher, instructions: Look it up., model: demo/scripted}
---
kind: tool
name: ask_lawyer
spec:
  kind: agent
  description: Asks the lawyer.
  input_schema: {type: object, properties: {question: {type: string}}}
  config: {agent: lawyer}
---
kind: agent
name: lawyer
spec: {display_name: Lawyer, instructions: Say no., model: demo/scripted, is_active: false}
---
kind: tool
name: refund
spec:
  kind: javascript
  description: Pays money back.
  input_schema: {type: object, properties: {amount: {type: number}}}
  execute_code: |-
    const amount = input.amount;

    return {amount};
---
kind: rag_database
name: handbook
spec: {chunk_size: 500, chunk_overlap: 50}
---
kind: mcp_upstream
name: tickets
spec: {url: "https://mcp.example.com/mcp", allow: ["create_*"]}
---
kind: workflow
name: complaint
spec:
  steps:
  - {id: money, type: tool, tool: refund, input: {amount: {$: /input/amount}}}
  - {id: words, type: agent, agent: support, input: {$template: "You got {{ steps.money.output.amount }}."}}
"#;

on_both! {
    async fn what_is_exported_and_applied_elsewhere_is_exported_the_same(place: Place) {
        place.write("shop.yaml", SHOP);
        let applied = place.run(&["apply"]).await.ends_with(0);
        let lines: Vec<_> = applied.out.lines().map(|it| it.split("  (").next().unwrap()).collect();
        expect![[r#"
            + mcp_upstream tickets
            + rag_database handbook
            + tool ask_lawyer
            + tool refund
            + agent support
            + agent researcher
            + agent lawyer
            + workflow complaint
            8 created, 0 updated, 0 deleted, 0 unchanged"#]]
        .assert_eq(&lines.join("\n"));

        let exported = place.run(&["export", "first"]).await.ends_with(0);

        expect![[r#"
            first/mcp_upstreams/tickets.yaml
            first/rag_databases/handbook.yaml
            first/tools/ask_lawyer.yaml
            first/tools/refund.yaml
            first/agents/lawyer.yaml
            first/agents/researcher.yaml
            first/agents/support.yaml
            first/workflows/complaint.yaml
        "#]]
        .assert_eq(&exported.out);
        let read = |name: &str| fs::read_to_string(place.folder.path().join(name)).unwrap();
        expect![[r#"
            kind: agent
            name: support
            spec:
              display_name: Support
              instructions: |
                You help customers.
                Be brief.
              model: demo/scripted
              tools:
              - current_time
              - approval: always
                name: refund
              - ask_lawyer
              agents:
              - researcher
              rag_databases:
              - handbook
              scopes:
              - shop.support
        "#]].assert_eq(&read("first/agents/support.yaml"));
        expect![[r#"
            kind: tool
            name: refund
            spec:
              description: Pays money back.
              input_schema:
                properties:
                  amount:
                    type: number
                type: object
              execute_code: |-
                const amount = input.amount;

                return {amount};
        "#]].assert_eq(&read("first/tools/refund.yaml"));

        let elsewhere = Place::on(DatabaseKind::Sqlite).await;
        let files = place.folder.path().join("first");
        elsewhere.run(&["apply", files.to_str().unwrap()]).await.ends_with(0);
        elsewhere.run(&["export", "second"]).await.ends_with(0);
        for name in exported.out.lines() {
            let other = elsewhere.folder.path().join(name.replace("first", "second"));
            assert_eq!(read(name), fs::read_to_string(other).unwrap());
        }
        let stream = elsewhere.run(&["export", "--stdout"]).await.ends_with(0);
        let texts: Vec<_> = exported.out.lines().map(&read).collect();
        assert_eq!(stream.out, texts.join("---\n"));
        let again = place.run(&["export", "first"]).await.ends_with(0);
        assert_eq!((again.out.as_str(), again.err.as_str()), ("", "0 written, 8 as they were\n"));
        // Both ways of writing them say the same.
        place.run(&["diff", "first"]).await.ends_with(0);
    }

    async fn what_has_no_file_keeps_nothing_else_from_being_exported(place: Place) {
        place.write("shop.yaml", SHOP);
        place.run(&["apply"]).await.ends_with(0);
        let rows = "UPDATE tool_definitions SET created_at = 'infinity' WHERE name = 'refund';
            INSERT INTO rag_databases (name, display_name) VALUES ('Hand book', 'A'), ('hand_book', 'B'), ('old book', 'C')";
        server::in_sql(&place.database, rows).await;

        let exported = place.run(&["export", "all"]).await.ends_with(1);

        expect![[r#"
            all/mcp_upstreams/tickets.yaml
            all/rag_databases/hand_book.yaml
            all/rag_databases/handbook.yaml
            all/rag_databases/old_book.yaml
            all/tools/ask_lawyer.yaml
            all/agents/lawyer.yaml
            all/agents/researcher.yaml
            all/agents/support.yaml
            all/workflows/complaint.yaml
        "#]].assert_eq(&exported.out);
        // What the database says of a time differs.
        let lines: Vec<_> = exported.err.lines().map(|it| it.split(": error").next().unwrap()).collect();
        expect![[r#"
            9 written, 0 as they were
            tool refund: its row cannot be read
            rag_database Hand book: `Hand_book.yaml` would be the file of another, too
            error: 2 not written, all others are"#]].assert_eq(&lines.join("\n"));
        let text = fs::read_to_string(place.folder.path().join("all/rag_databases/hand_book.yaml")).unwrap();
        assert!(text.contains("name: hand_book\n"), "{text}");
        let one = place.run(&["export", "--only", "tool/refund"]).await.ends_with(1);
        assert!(one.err.contains("its row cannot be read"), "{}", one.err);
        place.run(&["export", "--only", "tool/ask_lawyer"]).await.ends_with(0);
        let stream = place.run(&["export", "--stdout"]).await.ends_with(1);
        assert!(stream.out.contains("name: Hand book\n"), "{}", stream.out);
    }

    async fn a_change_of_a_file_is_seen_and_applied_once(place: Place) {
        place.write("shop.yaml", SHOP);
        place.run(&["apply"]).await.ends_with(0);
        let nothing = place.run(&["apply"]).await.ends_with(0);
        assert_eq!(nothing.out, "0 created, 0 updated, 0 deleted, 8 unchanged\n");
        let changed = SHOP.replace("Be brief.", "Be very brief.").replace("always", "never");
        place.write("shop.yaml", &changed.replace("chunk_size: 500, ", ""));

        let seen = place.run(&["diff"]).await.ends_with(2);

        expect![[r#"
            ~ rag_database handbook  (definitions/shop.yaml)
                - /chunk_size: 500
            ~ agent support  (definitions/shop.yaml)
                ~ /instructions:
                      You help customers.
                    - Be brief.
                    + Be very brief.
                ~ /tools/1: {"approval":"always","name":"refund"} -> "refund"
            0 to create, 2 to update, 0 to delete, 6 unchanged
        "#]].assert_eq(&seen.out);
        let planned = place.run(&["apply", "--dry-run", "--json"]).await.ends_with(2).json();
        assert_eq!((&planned["update"], &planned["applied"]), (&json!(2), &json!(false)));
        expect![[r#"
            {
              "action": "update",
              "differences": [
                {
                  "after": null,
                  "before": 500,
                  "pointer": "/chunk_size"
                }
              ],
              "drift": null,
              "file": "definitions/shop.yaml",
              "kind": "rag_database",
              "name": "handbook",
              "taken_from": null
            }"#]].assert_eq(&format!("{:#}", planned["changes"][0]));
        let done = place.run(&["apply", "--json"]).await.ends_with(0).json();
        assert_eq!((&done["update"], &done["applied"]), (&json!(2), &json!(true)));
        place.run(&["diff"]).await.ends_with(0);
        let server = place.server().await;
        let support: Value = server.get("/agents/definitions/support").await.json().await.unwrap();
        assert_eq!((&support["version"], &support["problems"]), (&json!(2), &json!([])));
        let versions = server.list("/agents/definitions/support/versions").await;
        let made = |it: &Value| (it["created_by"].clone(), it["note"].clone());
        let by = (json!("system:apply"), json!("applied from definitions/shop.yaml"));
        assert_eq!(versions.iter().map(made).collect::<Vec<_>>(), [by.clone(), by]);
        let trail = server.list("/audit?action=agent").await;
        let acts: Vec<_> = trail.iter().map(|it| format!("{} {} {}", it["actor"], it["action"], it["target"])).collect();
        expect![[r#"
            "system:apply" "agent.update" "support"
            "system:apply" "agent.create" "lawyer"
            "system:apply" "agent.create" "researcher"
            "system:apply" "agent.create" "support""#]].assert_eq(&acts.join("\n"));
        assert_eq!(trail[0]["before"]["version"], 1);
        server.stop().await;
    }

    async fn what_somebody_changed_in_the_server_is_said_and_put_right(place: Place) {
        place.write("shop.yaml", SHOP);
        place.run(&["apply"]).await.ends_with(0);
        let server = place.server().await;
        let body = json!({"instructions": "Be rude."});
        assert_eq!(server.put("/agents/definitions/researcher", body).await.status(), 200);
        assert_eq!(server.post("/agents/definitions/lawyer/activate", json!({})).await.status(), 200);
        let own = json!({"name": "own", "display_name": "Own", "instructions": "Hello."});
        assert_eq!(server.post("/agents/definitions", own).await.status(), 201);

        let seen = place.run(&["diff"]).await.ends_with(2);

        let lines: Vec<_> = seen.out.lines().map(|it| it.split(" at ").next().unwrap()).collect();
        expect![[r#"
            ~ agent researcher  (definitions/shop.yaml)
                changed in the server since it was applied: version 2 instead of 1, by client:admin
                ~ /instructions: "Be rude." -> "Look it up."
            ~ agent lawyer  (definitions/shop.yaml)
                changed in the server since it was applied: it was switched
                ~ /is_active: true -> false
            0 to create, 2 to update, 0 to delete, 6 unchanged
            1 in the server that no file has ever had"#]].assert_eq(&lines.join("\n"));
        // A server at work hears of what is put right.
        place.run(&["apply"]).await.ends_with(0);
        let now: Value = server.get("/agents/definitions/researcher").await.json().await.unwrap();
        assert_eq!((&now["instructions"], &now["version"]), (&json!("Look it up."), &json!(3)));
        let seen = place.run(&["diff", "--json"]).await.ends_with(0).json();
        assert_eq!(seen["others"], json!([{"kind": "agent", "name": "own"}]));
        server.stop().await;
    }

    async fn only_what_was_applied_before_is_pruned(place: Place) {
        place.write("shop.yaml", SHOP);
        place.run(&["apply"]).await.ends_with(0);
        let server = place.server().await;
        let own = json!({"name": "own", "display_name": "Own", "instructions": "Hello.", "tools": ["refund"]});
        assert_eq!(server.post("/agents/definitions", own).await.status(), 201);
        let text = json!({"text": "Cats are allowed.", "filename": "cats.txt"});
        assert_eq!(server.post("/rag/databases/handbook/documents", text).await.status(), 201);
        server.stop().await;
        let kept = SHOP.split("---\n").nth(1).unwrap();
        place.write("shop.yaml", kept);

        let plain = place.run(&["diff"]).await.ends_with(0);
        let refused = place.run(&["apply", "--prune"]).await.ends_with(1);

        let orphans: Vec<_> = plain.out.lines().filter(|it| it.starts_with('?')).collect();
        assert_eq!(orphans.len(), 7, "{}", plain.out);
        assert_eq!(orphans[0], "? mcp_upstream tickets: in no file any more; --prune deletes it");
        expect![[r#"
            rag_database handbook: its documents (1) would go with it; --delete-documents lets them (has_documents)
            tool refund: others name it: the agent `own` (in_use)
            2 wrong; nothing was written
        "#]].assert_eq(&refused.err);
        assert_eq!(place.run(&["export", "--stdout"]).await.ends_with(0).out.matches("\nname: ").count(), 9);

        let refund = SHOP.split("---\n").nth(4).unwrap();
        place.write("refund.yaml", refund);
        let done = place.run(&["apply", "--prune", "--delete-documents"]).await.ends_with(0);
        assert!(done.out.ends_with("0 created, 0 updated, 6 deleted, 2 unchanged\n1 in the server that no file has ever had\n"), "{}", done.out);
        let left = place.run(&["export", "left"]).await.ends_with(0);
        assert_eq!(left.out, "left/tools/refund.yaml\nleft/agents/own.yaml\nleft/agents/researcher.yaml\n");
    }

    async fn what_other_files_have_is_not_pruned(place: Place) {
        let part = |index: usize| SHOP.split("---\n").nth(index).unwrap();
        place.write("agents/researcher.yaml", part(1));
        place.write("agents/lawyer.yaml", part(3));
        place.write("handbook.yaml", part(5));
        place.run(&["apply"]).await.ends_with(0);
        fs::remove_file(place.path("agents/lawyer.yaml")).unwrap();

        let file = place.run(&["apply", "definitions/handbook.yaml", "--prune"]).await.ends_with(0);
        let pattern = place.run(&["diff", "definitions/h*.yaml", "--prune", "--json"]).await.ends_with(0);
        let folder = place.run(&["apply", "./definitions/agents/", "--prune"]).await.ends_with(0);

        expect![[r#"
            0 created, 0 updated, 0 deleted, 1 unchanged
            2 of the set were applied from other files than these
        "#]].assert_eq(&file.out);
        let elsewhere = json!([{"kind": "agent", "name": "lawyer"}, {"kind": "agent", "name": "researcher"}]);
        assert_eq!(pattern.json()["elsewhere"], elsewhere);
        expect![[r#"
            - agent lawyer  (was in definitions/agents/lawyer.yaml)
            0 created, 0 updated, 1 deleted, 1 unchanged
            1 of the set were applied from other files than these
        "#]].assert_eq(&folder.out);
    }

    async fn nothing_is_pruned_where_there_are_no_definitions(place: Place) {
        place.write("shop.yaml", SHOP);
        place.run(&["apply"]).await.ends_with(0);
        fs::remove_file(place.path("shop.yaml")).unwrap();

        for command in ["apply", "diff"] {
            let refused = place.run(&[command, "--prune", "--delete-documents"]).await.ends_with(1);

            expect![[r#"
                there are no definitions here, and --prune would delete all that ever were (nothing_read)
                1 wrong; nothing was written
            "#]].assert_eq(&refused.err);
        }
        assert_eq!(place.run(&["export", "--stdout"]).await.ends_with(0).out.matches("\nname: ").count(), 8);
    }

    async fn another_set_keeps_what_is_its_own(place: Place) {
        place.write("a.yaml", SHOP.split("---\n").nth(6).unwrap());
        place.write("b.yaml", SHOP.split("---\n").nth(1).unwrap());
        let tool = "kind: tool\nname: tickets__create_one\nspec:\n  kind: mcp\n  description: Creates one.\n  input_schema: {type: object}\n  config: {server: tickets, tool: create_one}\n";
        place.write("c.yaml", tool);
        place.run(&["apply", "definitions/a.yaml", "--set", "a"]).await.ends_with(0);
        place.run(&["apply", "definitions/b.yaml", "--prune", "--set", "b"]).await.ends_with(0);
        place.run(&["apply", "definitions/c.yaml", "--prune", "--set", "c"]).await.ends_with(0);
        place.write("a.yaml", "kind: rag_database\nname: notes\n");

        // A server of others goes with its tools, whoever has made them.
        let done = place.run(&["apply", "definitions/a.yaml", "--prune", "--set", "a"]).await.ends_with(0);

        expect![[r#"
            - mcp_upstream tickets  (was in definitions/a.yaml)
            + rag_database notes  (definitions/a.yaml)
            - tool tickets__create_one  (was in definitions/a.yaml)
            1 created, 0 updated, 2 deleted, 0 unchanged
        "#]].assert_eq(&done.out);
        let taken = place.run(&["apply", "definitions/b.yaml", "--set", "a"]).await.ends_with(0);
        let end = "0 created, 0 updated, 0 deleted, 1 unchanged\n1 of the set were applied from other files than these\n";
        assert!(taken.out.ends_with(end), "{}", taken.out);
        let wrong = place.run(&["apply", "--set", "a b"]).await.ends_with(2);
        assert!(wrong.err.contains("1 to 64 letters"), "{}", wrong.err);
    }

    async fn agents_tools_and_workflows_of_files_name_each_other(place: Place) {
        let files = |clerk: &str| format!("kind: agent
name: boss
spec: {{display_name: Boss, instructions: x, workflows: [month_end]}}
---
kind: workflow
name: month_end
spec: {{steps: [{{id: a, type: tool, tool: pay_all}}, {{id: b, type: agent, agent: clerk, input: Done?}}]}}
---
kind: tool
name: pay_all
spec: {{kind: workflow, description: Pays all., input_schema: {{type: object}}, config: {{workflow: pay}}}}
---
kind: workflow
name: pay
spec: {{steps: [{{id: a, type: mapping, output: paid}}]}}
---
kind: agent
name: clerk
spec: {{display_name: Clerk, instructions: x{clerk}}}
");
        place.write("all.yaml", &files(""));
        let done = place.run(&["apply"]).await.ends_with(0);
        assert!(done.out.ends_with("5 created, 0 updated, 0 deleted, 0 unchanged\n"), "{done:?}");
        assert!(place.run(&["diff"]).await.ends_with(0).out.contains("5 unchanged"));
        let exported = place.run(&["export", "--stdout"]).await.ends_with(0).out;
        assert!(exported.contains("workflows:\n  - month_end") && exported.contains("workflow: pay"), "{exported}");

        place.write("all.yaml", &files(", workflows: [month_end]"));
        let refused = place.run(&["apply"]).await.ends_with(1);
        expect![[r#"
            definitions/all.yaml:7: /spec/steps/1/agent: `clerk` would run `month_end` in turn, which waits for it (cycle)
            definitions/all.yaml:19: /spec/workflows/0: `month_end` would ask `clerk` in turn, which waits for it (cycle)
            2 wrong; nothing was written
        "#]].assert_eq(&refused.err);

        place.write("all.yaml", files("").split("---\n").filter(|it| !it.contains("name: pay\n")).collect::<Vec<_>>().join("---\n").as_str());
        let in_use = place.run(&["apply", "--prune"]).await.ends_with(1);
        assert!(in_use.err.contains("/spec/config/workflow: no workflow is named `pay` (unknown_workflow)"), "{}", in_use.err);
        assert!(in_use.err.contains("workflow pay: others name it: the tool `pay_all`"), "{}", in_use.err);
    }

    async fn all_that_is_wrong_is_said_at_once_and_nothing_is_written(place: Place) {
        place.write("shop.yaml", SHOP);
        place.run(&["apply"]).await.ends_with(0);
        let tool = "kind: tool\nname: Refund\nspec:\n  kind: http\n  description: x\n  input_schema: {type: object}\n  version: 3\n  config:\n    url: https://api.example.com\n    auth: {type: bearer, secret: stripe_key}\n";
        let agents = "kind: agent\nname: one\nspec: {display_name: One, instructions: x, agents: [two]}\n---\nkind: agent\nname: two\nspec:\n  display_name: Two\n  instructions: x\n  tolls: []\n  agents: [one]\n  tools:\n  - current_time\n  - nothing\n";
        let code = "kind: tool\nname: script\nspec: {description: x, input_schema: {type: object}, execute_code: \"return (\"}\n";
        place.write("shop.yaml", &format!("{tool}---\n{agents}---\n{code}"));

        let refused = place.run(&["apply"]).await.ends_with(1);

        expect![[r#"
            definitions/shop.yaml:2: /name: is `refund` in the server, and keeps its case (read_only)
            definitions/shop.yaml:7: /spec/version: cannot be set; leave it out, or send it as it is (read_only)
            definitions/shop.yaml:10: /spec/config/auth/secret: no secret is named `stripe_key` (unknown_secret)
            definitions/shop.yaml:14: /spec/agents/0: `two` would ask `one` in turn, which waits for it (cycle)
            definitions/shop.yaml:21: /spec/tolls: there is no such member; did you mean `tools`? (unknown_member)
            definitions/shop.yaml:22: /spec/agents/0: `one` would ask `two` in turn, which waits for it (cycle)
            definitions/shop.yaml:25: /spec/tools/1: no tool is named `nothing` (unknown_tool)
            definitions/shop.yaml:29: /spec/execute_code: SyntaxError: unexpected token in expression: '}' (line 1) (bad_script)
            8 wrong; nothing was written
        "#]].assert_eq(&refused.err);
        assert_eq!(refused.out, "");
        let json = place.run(&["diff", "--json"]).await.ends_with(1).json();
        expect![[r#"
            {
              "code": "read_only",
              "detail": "is `refund` in the server, and keeps its case",
              "file": "definitions/shop.yaml",
              "kind": "tool",
              "line": 2,
              "name": "Refund",
              "pointer": "/name"
            }"#]].assert_eq(&format!("{:#}", json["errors"][0]));
        place.write("again.yaml", "kind: agent\nname: ONE\n---\nkind: robot\nname: x\n");
        place.write("broken.yml", "a: b: c\n");
        let refused = place.run(&["apply"]).await.ends_with(1);
        expect![[r#"
            definitions/again.yaml:4: /kind: must be one of `mcp_upstream`, `rag_database`, `tool`, `agent`, `workflow` (not_one_of)
            definitions/broken.yml:1: it is no YAML: mapping values are not allowed in this context (not_yaml)
            definitions/shop.yaml:13: /name: is there already, in definitions/again.yaml:1 (not_unique)
            3 wrong; nothing was written
        "#]].assert_eq(&refused.err);
        assert_eq!(place.run(&["export", "--stdout"]).await.ends_with(0).out.matches("\nname: ").count(), 8);
    }

    async fn triggers_of_files_are_applied_exported_and_at_work(place: Place) {
        let workflow = |triggers: &str| {
            format!("kind: workflow\nname: daily\nspec:\n  steps: [{{id: a, type: mapping, output: 1}}]\n  triggers:\n{triggers}")
        };
        let cron = "  - {type: cron, cron: 0 9 * * 1-5, timezone: Europe/Berlin, missed: once}\n";
        place.write("daily.yaml", &workflow(&format!("{cron}  - {{type: webhook, path: paid, secret: paid_key}}\n")));
        let refused = place.run(&["apply"]).await.ends_with(1);
        expect![[r#"
            definitions/daily.yaml:7: /spec/triggers/1/secret: no secret is named `paid_key` (unknown_secret)
            1 wrong; nothing was written
        "#]].assert_eq(&refused.err);
        assert!(place.run(&["validate"]).await.ends_with(0).out.starts_with("note: definitions/daily.yaml:7: "));

        place.write("daily.yaml", &workflow(cron));
        place.run(&["apply"]).await.ends_with(0);
        place.run(&["diff"]).await.ends_with(0);
        expect![[r#"
            kind: workflow
            name: daily
            spec:
              steps:
              - id: a
                output: 1
                type: mapping
              triggers:
              - cron: "0 9 * * 1-5"
                id: cron
                missed: once
                timezone: Europe/Berlin
                type: cron
        "#]].assert_eq(&place.run(&["export", "--stdout"]).await.ends_with(0).out);
        let server = place.server().await;
        let trigger = server.list("/workflows/daily/triggers").await.remove(0);
        assert_eq!((&trigger["problem"], trigger["next_at"].as_array().unwrap().len()), (&Value::Null, 5));
        server.stop().await;
    }
}

#[tokio::test]
async fn files_are_validated_without_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let validate = async |arguments: &[&str]| {
        let arguments = [&["validate", "a.yaml"], arguments].concat();
        Said::of(run(folder.path(), &arguments, None).await)
    };
    let write = |text: &str| fs::write(folder.path().join("a.yaml"), text).unwrap();
    write(SHOP);
    let right = validate(&[]).await.ends_with(0);
    assert_eq!(right.out, "");
    assert!(right.err.starts_with("8 definitions are right; "), "{right:?}");

    let tool = "---\nkind: tool\nname: pay\nspec:\n  kind: http\n  description: Pays.\n  input_schema: {type: object}\n  config: {url: \"https://api.example.com\", auth: {type: bearer, secret: stripe_key}}\n";
    write(&format!("{}{tool}", SHOP.replace("name: researcher", "name: reader")));
    let open = validate(&[]).await.ends_with(0);
    expect![[r#"
        note: a.yaml:10: /spec/agents/0: no agent is named `researcher` (unknown_agent)
        note: a.yaml:62: /spec/config/auth/secret: no secret is named `stripe_key` (unknown_secret)
    "#]]
    .assert_eq(&open.out);
    let closed = validate(&["--closed"]).await.ends_with(1);
    expect![[r#"
        a.yaml:10: /spec/agents/0: no agent is named `researcher` (unknown_agent)
        1 wrong
    "#]]
    .assert_eq(&closed.err);
    write(&SHOP.replace("chunk_size", "chunk_sise"));
    let wrong = validate(&["--json"]).await.ends_with(1).json();
    expect![[r#"
        [
          {
            "code": "unknown_member",
            "detail": "there is no such member; did you mean `chunk_size`?",
            "file": "a.yaml",
            "kind": "rag_database",
            "line": 43,
            "name": "handbook",
            "pointer": "/spec/chunk_sise"
          }
        ]"#]]
    .assert_eq(&format!("{:#}", wrong["errors"]));
    let none = Said::of(run(folder.path(), &["validate", "nowhere"], None).await).ends_with(1);
    assert!(none.err.starts_with("nowhere:1: "), "{}", none.err);
}
