//! The handle on the database, on both.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agent_server::app::Clock;
use agent_server::db::At;
use agent_server::db::BackupError;
use agent_server::db::Conn;
use agent_server::db::Db;
use agent_server::db::Id;
use agent_server::db::Json;
use agent_server::db::OnUnique;
use agent_server::db::Unique;
use agent_server::db::backup;
use agent_server::db::migrate::Migrator;
use agent_server::db::migrate::Source;
use agent_server::db::migrate::check_head;
use agent_server::on;
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;
use testkit::on_both;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::Place;
use crate::settings;

const TABLES: &str = "-- UP
CREATE TABLE things (
    id    UUID PRIMARY KEY,
    name  TEXT NOT NULL,
    at    TIMESTAMPTZ NOT NULL,
    data  JSON NOT NULL
);
CREATE UNIQUE INDEX things_name ON things (lower(name));
-- DOWN
";

const ID: Unique = Unique { name: "things_pkey", table: "things", columns: &["id"] };
const NAME: Unique = Unique { name: "things_name", table: "things", columns: &["name"] };

#[derive(Debug, PartialEq, thiserror::Error)]
enum ThingError {
    #[error("the name is taken")]
    NameTaken,
    #[error("the id is taken")]
    IdTaken,
    #[error("{0}")]
    Database(String),
}

impl From<sqlx::Error> for ThingError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.to_string())
    }
}

/// A database with a table.
struct Things {
    db: Db,
    place: Place,
}

impl Things {
    async fn on(kind: DatabaseKind) -> Self {
        let place = Place::on(kind).await;
        let sqlite = TABLES
            .replace("UUID", "TEXT")
            .replace("TIMESTAMPTZ", "TEXT")
            .replace("JSON NOT NULL\n)", "TEXT NOT NULL\n) STRICT");
        place.write_each("20260101000000_things", TABLES, &sqlite);
        place.up().await.unwrap();
        Self { db: place.open().await, place }
    }

    async fn insert(&self, id: u128, name: &str) -> Result<(), ThingError> {
        self.db.write(async |tx| insert(tx, id, name).await).await
    }
}

async fn insert(conn: &mut Conn<'_>, id: u128, name: &str) -> Result<(), ThingError> {
    on!(conn, c => sqlx::query("INSERT INTO things (id, name, at, data) VALUES ($1, $2, $3, $4)")
        .bind(Id::new(uuid::Uuid::from_u128(id)))
        .bind(name)
        .bind(at("2026-11-25T10:00:00.123456Z"))
        .bind(Json::try_from(r#"{"b": 1.50, "a": 12345678901234567890}"#.to_owned()).unwrap())
        .execute(c)
        .await)
    .on_unique(NAME, || ThingError::NameTaken)
    .map(drop)
}

async fn insert_by_id(conn: &mut Conn<'_>, id: u128, name: &str) -> Result<(), ThingError> {
    on!(conn, c => sqlx::query("INSERT INTO things (id, name, at, data) VALUES ($1, $2, $3, $4)")
        .bind(Id::new(uuid::Uuid::from_u128(id)))
        .bind(name)
        .bind(at("2026-11-25T10:00:00Z"))
        .bind(Json::of(&[1]).unwrap())
        .execute(c)
        .await)
    .on_unique(ID, || ThingError::IdTaken)
    .map(drop)
}

fn at(text: &str) -> At {
    text.parse().unwrap()
}

on_both! {
    async fn a_broken_uniqueness_is_known_by_its_meaning(things: Things) {
        things.insert(1, "a").await.unwrap();

        assert_eq!(things.insert(2, "A").await, Err(ThingError::NameTaken));
        let by_id = things.db.write(async |tx| insert_by_id(tx, 1, "b").await).await;
        assert_eq!(by_id, Err(ThingError::IdTaken));
        let other = things.insert(1, "c").await;
        assert!(matches!(other, Err(ThingError::Database(_))), "{other:?}");
    }

    async fn a_transaction_that_fails_leaves_nothing(things: Things) {
        let failed = things
            .db
            .write(async |tx| {
                insert(tx, 1, "a").await?;
                insert(tx, 2, "a").await
            })
            .await;

        assert_eq!(failed, Err(ThingError::NameTaken));
        assert_eq!(things.place.text("SELECT CAST(count(*) AS TEXT) FROM things").await, "0");
    }

    async fn values_come_back_as_they_went_in(things: Things) {
        things.insert(7, "a").await.unwrap();

        let (id, time, data) = things
            .db
            .read(async |conn| {
                on!(conn, c => sqlx::query_as::<_, (Id, At, Json)>(
                    "SELECT id, at, data FROM things WHERE id = $1 AND at >= $2",
                )
                .bind(Id::new(uuid::Uuid::from_u128(7)))
                .bind(at("2026-11-25T10:00:00.123456Z"))
                .fetch_one(c)
                .await)
            })
            .await
            .unwrap();

        assert_eq!(id.to_string(), "00000000-0000-0000-0000-000000000007");
        assert_eq!(time, at("2026-11-25T10:00:00.123456Z"));
        assert_eq!(data.as_str(), r#"{"b": 1.50, "a": 12345678901234567890}"#);
    }

    async fn a_transaction_that_is_dropped_is_undone_and_blocks_nobody(things: Things) {
        let mut dropped = Box::pin(things.db.write(async |tx| {
            insert(tx, 1, "a").await?;
            std::future::pending::<Result<(), ThingError>>().await
        }));
        // Polls until the row is written, which the statements that were counted tell.
        while things.db.stats().statements.load(Ordering::Relaxed) == 0 {
            assert!(futures::poll!(&mut dropped).is_pending());
            tokio::task::yield_now().await;
        }
        drop(dropped);

        things.insert(2, "a").await.unwrap();

        let ids = things.place.text("SELECT CAST(max(CAST(id AS TEXT)) AS TEXT) FROM things").await;
        assert_eq!(ids, "00000000-0000-0000-0000-000000000002");
    }

    async fn many_writers_at_once_all_succeed(things: Things) {
        let all = (0..100_u128).map(async |number| {
            let name = number.to_string();
            match number % 2 {
                0 => things.insert(number, &name).await,
                _ => things.db.write_behind(async |tx| insert(tx, number, &name).await).await,
            }
        });

        let inserted = futures::future::join_all(all).await;

        assert!(inserted.iter().all(Result::is_ok), "{inserted:?}");
        assert_eq!(things.place.text("SELECT CAST(count(*) AS TEXT) FROM things").await, "100");
        assert_eq!(things.db.stats().commits.load(Ordering::Relaxed), 100);
    }

    async fn a_migrated_database_is_ready_at_once(nothing: Nothing) {
        let migrated = async |kind| {
            TestDatabase::migrated(kind, "of_this_test", async |url| {
                let migrator = Migrator::new(settings(&url), Source::Embedded, Clock::System).unwrap();
                migrator.up(None, &mut |_| {}).await.unwrap();
            })
            .await
        };
        let (first, second) = (migrated(nothing.0).await, migrated(nothing.0).await);

        assert_ne!(first.url(), second.url());
        for database in [first, second] {
            let db = Db::open(&settings(database.url())).await.unwrap();
            check_head(&db).await.unwrap();
            db.close().await;
        }
    }
}

#[tokio::test]
async fn a_full_disk_fails_what_does_not_fit_and_nothing_else() {
    let things = Things::on(DatabaseKind::Sqlite).await;
    things
        .db
        .write(
            async |tx| on!(tx, c => sqlx::raw_sql("PRAGMA max_page_count = 30").execute(c).await),
        )
        .await
        .unwrap();

    let full = things.insert(1, &"x".repeat(1_000_000)).await;
    assert!(full.unwrap_err().to_string().contains("disk is full"));

    things.insert(2, "a").await.unwrap();
    assert_eq!(things.place.text("SELECT name FROM things").await, "a");
}

#[tokio::test]
async fn a_restart_of_postgres_fails_no_transaction_that_begins_after_it() {
    let things = Things::on(DatabaseKind::Postgres).await;
    let two = futures::join!(things.insert(1, "a"), things.insert(2, "b"));
    assert_eq!(two, (Ok(()), Ok(())));
    let other = things.place.open().await;

    other
        .write(async |tx| {
            on!(tx, c => sqlx::query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .execute(c)
            .await)
        })
        .await
        .unwrap();

    assert_eq!(things.insert(3, "c").await, Ok(()));
    other.close().await;
}

#[tokio::test]
async fn who_is_stopped_in_a_transaction_keeps_its_rows_from_nobody_for_long() {
    let things = Things::on(DatabaseKind::Postgres).await;
    let (has_it, other_is_done) = (Notify::new(), Notify::new());
    let stopped = things.db.write(async |tx| {
        insert(tx, 1, "a").await?;
        has_it.notify_one();
        other_is_done.notified().await;
        Ok(())
    });
    let other = async {
        has_it.notified().await;
        let inserted = timeout(Duration::from_mins(1), things.insert(2, "a")).await;
        other_is_done.notify_one();
        inserted
    };

    let (stopped, other) = futures::join!(stopped, other);

    assert_eq!(other.expect("it waits for who is stopped"), Ok(()));
    assert!(matches!(stopped, Err(ThingError::Database(_))), "{stopped:?}");
}

#[tokio::test]
async fn what_a_url_leaves_out_comes_from_the_variables_of_postgres() {
    let place = Place::on(DatabaseKind::Postgres).await;
    let url: url::Url = place.database.url().parse().unwrap();

    let output = crate::program("postgres://")
        .args(["migrate", "status"])
        .env("PGHOST", url.host_str().unwrap())
        .env("PGPORT", url.port().unwrap_or(5432).to_string())
        .env("PGUSER", url.username())
        .env("PGDATABASE", url.path().trim_start_matches('/'))
        .env("PGPASSWORD", url.password().unwrap_or("p@ss#/%? w"))
        .output()
        .unwrap();

    assert!(crate::said(&output).starts_with("0\npending "), "{}", crate::said(&output));
}

#[tokio::test]
async fn a_backup_is_whole_while_others_write() {
    let things = Things::on(DatabaseKind::Sqlite).await;
    let copy = things.place.folder.path().join("copy.db");
    let settings = things.place.settings();
    let writing = async {
        for number in 0..50 {
            let (a, b) = (2 * number, 2 * number + 1);
            things
                .db
                .write(async |tx| {
                    insert(tx, a, &a.to_string()).await?;
                    insert(tx, b, &b.to_string()).await
                })
                .await
                .unwrap();
        }
    };

    let (size, ()) = futures::join!(backup(&settings, &copy), writing);

    assert_eq!(size.unwrap(), std::fs::metadata(&copy).unwrap().len());
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let db = Db::open(&crate::settings(&format!("sqlite:{}", copy.display()))).await.unwrap();
    let count = db
        .read(async |conn| {
            on!(conn, c => sqlx::query_scalar::<_, i64>("SELECT count(*) FROM things").fetch_one(c).await)
        })
        .await
        .unwrap();
    assert_eq!(count % 2, 0, "a transaction is in the copy as a whole, or not");
    assert!(matches!(backup(&settings, &copy).await, Err(BackupError::Exists(_))));
}

#[tokio::test]
async fn a_backup_of_postgres_names_its_own_tool() {
    let place = Place::on(DatabaseKind::Postgres).await;

    let refused = backup(&place.settings(), Path::new("/nowhere")).await.unwrap_err();

    assert!(refused.to_string().contains("pg_dump"), "{refused}");
}

/// Only which database it is about.
struct Nothing(DatabaseKind);

impl Nothing {
    #[expect(clippy::unused_async, reason = "`on_both!` wants it")]
    async fn on(kind: DatabaseKind) -> Self {
        Self(kind)
    }
}
