//! Migrations on both real databases, by the library and by the real program.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod apply;
mod database;
mod edits;
mod head;
mod partial;
mod schema;
mod together;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Output;

use agent_server::app::Clock;
use agent_server::db::DatabaseSettings;
use agent_server::db::Db;
use agent_server::db::Sync;
use agent_server::db::migrate::MigrateError;
use agent_server::db::migrate::Migrator;
use agent_server::db::migrate::Problem;
use agent_server::db::migrate::Source;
use tempfile::TempDir;
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;

/// An empty database, and a folder for migrations.
struct Place {
    kind: DatabaseKind,
    database: TestDatabase,
    folder: TempDir,
}

impl Place {
    async fn on(kind: DatabaseKind) -> Self {
        let database = TestDatabase::empty(kind).await;
        let folder = TempDir::new().unwrap();
        for name in ["postgres", "sqlite"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { kind, database, folder }
    }

    /// Writes the same migration for both databases.
    fn write(&self, id: &str, text: &str) {
        self.write_each(id, text, text);
    }

    fn write_each(&self, id: &str, postgres: &str, sqlite: &str) {
        for (name, text) in [("postgres", postgres), ("sqlite", sqlite)] {
            fs::write(self.folder.path().join(name).join(format!("{id}.sql")), text).unwrap();
        }
    }

    fn delete(&self, id: &str) {
        for name in ["postgres", "sqlite"] {
            fs::remove_file(self.folder.path().join(name).join(format!("{id}.sql"))).unwrap();
        }
    }

    fn settings(&self) -> DatabaseSettings {
        settings(self.database.url())
    }

    fn migrator(&self) -> Migrator {
        let source = Source::Folder(self.folder.path().to_owned());
        Migrator::new(self.settings(), source, Clock::System).unwrap()
    }

    fn embedded(&self) -> Migrator {
        Migrator::new(self.settings(), Source::Embedded, Clock::System).unwrap()
    }

    async fn up(&self) -> Result<usize, MigrateError> {
        self.migrator().up(None, &mut |_| {}).await
    }

    async fn down(&self, count: usize) -> Result<usize, MigrateError> {
        self.migrator().down(count, &mut |_| {}).await
    }

    /// What `validate` finds, a line each.
    async fn problems(&self) -> Vec<String> {
        let problems = self.migrator().validate().await.unwrap();
        problems.iter().map(Problem::to_string).collect()
    }

    async fn open(&self) -> Db {
        Db::open(&self.settings()).await.unwrap()
    }

    /// Runs SQL of the test.
    async fn run(&self, sql: &'static str) {
        let db = self.open().await;
        db.write(async |tx| agent_server::on!(tx, c => sqlx::raw_sql(sql).execute(c).await))
            .await
            .unwrap();
        db.close().await;
    }

    /// The one text that a query gives.
    async fn text(&self, sql: &'static str) -> String {
        let db = self.open().await;
        let text = db
            .read(async |conn| {
                agent_server::on!(conn, c =>
                    sqlx::query_scalar::<_, String>(sql).fetch_one(c).await)
            })
            .await
            .unwrap();
        db.close().await;
        text
    }

    /// The real program, with our database and migrations.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.database.url());
        command.arg("migrate").args(arguments).arg("--dir").arg(self.folder.path());
        command
    }
}

fn settings(url: &str) -> DatabaseSettings {
    DatabaseSettings { url: url.into(), pool: 4, sync: Sync::Full }
}

/// The real program, with no settings but its database.
fn program(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-server"));
    command.env_clear().env("DATABASE_URL", url).current_dir(Path::new("/"));
    command
}

/// The exit code, and what was said on both ways out.
fn said(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    )
}
