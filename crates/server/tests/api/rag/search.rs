//! Search: what is found, in which order, by whom, and in which language.

use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use super::handbook;
use super::lines;
use super::names;
use super::put_in;
use super::search;
use crate::harness::Client;
use crate::harness::TestServer;

const TEXTS: [(&str, &str); 6] = [
    ("leave.txt", "Parental leave lasts fourteen months and is paid in part."),
    ("pay.txt", "Salaries are paid at the end of each month."),
    ("ja.txt", "育児休業は子どもが一歳になるまで取得できます。"),
    ("th.txt", "การลาคลอดบุตรมีระยะเวลาเก้าสิบแปดวัน"),
    ("he.txt", "חופשת לידה נמשכת חמישה עשר שבועות"),
    ("ops.txt", "Type \"NEAR(a b)\" AND -x* into the field; ' OR 1=1 -- is text, too."),
];

async fn fill(admin: &Client) {
    handbook(admin, json!({})).await;
    for (name, text) in TEXTS {
        put_in(
            admin,
            name,
            text,
            json!({"metadata": {"language": &name[..2], "length": text.len()}}),
        )
        .await;
    }
}

on_both! {
    async fn passages_come_with_where_they_stand(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"chunker": "markdown"})).await;
        let text = "# Benefits\n\n## Leave\n\n🎉 Parental leave lasts fourteen months.\n\n## Pay\n\nMonthly.\n";
        put_in(&admin, "book.md", text, json!({"metadata": {"team": "hr"}})).await;

        let mut answer = search(&admin, json!({"query": "parental leave", "top_k": 1})).await;

        assert!(answer["took_ms"].as_u64().is_some());
        answer["took_ms"] = Value::Null;
        expect![[r##"
            {
              "data": [
                {
                  "citation": {
                    "chunk_id": "a583e8ad-21b2-89df-8bca-561ae696a8cc",
                    "database": "handbook",
                    "document_id": "01900000-0000-7000-8000-000000000004",
                    "end": 61,
                    "filename": "book.md",
                    "heading_path": [
                      "Benefits"
                    ],
                    "page": null,
                    "page_end": null,
                    "quote": "# Benefits\n\n## Leave\n\n🎉 Parental leave lasts fourteen months.",
                    "start": 0
                  },
                  "highlights": [
                    [
                      15,
                      20
                    ],
                    [
                      24,
                      32
                    ],
                    [
                      33,
                      38
                    ]
                  ],
                  "metadata": {
                    "team": "hr"
                  },
                  "score": 0.032786883,
                  "scores": {
                    "keyword": 1.3890697,
                    "rerank": null,
                    "vector": 0.65602076
                  },
                  "text": "# Benefits\n\n## Leave\n\n🎉 Parental leave lasts fourteen months."
                }
              ],
              "generation": 1,
              "mode": "hybrid",
              "took_ms": null,
              "warnings": []
            }"##]].assert_eq(&format!("{answer:#}"));
        let citation = &answer["data"][0]["citation"];
        let at = |name: &str| usize::try_from(citation[name].as_u64().unwrap()).unwrap();
        let points: Vec<char> = text.chars().collect();
        let cited: String = points[at("start")..at("end")].iter().collect();
        assert_eq!(answer["data"][0]["text"], cited);
        assert!(cited.contains(citation["quote"].as_str().unwrap()));
    }

    async fn any_text_is_a_literal_query_in_any_language(server: TestServer) {
        let admin = server.admin().await;
        fill(&admin).await;

        for (query, first) in [
            ("parental leave", "leave.txt"), ("育児休業", "ja.txt"), ("一歳", "ja.txt"), ("ลาคลอด", "th.txt"),
            ("לידה", "he.txt"), ("NEAR(a b) AND -x*", "ops.txt"), ("' OR 1=1 --", "ops.txt"), ("PAID", "pay.txt"),
        ] {
            let found = names(&admin, json!({"query": query, "mode": "keyword"})).await;
            assert_eq!(found.first().map(String::as_str), Some(first), "{query}");
            let found = names(&admin, json!({"query": query})).await;
            assert!(found.contains(&first.to_owned()), "{query}: {found:?}");
        }
        put_in(&admin, "policy.txt", "Policy POL-358, which we don't like.", json!({})).await;
        for mark in (' '..='~').filter(char::is_ascii_punctuation) {
            let found = names(&admin, json!({"query": format!("pol{mark}358 don{mark}t"), "mode": "keyword"})).await;
            assert_eq!(found.first().map(String::as_str), Some("policy.txt"), "{mark}");
        }
        for query in ["%", "\"", "*", "()", "--"] {
            assert_eq!(names(&admin, json!({"query": query, "mode": "keyword"})).await, Vec::<String>::new());
        }
        assert_eq!(names(&admin, json!({"query": "parental leave", "mode": "vector", "top_k": 1})).await, ["leave.txt"]);
    }

    async fn filters_and_limits_narrow_what_is_found(server: TestServer) {
        let admin = server.admin().await;
        fill(&admin).await;
        let found = async |body: Value| {
            let mut found = names(&admin, body).await;
            found.sort();
            found
        };

        let query = |filter: Value| json!({"query": "paid", "mode": "vector", "top_k": 100, "filter": filter});
        assert_eq!(found(query(json!({"language": {"$in": ["ja", "th"]}}))).await, ["ja.txt", "th.txt"]);
        assert_eq!(found(query(json!({"length": {"$lt": 50}, "$not": {"language": "ja"}}))).await, ["pay.txt"]);
        assert_eq!(found(query(json!({"missing": {"$exists": true}}))).await, Vec::<String>::new());
        assert_eq!(found(json!({"query": "paid", "mode": "keyword", "filter": {"language": "le"}})).await, ["leave.txt"]);
        assert_eq!(found(json!({"query": "paid", "top_k": 1})).await.len(), 1);
        assert_eq!(found(json!({"query": "paid", "mode": "vector", "min_score": 0.999})).await, Vec::<String>::new());
        let diverse = names(&admin, json!({"query": "paid month", "diversity": 1.0, "top_k": 6})).await;
        assert_eq!(diverse.len(), 6);
        admin.put("/rag/databases/handbook", json!({"search": {"mode": "keyword", "top_k": 1}})).await;
        let usual = search(&admin, json!({"query": "paid"})).await;
        assert_eq!((&usual["mode"], usual["data"].as_array().unwrap().len()), (&json!("keyword"), 1));
    }

    async fn a_filter_that_can_find_nothing_says_why(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        put_in(&admin, "leave.txt", "Leave lasts.", json!({"metadata": {"year": 2024}})).await;
        put_in(&admin, "board.txt", "Leave of the board.", json!({"scopes": ["board.read"], "metadata": {"secret": true}})).await;
        let some = server.client("rag.search").await;

        let mut warnings = Vec::new();
        for filter in [json!({"year": "2024"}), json!({"secret": true}), json!({"year": 2023}), json!({"year": 2024})] {
            let answer = search(&some, json!({"query": "leave", "filter": filter})).await;
            let several = some.post("/rag/search", json!({"databases": ["handbook"], "query": "leave", "filter": filter})).await;
            assert_eq!(several.json()["warnings"], answer["warnings"]);
            warnings.push(answer["warnings"].clone());
        }

        assert_eq!(warnings, [
            json!(["the filter: `year` is a number and is compared with a string, which is never equal"]),
            json!(["the filter: no document has `secret`"]),
            json!([]),
            json!([]),
        ]);
    }

    async fn everything_wrong_with_a_search_is_said(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        let mut answers = Vec::new();
        for body in [
            json!({"query": ""}),
            json!({"query": "x", "top_k": 101, "mode": "magic", "diversity": 2}),
            json!({"query": "x", "filter": {"team": {"$near": 1}}, "rerank": {"model": "x"}}),
            json!({"query": "x", "filter": []}),
        ] {
            let problem = admin.post("/rag/databases/handbook/search", body).await.json();
            for fault in problem["errors"].as_array().unwrap() {
                answers.push(format!("{} {}: {}", fault["pointer"], fault["code"], fault["detail"]));
            }
        }

        expect![[r#"
            "/query" "too_short": "must not be empty"
            "/diversity" "out_of_range": "must be at most 1"
            "/mode" "not_one_of": "must be one of `vector`, `keyword` or `hybrid`"
            "/top_k" "out_of_range": "must be at most 100"
            "/rerank/model" "unknown_model": "the name of a model that reranks is `provider/name`"
            "/filter/team/$near" "bad_filter": "`$near` is no operator here; there are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, $contains, $not"
            "/filter" "wrong_type": "must be an object or null, not a list""#]].assert_eq(&answers.join("\n"));
        assert_eq!(search(&admin, json!({"query": "x"})).await["data"], json!([]));
    }

    async fn nobody_finds_what_he_may_not_read(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        put_in(&admin, "open.txt", "Leave is for all.", json!({})).await;
        let path = put_in(&admin, "secret.txt", "Leave of the board.", json!({"scopes": ["board.read"]})).await;
        let (some, board) = (server.client("rag.search rag.read").await, server.client("rag.search board.read").await);

        for mode in ["vector", "keyword", "hybrid"] {
            let query = json!({"query": "leave of the board", "mode": mode});
            assert_eq!(names(&some, query.clone()).await, ["open.txt"]);
            let mut found = names(&board, query).await;
            found.sort();
            assert_eq!(found, ["open.txt", "secret.txt"]);
        }
        assert_eq!(some.get(&path).await.status, 404);
        assert_eq!(some.get(&format!("{path}/chunks")).await.status, 404);
        assert_eq!(some.get("/rag/databases/handbook/documents").await.json()["data"].as_array().unwrap().len(), 1);
        admin.put(&path, json!({"scopes": []})).await;
        assert_eq!(names(&some, json!({"query": "board", "mode": "keyword"})).await, ["secret.txt"]);
        assert_eq!(search(&some, json!({"query": "board"})).await["data"][0]["text"], "Leave of the board.");
    }

    async fn every_process_finds_what_another_has_stored(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        let (_replica, other) = server.replica().await;
        assert_eq!(names(&other, json!({"query": "leave"})).await, Vec::<String>::new());

        for number in 0..4 {
            let path = put_in(&admin, &format!("{number}.txt"), &format!("Leave number {number}."), json!({})).await;
            let found = names(&other, json!({"query": format!("number {number}"), "mode": "keyword", "top_k": 1})).await;
            assert_eq!(found, [format!("{number}.txt")]);
            if number % 2 == 0 {
                admin.put(&path, json!({"metadata": {"even": true}})).await;
            }
        }

        let mut even = names(&other, json!({"query": "leave", "filter": {"even": true}})).await;
        even.sort();
        assert_eq!(even, ["0.txt", "2.txt"]);
    }
}

/// What does not fit is not loaded, and what was not searched for longest makes room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_for_those_that_are_searched() {
    let settings = [("RAG_INDEX_MEMORY_MB", "1")];
    let server = TestServer::start_with(agent_server::db::Dialect::Sqlite, &settings).await;
    let admin = server.admin().await;
    handbook(&admin, json!({"chunk_size": 20, "chunk_overlap": 0})).await;
    put_in(&admin, "small.txt", "Leave lasts long.", json!({})).await;
    assert_eq!(names(&admin, json!({"query": "leave"})).await, ["small.txt"]);
    put_in(&admin, "large.txt", &lines(700), json!({})).await;
    let (_replica, other) = server.replica().await;

    let refused = other.post("/rag/databases/handbook/search", json!({"query": "leave"})).await;

    assert_eq!(
        (refused.status, &refused.json()["type"]),
        (422, &json!("/problems/rag-database-too-large"))
    );
    assert!(refused.json()["detail"].as_str().unwrap().contains("pgvector"), "{}", refused.text);
}
