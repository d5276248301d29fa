//! Which database, and how to talk to it.

use std::path::Path;
use std::path::PathBuf;

use secrecy::ExposeSecret;
use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::db::Dialect;
use crate::db::OpenError;

/// The settings of the database.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`. What a `postgres:` URL leaves out comes
    /// from `PGHOST`, `PGUSER`, `PGPASSWORD` and their kin.
    pub url: SecretString,
    /// How many connections there are at most. SQLite has one writer and a few readers whatever this is.
    pub pool: u32,
    pub sync: Sync,
}

/// What a commit of the embedded database survives. PostgreSQL decides for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// A crash of the machine.
    #[default]
    Full,
    /// A crash of the process, but not of the machine.
    Normal,
}

/// What a URL points at.
#[derive(Debug)]
pub(in crate::db) enum Target {
    Postgres(Box<PgConnectOptions>),
    Sqlite(PathBuf),
}

impl DatabaseSettings {
    /// Says what is wrong with the URL, without connecting.
    pub fn check(&self) -> Result<(), OpenError> {
        self.target().map(drop)
    }

    pub(in crate::db) fn target(&self) -> Result<Target, OpenError> {
        let url = self.url.expose_secret();
        match url.split_once(':') {
            Some(("sqlite", rest)) => sqlite_path(rest).map(Target::Sqlite),
            Some(("postgres" | "postgresql", rest)) => {
                postgres_options(url, rest).map(|it| Target::Postgres(Box::new(it)))
            }
            _ => Err(OpenError::Scheme),
        }
    }

    /// Which database the URL points at.
    pub fn dialect(&self) -> Result<Dialect, OpenError> {
        self.target().map(|target| match target {
            Target::Postgres(_) => Dialect::Postgres,
            Target::Sqlite(_) => Dialect::Sqlite,
        })
    }

    /// The file of the embedded database, if it is one.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        match self.target() {
            Ok(Target::Sqlite(path)) => Some(path),
            _ => None,
        }
    }
}

fn sqlite_path(rest: &str) -> Result<PathBuf, OpenError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.contains([':', '?']) {
        return Err(OpenError::SqlitePath);
    }
    Ok(Path::new(path).to_owned())
}

/// Reads a URL whose parts are unmistakable. Without the check in the middle, a password with a raw
/// `@`, `/`, `?` or `#` would make its rest the host, and error messages would show it.
fn postgres_options(url: &str, rest: &str) -> Result<PgConnectOptions, OpenError> {
    let Some(rest) = rest.strip_prefix("//") else {
        return Err(OpenError::PostgresUrl);
    };
    if !is_encoded(rest) {
        return Err(OpenError::Unencoded);
    }
    let url = Url::parse(url).map_err(|_| OpenError::PostgresUrl)?;
    if let Some((unknown, _)) = url.query_pairs().find(|(name, _)| !is_parameter(name)) {
        return Err(OpenError::Parameter(unknown.into_owned()));
    }
    let named = url.query_pairs().any(|(name, _)| name == "application_name");
    let options: PgConnectOptions = url.as_str().parse().map_err(|_| OpenError::PostgresUrl)?;
    if named {
        return Ok(options);
    }
    Ok(options.application_name("agent-server"))
}

/// Whether `rest`, what follows `postgres://`, has no sign that could end a part too early.
fn is_encoded(rest: &str) -> bool {
    let (before, after) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let escapes = rest
        .split('%')
        .skip(1)
        .all(|it| it.len() >= 2 && it.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit));
    let breaks = |it: char| it == '#' || it.is_whitespace() || it.is_control();
    escapes && !rest.contains(breaks) && before.matches('@').count() <= 1 && !after.contains('@')
}

/// What sqlx understands; it would only warn of others, with their values.
fn is_parameter(name: &str) -> bool {
    const KNOWN: [&str; 19] = [
        "sslmode",
        "ssl-mode",
        "sslrootcert",
        "ssl-root-cert",
        "ssl-ca",
        "sslcert",
        "ssl-cert",
        "sslkey",
        "ssl-key",
        "statement-cache-capacity",
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "application_name",
        "options",
        "channel_binding",
    ];
    KNOWN.contains(&name) || name.starts_with("options[")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, OpenError> {
        DatabaseSettings { url: url.into(), pool: 1, sync: Sync::Full }.target()
    }

    #[track_caller]
    fn is_postgres(url: &str) -> PgConnectOptions {
        match target(url) {
            Ok(Target::Postgres(options)) => *options,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn a_sqlite_url_is_a_path() {
        for (url, path) in [
            ("sqlite://./data/agent-server.db", "./data/agent-server.db"),
            ("sqlite:data.db", "data.db"),
            ("sqlite:///var/lib/a b%20c.db", "/var/lib/a b%20c.db"),
        ] {
            assert!(
                matches!(target(url), Ok(Target::Sqlite(it)) if it == Path::new(path)),
                "{url}"
            );
        }
        for url in ["sqlite:", "sqlite://", "sqlite::memory:", "sqlite://a.db?mode=ro"] {
            assert!(matches!(target(url), Err(OpenError::SqlitePath)), "{url}");
        }
    }

    #[test]
    fn an_encoded_password_is_decoded_and_the_host_is_the_host() {
        let options = is_postgres("postgres://app:p%40ss%23%2F%25%3F%20w@db.example:6543/agents");

        assert_eq!(options.get_host(), "db.example");
        assert_eq!(options.get_port(), 6543);
        assert_eq!(options.get_username(), "app");
        assert_eq!(options.get_database(), Some("agents"));
        assert!(format!("{options:?}").contains("p@ss#/%? w"));
    }

    #[test]
    fn a_raw_password_is_refused_and_not_shown() {
        for password in ["p@ss", "p#ss", "p/ss@x", "p?ss", "p ss", "100%", "p%zz", "p/ss", "a%4"] {
            let error =
                target(&format!("postgres://app:{password}@db.example/agents")).unwrap_err();

            assert!(matches!(error, OpenError::Unencoded), "{password}: {error:?}");
            assert!(error.to_string().contains("percent-encode the password"), "{error}");
            assert!(!format!("{error} {error:?}").contains(password), "{error:?}");
        }
    }

    #[test]
    fn a_url_may_leave_parts_to_the_environment() {
        is_postgres("postgres://");
        is_postgres("postgresql:///agents?host=/run/postgresql");
        is_postgres("postgres://db.example/agents?sslmode=verify-full&sslrootcert=/etc/ca.pem");
    }

    #[test]
    fn what_is_not_understood_is_refused_without_its_value() {
        assert!(matches!(target("mysql://secret@db"), Err(OpenError::Scheme)));
        assert!(matches!(target("secret"), Err(OpenError::Scheme)));
        assert!(matches!(target("postgres:secret"), Err(OpenError::PostgresUrl)));
        assert!(matches!(target("postgres://app:secret/agents"), Err(OpenError::PostgresUrl)));
        let error = target("postgres://db/agents?sslmod=secret").unwrap_err();
        assert_eq!(error.to_string(), "DATABASE_URL has the unknown parameter `sslmod`");
    }
}
