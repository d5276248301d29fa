//! Broken uniqueness, told apart on both databases.

use sqlx::error::DatabaseError;
use sqlx::error::ErrorKind;

/// A unique index or primary key, as both databases name it when it is broken: PostgreSQL tells its
/// name, SQLite its table and columns (or its name, if it is over an expression).
#[derive(Debug, Clone, Copy)]
pub struct Unique {
    pub name: &'static str,
    pub table: &'static str,
    pub columns: &'static [&'static str],
}

/// Gives a broken uniqueness its meaning.
pub trait OnUnique<T> {
    /// Turns the failure of `unique` into `taken`; every other failure stays a database error.
    fn on_unique<E>(self, unique: Unique, taken: impl FnOnce() -> E) -> Result<T, E>
    where
        E: From<sqlx::Error>;
}

impl<T> OnUnique<T> for Result<T, sqlx::Error> {
    fn on_unique<E>(self, unique: Unique, taken: impl FnOnce() -> E) -> Result<T, E>
    where
        E: From<sqlx::Error>,
    {
        self.map_err(|error| match error.as_database_error() {
            Some(fault) if unique.is_broken(fault) => taken(),
            _ => error.into(),
        })
    }
}

impl Unique {
    fn is_broken(&self, fault: &dyn DatabaseError) -> bool {
        if fault.kind() != ErrorKind::UniqueViolation {
            return false;
        }
        match fault.constraint() {
            Some(constraint) => self.is_named(constraint),
            None => self.is_told_by(fault.message()),
        }
    }

    /// Whether PostgreSQL means this by `constraint`. Partitions have a constraint each:
    /// `run_events_202611_pkey` is `run_events_pkey`.
    fn is_named(&self, constraint: &str) -> bool {
        let of_partition = || {
            let end = self.name.strip_prefix(self.table)?;
            constraint.strip_prefix(self.table)?.strip_suffix(end)?.strip_prefix('_')
        };
        constraint == self.name || of_partition().is_some_and(is_partition)
    }

    /// Whether SQLite means this by `message`.
    fn is_told_by(&self, message: &str) -> bool {
        let Some(what) = message.strip_prefix("UNIQUE constraint failed: ") else {
            return false;
        };
        if let Some(index) = what.strip_prefix("index '") {
            return index.strip_suffix('\'') == Some(self.name);
        }
        let mut columns = what.split(", ").map(|column| column.split_once('.'));
        let expected = self.columns.iter().map(|column| Some((self.table, *column)));
        columns.by_ref().eq(expected)
    }
}

/// Whether `suffix` is what our migrations put behind the name of a partitioned table.
fn is_partition(suffix: &str) -> bool {
    suffix == "default" || (suffix.len() == 6 && suffix.bytes().all(|it| it.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Unique = Unique {
        name: "agent_definitions_name",
        table: "agent_definitions",
        columns: &["tenant_id", "name"],
    };
    const EVENT: Unique = Unique {
        name: "run_events_pkey",
        table: "run_events",
        columns: &["tenant_id", "run_id", "seq"],
    };

    #[test]
    fn postgres_is_understood_by_name_and_partition() {
        assert!(NAME.is_named("agent_definitions_name"));
        assert!(EVENT.is_named("run_events_pkey"));
        assert!(EVENT.is_named("run_events_202611_pkey"));
        assert!(EVENT.is_named("run_events_default_pkey"));
        for other in ["agent_definitions_pkey", "run_events_archive_pkey", "run_events_202611_key"]
        {
            assert!(!EVENT.is_named(other) && !NAME.is_named(other), "{other}");
        }
    }

    #[test]
    fn sqlite_is_understood_by_columns_and_by_index() {
        assert!(EVENT.is_told_by(
            "UNIQUE constraint failed: run_events.tenant_id, run_events.run_id, run_events.seq"
        ));
        assert!(NAME.is_told_by("UNIQUE constraint failed: index 'agent_definitions_name'"));
        for other in [
            "UNIQUE constraint failed: run_events.tenant_id, run_events.run_id",
            "UNIQUE constraint failed: agent_definitions.name, agent_definitions.tenant_id",
            "UNIQUE constraint failed: index 'agent_definitions_name_2'",
            "NOT NULL constraint failed: agent_definitions.name",
        ] {
            assert!(!EVENT.is_told_by(other) && !NAME.is_told_by(other), "{other}");
        }
    }
}
