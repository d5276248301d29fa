//! Several processes at once, and processes that are killed.

use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;
use std::process::Stdio;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::thread;

use agent_server::db::FileLock;
use agent_server::db::migrate::MigrateError;
use agent_server::on;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::SqliteConnection;
use testkit::database::DatabaseKind;
use testkit::on_both;

use crate::Place;
use crate::program;
use crate::said;

on_both! {
    async fn of_three_at_once_one_applies_and_the_others_find_nothing_to_do(place: Place) {
        place.write(
            "20260101000000_notes",
            "-- UP\nCREATE TABLE notes (x TEXT);\n-- DOWN\nDROP TABLE notes;\n",
        );
        for _ in 0..10 {
            let started: Vec<_> = (0..3)
                .map(|_| place.command(&["up"]).stdout(Stdio::piped()).spawn().unwrap())
                .collect();

            let said: Vec<_> =
                started.into_iter().map(|it| said(&it.wait_with_output().unwrap())).collect();

            let count = |text: &str| said.iter().filter(|it| it.contains(text)).count();
            assert!(said.iter().all(|it| it.starts_with("0\n")), "{said:#?}");
            assert_eq!(count("applied 20260101000000_notes"), 1, "{said:#?}");
            assert_eq!(count("nothing to do"), 2, "{said:#?}");
            place.down(1).await.unwrap();
        }
    }

    async fn when_the_one_with_the_lock_is_killed_the_next_goes_on(place: Place) {
        place.write_each(
            "20260101000000_notes",
            "-- UP\nCREATE TABLE notes (x TEXT);\nSELECT pg_advisory_lock(42);\n-- DOWN\n",
            "-- UP\nCREATE TABLE notes (x TEXT);\n-- DOWN\n",
        );
        let brake = Brake::pull(&place).await;
        let (mut processes, lines) = start_two(&place);

        let (waits, line) = lines.recv().unwrap();
        assert_eq!(line, "waiting: another `migrate` is at work");
        let mut holder = processes.remove(1 - waits);
        holder.kill().unwrap();
        holder.wait().unwrap();
        brake.release().await;

        let (who, line) = lines.recv().unwrap();
        assert_eq!(who, waits);
        assert!(line.starts_with("applied 20260101000000_notes"), "{line}");
        assert!(processes.remove(0).wait().unwrap().success());
        assert_eq!(place.problems().await, [""; 0]);
    }
}

#[tokio::test]
async fn migrating_beside_a_running_server_is_refused_on_sqlite() {
    let place = Place::on(DatabaseKind::Sqlite).await;
    place.write("20260101000000_notes", "-- UP\nCREATE TABLE notes (x TEXT);\n-- DOWN\n");
    let lock = FileLock::for_server(&place.settings()).unwrap();

    let refused = place.up().await.unwrap_err();
    assert!(
        matches!(refused, MigrateError::ServerRuns(id) if id == std::process::id().to_string())
    );
    assert_eq!(place.migrator().status().await.unwrap().rows.len(), 1);

    drop(lock);
    assert_eq!(place.up().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_beside_a_server_that_writes_disturb_nobody() {
    let place = Place::on(DatabaseKind::Sqlite).await;
    place.write("20260101000000_notes", "-- UP\nCREATE TABLE notes (x TEXT);\n-- DOWN\n");
    place.up().await.unwrap();
    let _lock = FileLock::for_server(&place.settings()).unwrap();
    let db = place.open().await;
    let copy = place.folder.path().join("copy");
    let mut commands: Vec<_> = (0..3)
        .flat_map(|number| {
            let mut backup = program(place.database.url());
            backup.arg("backup").arg(copy.with_extension(number.to_string()));
            [place.command(&["status"]), place.command(&["validate"]), backup]
        })
        .collect();
    let started: Vec<_> =
        commands.iter_mut().map(|it| it.stdout(Stdio::piped()).spawn().unwrap()).collect();

    for number in 0..300_i64 {
        db.write(async |tx| {
            on!(tx, c => sqlx::query("INSERT INTO notes VALUES ($1)")
                .bind(number.to_string())
                .execute(c)
                .await)
        })
        .await
        .unwrap();
    }

    for command in started {
        let said = said(&command.wait_with_output().unwrap());
        assert!(said.starts_with("0\n"), "{said}");
    }
    assert_eq!(place.text("SELECT CAST(count(*) AS TEXT) FROM notes").await, "300");
    db.close().await;
}

/// Something that a migration has to wait for.
enum Brake {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Brake {
    async fn pull(place: &Place) -> Self {
        match place.kind {
            DatabaseKind::Postgres => {
                let mut it = PgConnection::connect(place.database.url()).await.unwrap();
                sqlx::raw_sql("SELECT pg_advisory_lock(42)").execute(&mut it).await.unwrap();
                Self::Postgres(it)
            }
            DatabaseKind::Sqlite => {
                std::fs::File::create(place.database.file().unwrap()).unwrap();
                let mut it = SqliteConnection::connect(place.database.url()).await.unwrap();
                sqlx::raw_sql("PRAGMA journal_mode = wal; BEGIN IMMEDIATE")
                    .execute(&mut it)
                    .await
                    .unwrap();
                Self::Sqlite(it)
            }
        }
    }

    async fn release(self) {
        match self {
            Self::Postgres(it) => it.close().await.unwrap(),
            Self::Sqlite(it) => it.close().await.unwrap(),
        }
    }
}

/// Starts `up` twice, and gives every line that one of them says, with who says it.
fn start_two(place: &Place) -> (Vec<Child>, Receiver<(usize, String)>) {
    let (sender, lines) = mpsc::channel();
    let processes = (0..2).map(|who| {
        let mut child = place.command(&["up"]).stdout(Stdio::piped()).spawn().unwrap();
        let (output, sender) = (child.stdout.take().unwrap(), sender.clone());
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send((who, line));
            }
        });
        child
    });
    (processes.collect(), lines)
}
