//! Files that are not what they were, and tables that are not what they should be.

use agent_server::db::migrate::MigrateError;
use testkit::on_both;

use crate::Place;
use crate::said;

const FIRST: &str = "20260101000000_notes";
const SECOND: &str = "20260102000000_more";
const NOTES: &str =
    "-- UP\nCREATE TABLE notes (text TEXT NOT NULL, at TEXT);\n-- DOWN\nDROP TABLE notes;\n";
const MORE: &str = "-- UP\nCREATE TABLE more (x TEXT);\n-- DOWN\nDROP TABLE more;\n";

async fn migrated(place: &Place) {
    place.write(FIRST, NOTES);
    place.write(SECOND, MORE);
    place.up().await.unwrap();
    assert_eq!(place.problems().await, [""; 0]);
}

on_both! {
    async fn line_ends_and_a_byte_order_mark_are_no_edit(place: Place) {
        migrated(&place).await;

        for text in [NOTES.replace('\n', "\r\n"), format!("\u{feff}{NOTES}"), format!("{NOTES}\n\n")] {
            place.write(FIRST, &text);
            assert_eq!(place.problems().await, [""; 0]);
        }
        assert_eq!(place.up().await.unwrap(), 0);
    }

    async fn a_letter_is_an_edit(place: Place) {
        migrated(&place).await;
        place.write(FIRST, &NOTES.replace("at TEXT", "an TEXT"));

        let validated = said(&place.command(&["validate"]).output().unwrap());

        assert!(validated.starts_with("1\n"), "{validated}");
        assert!(validated.contains(&format!("`{FIRST}` was edited after it was applied")));
        assert!(matches!(place.up().await, Err(MigrateError::Faults(_))));
    }

    async fn an_edited_way_back_is_noticed_and_used(place: Place) {
        migrated(&place).await;
        place.write(SECOND, &MORE.replace("DROP TABLE more", "DROP TABLE IF EXISTS more"));

        assert_eq!(
            place.problems().await,
            [format!("`{SECOND}` had its DOWN section edited after it was applied")],
        );
        assert_eq!(place.up().await.unwrap(), 0);
        assert_eq!(place.down(1).await.unwrap(), 1);
    }

    async fn a_missing_file_is_noticed(place: Place) {
        migrated(&place).await;
        place.delete(FIRST);

        assert_eq!(
            place.problems().await,
            [format!("`{FIRST}` was applied, but its file is missing; bring the file back")],
        );
        assert!(place.up().await.is_err());
        assert_eq!(place.down(1).await.unwrap(), 1);
        assert!(place.down(1).await.is_err());
    }

    async fn a_file_before_the_last_applied_one_is_out_of_order(place: Place) {
        migrated(&place).await;
        place.write("20260101120000_late", "-- UP\n-- DOWN\n");

        assert_eq!(
            place.problems().await,
            ["`20260101120000_late` was not applied, but later ones were; give it a name with a \
              later time"],
        );
        assert!(matches!(place.up().await, Err(MigrateError::Faults(_))));
    }

    async fn a_migration_for_one_database_only_is_noticed(place: Place) {
        migrated(&place).await;
        let name = format!("sqlite/{SECOND}.sql");
        std::fs::rename(
            place.folder.path().join(&name),
            place.folder.path().join("sqlite/20260102000001_more.sql"),
        )
        .unwrap();

        let problems = place.problems().await;

        assert!(problems.contains(&format!("`{SECOND}` is there for PostgreSQL only")));
        assert!(problems.contains(&"`20260102000001_more` is there for SQLite only".to_owned()));
    }

    async fn columns_that_differ_are_noticed(place: Place) {
        migrated(&place).await;
        place.run("ALTER TABLE notes DROP COLUMN text").await;
        place.run("ALTER TABLE notes ADD COLUMN extra TEXT").await;
        place.run("DROP TABLE more").await;
        place.run("CREATE TABLE of_somebody_else (x TEXT)").await;

        assert_eq!(place.problems().await, [
            "the column `more.x` is missing",
            "the column `notes.text` is missing",
            "the column `notes.extra` was made by no migration",
        ]);
    }

    async fn a_column_of_another_type_is_noticed(place: Place) {
        migrated(&place).await;
        place.run("ALTER TABLE notes DROP COLUMN at; ALTER TABLE notes ADD COLUMN at INTEGER").await;

        let problems = place.problems().await.join("\n").to_lowercase();

        assert_eq!(problems, "the column `notes.at` is `integer` and should be `text`");
    }

    async fn validating_changes_nothing(place: Place) {
        migrated(&place).await;
        let before = crate::schema::dump(&place).await;

        place.problems().await;

        assert_eq!(crate::schema::dump(&place).await, before);
    }
}
