//! What a [`Db`] promises its callers, on the embedded database.

use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use sqlx::ConnectOptions;

use crate::db::Conn;
use crate::db::DatabaseSettings;
use crate::db::Db;
use crate::db::OnUnique;
use crate::db::Sync;
use crate::db::Unique;
use crate::db::is_away;
use crate::db::sqlite;
use crate::on;

const NAME: Unique = Unique { name: "things_name", table: "things", columns: &["name"] };

#[derive(Debug, thiserror::Error)]
enum ThingError {
    #[error("the name is taken")]
    Taken,
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

async fn insert(conn: &mut Conn<'_>, name: &str, tags: &[String]) -> Result<(), ThingError> {
    on!(conn, c => sqlx::query("INSERT INTO things (name, tag) VALUES ($1, $2)")
        .bind(name)
        .bind(tags.first())
        .execute(c)
        .await)
    .on_unique(NAME, || ThingError::Taken)?;
    Ok(())
}

async fn names(conn: &mut Conn<'_>) -> Result<Vec<String>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar("SELECT name FROM things ORDER BY name").fetch_all(c).await)
}

struct TestDb {
    db: Db,
    folder: tempfile::TempDir,
}

async fn test_db() -> TestDb {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let mut made =
        sqlite::options(&file, Sync::Full).create_if_missing(true).connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE things (name TEXT PRIMARY KEY, tag TEXT) STRICT, WITHOUT ROWID")
        .execute(&mut made)
        .await
        .unwrap();
    let settings = DatabaseSettings {
        url: format!("sqlite:{}", file.display()).into(),
        pool: 2,
        sync: Sync::Full,
    };
    TestDb { db: Db::open(&settings).await.unwrap(), folder }
}

/// A handler's future must be `Send`: that a router takes this one is half of the test.
async fn make_two(State(db): State<Db>, body: String) -> Result<String, String> {
    let tags = vec![body];
    db.write(async |tx| {
        insert(tx, "b", &tags).await?;
        for tag in &tags {
            insert(tx, tag, &tags).await?;
        }
        Ok::<_, ThingError>(names(tx).await?.join(" "))
    })
    .await
    .map_err(|error| error.to_string())
}

#[tokio::test]
async fn several_store_calls_share_a_transaction_in_a_handler() {
    let test = test_db().await;
    let _: Router = Router::new().route("/", post(make_two)).with_state(test.db.clone());

    let made = make_two(State(test.db.clone()), "a".to_owned()).await;
    assert_eq!(made, Ok("a b".to_owned()));

    let again = make_two(State(test.db.clone()), "c".to_owned()).await;
    assert_eq!(again, Err("the name is taken".to_owned()));
    assert_eq!(test.db.read(names).await.unwrap(), ["a", "b"]);
    assert_eq!(test.db.stats().commits.load(Ordering::Relaxed), 1);
    assert_eq!(test.db.stats().statements.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_undone() {
    let test = test_db().await;

    let dropped = tokio::time::timeout(
        std::time::Duration::from_millis(50),
        test.db.write(async |tx| {
            insert(tx, "half", &[]).await?;
            std::future::pending::<Result<(), ThingError>>().await
        }),
    );

    assert!(dropped.await.is_err());
    test.db.write(async |tx| insert(tx, "whole", &[]).await).await.unwrap();
    assert_eq!(test.db.read(names).await.unwrap(), ["whole"]);
}

#[tokio::test]
async fn a_connection_for_reading_cannot_write() {
    let test = test_db().await;

    let refused = test.db.read(async |conn| insert(conn, "a", &[]).await).await;

    let ThingError::Database(refused) = refused.unwrap_err() else { panic!("it is another") };
    assert!(is_away(&refused), "what can only be read is no fault of what is written");
    assert_eq!(test.db.read(names).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_full_disk_is_no_fault_of_what_is_written() {
    let test = test_db().await;

    let full = test.db.write(async |tx| {
        on!(tx, c => sqlx::raw_sql("PRAGMA max_page_count = 3").execute(c).await)?;
        insert(tx, &"x".repeat(100_000), &[]).await
    });

    let ThingError::Database(full) = full.await.unwrap_err() else { panic!("it is another") };
    assert!(is_away(&full), "{full}");
}

#[tokio::test]
async fn a_missing_file_is_not_made() {
    let test = test_db().await;
    let file = test.folder.path().join("other.db");
    let settings = DatabaseSettings {
        url: format!("sqlite:{}", file.display()).into(),
        pool: 1,
        sync: Sync::Full,
    };

    let error = Db::open(&settings).await.unwrap_err();

    assert!(error.to_string().ends_with("does not exist; `agent-server migrate up` makes it"));
    assert!(!file.exists());
}

#[tokio::test]
async fn a_closed_database_refuses_and_leaves_one_file() {
    let test = test_db().await;
    test.db.write(async |tx| insert(tx, "a", &[]).await).await.unwrap();

    test.db.close().await;

    assert!(test.db.read(names).await.is_err());
    assert!(test.db.write(async |tx| insert(tx, "b", &[]).await).await.is_err());
    let files = std::fs::read_dir(test.folder.path()).unwrap().count();
    assert_eq!(files, 1, "the write-ahead log was moved into the file");
}
