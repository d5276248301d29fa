//! JSON texts in both databases.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use sqlx::Decode;
use sqlx::Encode;
use sqlx::Postgres;
use sqlx::Sqlite;
use sqlx::Type;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArgumentBuffer;
use sqlx::postgres::PgTypeInfo;
use sqlx::postgres::PgValueRef;
use sqlx::postgres::types::Oid;
use sqlx::sqlite::SqliteArgumentsBuffer;
use sqlx::sqlite::SqliteTypeInfo;
use sqlx::sqlite::SqliteValueRef;
use utoipa::ToSchema;

/// Valid JSON, letter for letter as it was written: no member is moved, no digit lost.
///
/// `JSON` on PostgreSQL (not `JSONB`, which reorders), `TEXT` on SQLite. In our own JSON it is the
/// value itself.
#[derive(Clone, PartialEq, Eq, Hash, ToSchema)]
#[schema(value_type = Value)]
pub struct Json(String);

impl Json {
    /// Writes `value` as JSON. Fails only for what JSON cannot say, as a map with keys that are no texts.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(Self)
    }

    /// Reads it as a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Json {
    type Error = serde_json::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        RawValue::from_string(text).map(|raw| Self(Box::<str>::from(raw).into()))
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(Box::<str>::from(raw).into()))
    }
}

/// The number that every PostgreSQL gives to its type `json`.
const JSON: PgTypeInfo = PgTypeInfo::with_oid(Oid(114));

impl Type<Postgres> for Json {
    fn type_info() -> PgTypeInfo {
        JSON
    }
}

impl Encode<'_, Postgres> for Json {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode_by_ref(&self.0.as_str(), buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Json {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(value.as_str()?.to_owned()))
    }
}

impl Type<Sqlite> for Json {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for Json {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode_by_ref(&self.0.as_str(), buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Json {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        <String as Decode<Sqlite>>::decode(value).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_keeps_its_members_digits_and_spaces() {
        let text = r#"{"b": 1.50, "a": 9223372036854775808123}"#;

        let json: Json = serde_json::from_str(text).unwrap();

        assert_eq!(json.as_str(), text);
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "nul", "{} {}", "\u{0}"] {
            assert!(Json::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_value_is_written_and_read() {
        let json = Json::of(&["a", "b"]).unwrap();

        assert_eq!(json, Json::from(json!(["a", "b"])));
        assert_eq!(json.read::<Vec<String>>().unwrap(), ["a", "b"]);
    }
}
