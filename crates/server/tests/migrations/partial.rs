//! Migrations without a transaction, that end halfway.

use agent_server::db::migrate::MigrateError;
use testkit::database::DatabaseKind;
use testkit::on_both;

use crate::Place;
use crate::said;

const ID: &str = "20260101000000_notes";
const HALFWAY: &str = "-- no-transaction\n\n-- UP\nCREATE TABLE a (x TEXT);\n\
    INSERT INTO b VALUES (1);\nCREATE TABLE c (x TEXT);\n-- DOWN\nDROP TABLE c;\nDROP TABLE a;\n";

on_both! {
    async fn a_failure_halfway_is_shown_and_can_be_gone_on_from(place: Place) {
        place.write(ID, HALFWAY);
        let failed = place.up().await.unwrap_err().to_string();
        assert!(failed.starts_with(&format!("`{ID}` failed on line 5: INSERT INTO b")), "{failed}");

        let status = said(&place.command(&["status"]).output().unwrap());
        assert!(status.starts_with(&format!("0\nPARTIAL       {ID}\n")), "{status}");
        assert!(status.contains("The statement on line 5\n  INSERT INTO b VALUES (1)\nfailed: "));
        assert!(status.contains("run `agent-server migrate up` again"));
        assert_eq!(
            place.problems().await,
            [format!("`{ID}` was begun and has not ended; see `migrate status`")],
        );
        assert!(matches!(place.down(1).await, Err(MigrateError::Unfinished { .. })));

        place.run("CREATE TABLE b (x INTEGER)").await;
        assert_eq!(place.up().await.unwrap(), 1);

        assert_eq!(place.problems().await, [""; 0]);
        assert_eq!(place.text("SELECT CAST(count(*) AS TEXT) FROM b").await, "1");
        assert_eq!(place.down(1).await.unwrap(), 1);
    }

    async fn the_statement_that_failed_may_be_mended_in_the_file(place: Place) {
        place.write(ID, HALFWAY);
        place.up().await.unwrap_err();

        place.write(ID, &HALFWAY.replace("CREATE TABLE a (x TEXT)", "CREATE TABLE a (y TEXT)"));
        assert!(matches!(place.up().await, Err(MigrateError::PartialEdited { done: 1, .. })));

        place.write(ID, &HALFWAY.replace("INTO b VALUES (1)", "INTO a VALUES ('1')"));
        assert_eq!(place.up().await.unwrap(), 1);
        assert_eq!(place.text("SELECT x FROM a").await, "1");
    }

    async fn another_migration_waits_for_the_one_that_has_not_ended(place: Place) {
        place.write(ID, HALFWAY);
        place.up().await.unwrap_err();
        place.delete(ID);
        place.write("20260102000000_other", "-- UP\nCREATE TABLE d (x TEXT);\n-- DOWN\n");

        let refused = place.up().await.unwrap_err().to_string();

        assert!(refused.starts_with(&format!("`{ID}` was begun with `migrate up`")), "{refused}");
    }
}

#[tokio::test]
async fn an_index_that_was_cut_is_found_and_named() {
    let place = Place::on(DatabaseKind::Postgres).await;
    place.write(
        "20260101000000_notes",
        "-- UP\nCREATE TABLE notes (x TEXT);\nINSERT INTO notes VALUES ('a'), ('a');\n-- DOWN\n",
    );
    place.write(
        "20260102000000_index",
        "-- no-transaction\n-- UP\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS notes_x ON notes (x);\n\
         -- DOWN\n",
    );
    // The two rows are the same: PostgreSQL gives up, and leaves the index behind.
    assert!(matches!(place.up().await, Err(MigrateError::FailedHalfway { .. })));
    place.run("DELETE FROM notes").await;

    let refused = place.up().await.unwrap_err().to_string();
    assert!(refused.contains("DROP INDEX CONCURRENTLY notes_x"), "{refused}");
    let status = said(&place.command(&["status"]).output().unwrap());
    assert!(status.contains("The index notes_x is not valid"), "{status}");

    place.run("DROP INDEX notes_x").await;
    assert_eq!(place.up().await.unwrap(), 1);
    assert_eq!(place.problems().await, [""; 0]);
}
