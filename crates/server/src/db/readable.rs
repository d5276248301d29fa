//! A column that may hold what nobody can read.

use sqlx::Database;
use sqlx::Decode;
use sqlx::Type;
use sqlx::error::BoxDynError;

/// What a column holds, or why that is no `T`: whoever writes rows in SQL can write what types
/// forbid, and one such value must not hide its row, nor the others of a list.
#[derive(Debug, Clone)]
pub struct Readable<T>(pub Result<T, String>);

impl<T, DB: Database> Type<DB> for Readable<T>
where
    T: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        T::type_info()
    }

    fn compatible(ty: &DB::TypeInfo) -> bool {
        T::compatible(ty)
    }
}

impl<'r, T, DB: Database> Decode<'r, DB> for Readable<T>
where
    T: Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(T::decode(value).map_err(|error| error.to_string())))
    }
}

impl<T> From<Readable<T>> for Option<T> {
    fn from(read: Readable<T>) -> Self {
        read.0.ok()
    }
}
