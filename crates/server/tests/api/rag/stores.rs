//! Vector stores beside the rows: what they are told, and that no answer depends on when.

use agent_server::db::Dialect;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::receiver::Answer;
use testkit::receiver::Receiver;

use super::handbook;
use super::ingested;
use super::names;
use super::put_in;
use super::search;
use super::suite::leaks::leaks;
use super::suite::parity::parity;
use super::suite::settled;
use super::upload;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;

/// The table of the only collection of a database.
async fn table(server: &TestServer) -> String {
    let name = "SELECT 'agent_server_vectors.' || relname FROM pg_stat_user_tables
        WHERE schemaname = 'agent_server_vectors'";
    crate::harness::text(server, name).await
}

on_both! {
    async fn the_rows_are_searched_as_every_store(server: TestServer) {
        assert!(parity(&server, json!({})).await >= 100);
    }

    async fn random_searches_find_what_a_naive_model_finds(server: TestServer) {
        leaks(&server, json!({}), 1, 120).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgvector_is_searched_as_every_store() {
    let server = TestServer::start(Dialect::Postgres).await;

    assert!(parity(&server, json!({"vector_store_type": "pgvector"})).await >= 100);

    let table = table(&server).await;
    let points = number(&server, &format!("SELECT COUNT(*) FROM {table}")).await;
    let rows = "SELECT COUNT(*) FROM rag_chunks c JOIN rag_databases d ON d.id = c.rag_database_id
        WHERE d.name = 'handbook'";
    assert_eq!(points, number(&server, rows).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_searches_of_pgvector_find_what_a_naive_model_finds() {
    let server = TestServer::start(Dialect::Postgres).await;

    leaks(&server, json!({"vector_store_type": "pgvector"}), 2, 120).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgvector_is_asked_and_what_it_says_is_compared_with_the_rows() {
    let server = TestServer::start(Dialect::Postgres).await;
    let admin = server.admin().await;
    handbook(&admin, json!({"vector_store_type": "pgvector"})).await;
    put_in(&admin, "a.txt", "Leave is paid.", json!({})).await;
    put_in(&admin, "b.txt", "Leave is long.", json!({"scopes": ["board.read"]})).await;
    settled(&server).await;
    let table = table(&server).await;
    let query = json!({"query": "leave", "mode": "vector"});
    let some = server.client("rag.search").await;
    assert_eq!(names(&some, query.clone()).await, ["a.txt"]);

    // Somebody has made the store say more than it should.
    in_sql(&server, &format!("UPDATE {table} SET scopes = ''")).await;
    assert_eq!(names(&some, query.clone()).await, ["a.txt"]);
    in_sql(&server, &format!("DELETE FROM {table}")).await;
    assert_eq!(names(&some, query.clone()).await, Vec::<String>::new());

    let moved =
        admin.put("/rag/databases/handbook", json!({"vector_store_type": "embedded"})).await;
    assert_eq!(moved.status, 200, "{}", moved.text);
    assert_eq!(names(&some, query.clone()).await, ["a.txt"]);
    admin.put("/rag/databases/handbook", json!({"vector_store_type": "pgvector"})).await;
    settled(&server).await;
    assert_eq!(number(&server, &format!("SELECT COUNT(*) FROM {table}")).await, 2);
    admin.delete("/rag/databases/handbook").await;
    settled(&server).await;
    let left =
        format!("SELECT COUNT(*) FROM pg_tables WHERE schemaname || '.' || tablename = '{table}'");
    assert_eq!(number(&server, &left).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_makes_no_answer_wrong_and_is_told_later() {
    let server = TestServer::start(Dialect::Postgres).await;
    let admin = server.admin().await;
    handbook(&admin, json!({"vector_store_type": "pgvector"})).await;
    let path = put_in(&admin, "a.txt", "Leave is paid.", json!({})).await;
    settled(&server).await;
    let table = table(&server).await;
    // A column that nobody knows of: nothing can be put in, and nothing be found.
    in_sql(&server, &format!("ALTER TABLE {table} RENAME COLUMN vector TO gone")).await;

    put_in(&admin, "b.txt", "Leave is long.", json!({})).await;
    failed(&server).await;

    let state = admin.get("/rag/databases/handbook").await.json();
    assert_eq!(state["status"], "error");
    assert!(state["last_error"].as_str().unwrap().contains("vector"), "{state:#}");
    let query = json!({"query": "leave", "mode": "vector"});
    let answer = search(&admin, query.clone()).await;
    assert_eq!(answer["data"].as_array().unwrap().len(), 2);
    assert!(answer["warnings"][0].as_str().unwrap().contains("memory was searched"), "{answer:#}");
    admin.delete(&path).await;
    assert_eq!(names(&admin, query.clone()).await, ["b.txt"]);
    let tested = admin.post("/rag/databases/handbook/test", json!({})).await.json();
    assert_eq!(tested["ok"], true, "the table is there: {tested}");

    in_sql(&server, &format!("ALTER TABLE {table} RENAME COLUMN gone TO vector")).await;
    server.app.clock.advance(std::time::Duration::from_mins(10));
    settled(&server).await;
    assert_eq!(names(&admin, query).await, ["b.txt"]);
    assert_eq!(number(&server, &format!("SELECT COUNT(*) FROM {table}")).await, 1);
    assert_eq!(admin.get("/rag/databases/handbook").await.json()["status"], "ready");
}

/// Something could not be told.
async fn failed(server: &TestServer) {
    let wait = async {
        while number(server, "SELECT COUNT(*) FROM vector_outbox WHERE last_error IS NOT NULL")
            .await
            == 0
        {}
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), wait).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_told_by_another_process() {
    let server = TestServer::start(Dialect::Postgres).await;
    let admin = server.alone().await;
    handbook(&admin, json!({"vector_store_type": "pgvector"})).await;
    let path = upload(&admin, "a.txt", "Leave is paid.", json!({})).await;
    assert!(number(&server, "SELECT COUNT(*) FROM vector_outbox").await > 0);

    let (_replica, other) = server.replica().await;
    assert_eq!(ingested(&other, &path).await["embedding_status"], "completed");
    settled(&server).await;

    assert_eq!(names(&admin, json!({"query": "leave", "mode": "vector"})).await, ["a.txt"]);
}

/// More points than are compared one by one: what lies around them is no passage of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_points_of_pgvector_are_found_by_an_index() {
    let server = TestServer::start(Dialect::Postgres).await;
    let admin = server.admin().await;
    handbook(&admin, json!({"vector_store_type": "pgvector"})).await;
    let path = put_in(&admin, "a.txt", "Leave is paid.", json!({"metadata": {"a": 1}})).await;
    settled(&server).await;
    let table = table(&server).await;
    let around = format!(
        "INSERT INTO {table} SELECT gen_random_uuid(), gen_random_uuid(), '', '{{\"a\": 1}}',
             (SELECT ('[' || string_agg((random() - 0.5)::text, ',') || ']')::vector
              FROM generate_series(1, 384) WHERE g > 0)
         FROM generate_series(1, 10050) g"
    );
    in_sql(&server, &around).await;

    admin.put(&path, json!({"metadata": {"a": 1, "b": 2}})).await;
    let indexed = async {
        let index = "SELECT COUNT(*) FROM pg_indexes WHERE schemaname = 'agent_server_vectors' AND indexdef LIKE '%hnsw%'";
        while number(&server, index).await == 0 {}
    };
    tokio::time::timeout(std::time::Duration::from_mins(3), indexed).await.unwrap();

    for filter in [json!({}), json!({"a": 1}), json!({"b": 2})] {
        let query = json!({"query": "Leave is paid.", "mode": "vector", "filter": filter});
        let answer = search(&admin, query).await;
        assert_eq!(answer["data"][0]["citation"]["filename"], "a.txt", "{filter}");
        assert_eq!(
            (answer["data"].as_array().unwrap().len(), &answer["warnings"]),
            (1, &json!([]))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_generation_has_a_collection_of_its_own_and_the_last_goes() {
    let server = TestServer::start(Dialect::Postgres).await;
    let admin = server.admin().await;
    handbook(&admin, json!({"vector_store_type": "pgvector"})).await;
    put_in(&admin, "a.txt", "Leave is paid.", json!({})).await;
    settled(&server).await;
    let first = table(&server).await;

    let changed = admin.put("/rag/databases/handbook", json!({"chunk_size": 500})).await;
    assert_eq!(changed.status, 202, "{}", changed.text);
    let swapped =
        async { while admin.get("/rag/databases/handbook").await.json()["generation"] != 2 {} };
    tokio::time::timeout(std::time::Duration::from_mins(1), swapped).await.unwrap();
    let query = json!({"query": "leave", "mode": "vector"});
    assert_eq!(names(&admin, query.clone()).await, ["a.txt"]);
    settled(&server).await;

    assert_eq!(names(&admin, query).await, ["a.txt"]);
    let second = table(&server).await;
    assert_eq!((first.ends_with("_1"), second.ends_with("_2")), (true, true), "{first} {second}");
    let tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'agent_server_vectors'";
    assert_eq!(number(&server, tables).await, 1);
}

/// More waits than a search reads beside the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_far_behind_is_not_asked() {
    let server = TestServer::start(Dialect::Postgres).await;
    let admin = server.admin().await;
    handbook(&admin, json!({"vector_store_type": "pgvector"})).await;
    put_in(&admin, "a.txt", "Leave is paid.", json!({})).await;
    settled(&server).await;
    in_sql(
        &server,
        "INSERT INTO vector_outbox (tenant_id, rag_database_id, document_id, run_after)
         SELECT i.tenant_id, i.rag_database_id, gen_random_uuid(), '2099-01-01'
         FROM rag_indexes i, generate_series(1, 101)",
    )
    .await;

    let answer = search(&admin, json!({"query": "leave", "mode": "vector"})).await;

    assert_eq!(answer["data"].as_array().unwrap().len(), 1);
    assert!(answer["warnings"][0].as_str().unwrap().contains("100 documents"), "{answer:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_the_server_cannot_have_is_a_problem_of_the_definition() {
    let server = TestServer::start(Dialect::Sqlite).await;
    let admin = server.admin().await;

    let made = handbook(&admin, json!({"vector_store_type": "pgvector"})).await;

    assert_eq!(
        (&made["status"], &made["problems"][0]["pointer"]),
        (&json!("error"), &json!("/vector_store_type"))
    );
    assert_eq!(made["last_error"], "`pgvector` is for a server whose own database is PostgreSQL");
    let tested = admin.post("/rag/databases/handbook/test", json!({})).await.json();
    assert_eq!((&tested["ok"], &tested["detail"]), (&json!(false), &made["last_error"]));
    let searched = admin.post("/rag/databases/handbook/search", json!({"query": "x"})).await;
    assert_eq!(searched.status, 422);
}

/// A PostgreSQL without the extension is what most have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_extension_is_said_and_found_when_it_is_there() {
    let server = TestServer::start(Dialect::Postgres).await;
    let admin = server.admin().await;
    // Nobody may make one, and nobody has.
    in_sql(&server, "CREATE SCHEMA other; CREATE TYPE other.vector AS (x int)").await;
    in_sql(&server, "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'only the owner of the house may do that'; END $$;
        CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE EXTENSION') EXECUTE FUNCTION refuse()").await;

    handbook(&admin, json!({"vector_store_type": "pgvector"})).await;
    failed(&server).await;

    let state = admin.get("/rag/databases/handbook").await.json();
    assert_eq!((&state["status"], &state["problems"]), (&json!("error"), &json!([])));
    let why = state["last_error"].as_str().unwrap();
    assert!(why.contains("CREATE EXTENSION vector") && why.contains("only the owner"), "{why}");
    put_in(&admin, "a.txt", "Leave is paid.", json!({})).await;
    let tested = admin.post("/rag/databases/handbook/test", json!({})).await.json();
    assert_eq!(tested["ok"], Value::Bool(false));
    in_sql(&server, "DROP EVENT TRIGGER refuse").await;
    let tested = admin.post("/rag/databases/handbook/test", json!({})).await.json();
    assert_eq!(tested["ok"], Value::Bool(true), "{tested}");
    settled(&server).await;
    assert_eq!(names(&admin, json!({"query": "leave", "mode": "vector"})).await, ["a.txt"]);
}

/// What Qdrant is asked, and what its published API says that it answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn qdrant_is_asked_as_its_api_says() {
    let qdrant = Receiver::start().await;
    let settings = [("AGENT_SERVER_EGRESS_ALLOW", &*qdrant.origin())];
    let server = TestServer::start_with(Dialect::Sqlite, &settings).await;
    let admin = server.admin().await;
    let secret = json!({"name": "qdrant_key", "value": "a-key-of-qdrant", "hosts": ["127.0.0.1"]});
    assert_eq!(admin.post("/secrets", secret).await.status, 201);
    let done =
        || Answer::Json(200, json!({"result": true, "status": "ok", "time": 0.001}).to_string());
    let missing =
        Answer::Json(404, json!({"status": {"error": "Not found"}, "time": 0.0}).to_string());
    // It is asked whether it is there.
    qdrant.answer(missing.clone());
    let config = json!({"url": qdrant.origin(), "secret": "qdrant_key", "collection": "books"});
    handbook(&admin, json!({"vector_store_type": "qdrant", "vector_store_config": config})).await;
    settled(&server).await;
    // The collection is made, with its indexes, and emptied of the document, which is put in.
    qdrant.answer(missing);
    for _ in 0..5 {
        qdrant.answer(done());
    }
    let path = put_in(&admin, "a.txt", "Leave is paid.", json!({"metadata": {"team": "hr"}})).await;
    settled(&server).await;
    let chunks = admin.get(&format!("{path}/chunks")).await.json();
    let point = json!({"id": chunks["data"][0]["id"], "version": 1, "score": 0.5});
    let found = json!({"result": {"points": [point]}, "status": "ok", "time": 0.001});
    qdrant.answer(Answer::Json(200, found.to_string()));
    let query = json!({"query": "leave", "mode": "vector", "filter": {"team": "hr"}});
    assert_eq!(names(&admin, query).await, ["a.txt"]);
    qdrant.answer(done());
    admin.delete("/rag/databases/handbook").await;
    settled(&server).await;

    let asked = qdrant.webhooks().into_iter().map(|it| {
        assert_eq!(it.header("api-key"), "a-key-of-qdrant");
        let mut body: Value = serde_json::from_slice(&it.body).unwrap_or_default();
        for place in ["/query", "/points/0/vector"] {
            if let Some(vector) = body.pointer_mut(place) {
                assert_eq!(vector.as_array().unwrap().len(), 384);
                *vector = json!("…");
            }
        }
        let path = it.path.replace(|digit: char| digit.is_ascii_digit(), "0");
        format!("{path} {body}")
    });
    expect![[r#"
        /collections/books-c00faef0d0ba0abb0c00a00000fa0000e_0 null
        /collections/books-c00faef0d0ba0abb0c00a00000fa0000e_0 null
        /collections/books-c00faef0d0ba0abb0c00a00000fa0000e_0 {"vectors":{"distance":"Cosine","size":384}}
        /collections/books-c00faef0d0ba0abb0c00a00000fa0000e_0/index?wait=true {"field_name":"document","field_schema":"keyword"}
        /collections/books-c00faef0d0ba0abb0c00a00000fa0000e_0/index?wait=true {"field_name":"scopes","field_schema":"keyword"}
        /collections/books-c00faef0d0ba0abb0c00a00000fa0000e_0/points/delete?wait=true {"filter":{"must":[{"should":[{"key":"\"document\"","match":{"value":"01900000-0000-7000-8000-000000000005"}}]}]}}
        /collections/books-c00faef0d0ba0abb0c00a00000fa0000e_0/points?wait=true {"points":[{"id":"55bcb13e-054a-8697-b434-a045d1a047b3","payload":{"document":"01900000-0000-7000-8000-000000000005","s:team":"hr","scopes":"","t:team":"string"},"vector":"…"}]}
        /collections/books-c00faef0d0ba0abb0c00a00000fa0000e_0/points/query {"filter":{"must":[{"must":[{"should":[{"key":"\"scopes\"","match":{"value":""}}]},{"should":[{"key":"\"s:team\"","match":{"value":"hr"}}]}]}]},"limit":5,"query":"…","with_payload":false,"with_vector":false}
        /collections/books-c00faef0d0ba0abb0c00a00000fa0000e_0 null"#]].assert_eq(&asked.collect::<Vec<_>>().join("\n"));
}

/// It answers for a while that it has too much to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_down_while_documents_come_has_each_passage_once_later() {
    let store = Receiver::start().await;
    let settings = [("AGENT_SERVER_EGRESS_ALLOW", &*store.origin())];
    let server = TestServer::start_with(Dialect::Sqlite, &settings).await;
    let admin = server.admin().await;
    for _ in 0..100 {
        store.answer(Answer::Status(503));
    }
    let config = json!({"url": store.origin()});
    handbook(&admin, json!({"vector_store_type": "qdrant", "vector_store_config": config, "chunk_size": 30, "chunk_overlap": 0})).await;
    failed(&server).await;

    put_in(&admin, "a.txt", &super::lines(20), json!({})).await;

    let rows = number(&server, "SELECT COUNT(*) FROM rag_chunks").await;
    let answer = search(&admin, json!({"query": "line", "mode": "vector", "top_k": 100})).await;
    assert_eq!(answer["data"].as_array().unwrap().len(), usize::try_from(rows).unwrap());
    assert!(answer["warnings"][0].as_str().unwrap().contains("503"), "{answer:#}");
    let state = admin.get("/rag/databases/handbook").await.json();
    assert_eq!(state["status"], "error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_wrong_with_the_settings_of_a_store_is_said() {
    let server = TestServer::start(Dialect::Sqlite).await;
    let admin = server.admin().await;
    admin
        .post(
            "/secrets",
            json!({"name": "key", "value": "a-key-of-a-store", "hosts": ["qdrant.test"]}),
        )
        .await;
    let clerk = server.client("rag.*").await;
    let mut said = Vec::new();
    for (caller, store, config) in [
        (&admin, "chroma", json!({})),
        (&admin, "chroma", json!({"url": "ftp://x", "collection": "-x", "tenant": 1, "port": 1})),
        (
            &admin,
            "qdrant",
            json!({"url": "https://a:b@qdrant.test", "secret": "none", "tenant": "x"}),
        ),
        (&admin, "qdrant", json!({"url": "https://other.test", "secret": "key"})),
        (&admin, "pgvector", json!({"url": "https://other.test"})),
        (&clerk, "qdrant", json!({"url": "https://qdrant.test", "secret": "key"})),
    ] {
        let body = json!({"name": format!("d{}", said.len()), "vector_store_type": store, "vector_store_config": config});
        let reply = caller.post("/rag/databases", body).await;
        let answer = reply.json();
        let faults = answer["errors"].as_array().or_else(|| answer["problems"].as_array()).unwrap();
        for fault in faults {
            said.push(format!(
                "{} {} {}: {}",
                reply.status, fault["pointer"], fault["code"], fault["detail"]
            ));
        }
    }

    expect![[r#"
        422 "/vector_store_config/url" "missing_member": "is required"
        422 "/vector_store_config/collection" "bad_format": "is a letter or digit, then at most 99 letters, digits, `.`, `_` and `-`"
        422 "/vector_store_config/port" "unknown_member": "the store `chroma` has no such setting"
        422 "/vector_store_config/tenant" "wrong_type": "must be a string or null"
        422 "/vector_store_config/url" "bad_format": "must be a URL of `http` or `https` without user, query and fragment"
        422 "/vector_store_config/secret" "unknown_secret": "there is no secret `none`"
        422 "/vector_store_config/tenant" "unknown_member": "the store `qdrant` has no such setting"
        422 "/vector_store_config/url" "bad_format": "must be a URL of `http` or `https` without user, query and fragment"
        201 "/vector_store_config/secret" "secret_not_for_host": "the secret `key` is not for this host"
        422 "/vector_store_config/url" "unknown_member": "the store `pgvector` has no such setting"
        422 "/vector_store_config/secret" "missing_scope": "its use needs the scope `secret.execute`, which you do not hold""#]].assert_eq(&said.join("\n"));
    let named = admin.get("/secrets/key").await.json();
    assert_eq!(named["used_by"][0]["kind"], "rag_database", "{named:#}");
    assert_eq!(admin.delete("/secrets/key").await.status, 409);
}
