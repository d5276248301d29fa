//! The schema that our own migrations make.

use agent_server::db::Db;
use agent_server::db::Dialect;
use agent_server::on;
use testkit::on_both;

use crate::Place;

/// Everything in the schema, a line each.
pub async fn dump(place: &Place) -> Vec<String> {
    let db = place.open().await;
    let dump = match db.dialect() {
        Dialect::Sqlite => {
            lines(&db, "SELECT sql FROM sqlite_schema WHERE sql <> '' AND name NOT LIKE 'sqlite%' ORDER BY sql").await
        }
        Dialect::Postgres => lines(&db, POSTGRES).await,
    };
    db.close().await;
    dump
}

async fn lines(db: &Db, sql: &'static str) -> Vec<String> {
    db.read(async |conn| on!(conn, c => sqlx::query_scalar::<_, String>(sql).fetch_all(c).await))
        .await
        .unwrap()
}

/// Columns with types and defaults, partitions with bounds, indexes, constraints, triggers, functions.
const POSTGRES: &str = "
    SELECT concat_ws(' ', 'column', attrelid::regclass, attnum, attname,
        format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid))
    FROM pg_attribute
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND attrelid IN
        (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i')
  UNION ALL
    SELECT concat_ws(' ', 'table', relname, relkind, pg_get_expr(relpartbound, oid))
    FROM pg_class WHERE relnamespace = 'public'::regnamespace
  UNION ALL
    SELECT pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
  UNION ALL
    SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL
    SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL
    SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  ORDER BY 1";

on_both! {
    async fn up_down_up_gives_the_same_schema(place: Place) {
        let migrator = place.embedded();
        migrator.up(None, &mut |_| {}).await.unwrap();
        let first = dump(&place).await;
        let all = migrator.down(usize::MAX, &mut |_| {}).await.unwrap();
        let empty = dump(&place).await;

        assert_eq!(migrator.up(None, &mut |_| {}).await.unwrap(), all);

        assert_eq!(dump(&place).await, first);
        assert!(empty.iter().all(|line| line.contains("schema_migrations")), "{empty:#?}");
        assert!(first.len() > 30 && migrator.validate().await.unwrap().is_empty());
    }

    async fn rows_written_by_hand_are_whole_and_noticed(place: Place) {
        place.embedded().up(None, &mut |_| {}).await.unwrap();
        place
            .run(
                "INSERT INTO agent_definitions (name, display_name, instructions, model)
                 VALUES ('poet', 'Poet', 'Rhyme.', 'gpt-5');
                 UPDATE agent_definitions SET description = 'x';
                 DELETE FROM agent_definitions WHERE name = 'nobody';
                 INSERT INTO client_registrations (client_id) VALUES ('shop');
                 UPDATE client_registrations SET last_used_at = created_at",
            )
            .await;

        let db = place.open().await;
        let (id, at, tools) = db
            .read(async |conn| {
                on!(conn, c => sqlx::query_as::<_, (agent_server::db::Id, agent_server::db::At, agent_server::db::Json)>(
                    "SELECT id, created_at, tools FROM agent_definitions",
                )
                .fetch_one(c)
                .await)
            })
            .await
            .unwrap();
        assert_eq!(id.uuid().get_version_num(), 4);
        assert!(at.to_string().ends_with('Z'));
        assert_eq!(tools.as_str(), "[]");
        let agents = "SELECT CAST(revision AS TEXT) FROM revisions WHERE name = 'agent_definitions'";
        assert!(lines(&db, agents).await[0].parse::<i64>().unwrap() > 0);
        let clients = "SELECT CAST(revision AS TEXT) FROM revisions WHERE name = 'client_registrations'";
        assert_eq!(lines(&db, clients).await, ["1"]);
        db.close().await;
    }
}

#[tokio::test]
async fn both_databases_have_the_same_columns() {
    let columns = async |kind| {
        let place = Place::on(kind).await;
        place.embedded().up(None, &mut |_| {}).await.unwrap();
        let db = place.open().await;
        let sql = match db.dialect() {
            Dialect::Sqlite => {
                "SELECT m.name || '.' || c.name || ' ' || c.\"notnull\"
                 FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'
                 ORDER BY m.name, c.cid"
            }
            Dialect::Postgres => {
                "SELECT relname || '.' || attname || ' ' || attnotnull::int
                 FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                     AND NOT relispartition AND attnum > 0
                 ORDER BY relname COLLATE \"C\", attnum"
            }
        };
        let found = lines(&db, sql).await;
        db.close().await;
        found
    };

    let sqlite = columns(testkit::database::DatabaseKind::Sqlite).await;
    let postgres = columns(testkit::database::DatabaseKind::Postgres).await;

    assert!(sqlite.len() > 100);
    assert_eq!(sqlite, postgres);
}
