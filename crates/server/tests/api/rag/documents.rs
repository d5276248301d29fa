//! Documents: kept, read in a process of their own, cut, changed, and deleted for good.

use std::collections::BTreeSet;
use std::fmt::Write;

use agent_server::App;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::model::Reply as ModelReply;

use super::handbook;
use super::ingested;
use super::lines;
use super::names;
use super::put_in;
use super::upload;
use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::in_sql;
use crate::harness::number;

const DOCUMENTS: &str = "/rag/databases/handbook/documents";

/// Sends `file` in a form, made by hand, with `more` fields before it.
async fn send_form(
    client: &Client,
    path: &str,
    filename: &str,
    file: &[u8],
    more: &[(&str, &str)],
) -> Reply {
    let mut body = Vec::new();
    for (name, value) in more {
        body.extend(
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .bytes(),
        );
    }
    let head = format!(
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n"
    );
    body.extend(head.bytes());
    body.extend(b"Content-Type: text/x-unknown\r\n\r\n");
    body.extend(file);
    body.extend(b"\r\n--x--\r\n");
    let method = if path == DOCUMENTS { "POST" } else { "PUT" };
    let request =
        client.request(method, path).header("content-type", "multipart/form-data; boundary=x");
    client.send(request.body(body)).await
}

/// The ids of the passages at `path`.
async fn chunk_ids(client: &Client, path: &str) -> BTreeSet<String> {
    let chunks = client.get(&format!("{path}/chunks?limit=200")).await.json();
    chunks["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["id"].as_str().unwrap().to_owned())
        .collect()
}

/// A PDF file of two pages.
const PDF: &str = "%PDF-1.7
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Count 2/Kids[4 0 R 6 0 R]/MediaBox[0 0 600 800]/Resources<</Font<</F 3 0 R>>>>>>endobj
3 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>endobj
4 0 obj<</Type/Page/Parent 2 0 R/Contents 5 0 R>>endobj
5 0 obj<</Length 47>>stream
BT /F 10 Tf 50 700 Td (Pay comes monthly.) Tj ET
endstream endobj
6 0 obj<</Type/Page/Parent 2 0 R/Contents 7 0 R>>endobj
7 0 obj<</Length 61>>stream
BT /F 10 Tf 50 700 Td (Leave lasts fourteen months.) Tj ET
endstream endobj
trailer<</Root 1 0 R>>
%%EOF";

on_both! {
    async fn a_passage_of_a_pdf_file_is_cited_with_its_page(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"chunk_size": 32, "chunk_overlap": 0})).await;

        let made = send_form(&admin, DOCUMENTS, "leave.pdf", PDF.as_bytes(), &[]).await;
        let done = ingested(&admin, made.header("location").unwrap()).await;
        let asked = json!({"query": "fourteen months", "mode": "keyword"});
        let found = admin.post("/rag/databases/handbook/search", asked).await.json();

        assert_eq!((&done["file_type"], &done["page_count"]), (&json!("application/pdf"), &json!(2)));
        let cited = &found["data"][0]["citation"];
        assert_eq!((&cited["page"], &cited["quote"]), (&json!(2), &json!("Leave lasts fourteen months.")), "{found:#}");
        assert_eq!(cited["page_end"], Value::Null);
    }

    async fn a_passage_over_the_end_of_a_page_is_cited_with_both_pages(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"chunk_size": 200, "chunk_overlap": 0})).await;

        let made = send_form(&admin, DOCUMENTS, "leave.pdf", PDF.as_bytes(), &[]).await;
        let path = made.header("location").unwrap();
        ingested(&admin, path).await;
        let chunk = &admin.get(&format!("{path}/chunks")).await.json()["data"][0];
        let asked = json!({"query": "fourteen months", "mode": "keyword"});
        let found = admin.post("/rag/databases/handbook/search", asked).await.json();

        let both = (&json!(1), &json!(2));
        assert_eq!((&chunk["page"], &chunk["page_end"]), both, "{chunk:#}");
        let cited = &found["data"][0]["citation"];
        assert_eq!((&cited["page"], &cited["page_end"]), both, "{found:#}");
    }

    async fn a_file_is_kept_read_and_cut(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"chunker": "markdown"})).await;
        let file = "# Leave\n\nParental leave lasts fourteen months.\n\n# Pay\n\nPay comes monthly.\n";
        let fields = [("metadata", r#"{"team": "hr"}"#), ("scopes", r#"["hr.read"]"#)];

        let made = send_form(&admin, DOCUMENTS, "../hr/Hand book.md", file.as_bytes(), &fields).await;
        let again = send_form(&admin, DOCUMENTS, "other.md", file.as_bytes(), &[]).await;

        made.is(expect![[r#"
            201 application/json
            {
              "chunk_count": 0,
              "content_hash": "sha256:2a31ed0ad1c9770ff3dd31664ec209bf3d93266a68fb8c3e290bc7e523e99a44",
              "created_at": "2026-11-25T10:00:00Z",
              "embedding_status": "pending",
              "encoding": null,
              "error_message": null,
              "file_size": 74,
              "file_type": "text/x-unknown",
              "filename": "Hand book.md",
              "id": "01900000-0000-7000-8000-000000000004",
              "language": null,
              "metadata": {
                "team": "hr"
              },
              "original_filename": "../hr/Hand book.md",
              "page_count": null,
              "progress": null,
              "rag_database_id": "01900000-0000-7000-8000-000000000003",
              "scopes": [
                "hr.read"
              ],
              "source_url": null,
              "stage": "parse",
              "updated_at": "2026-11-25T10:00:00Z",
              "uploaded_by": "client:admin",
              "warnings": []
            }
        "#]]);
        assert_eq!((again.status, &again.json()["id"]), (200, &made.json()["id"]));
        let path = made.header("location").unwrap().to_owned();
        let done = ingested(&admin, &path).await;
        expect![[r#"
            {
              "chunk_count": 2,
              "content_hash": "sha256:2a31ed0ad1c9770ff3dd31664ec209bf3d93266a68fb8c3e290bc7e523e99a44",
              "created_at": "2026-11-25T10:00:00Z",
              "embedding_status": "completed",
              "encoding": "UTF-8",
              "error_message": null,
              "file_size": 74,
              "file_type": "text/markdown",
              "filename": "Hand book.md",
              "id": "01900000-0000-7000-8000-000000000004",
              "language": null,
              "metadata": {
                "team": "hr"
              },
              "original_filename": "../hr/Hand book.md",
              "page_count": null,
              "progress": {
                "done": 2,
                "total": 2
              },
              "rag_database_id": "01900000-0000-7000-8000-000000000003",
              "scopes": [
                "hr.read"
              ],
              "source_url": null,
              "stage": null,
              "updated_at": "2026-11-25T10:00:00Z",
              "uploaded_by": "client:admin",
              "warnings": []
            }"#]].assert_eq(&format!("{done:#}"));
        admin.get(&format!("{path}/chunks")).await.is(expect![[r##"
            200 application/json
            {
              "data": [
                {
                  "end": 46,
                  "heading_path": [
                    "Leave"
                  ],
                  "id": "e801bcb6-b861-8db0-bd61-94dcefaae031",
                  "index": 0,
                  "metadata": {
                    "team": "hr"
                  },
                  "page": null,
                  "page_end": null,
                  "start": 0,
                  "text": "# Leave\n\nParental leave lasts fourteen months."
                },
                {
                  "end": 73,
                  "heading_path": [
                    "Pay"
                  ],
                  "id": "56712e95-ae79-89fd-a5d1-b35c6162a32d",
                  "index": 1,
                  "metadata": {
                    "team": "hr"
                  },
                  "page": null,
                  "page_end": null,
                  "start": 48,
                  "text": "# Pay\n\nPay comes monthly."
                }
              ],
              "next_cursor": null
            }
        "##]]);
        let content = admin.get(&format!("{path}/content")).await;
        assert_eq!(content.text, file);
        assert_eq!(content.header("content-type"), Some("text/markdown"));
        assert_eq!(content.header("content-disposition"), Some("attachment; filename*=UTF-8''Hand%20book%2Emd"));
        let stats = &admin.get("/rag/databases/handbook").await.json()["stats"];
        assert_eq!(stats, &json!({"documents": 1, "chunks": 2, "bytes": file.len()}));
    }

    async fn what_is_no_document_is_refused(server: TestServer) {
        let (_replica, admin) = server.replica_with(App::builder(), &[("RAG_FILE_LIMIT", "1000000")]).await;
        handbook(&admin, json!({})).await;
        let mut answers = Vec::new();
        let mut note = |reply: Reply| {
            let problem = reply.json();
            let fault = &problem["errors"][0];
            answers.push(format!("{} {} {}", reply.status, problem["detail"], fault["pointer"]));
        };

        note(admin.post(DOCUMENTS, json!({})).await);
        note(admin.post(DOCUMENTS, json!({"text": "a", "url": "https://example.com"})).await);
        note(admin.post(DOCUMENTS, json!({"text": "a", "scopes": ["x"]})).await);
        note(send_form(&admin, DOCUMENTS, "a.txt", b"a", &[("meta", "{}")]).await);
        note(send_form(&admin, DOCUMENTS, "a.txt", b"a", &[("metadata", "{\"a\": 1, \"a\": 2}")]).await);
        note(send_form(&admin, DOCUMENTS, "a.txt", b"a", &[("scopes", "{}")]).await);
        note(send_form(&admin, DOCUMENTS, "a.txt", &vec![b'a'; 1_000_001], &[]).await);
        let broken = admin.request("POST", DOCUMENTS).header("content-type", "multipart/form-data; boundary=x");
        note(admin.send(broken.body("--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\na")).await);
        note(admin.get(&format!("{DOCUMENTS}/01900000-0000-7000-8000-000000000001")).await);
        note(admin.get(&format!("{DOCUMENTS}/x")).await);

        expect![[r#"
            422 "1 member is not valid" "/file"
            422 "1 member is not valid" "/url"
            422 "1 member is not valid" "/scopes/0"
            422 "1 member is not valid" "/meta"
            422 "1 member is not valid" "/metadata/a"
            422 "1 member is not valid" "/scopes"
            413 "a file may have at most 1000000 bytes" null
            400 "the form cannot be read: field \"file\" received with incomplete data" null
            404 "the database has no document `01900000-0000-7000-8000-000000000001`" null
            404 "the database has no document `x`" null"#]].assert_eq(&answers.join("\n"));
        assert_eq!(number(&server, "SELECT count(*) FROM rag_documents").await, 0);
    }

    async fn a_file_that_cannot_be_read_fails_alone_and_says_why(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        let files: [(&str, &[u8]); 5] = [
            ("empty.txt", b""),
            ("a.png", b"\x89PNG\r\n\x1a\n"),
            ("zip.docx", b"PK\x03\x04 and nothing else"),
            ("noise.txt", &[0, 159, 146, 150, 0, 1, 2]),
            ("blank.txt", b" \n "),
        ];

        let mut reasons = Vec::new();
        for (name, file) in files {
            let made = send_form(&admin, DOCUMENTS, name, file, &[]).await;
            let document = ingested(&admin, made.header("location").unwrap()).await;
            reasons.push(format!("{name} {} {} {}", document["embedding_status"], document["stage"], document["error_message"]));
        }
        put_in(&admin, "good.txt", "Leave lasts long.", json!({})).await;

        expect![[r#"
            empty.txt "failed" "parse" "the file is empty"
            a.png "failed" "parse" "an image (PNG) cannot be read here"
            zip.docx "failed" "parse" "the file is damaged: invalid Zip archive: Could not find EOCD"
            noise.txt "failed" "parse" "a file of this kind (it is neither text nor a known document) cannot be read here"
            blank.txt "failed" "parse" "there is no text in this file; a scan or an image has to go through text recognition (OCR) first""#]].assert_eq(&reasons.join("\n"));
        assert_eq!(names(&admin, json!({"query": "leave"})).await, ["good.txt"]);
        let failed = admin.get(&format!("{DOCUMENTS}?status=failed&limit=200")).await.json();
        assert_eq!(failed["data"].as_array().unwrap().len(), 5);
    }

    async fn a_file_is_what_its_content_says_whatever_it_is_called(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        let mut seen = Vec::new();
        for (name, file) in [
            ("leave.txt", PDF.as_bytes()),
            ("leave.pdf", b"# Leave\n\nLeave lasts.\n\n## Pay\n\nIt is paid."),
            ("leave.docx", b"<html><script>var hidden = 1</script><style>.hidden {}</style><p>Leave is shown.</p></html>"),
            ("leave.csv", b"leave\0s ab\0cd"),
            ("leave.json", b"caf\xe9 leave caf\xe9 \x93quoted\x94"),
        ] {
            let made = send_form(&admin, DOCUMENTS, name, file, &[]).await;
            let path = made.header("location").unwrap();
            let document = ingested(&admin, path).await;
            let chunk = admin.get(&format!("{path}/chunks")).await.json()["data"][0].take();
            let text = chunk["text"].as_str().unwrap();
            assert_eq!(chunk["end"], chunk["start"].as_u64().unwrap() + text.chars().count() as u64);
            seen.push(format!("{name} {} {} {} {text:?}", document["file_type"], document["encoding"], document["warnings"]));
        }

        expect![[r##"
            leave.txt "application/pdf" null [] "Pay comes monthly.\n\nLeave lasts fourteen months."
            leave.pdf "text/markdown" "UTF-8" [] "# Leave\n\nLeave lasts.\n\n## Pay\n\nIt is paid."
            leave.docx "text/html" "UTF-8" [] "Leave is shown."
            leave.csv "text/csv" "UTF-8" ["the columns are separated by ','","2 NUL characters were taken out"] "leaves abcd"
            leave.json "text/plain" "windows-1252" ["the encoding is not declared; windows-1252 was guessed from the bytes"] "café leave café “quoted”""##]].assert_eq(&seen.join("\n"));
        assert_eq!(names(&admin, json!({"query": "hidden", "mode": "keyword"})).await, Vec::<String>::new());
    }

    async fn a_cell_that_is_longer_than_a_passage_is_cut_so_that_it_can_be_embedded(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"embedding_model": "openai/e", "chunker": "rows", "chunk_size": 500, "chunk_overlap": 50})).await;
        server.model.answer_with(|received| {
            let texts = received.body["input"].as_array().unwrap();
            let is_long = texts.iter().any(|text| text.as_str().unwrap().chars().count() > 500);
            if is_long { ModelReply::error(400, "too long") } else { ModelReply::embedding(received, 16) }
        });
        let cell = "Leave lasts. ".repeat(4_000);

        let made = send_form(&admin, DOCUMENTS, "a.csv", format!("name,text\nann,{cell}\nbob,short\n").as_bytes(), &[]).await;
        let document = ingested(&admin, made.header("location").unwrap()).await;

        assert_eq!((&document["embedding_status"], &document["error_message"]), (&json!("completed"), &Value::Null));
        assert!(document["chunk_count"].as_u64().unwrap() > 100, "{document:#}");
        assert_eq!(names(&admin, json!({"query": "bob", "mode": "keyword"})).await, ["a.csv"]);
    }

    async fn an_edit_embeds_only_what_differs(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"chunk_size": 30, "chunk_overlap": 0})).await;
        let text = |changed: usize| -> String {
            let line = |it| if it == changed { format!("This line {it} is new.\n\n") } else { format!("The line number {it}.\n\n") };
            (0..120).map(line).collect()
        };
        let path = put_in(&admin, "a.txt", &text(999), json!({})).await;
        let before = chunk_ids(&admin, &path).await;

        let changed = admin.put(&path, json!({"text": text(60), "filename": "b.txt", "metadata": {"v": 2}})).await.json();
        let done = ingested(&admin, &path).await;

        assert_eq!((&changed["embedding_status"], &changed["metadata"]["v"]), (&json!("pending"), &json!(2)));
        assert_eq!((&done["embedding_status"], &done["filename"]), (&json!("completed"), &json!("b.txt")));
        let after = chunk_ids(&admin, &path).await;
        assert_eq!((before.len(), after.len(), before.intersection(&after).count()), (120, 120, 119));
        assert_eq!(names(&admin, json!({"query": "new", "mode": "keyword"})).await, ["b.txt"]);
        assert_eq!(names(&admin, json!({"query": "60 number", "mode": "keyword", "top_k": 1})).await, ["b.txt"]);
    }

    async fn equal_passages_of_one_document_are_all_kept(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"chunk_size": 12, "chunk_overlap": 0})).await;

        let path = put_in(&admin, "a.txt", "Same words.\n\nSame words.\n\nSame words.", json!({})).await;

        let chunks = admin.get(&format!("{path}/chunks?limit=2")).await.json();
        assert_eq!(chunks["data"][1]["start"], 13);
        let cursor = chunks["next_cursor"].as_str().unwrap();
        let rest = admin.get(&format!("{path}/chunks?limit=2&cursor={cursor}")).await.json();
        assert_eq!((&rest["data"][0]["index"], &rest["next_cursor"]), (&json!(2), &Value::Null));
    }

    async fn tokens_are_a_unit(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"chunk_unit": "tokens", "chunk_size": 12, "chunk_overlap": 0})).await;

        let path = put_in(&admin, "a.txt", "Leave lasts long for all of us.\n\n検索の設定について。混合検索の設定。", json!({})).await;

        let chunks = admin.get(&format!("{path}/chunks")).await.json();
        let texts: Vec<_> = chunks["data"].as_array().unwrap().iter().map(|it| it["text"].as_str().unwrap()).collect();
        assert_eq!(texts, ["Leave lasts long for all of us.", "検索の設定について。", "混合検索の設定。"]);
    }

    async fn documents_are_listed_page_by_page_and_narrowed(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        for number in 0..5 {
            upload(&admin, &format!("{number}.txt"), &format!("Text {number}."), json!({})).await;
        }

        let first = admin.get(&format!("{DOCUMENTS}?limit=3")).await.json();
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = admin.get(&format!("{DOCUMENTS}?limit=3&cursor={cursor}")).await.json();
        let named = admin.get(&format!("{DOCUMENTS}?filename=3.txt")).await.json();

        let list = |page: &Value| page["data"].as_array().unwrap().iter().map(|it| it["filename"].clone()).collect::<Vec<_>>();
        assert_eq!(list(&first), ["4.txt", "3.txt", "2.txt"]);
        assert_eq!(list(&second), ["1.txt", "0.txt"]);
        assert_eq!(list(&named), ["3.txt"]);
        assert_eq!(admin.get(&format!("{DOCUMENTS}?status=done")).await.status, 422);
    }

    async fn documents_are_found_by_their_names_in_all_databases_one_may_see(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        for (name, scopes) in [("contracts", json!([])), ("board", json!(["board.read"]))] {
            admin.post("/rag/databases", json!({"name": name, "scopes": scopes})).await;
            let text = json!({"filename": format!("Leave of {name} 100%.txt"), "text": name});
            admin.post(&format!("/rag/databases/{name}/documents"), text).await;
        }
        upload(&admin, "Parental_LEAVE.txt", "a", json!({})).await;
        upload(&admin, "leave of the lead.txt", "b", json!({"scopes": ["lead.read"]})).await;
        upload(&admin, "Übung.txt", "c", json!({})).await;
        let reader = server.client("rag.read").await;
        let lead = server.client("rag.read lead.read board.read").await;

        let mut said = String::new();
        for (who, client) in [("admin", &admin), ("reader", &reader), ("lead", &lead)] {
            for query in ["?name=LEAVE", "?name=100%25", "?name=l_l", "?name=Übung", "?name=nothing", "?limit=1"] {
                let page = client.get(&format!("/rag/documents{query}")).await.json();
                let names: Vec<_> = page["data"].as_array().unwrap().iter().map(|it| it["filename"].as_str().unwrap()).collect();
                writeln!(said, "{who} {query}: {}", names.join(", ")).unwrap();
            }
        }
        expect![[r#"
            admin ?name=LEAVE: leave of the lead.txt, Parental_LEAVE.txt, Leave of board 100%.txt, Leave of contracts 100%.txt
            admin ?name=100%25: Leave of board 100%.txt, Leave of contracts 100%.txt
            admin ?name=l_l: Parental_LEAVE.txt
            admin ?name=Übung: Übung.txt
            admin ?name=nothing: 
            admin ?limit=1: Übung.txt
            reader ?name=LEAVE: Parental_LEAVE.txt, Leave of contracts 100%.txt
            reader ?name=100%25: Leave of contracts 100%.txt
            reader ?name=l_l: Parental_LEAVE.txt
            reader ?name=Übung: Übung.txt
            reader ?name=nothing: 
            reader ?limit=1: Übung.txt
            lead ?name=LEAVE: leave of the lead.txt, Parental_LEAVE.txt, Leave of board 100%.txt, Leave of contracts 100%.txt
            lead ?name=100%25: Leave of board 100%.txt, Leave of contracts 100%.txt
            lead ?name=l_l: Parental_LEAVE.txt
            lead ?name=Übung: Übung.txt
            lead ?name=nothing: 
            lead ?limit=1: Übung.txt
        "#]].assert_eq(&said);
        let first = lead.get("/rag/documents?name=leave&limit=3").await.json();
        let rest = lead.get(&format!("/rag/documents?name=leave&limit=3&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
        assert_eq!((first["data"].as_array().unwrap().len(), rest["data"].as_array().unwrap().len()), (3, 1));
        assert_eq!(server.client("agent.read").await.get("/rag/documents").await.status, 403);
    }

    async fn a_deleted_document_is_gone_when_that_is_answered(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"chunk_size": 20, "chunk_overlap": 0})).await;
        let path = put_in(&admin, "a.txt", &lines(300), json!({})).await;
        put_in(&admin, "b.txt", "One line.", json!({})).await;
        let (_replica, other) = server.replica().await;
        assert_eq!(names(&other, json!({"query": "many", "mode": "keyword", "top_k": 1})).await, ["a.txt"]);

        let deleted = admin.delete(&path).await;

        for client in [&admin, &other] {
            for mode in ["vector", "keyword", "hybrid"] {
                assert_eq!(names(client, json!({"query": "line of many", "mode": mode})).await, ["b.txt"], "{mode}");
            }
        }
        assert_eq!((deleted.status, admin.delete(&path).await.status, admin.get(&path).await.status), (204, 404, 404));
        assert_eq!(number(&server, "SELECT count(*) FROM rag_chunks").await, 1);
        assert_eq!(number(&server, "SELECT count(*) FROM rag_files").await, 1);
    }

    async fn a_document_whose_database_is_not_usable_waits_and_is_retried(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        in_sql(&server, "UPDATE rag_databases SET chunk_overlap = 5000").await;
        let path = upload(&admin, "a.txt", "Leave lasts long.", json!({})).await;
        let waits = ingested(&admin, &path).await;
        assert_eq!(waits["embedding_status"], "pending");
        assert!(waits["error_message"].as_str().unwrap().contains("/chunk_overlap"), "{waits:#}");
        in_sql(&server, "UPDATE rag_databases SET chunk_overlap = 200").await;

        let retried = admin.post(&format!("{path}/retry"), json!({})).await;

        assert_eq!((retried.status, &retried.json()["error_message"]), (202, &Value::Null));
        assert_eq!(ingested(&admin, &path).await["embedding_status"], "completed");
    }

    async fn a_document_whose_process_is_gone_goes_on_on_another(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        let path = put_in(&admin, "a.txt", "Leave lasts long.", json!({})).await;
        // As a process leaves it that ends in the middle.
        in_sql(&server, "UPDATE rag_documents SET embedding_status = 'processing', stage = 'embed',
            worker_id = '01900000-0000-7000-8000-0000000000ff'").await;

        assert_eq!(ingested(&admin, &path).await["embedding_status"], "completed");
        assert_eq!(number(&server, "SELECT count(*) FROM rag_chunks").await, 1);
        assert_eq!(number(&server, "SELECT attempts FROM rag_documents").await, 2);
    }
}
