//! A database per test, of either kind, gone when the test ends.
//!
//! A migrated database is a copy of a template, which is made once. How it is migrated, the caller
//! says: this crate does not know the server.

use std::env;
use std::fs;
use std::hash::BuildHasher;
use std::hash::Hasher;
use std::hash::RandomState;
use std::path::PathBuf;
use std::thread;

use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::PgConnection;
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    Sqlite,
    Postgres,
}

/// A database of one test.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// The folder with the file. It is deleted with this.
    Folder(#[expect(dead_code, reason = "it is there to be dropped")] TempDir),
    /// The name of the database.
    Server(String),
    /// A server that goes with its database.
    OwnServer,
}

impl TestDatabase {
    /// A database in which nothing is. For SQLite it is a file that is not there yet.
    pub async fn empty(kind: DatabaseKind) -> Self {
        match kind {
            DatabaseKind::Sqlite => Self::in_folder(None),
            DatabaseKind::Postgres => Self::on_server("template0").await,
        }
    }

    /// A database like one that `migrate` has worked on, given its URL. `fingerprint` stands for what
    /// `migrate` does: for each there is a template, made by whoever comes first.
    pub async fn migrated(
        kind: DatabaseKind,
        fingerprint: &str,
        migrate: impl AsyncFnOnce(String),
    ) -> Self {
        static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        match kind {
            DatabaseKind::Sqlite => {
                let file = FILE.get_or_init(async || sqlite_template(migrate).await).await;
                Self::in_folder(Some(file))
            }
            DatabaseKind::Postgres => {
                let template = TEMPLATE
                    .get_or_init(async || postgres_template(fingerprint, migrate).await)
                    .await;
                Self::on_server(template).await
            }
        }
    }

    /// A database that is deleted by whoever made its server.
    pub fn on_a_server_of_its_own(url: &str) -> Self {
        Self { url: url.to_owned(), place: Place::OwnServer }
    }

    /// What to put into `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The file of an embedded database.
    pub fn file(&self) -> Option<PathBuf> {
        self.url.strip_prefix("sqlite:").map(PathBuf::from)
    }

    fn in_folder(content: Option<&[u8]>) -> Self {
        let folder = TempDir::new().expect("a folder for a database");
        let file = folder.path().join("test.db");
        if let Some(content) = content {
            fs::write(&file, content).expect("a copy of the template");
        }
        Self { url: format!("sqlite:{}", file.display()), place: Place::Folder(folder) }
    }

    async fn on_server(template: &str) -> Self {
        // Every hasher has keys of its own: a name that nobody has.
        let name = format!("test_{:016x}", RandomState::new().build_hasher().finish());
        let mut admin = admin().await;
        // To copy files takes a fifth of the time that the log does.
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy");
        run(&mut admin, &sql).await;
        let _ = admin.close().await;
        Self { url: url_of(&name), place: Place::Server(name) }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Place::Server(name) = &self.place else { return };
        let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        // A destructor cannot wait on the test's own runtime.
        let dropper = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                run(&mut admin().await, &sql).await;
            });
        });
        let is_dropped = dropper.join().is_ok();
        assert!(is_dropped || thread::panicking(), "a test database could not be dropped");
    }
}

/// The bytes of a migrated file.
async fn sqlite_template(migrate: impl AsyncFnOnce(String)) -> Vec<u8> {
    let template = TestDatabase::in_folder(None);
    migrate(template.url.clone()).await;
    let file = template.file().expect("it is embedded");
    fs::read(file).expect("the migrated file")
}

/// The name of a migrated database. Other test processes may want to make the same one.
async fn postgres_template(fingerprint: &str, migrate: impl AsyncFnOnce(String)) -> String {
    let name = format!("template_{fingerprint}");
    let half = format!("half_{fingerprint}");
    let mut admin = admin().await;
    run(&mut admin, "SELECT pg_advisory_lock(1413829460)").await;
    let is_made: bool =
        sqlx::query_scalar("SELECT count(*) > 0 FROM pg_database WHERE datname = $1")
            .bind(&name)
            .fetch_one(&mut admin)
            .await
            .expect("a list of databases");
    if !is_made {
        run(&mut admin, &format!("DROP DATABASE IF EXISTS {half} WITH (FORCE)")).await;
        run(&mut admin, &format!("CREATE DATABASE {half} TEMPLATE template0")).await;
        migrate(url_of(&half)).await;
        run(&mut admin, &format!("ALTER DATABASE {half} RENAME TO {name}")).await;
    }
    let _ = admin.close().await;
    name
}

async fn admin() -> PgConnection {
    PgConnection::connect(&server_url()).await.expect("the server of TEST_DATABASE_URL")
}

async fn run(admin: &mut PgConnection, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(admin).await;
    if let Err(error) = done {
        panic!("{sql}: {error}");
    }
}

fn server_url() -> String {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let url = env::var("TEST_DATABASE_URL");
    url.expect(
        "TEST_DATABASE_URL is not set: run `make test`, or `scripts/postgres run cargo test`",
    )
}

/// The URL of another database on the same server.
fn url_of(name: &str) -> String {
    let mut url: url::Url = server_url().parse().expect("TEST_DATABASE_URL is a URL");
    url.set_path(name);
    url.into()
}

/// Runs each test once on SQLite and once on PostgreSQL. The type of its argument has
/// `async fn on(kind: DatabaseKind) -> Self`.
///
/// ```text
/// on_both! {
///     async fn a_taken_name_is_refused(server: TestServer) { … }
/// }
/// ```
#[macro_export]
macro_rules! on_both {
    ($(async fn $name:ident($server:ident: $type:ty) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn check($server: $type) $body

            #[tokio::test]
            async fn on_sqlite() {
                check(<$type>::on($crate::database::DatabaseKind::Sqlite).await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                check(<$type>::on($crate::database::DatabaseKind::Postgres).await).await;
            }
        }
    )*};
}
