//! The tables of definitions: what their columns hold, and the statements for them.

/// The table of a kind of definition. Made by `table!`.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// The columns of the content, and what they hold.
    pub columns: &'static [(&'static str, Holds)],
    /// The index that keeps names apart.
    pub unique_name: &'static str,
    pub list: &'static str,
    pub find: &'static str,
    pub lock: &'static str,
    pub insert: &'static str,
    pub update: &'static str,
    pub update_active: &'static str,
    pub update_version: &'static str,
    pub delete: &'static str,
}

/// What a column holds; it may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Text,
    Json,
    /// A text, or a list as JSON.
    TextOrList,
    Number,
}

/// A [`Table`]: its name, the kind of its definitions, and its columns, each with what it holds and with its
/// place in a statement, from `$6` on.
#[macro_export]
macro_rules! table {
    ($table:literal, $kind:literal, { $($column:literal: $holds:ident = $place:literal,)+ }) => {
        $crate::definitions::Table {
            name: $table,
            columns: &[$(($column, $crate::definitions::Holds::$holds)),+],
            unique_name: concat!($table, "_name"),
            list: $crate::select_rows!($table, $kind, [$($column),+], "WHERE tenant_id = $1"),
            find: $crate::select_rows!($table, $kind, [$($column),+], "WHERE tenant_id = $1 AND id = $2"),
            lock: concat!("SELECT 1 FROM ", $table, " WHERE tenant_id = $1 AND id = $2 FOR UPDATE"),
            insert: concat!(
                "INSERT INTO ", $table, " (tenant_id, id, is_active, created_by, ", $($column, ", ",)+
                "created_at, updated_at) VALUES ($1, $2, $3, $4, ", $($place, ", ",)+ "$5, $5)",
            ),
            update: concat!(
                "UPDATE ", $table, " SET is_active = $3, created_by = $4, ", $($column, " = ", $place, ", ",)+
                "updated_at = $5 WHERE tenant_id = $1 AND id = $2",
            ),
            update_active: concat!(
                "UPDATE ", $table, " SET is_active = $3, updated_at = $4 WHERE tenant_id = $1 AND id = $2",
            ),
            update_version: concat!(
                "UPDATE ", $table, " SET version = $3, content_hash = $4, updated_at = $5 \
                 WHERE tenant_id = $1 AND id = $2",
            ),
            delete: concat!("DELETE FROM ", $table, " WHERE tenant_id = $1 AND id = $2"),
        }
    };
}

/// A query that gives [`Row`](crate::definitions::Row)s, with the given end.
#[macro_export]
macro_rules! select_rows {
    ($table:literal, $kind:literal, [$($column:literal),+], $end:literal) => {
        concat!(
            "SELECT id, ", $($column, ", ",)+
            "is_active, version, content_hash, created_by, created_at, updated_at, \
             EXISTS (SELECT 1 FROM definition_versions h \
                 WHERE h.tenant_id = d.tenant_id AND h.kind = '", $kind, "' AND h.definition_id = d.id \
                     AND h.version = d.version AND h.content_hash = d.content_hash) AS is_in_history \
             FROM ", $table, " d ", $end,
        )
    };
}
