//! Where the database is, and who listens to it.

use crate::config::Env;
use crate::config::reader::Reader;
use crate::db::DatabaseSettings;
use crate::db::Dialect;
use crate::db::Sync;

pub fn database<E: Env>(from: &mut Reader<E>) -> DatabaseSettings {
    let folder = from.text("AGENT_SERVER_DATA_DIR");
    let url = from.given("DATABASE_URL");
    let url =
        url.unwrap_or_else(|| format!("sqlite://{}/agent-server.db", folder.trim_end_matches('/')));
    let syncs = [("full", Sync::Full), ("normal", Sync::Normal)];
    let database = DatabaseSettings {
        url: url.into(),
        pool: from.number("DATABASE_POOL", 1..=1000),
        sync: from.choice("DATABASE_SYNC", &syncs, Sync::Full),
    };
    check_url(from, "DATABASE_URL", &database);
    database
}

/// Where PostgreSQL is listened to: where it is written, unless said otherwise.
pub fn listen<E: Env>(
    from: &mut Reader<E>,
    database: &DatabaseSettings,
) -> Option<DatabaseSettings> {
    const NAME: &str = "DATABASE_LISTEN_URL";
    let listen = match from.given(NAME) {
        Some(off) if off == "off" => return None,
        Some(url) => DatabaseSettings { url: url.into(), ..database.clone() },
        None => return Some(database.clone()).filter(is_postgres),
    };
    match listen.dialect() {
        Ok(Dialect::Sqlite) => from.fault(NAME, "it must be a `postgres:` URL, or `off`"),
        _ => check_url(from, NAME, &listen),
    }
    Some(listen).filter(|_| is_postgres(database))
}

fn is_postgres(database: &DatabaseSettings) -> bool {
    matches!(database.dialect(), Ok(Dialect::Postgres))
}

fn check_url<E: Env>(from: &mut Reader<E>, name: &str, database: &DatabaseSettings) {
    if let Err(error) = database.check() {
        from.fault(name, error.to_string().trim_start_matches("DATABASE_URL "));
    }
}
