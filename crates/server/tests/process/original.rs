//! `agent-server import`, from a PostgreSQL with the tables of the original.

use std::process::Output;

use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use sqlx::Connection;
use sqlx::PgConnection;
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;
use testkit::model::FakeModel;
use testkit::on_both;
use tokio::process::Command;

use crate::server;
use crate::server::PROGRAM;
use crate::server::SECRET;
use crate::server::Server;

/// The tables as the original's migrations leave them, and one row or two of each kind.
const ORIGINAL: &str = r#"
CREATE TABLE client_registrations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(), client_id VARCHAR(255) UNIQUE NOT NULL, client_secret VARCHAR(255) NOT NULL,
    scopes TEXT[] DEFAULT '{}', public_key JSONB, created_at TIMESTAMP DEFAULT NOW(), updated_at TIMESTAMP DEFAULT NOW(),
    name VARCHAR(255) NOT NULL, registered_by VARCHAR(255));
CREATE TABLE agent_definitions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(), name VARCHAR(255) UNIQUE NOT NULL, display_name VARCHAR(255) NOT NULL,
    instructions TEXT NOT NULL, model VARCHAR(255) DEFAULT 'gpt-4', tools JSONB DEFAULT '[]', scopes TEXT[] DEFAULT '{}',
    is_active BOOLEAN DEFAULT true, created_by VARCHAR(255), created_at TIMESTAMP DEFAULT NOW(), updated_at TIMESTAMP DEFAULT NOW(),
    description TEXT, max_retries INTEGER DEFAULT 3, workflows JSONB DEFAULT '[]', default_generate_options JSONB DEFAULT '{}',
    default_stream_options JSONB DEFAULT '{}', agents JSONB DEFAULT '[]', scorers JSONB DEFAULT '[]', evals JSONB DEFAULT '{}',
    memory_config JSONB DEFAULT '{}', voice_config JSONB DEFAULT '{}', input_processors JSONB DEFAULT '[]',
    output_processors JSONB DEFAULT '[]', telemetry_enabled BOOLEAN DEFAULT false);
CREATE TABLE workflow_definitions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(), name VARCHAR(255) UNIQUE NOT NULL, display_name VARCHAR(255) NOT NULL, description TEXT,
    steps JSONB NOT NULL DEFAULT '[]', triggers JSONB DEFAULT '[]', scopes TEXT[] DEFAULT '{}', is_active BOOLEAN DEFAULT true,
    created_by VARCHAR(255), created_at TIMESTAMP DEFAULT NOW(), updated_at TIMESTAMP DEFAULT NOW());
CREATE TABLE workflow_steps (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(), workflow_id UUID REFERENCES workflow_definitions (id) ON DELETE CASCADE,
    step_id VARCHAR(255) NOT NULL, name VARCHAR(255), description TEXT, input_schema JSONB, output_schema JSONB, execute_code TEXT NOT NULL,
    depends_on TEXT[], order_index INTEGER, is_active BOOLEAN DEFAULT true, created_by VARCHAR(255), UNIQUE (workflow_id, step_id));
CREATE TABLE tool_definitions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(), name VARCHAR(255) UNIQUE NOT NULL, display_name VARCHAR(255) NOT NULL,
    description TEXT NOT NULL, input_schema JSONB NOT NULL, output_schema JSONB DEFAULT '{}', execute_code TEXT NOT NULL,
    scopes TEXT[] DEFAULT '{}', is_active BOOLEAN DEFAULT true, created_by VARCHAR(255), created_at TIMESTAMP DEFAULT NOW(),
    updated_at TIMESTAMP DEFAULT NOW());
CREATE TABLE rag_databases (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(), name VARCHAR(255) UNIQUE NOT NULL, display_name VARCHAR(255) NOT NULL, description TEXT,
    vector_store_type VARCHAR(50) DEFAULT 'chroma', vector_store_config JSONB, embedding_model VARCHAR(255) DEFAULT 'text-embedding-ada-002',
    chunk_size INTEGER DEFAULT 1000, chunk_overlap INTEGER DEFAULT 200, scopes TEXT[] DEFAULT '{}', is_active BOOLEAN DEFAULT true,
    created_by VARCHAR(255), created_at TIMESTAMP DEFAULT NOW(), updated_at TIMESTAMP DEFAULT NOW());
CREATE TABLE rag_documents (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(), rag_database_id UUID REFERENCES rag_databases (id) ON DELETE CASCADE, filename TEXT,
    original_filename TEXT, file_type VARCHAR(50), file_size BIGINT, chunk_count INTEGER DEFAULT 0, embedding_status VARCHAR(20));
CREATE TABLE scorer_definitions (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), name VARCHAR(255), scorer_type VARCHAR(50));
CREATE TABLE applications (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), name VARCHAR(255), display_name VARCHAR(255));
CREATE TABLE application_client_permissions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(), client_id VARCHAR(255), application_id UUID, component_scopes TEXT[], granted_by VARCHAR(255));
CREATE TABLE documents (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), markdown TEXT);

INSERT INTO client_registrations (client_id, client_secret, scopes, name, registered_by, public_key) VALUES
    ('portal', 'c1d9b7d6-8a53-4a35-93c5-0b6f5b0a4d11', '{agent.execute,agent.chat,tool.*,scorer.execute,rfp.process}', 'Portal', 'admin', '{"kty":"OKP"}'),
    ('admin', 'hunter2-hunter2-hunter2', '{admin.write}', 'Admin', NULL, NULL),
    ('a b', 'x', '{}', 'Legacy Client: a b', NULL, NULL);
INSERT INTO applications (name) VALUES ('rfp');
INSERT INTO application_client_permissions (client_id, application_id, component_scopes)
    SELECT 'portal', id, '{workflow.execute,rfp.analysis.execute}' FROM applications;
INSERT INTO tool_definitions (name, display_name, description, input_schema, execute_code, scopes) VALUES
    ('file-analyzer', 'File Analyzer', 'Says how long a text is.', '{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}',
     'return { length: input.text.length };', '{tool.execute}'),
    ('Web Search!', 'Web Search', 'Searches.', '{"properties":{"q":{"type":"string"}}}', 'const r = await fetch("https://x"); return r.json();', '{}'),
    ('broken', 'Broken', 'Does not compile.', '{"type":"object"}', 'return (', '{}');
INSERT INTO agent_definitions (name, display_name, instructions, model, tools, scopes, agents, voice_config, is_active) VALUES
    ('analyst', 'Analyst', 'You analyse {{documents}}.', 'smartest', '["file-analyzer","Web Search!","citation-formatter","broken"]',
     '{agent.execute,rfp.process,agent.chat}', '["writer"]', '{"voice":"alto"}', true),
    ('writer', 'Writer', 'You write.', 'claude-sonnet-4', '[]', '{}', '["analyst"]', '{}', false),
    ('9 lives!', 'Nine Lives', 'You live.', 'gpt-4', '[]', '{night shift,rfp.process}', '[]', '{}', true);
INSERT INTO workflow_definitions (name, display_name, description, triggers, scopes) VALUES
    ('document-analysis-workflow', 'Document Analysis', 'Counts words.', '[{"type":"manual"}]', '{workflow.execute}'),
    ('empty', 'Empty', NULL, '[]', '{}');
INSERT INTO workflow_steps (workflow_id, step_id, execute_code, depends_on, order_index, input_schema, output_schema, is_active)
    SELECT id, s.step_id, s.code, s.needs, s.place, s.given::jsonb, s.gives::jsonb, s.live FROM workflow_definitions, (VALUES
        ('count words', 'return { words: input.words.length };', '{split}'::text[], 2, '{}', '{"type":"object"}', true),
        ('split', 'return { words: input.text.split(" ") };', NULL, 1, '{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}', '{}', true),
        ('old', 'return 1;', NULL, 3, '{}', '{}', false)) AS s (step_id, code, needs, place, given, gives, live)
    WHERE name = 'document-analysis-workflow';
INSERT INTO rag_databases (name, display_name, vector_store_type, vector_store_config, chunk_size, chunk_overlap) VALUES
    ('handbook', 'Handbook', 'pinecone', '{"apiKey":"hunter2"}', 100, 200);
INSERT INTO rag_documents (rag_database_id, filename) SELECT id, 'leave.pdf' FROM rag_databases;
INSERT INTO scorer_definitions (name, scorer_type) VALUES ('document-quality-scorer', 'quality');
INSERT INTO documents (markdown) VALUES ('# A'), ('# B');
"#;

/// The database of the original, and ours.
struct Move {
    original: TestDatabase,
    ours: TestDatabase,
}

impl Move {
    async fn on(kind: DatabaseKind) -> Self {
        let original = TestDatabase::empty(DatabaseKind::Postgres).await;
        let mut connection = PgConnection::connect(original.url()).await.unwrap();
        sqlx::raw_sql(ORIGINAL).execute(&mut connection).await.unwrap();
        Self { original, ours: server::database(kind).await }
    }

    async fn import(&self, arguments: &[&str]) -> String {
        let output = import(self.ours.url(), self.original.url(), arguments).await;
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        // A note of each workflow, as long as a release only keeps them.
        let is_said = |line: &&str| !line.contains("does not execute them");
        text.split_inclusive('\n').filter(is_said).collect()
    }
}

async fn import(ours: &str, original: &str, arguments: &[&str]) -> Output {
    into(ours).args(["--from", original]).args(arguments).output().await.unwrap()
}

/// The command that imports into a database of ours.
fn into(ours: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .arg("import")
        .env_clear()
        .env("DATABASE_URL", ours)
        .env("DATABASE_SYNC", "normal")
        .env("MANAGEMENT_CLIENT_SECRET", SECRET)
        .env("AGENT_SERVER_ENCRYPTION_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    command
}

on_both! {
    async fn what_the_original_has_goes_on_here(both: Move) {
        let dry = both.import(&["--dry-run"]).await;
        let done = both.import(&[]).await;

        expect![[r#"
            taken over  rag_database handbook
                        chunk_overlap was 200, which is no less than chunk_size
                        vectors are kept in the server's own database; the original named `pinecone` and kept none
                        the original kept no content of its documents (1); upload them again: leave.pdf
                        cannot be used yet: the provider `openai` is not configured: set `OPENAI_API_KEY`
            taken over  tool Web-Search
                        it was called `Web Search!`
                        its input_schema did not say that arguments are an object
                        its code uses `fetch`; here there is `ctx.fetch`, to the hosts that `config.hosts` names
            left out    tool broken
                        /spec/execute_code: SyntaxError: unexpected token in expression: '}' (line 1)
            taken over  tool file-analyzer
            taken over  agent x-9-lives
                        it was called `9 lives!`
                        it is not active: the scope "night shift", which it demands, means nothing here
                        cannot be used yet: the provider `openai` is not configured: set `OPENAI_API_KEY`
            taken over  agent analyst
                        `agent.chat` is `agent.execute` here
                        its model `smartest` is `openai/gpt-5` here; how much it thinks is not set
                        not taken over, as the original did not use it: voice_config
                        without "citation-formatter": no tool is named `citation-formatter`
                        without "broken": no tool is named `broken`
                        cannot be used yet: the provider `openai` is not configured: set `OPENAI_API_KEY`
            taken over  agent writer
                        without "analyst": `analyst` would ask `writer` in turn, which waits for it
                        cannot be used yet: the provider `anthropic` is not configured: set `ANTHROPIC_API_KEY`
            taken over  workflow document-analysis-workflow
                        its step `old` was not active
                        its step `count words` is called `count_words`
                        schemas between its steps are not checked; the first and the last are those of the workflow
                        its triggers, which the original did not have, are not taken over
            left out    workflow empty
                        /spec/steps: must have at least one entry
            left out    client a b
                        an id has 1 to 255 visible characters of ASCII
            kept        client admin
            taken over  client portal
                        its public key, which the original did not use, is not taken over
                        an application let it do, too: workflow.execute rfp.analysis.execute
                        `agent.chat` is `agent.execute` here
            left out    scorer document-quality-scorer
                        there are no scorers here; the original never executed them
            left out    application rfp
                        there are no applications here; clients have their scopes themselves
            left out    documents 2 rows
                        documents of conversations have no place here; upload their files to a RAG database
            8 taken over, 1 here already, 6 left out
        "#]].assert_eq(&done);
        assert!(!done.contains("hunter2") && !done.contains("c1d9b7d6"));
        assert_eq!(dry.replace("; nothing was written", ""), done);
        let again = both.import(&["--json"]).await;
        let again: Value = serde_json::from_str(&again).unwrap();
        assert_eq!((&again["taken"], &again["kept"]), (&json!(0), &json!(9)), "{again:#}");

        let server = Server::start(both.ours.url(), &FakeModel::start().await).await;
        let analyst: Value = server.get("/agents/definitions/analyst").await.json().await.unwrap();
        let [tools, agents, scopes] = ["tools", "agents", "scopes"].map(|it| &analyst[it]);
        assert_eq!((tools, agents), (&json!(["file-analyzer", "Web-Search"]), &json!(["writer"])));
        assert_eq!((scopes, &analyst["model"]), (&json!(["agent.execute", "rfp.process"]), &json!("openai/gpt-5")));
        // What nobody can hold here is not left away: without it everybody would be let in.
        let closed: Value = server.get("/agents/definitions/x-9-lives").await.json().await.unwrap();
        assert_eq!((&closed["scopes"], &closed["is_active"]), (&json!(["rfp.process"]), &json!(false)));
        let tool: Value = server.get("/tools/definitions/file-analyzer").await.json().await.unwrap();
        assert_eq!(tool["execute_code"], "return { length: input.text.length };");
        let body = json!({"input": {"text": "four"}});
        let run: Value = server.post("/tools/file-analyzer/execute", body).await.json().await.unwrap();
        assert_eq!(run["output"], json!({"length": 4}), "{run:#}");
        let workflow: Value =
            server.get("/workflows/definitions/document-analysis-workflow").await.json().await.unwrap();
        let script = |id: &str, code: &str| json!({"id": id, "type": "script", "code": code});
        let steps = [
            script("split", r#"return { words: input.text.split(" ") };"#),
            script("count_words", "return { words: input.words.length };"),
        ];
        assert_eq!(workflow["steps"], json!(steps));
        assert_eq!(workflow["input_schema"]["required"], json!(["text"]));
        let database: Value = server.get("/rag/databases/handbook").await.json().await.unwrap();
        assert_eq!((&database["chunk_size"], &database["chunk_overlap"]), (&json!(100), &json!(20)));
        // The client goes on with the secret that it has.
        let token = server.token_of("portal", "c1d9b7d6-8a53-4a35-93c5-0b6f5b0a4d11").await;
        assert_eq!(token["scope"], "agent.execute tool.* scorer.execute rfp.process workflow.execute rfp.analysis.execute", "{token:#}");
        let trail = server.list("/audit?actor=system:import&limit=200").await;
        assert_eq!(trail.len(), 8);
        assert!(!json!(trail).to_string().contains("c1d9b7d6"));
        server.stop().await;
    }
}

on_both! {
    async fn definitions_and_clients_are_imported_together_or_not_at_all(both: Move) {
        let [hinder, help] = match both.ours.file() {
            Some(_) => [
                "CREATE TRIGGER no_portal BEFORE INSERT ON client_registrations WHEN new.client_id = 'portal'
                     BEGIN SELECT RAISE(ABORT, 'not now'); END",
                "DROP TRIGGER no_portal",
            ],
            None => [
                "ALTER TABLE client_registrations ADD CONSTRAINT no_portal CHECK (client_id <> 'portal')",
                "ALTER TABLE client_registrations DROP CONSTRAINT no_portal",
            ],
        };
        server::in_sql(&both.ours, hinder).await;

        let failed = import(both.ours.url(), both.original.url(), &[]).await;

        assert_eq!(failed.status.code(), Some(1), "{failed:?}");
        server::in_sql(&both.ours, help).await;
        let done: Value = serde_json::from_str(&both.import(&["--json"]).await).unwrap();
        assert_eq!((&done["taken"], &done["kept"]), (&json!(8), &json!(1)), "{done:#}");
    }

    async fn a_client_of_another_tenant_keeps_its_id(both: Move) {
        let other = "INSERT INTO tenants (id, name) VALUES ('other', 'Other');
            INSERT INTO client_registrations (tenant_id, client_id) VALUES ('other', 'portal')";
        server::in_sql(&both.ours, other).await;

        let done = both.import(&[]).await;

        let left_out = "left out    client portal\n            the tenant `other` has a client of this id\n";
        assert!(done.contains(left_out), "{done}");
        assert!(done.ends_with("7 taken over, 1 here already, 7 left out\n"), "{done}");
    }
}

#[tokio::test]
async fn what_is_not_the_original_is_not_imported() {
    let (ours, empty) = (
        server::database(DatabaseKind::Postgres).await,
        TestDatabase::empty(DatabaseKind::Postgres).await,
    );
    let lite = server::database(DatabaseKind::Sqlite).await;
    for (from, why) in [
        (ours.url(), "--from: this is a database of this server, not of the original"),
        (empty.url(), "--from: there are no tables of the original agent server"),
        (lite.url(), "--from: the original keeps its tables in PostgreSQL"),
        ("nonsense", "--from must begin with"),
    ] {
        let refused = import(lite.url(), from, &[]).await;
        assert_eq!(refused.status.code(), Some(1));
        let err = String::from_utf8(refused.stderr).unwrap();
        assert!(err.contains(why), "{err}");
    }
}

#[tokio::test]
async fn the_original_is_named_without_showing_its_password_to_other_processes() {
    let both = Move::on(DatabaseKind::Sqlite).await;
    let url = both.original.url();

    let dry =
        into(both.ours.url()).arg("--dry-run").env("IMPORT_FROM", url).output().await.unwrap();

    assert!(dry.status.success(), "{dry:?}");
    let said = String::from_utf8(dry.stdout).unwrap();
    assert!(said.ends_with("6 left out; nothing was written\n"), "{said}");
    for (from, why) in [
        ("", "set IMPORT_FROM, or give --from"),
        ("nonsense", "IMPORT_FROM must begin with"),
        (both.ours.url(), "IMPORT_FROM: the original keeps its tables in PostgreSQL"),
    ] {
        let refused = into(both.ours.url()).env("IMPORT_FROM", from).output().await.unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let err = String::from_utf8(refused.stderr).unwrap();
        assert!(err.contains(why), "{err}");
    }
}
