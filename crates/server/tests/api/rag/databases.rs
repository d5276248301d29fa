//! Databases: validated, versioned, listed, tested and deleted.

use expect_test::expect;
use serde_json::json;

use super::handbook;
use super::ingested;
use super::lines;
use super::names;
use super::put_in;
use crate::harness::in_sql;
use crate::harness::number;

on_both! {
    async fn a_new_database_is_answered_whole(server: TestServer) {
        let admin = server.admin().await;

        let made = admin.post("/rag/databases", json!({"name": "handbook", "chunker": "markdown"})).await;

        made.is(expect![[r#"
            201 application/json
            {
              "chunk_overlap": 200,
              "chunk_size": 1000,
              "chunk_unit": "characters",
              "chunker": "markdown",
              "content_hash": "sha256:624474be524efad9aadd989ec8f6278dfe4a6e29a4fca11d37808951c66b80fd",
              "created_at": "2026-11-25T10:00:00Z",
              "created_by": "client:admin",
              "description": "",
              "dimension": null,
              "display_name": "handbook",
              "embedding_model": "local/hashing",
              "generation": 1,
              "id": "01900000-0000-7000-8000-000000000003",
              "is_active": true,
              "last_error": null,
              "metadata": {},
              "name": "handbook",
              "problems": [],
              "reindex": null,
              "scopes": [],
              "search": {
                "min_score": null,
                "mode": "hybrid",
                "top_k": 5
              },
              "shadows": null,
              "source": "database",
              "stats": {
                "bytes": 0,
                "chunks": 0,
                "documents": 0
              },
              "status": "ready",
              "updated_at": "2026-11-25T10:00:00Z",
              "vector_store_config": {},
              "vector_store_type": "embedded",
              "version": 1
            }
        "#]]);
        let location = made.header("location").unwrap();
        assert_eq!(admin.get(location).await.json(), made.json());
        assert_eq!(admin.get("/rag/databases/Handbook").await.json(), made.json());
        assert_eq!(admin.get("/rag/databases").await.json(), json!({"data": [made.json()], "next_cursor": null}));
    }

    async fn everything_wrong_with_a_database_is_said_at_once(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        let body = json!({
            "name": "a b", "vector_store_type": "pinecone", "vector_store_config": {}, "embedding_model": "anthropic/x",
            "chunk_size": 100, "chunk_overlap": 100, "chunker": "wild", "chunk_unit": "words",
            "search": {"top_k": 0}, "scopes": ["rag"], "sise": 1,
        });

        let refused = admin.post("/rag/databases", body).await;
        let config = json!({"name": "b", "vector_store_config": {"url": "x"}, "chunk_size": 0});
        let config = admin.post("/rag/databases", config).await;
        let taken = admin.post("/rag/databases", json!({"name": "HandBook"})).await;

        refused.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "9 members are not valid",
              "errors": [
                {
                  "code": "out_of_range",
                  "detail": "must be less than `chunk_size`, which is 100",
                  "pointer": "/chunk_overlap"
                },
                {
                  "code": "not_one_of",
                  "detail": "must be one of `characters` or `tokens`",
                  "pointer": "/chunk_unit"
                },
                {
                  "code": "not_one_of",
                  "detail": "must be one of `recursive`, `markdown` or `rows`",
                  "pointer": "/chunker"
                },
                {
                  "code": "unknown_model",
                  "detail": "there is no provider `anthropic` of embedding models; there are `cohere`, `google`, `ollama`, `openai`, `openai-responses`",
                  "pointer": "/embedding_model"
                },
                {
                  "code": "bad_format",
                  "detail": "a name is a letter, then letters, digits, `_` and `-`",
                  "pointer": "/name"
                },
                {
                  "code": "bad_scope",
                  "detail": "a scope is two or more words of a-z, 0-9, _ and - with dots between; the last one may be *",
                  "pointer": "/scopes/0"
                },
                {
                  "code": "out_of_range",
                  "detail": "must be at least 1",
                  "pointer": "/search/top_k"
                },
                {
                  "code": "unknown_member",
                  "detail": "there is no such member",
                  "pointer": "/sise"
                },
                {
                  "code": "not_one_of",
                  "detail": "must be one of `embedded`, `pgvector`, `qdrant` or `chroma`",
                  "pointer": "/vector_store_type"
                }
              ],
              "status": 422,
              "type": "/problems/invalid-request"
            }
        "#]]);
        config.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "3 members are not valid",
              "errors": [
                {
                  "code": "out_of_range",
                  "detail": "must be less than `chunk_size`, which is 0",
                  "pointer": "/chunk_overlap"
                },
                {
                  "code": "out_of_range",
                  "detail": "must be at least 1",
                  "pointer": "/chunk_size"
                },
                {
                  "code": "unknown_member",
                  "detail": "the store `embedded` has no such setting",
                  "pointer": "/vector_store_config/url"
                }
              ],
              "status": 422,
              "type": "/problems/invalid-request"
            }
        "#]]);
        assert_eq!((taken.status, &taken.json()["type"]), (409, &json!("/problems/rag-database-name-taken")));
    }

    async fn a_database_that_is_cut_otherwise_is_ingested_again(server: TestServer) {
        let admin = server.admin().await;
        let made = handbook(&admin, json!({})).await;
        let text = "One sentence. ".repeat(50);
        let path = put_in(&admin, "a.txt", &text, json!({})).await;
        assert_eq!(ingested(&admin, &path).await["chunk_count"], 1);

        let same = admin.put("/rag/databases/handbook", json!({"description": "New.", "stats": made["stats"]})).await;
        let recut = admin.put("/rag/databases/handbook", json!({"chunk_size": 100, "chunk_overlap": 0})).await;

        assert_eq!((same.status, &same.json()["version"]), (200, &json!(2)));
        assert_eq!((recut.status, &recut.json()["status"]), (202, &json!("reindexing")));
        assert_eq!(ingested(&admin, &path).await["chunk_count"], 8);
    }

    async fn a_database_in_sql_counts_at_once_and_says_what_is_wrong(server: TestServer) {
        let admin = server.admin().await;
        in_sql(&server, "INSERT INTO rag_databases (name, display_name) VALUES ('handbook', 'Handbook');
            INSERT INTO rag_databases (name, display_name, chunk_size, chunk_overlap) VALUES ('bad', 'Bad', 10, 10)").await;

        put_in(&admin, "a.txt", "Leave lasts long.", json!({})).await;
        in_sql(&server, "UPDATE rag_databases SET chunk_size = 8, chunk_overlap = 0 WHERE name = 'handbook'").await;
        let recut = async {
            while number(&server, "SELECT count(*) FROM rag_chunks").await < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(1), recut).await.unwrap();

        let bad = admin.get("/rag/databases/bad").await.json();
        assert_eq!((&bad["status"], &bad["problems"][0]["pointer"]), (&json!("error"), &json!("/chunk_overlap")));
        let searched = admin.post("/rag/databases/bad/search", json!({"query": "x"})).await;
        assert_eq!((searched.status, &searched.json()["type"]), (422, &json!("/problems/rag-database-invalid")));
        let tested = admin.post("/rag/databases/bad/test", json!({})).await.json();
        assert_eq!((&tested["ok"], &tested["detail"]), (&json!(false), &bad["problems"][0]["detail"]));
    }

    async fn a_test_says_whether_a_database_answers(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        put_in(&admin, "a.txt", "Leave lasts long.", json!({})).await;

        let works = admin.post("/rag/databases/handbook/test", json!({})).await;
        admin.put("/rag/databases/handbook", json!({"is_active": false})).await;
        let off = admin.post("/rag/databases/handbook/test", json!({})).await;

        works.is(expect![[r#"
            200 application/json
            {
              "capabilities": [
                "filter",
                "keyword",
                "hybrid",
                "exact"
              ],
              "detail": "vectors have 384 numbers; a search was answered",
              "ok": true
            }
        "#]]);
        assert_eq!((&off.json()["ok"], &off.json()["detail"]), (&json!(false), &json!("the database is switched off")));
    }

    async fn nothing_of_a_deleted_database_is_left(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"chunk_size": 20, "chunk_overlap": 0})).await;
        put_in(&admin, "a.txt", &lines(500), json!({})).await;
        assert_eq!(names(&admin, json!({"query": "line"})).await[0], "a.txt");
        in_sql(&server, "INSERT INTO agent_definitions (name, display_name, instructions, rag_databases)
            VALUES ('a', 'A', 'x', '[\"Handbook\"]')").await;

        let in_use = admin.delete("/rag/databases/handbook").await;
        let deleted = admin.delete("/rag/databases/handbook?force=true").await;

        assert_eq!((in_use.status, &in_use.json()["dependents"][0]["name"]), (409, &json!("a")));
        assert_eq!((deleted.status, admin.delete("/rag/databases/handbook").await.status), (204, 404));
        for table in ["rag_documents", "rag_chunks", "rag_files", "rag_indexes", "rag_deletions"] {
            assert_eq!(number(&server, &format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
    }

    async fn what_a_cut_deletion_left_is_taken_away_by_whoever_starts(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        put_in(&admin, "a.txt", "Leave lasts long.", json!({})).await;
        in_sql(&server, "DELETE FROM rag_databases").await;
        assert_eq!(number(&server, "SELECT count(*) FROM rag_chunks").await, 1);

        let _replica = server.replica().await;

        let gone = async {
            while number(&server, "SELECT count(*) FROM rag_indexes").await > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(1), gone).await.unwrap();
        assert_eq!(number(&server, "SELECT count(*) FROM rag_chunks").await, 0);
        assert_eq!(number(&server, "SELECT count(*) FROM rag_files").await, 0);
    }

    async fn databases_are_for_whom_may_see_them(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"scopes": ["rag.search", "hr.read"]})).await;
        let path = put_in(&admin, "a.txt", "Leave lasts long.", json!({})).await;
        let (reader, searcher) = (server.client("rag.read rag.search").await, server.client("rag.search hr.read").await);
        let nobody = server.client("agent.execute").await;

        assert_eq!(reader.get("/rag/databases").await.json()["data"], json!([]));
        let query = json!({"query": "leave"});
        for call in [
            reader.get("/rag/databases/handbook").await,
            reader.get(&path).await,
            reader.get(&format!("{path}/content")).await,
            reader.post("/rag/databases/handbook/search", query.clone()).await,
        ] {
            assert_eq!((call.status, &call.json()["type"]), (404, &json!("/problems/rag-database-not-found")));
        }
        assert_eq!(searcher.post("/rag/databases/handbook/search", query.clone()).await.status, 200);
        for (client, method, at, scope) in [
            (&searcher, "GET", "/rag/databases", "rag.read"),
            (&reader, "POST", "/rag/databases", "rag.write"),
            (&reader, "PUT", "/rag/databases/handbook", "rag.write"),
            (&reader, "DELETE", "/rag/databases/handbook", "rag.write"),
            (&reader, "POST", "/rag/databases/handbook/test", "rag.write"),
            (&reader, "POST", "/rag/databases/handbook/documents", "rag.write"),
            (&reader, "PUT", &path, "rag.write"),
            (&reader, "DELETE", &path, "rag.write"),
            (&reader, "POST", &format!("{path}/retry"), "rag.write"),
            (&nobody, "POST", "/rag/databases/handbook/search", "rag.search"),
            (&nobody, "GET", &path, "rag.read"),
        ] {
            let refused = client.send(client.request(method, at).json(&json!({"name": "x", "query": "x"}))).await;
            assert_eq!((refused.status, &refused.json()["required_scope"]), (403, &json!(scope)), "{method} {at}");
        }
    }
}
