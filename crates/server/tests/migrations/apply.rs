//! Up, down and what can go wrong on the way.

use agent_server::db::migrate::MigrateError;
use agent_server::db::migrate::Progress;
use testkit::on_both;

use crate::Place;
use crate::said;

const NOTES: &str = "-- UP\nCREATE TABLE notes (text TEXT NOT NULL);\n-- DOWN\nDROP TABLE notes;\n";
const MORE: &str =
    "-- UP\nALTER TABLE notes ADD author TEXT;\n-- DOWN\nALTER TABLE notes DROP author;\n";
const BROKEN: &str = "-- UP\nCREATE TABLE a (x TEXT);\n\nCREATE TABLE a (x TEXT);\n-- DOWN\n";

on_both! {
    async fn migrations_are_applied_once_and_taken_back_in_reverse(place: Place) {
        place.write("20260101000000_notes", NOTES);
        place.write("20260102000000_more", MORE);
        let mut told = Vec::new();
        let mut tell = |progress| {
            if let Progress::Applied { id, .. } | Progress::Undone { id, .. } = progress {
                told.push(id);
            }
        };

        assert_eq!(place.migrator().up(None, &mut tell).await.unwrap(), 2);
        assert_eq!(place.migrator().up(None, &mut tell).await.unwrap(), 0);
        place.run("INSERT INTO notes (text, author) VALUES ('a', 'b')").await;
        assert_eq!(place.migrator().down(5, &mut tell).await.unwrap(), 2);
        assert_eq!(place.migrator().down(1, &mut tell).await.unwrap(), 0);

        assert_eq!(told, [
            "20260101000000_notes",
            "20260102000000_more",
            "20260102000000_more",
            "20260101000000_notes",
        ]);
    }

    async fn up_stops_after_the_wanted_one(place: Place) {
        place.write("20260101000000_notes", NOTES);
        place.write("20260102000000_more", MORE);

        for wanted in ["20260101000000", "20260101000000_notes"] {
            place.migrator().up(Some(wanted), &mut |_| {}).await.unwrap();
        }
        assert_eq!(place.migrator().pending(None).await.unwrap()[0].id, "20260102000000_more");

        let unknown = place.migrator().up(Some("2026010"), &mut |_| {}).await.unwrap_err();
        assert_eq!(unknown.to_string(), "no migration is named `2026010`");
    }

    async fn a_migration_that_fails_leaves_nothing(place: Place) {
        place.write("20260101000000_notes", NOTES);
        place.write("20260102000000_broken", BROKEN);

        let failed = place.up().await.unwrap_err();

        assert_eq!(
            failed.to_string(),
            "`20260102000000_broken` failed on line 4 and was undone: CREATE TABLE a (x TEXT)",
        );
        assert_eq!(place.problems().await, [""; 0]);
        place.write("20260102000000_broken", "-- UP\nCREATE TABLE a (x TEXT);\n-- DOWN\n");
        assert_eq!(place.up().await.unwrap(), 1);
    }

    async fn a_migration_without_a_way_back_is_not_taken_back(place: Place) {
        place.write("20260101000000_notes", NOTES);
        place.write("20260102000000_data", "-- UP\nINSERT INTO notes VALUES ('a');\n-- DOWN\n");
        place.up().await.unwrap();

        let refused = place.down(2).await.unwrap_err();

        assert!(matches!(refused, MigrateError::Irreversible(id) if id == "20260102000000_data"));
        assert_eq!(place.text("SELECT text FROM notes").await, "a");
    }

    async fn a_table_of_another_program_is_left_alone(place: Place) {
        place.write("20260101000000_notes", NOTES);
        if place.kind == testkit::database::DatabaseKind::Sqlite {
            std::fs::File::create(place.database.file().unwrap()).unwrap();
        }
        place.run("CREATE TABLE schema_migrations (id TEXT PRIMARY KEY, checksum TEXT)").await;

        assert!(matches!(place.up().await, Err(MigrateError::NotOurs)));
        assert!(matches!(place.migrator().status().await, Err(MigrateError::NotOurs)));
    }

    async fn the_program_tells_what_it_does(place: Place) {
        place.write("20260101000000_notes", NOTES);

        let run = |arguments: &[&str]| said(&place.command(arguments).output().unwrap());

        assert_eq!(run(&["status"]), "0\npending       20260101000000_notes\n");
        assert_eq!(
            run(&["up", "--dry-run"]),
            "0\n-- 20260101000000_notes\nCREATE TABLE notes (text TEXT NOT NULL);\n",
        );
        assert!(run(&["up"]).starts_with("0\napplied 20260101000000_notes ("));
        assert_eq!(run(&["up"]), "0\nnothing to do: no migration is pending\n");
        assert!(run(&["status"]).starts_with("0\napplied       20260101000000_notes  20"));
        assert_eq!(run(&["validate"]), "0\nok   migrations: files, database and columns agree\n");
        assert!(run(&["down"]).starts_with("0\ntook back 20260101000000_notes ("));
        assert_eq!(run(&["down"]), "0\nnothing to do: no migration is applied\n");
    }

    async fn bodies_strings_and_comments_are_not_cut(place: Place) {
        let both = "-- it's; a comment\nINSERT INTO log VALUES ('a;b') /* ; ' */;\n";
        let postgres = format!(
            "-- UP\nCREATE TABLE log (text TEXT);\n{both}
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                INSERT INTO log VALUES ($$c;d$$); RETURN NULL;
            END
            $body$;
            CREATE FUNCTION two() RETURNS int LANGUAGE sql
            BEGIN ATOMIC SELECT 1; SELECT 2; END;
            CREATE TABLE t (x TEXT);
            CREATE TRIGGER r AFTER INSERT ON t EXECUTE FUNCTION note();
            INSERT INTO log VALUES (E'it\\'s;') /* /* ; */ */;
            -- DOWN\nDROP TABLE t; DROP FUNCTION two, note; DROP TABLE log;"
        );
        let postgres = postgres.replace("            -- DOWN", "-- DOWN");
        let sqlite = format!(
            "-- UP\nCREATE TABLE log (text TEXT);\n{both}
            CREATE TABLE t (x TEXT);
            CREATE TRIGGER r AFTER INSERT ON t BEGIN
                INSERT INTO log SELECT CASE WHEN 1 THEN 'c;d' END; DELETE FROM t;
            END;
            INSERT INTO log VALUES ('it''s;');\n-- DOWN\nDROP TABLE t; DROP TABLE log;"
        );
        place.write_each("20260101000000_bodies", &postgres, &sqlite);

        place.up().await.unwrap();
        place.run("INSERT INTO t VALUES ('x')").await;

        let log = place.text("SELECT string_agg(text, ' ') FROM (SELECT text FROM log ORDER BY text) t");
        assert_eq!(log.await, "a;b c;d it's;");
        assert_eq!(place.down(1).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_row_that_refers_to_nothing_undoes_a_migration_of_sqlite() {
    let place = Place::on(testkit::database::DatabaseKind::Sqlite).await;
    place.write(
        "20260101000000_a",
        "-- UP\nCREATE TABLE a (x TEXT PRIMARY KEY);\nCREATE TABLE b (x TEXT REFERENCES a (x));\n\
         INSERT INTO a VALUES ('1');\nINSERT INTO b VALUES ('1');\n-- DOWN\n",
    );
    place.up().await.unwrap();

    place.write("20260102000000_b", "-- UP\nDELETE FROM a;\n-- DOWN\n");
    let refused = place.up().await.unwrap_err();

    assert!(matches!(refused, MigrateError::ForeignKey { table, .. } if table == "b"));
    assert_eq!(place.text("SELECT x FROM a").await, "1");
}
