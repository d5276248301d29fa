//! Which databases a server takes.

use agent_server::db::migrate::HeadError;
use agent_server::db::migrate::check_head;
use testkit::database::DatabaseKind;
use testkit::on_both;

use crate::Place;
use crate::program;
use crate::said;

on_both! {
    async fn a_migrated_database_is_taken(place: Place) {
        place.embedded().up(None, &mut |_| {}).await.unwrap();

        let db = place.open().await;

        check_head(&db).await.unwrap();
        db.close().await;
    }

    async fn a_pending_migration_is_refused_with_the_command_to_run(place: Place) {
        if place.kind == DatabaseKind::Sqlite {
            std::fs::File::create(place.database.file().unwrap()).unwrap();
        }
        let db = place.open().await;

        let refused = check_head(&db).await.unwrap_err().to_string();

        assert!(refused.ends_with("pending: run `agent-server migrate up`"), "{refused}");
        db.close().await;
    }

    async fn an_edited_migration_is_refused(place: Place) {
        place.embedded().up(None, &mut |_| {}).await.unwrap();
        place.run("UPDATE schema_migrations SET checksum = 'x'").await;
        let db = place.open().await;

        let refused = check_head(&db).await.unwrap_err().to_string();

        assert!(refused.contains("was edited after it was applied"), "{refused}");
        db.close().await;
    }

    async fn a_newer_database_is_taken_unless_it_forbids_it(place: Place) {
        place.embedded().up(None, &mut |_| {}).await.unwrap();
        place
            .run(
                "INSERT INTO schema_migrations
                 SELECT '99990101000000_new', 'new', executed_at, '', '', contract, 1, '9.9.9'
                 FROM schema_migrations LIMIT 1",
            )
            .await;
        let db = place.open().await;
        check_head(&db).await.unwrap();

        place
            .run("UPDATE schema_migrations SET contract = TRUE WHERE id = '99990101000000_new'")
            .await;

        assert!(matches!(check_head(&db).await, Err(HeadError::TooNew(_))));
        let down = place.embedded().down(1, &mut |_| {}).await.unwrap_err().to_string();
        assert!(down.contains("was applied by version 9.9.9"), "{down}");
        db.close().await;
    }
}

#[tokio::test]
async fn a_password_that_is_not_encoded_is_never_shown() {
    let secret = "s3cr3t";
    for url in [
        format!("postgres://app:{secret}@/x@127.0.0.1:1/agents"),
        format!("postgres://app:{secret}#x@127.0.0.1:1/agents"),
        format!("postgres://app:{secret}%@127.0.0.1:1/agents"),
    ] {
        let mut command = program(&url);
        let answer = said(&command.args(["migrate", "status"]).output().unwrap());

        assert!(answer.starts_with("1\n"), "{answer}");
        assert!(answer.contains("percent-encode the password"), "{answer}");
        assert!(!answer.contains(secret), "{answer}");
    }
}
