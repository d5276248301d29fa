//! `agent-server rag`, at a server that runs.

use std::fs;
use std::path::Path;
use std::process::Output;

use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::database::DatabaseKind;
use testkit::model::FakeModel;
use tokio::process::Command;

use crate::server;
use crate::server::PROGRAM;
use crate::server::SECRET;
use crate::server::Server;

/// What comes of the command in `folder`.
async fn rag(server: &Server, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command
        .arg("rag")
        .args(arguments)
        .args(["--url", server.base()])
        .current_dir(folder)
        .env_clear()
        .env("MANAGEMENT_CLIENT_SECRET", SECRET)
        .env("AGENT_SERVER_DATA_DIR", "/nowhere");
    command.output().await.unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// The lines for each file, in order: several are under way at once.
fn lines(output: &Output) -> String {
    let mut lines: Vec<_> = std::str::from_utf8(&output.stderr).unwrap().lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_imported_once_and_what_failed_is_said() {
    let (database, model) =
        (server::database(DatabaseKind::Sqlite).await, FakeModel::start().await);
    let server = Server::start(database.url(), &model).await;
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("docs/leave.md", "# Leave\n\nParental leave lasts a year."),
        ("docs/a/cats \"and\" dogs.txt", "Cats are allowed."),
        ("docs/a/copy.txt", "Cats are allowed."),
        ("docs/empty.txt", ""),
        ("docs/.hidden/secret.txt", "Nobody reads this."),
        ("docs/photo.png", "png"),
    ];
    for (name, text) in files {
        write(folder.path(), name, text);
    }
    let labels = r#"{"team": "hr"}"#;
    let import = ["import", "handbook", "docs", "more/*.md", "--create", "--metadata", labels];

    let first = rag(&server, folder.path(), &[&import[..], &["--jobs", "1"]].concat()).await;

    expect![[r#"
        failed    docs/empty.txt: the file is empty
        failed    more/*.md: no file fits
        imported  docs/a/cats "and" dogs.txt (1 passage)
        imported  docs/leave.md (1 passage)
        known     docs/a/copy.txt"#]]
    .assert_eq(&lines(&first));
    expect![[r#"
        2 imported, 1 known, 2 failed, 1 passed over
          more/*.md: no file fits
          docs/empty.txt: the file is empty
    "#]]
    .assert_eq(out(&first));
    assert_eq!(first.status.code(), Some(1));

    // An import that is called again brings what is new.
    fs::remove_file(folder.path().join("docs/empty.txt")).unwrap();
    write(folder.path(), "more/rules.md", "Rules are rules.");
    let second = rag(&server, folder.path(), &import).await;
    let said = "1 imported, 3 known, 0 failed, 1 passed over\n";
    assert_eq!(out(&second), said, "{}", lines(&second));
    assert_eq!(second.status.code(), Some(0));

    let asked = ["search", "handbook", "parental leave", "--top-k", "1"];
    let found = rag(&server, folder.path(), &asked).await;
    let table = out(&found);
    assert!(table.starts_with(" SCORE  WHERE     PASSAGE\n"), "{table}");
    assert!(table.ends_with("  leave.md  # Leave Parental leave lasts a year.\n"), "{table}");
    let asked = ["search", "handbook", "cats", "--mode", "keyword", "--filter", labels, "--json"];
    let found = rag(&server, folder.path(), &asked).await;
    let answer: Value = serde_json::from_str(out(&found)).unwrap();
    assert_eq!(answer["data"][0]["text"], "Cats are allowed.");
    assert_eq!(answer["data"][0]["metadata"], json!({"team": "hr"}));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_into_no_database_ends_at_once() {
    let (database, model) =
        (server::database(DatabaseKind::Sqlite).await, FakeModel::start().await);
    let server = Server::start(database.url(), &model).await;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.txt", "Cats are allowed.");

    let refused = rag(&server, folder.path(), &["import", "handbook", "a.txt"]).await;
    let misspelt = rag(&server, folder.path(), &["import", "handbook"]).await;

    assert_eq!((refused.status.code(), misspelt.status.code()), (Some(1), Some(2)));
    assert!(lines(&refused).contains("handbook"), "{}", lines(&refused));
    server.stop().await;
}
