//! What stands in the path and in the query of a request, as strict as a body.

use axum::extract::FromRequestParts;
use axum::extract::Path as AxumPath;
use axum::extract::RawPathParams;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Map;
use serde_json::Value;
use utoipa::IntoParams;

use crate::http::Invalid;
use crate::http::Problem;
use crate::http::json;
use crate::http::paging;
use crate::http::schema::Schema;

/// The query as a `T`: every parameter known, none twice unless it is a list, each as its schema says.
///
/// `limit` and `cursor` belong to [`paging::Paging`], which stands before this in a handler's arguments.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Sync, T: DeserializeOwned + IntoParams + 'static> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut pairs = pairs(parts.uri.query().unwrap_or_default())?;
        if parts.extensions.get::<paging::IsPaged>().is_some() {
            pairs.retain(|(name, _)| !paging::PARAMETERS.contains(&name.as_str()));
        }
        read(pairs).map(Self).map_err(Problem::invalid)
    }
}

/// The placeholders of the path as a `T`. Text that no database holds is refused.
///
/// Whether something of that name or id exists is for the handler to say, with a 404 in its words.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let names = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::malformed("the path is not UTF-8", Vec::new()))?;
        for (name, text) in &names {
            refuse_nul(name, text)?;
        }
        let path = AxumPath::from_request_parts(parts, state).await;
        path.map(|AxumPath(value)| Self(value)).map_err(|rejection| {
            let names: Vec<_> = names.iter().map(|(name, _)| name).collect();
            wrong_path(rejection, &names)
        })
    }
}

fn wrong_path(rejection: PathRejection, names: &[&str]) -> Problem {
    let PathRejection::FailedToDeserializePathParams(failed) = rejection else {
        return Problem::internal(&rejection);
    };
    let fault = |name: &str, detail: String| {
        Problem::invalid(vec![Invalid::new(format!("?{name}"), "not_valid", detail)])
    };
    match failed.kind() {
        ErrorKind::DeserializeError { key, message, .. } => fault(key, message.clone()),
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => fault(key, in_path(expected_type)),
        ErrorKind::ParseErrorAtIndex { index, expected_type, .. } => {
            fault(names.get(*index).unwrap_or(&"path"), in_path(expected_type))
        }
        ErrorKind::ParseError { expected_type, .. } => {
            fault(names.first().unwrap_or(&"path"), in_path(expected_type))
        }
        ErrorKind::Message(message) => fault("path", message.clone()),
        _ => Problem::internal(&failed),
    }
}

/// What a placeholder must be. All numbers that stand in paths count from 1.
fn in_path(expected_type: &str) -> String {
    match expected_type {
        "i64" => format!("must be a whole number from 1 to {}", i64::MAX),
        other => format!("must be a valid `{other}`"),
    }
}

fn refuse_nul(name: &str, text: &str) -> Result<(), Problem> {
    if text.contains('\0') {
        let fault = Invalid::new(format!("?{name}"), "nul", "may not hold the character U+0000");
        return Err(Problem::malformed("the address cannot be read", vec![fault]));
    }
    Ok(())
}

/// The parameters of a query, decoded.
pub fn pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    // The parser puts U+FFFD in the place of what is not UTF-8, unless it was sent as such.
    let is_meant = query.to_ascii_uppercase().contains("%EF%BF%BD");
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    for (name, text) in &pairs {
        refuse_nul(&name.replace('\0', ""), &format!("{name}{text}"))?;
        if text.contains(char::REPLACEMENT_CHARACTER) && !is_meant {
            let fault = Invalid::new(format!("?{name}"), "not_utf8", "is not UTF-8");
            return Err(Problem::malformed("the address cannot be read", vec![fault]));
        }
    }
    Ok(pairs)
}

/// Reads `T` from decoded pairs.
pub fn read<T: DeserializeOwned + IntoParams + 'static>(
    pairs: Vec<(String, String)>,
) -> Result<T, Vec<Invalid>> {
    let schema = Schema::of_params::<T>().map_err(|fault| vec![fault])?;
    let mut object = Map::new();
    for (name, text) in pairs {
        let kind = Kind::of(schema.member(&name));
        let value = kind.value(text);
        match (object.get_mut(&name), kind) {
            (Some(Value::Array(list)), Kind::List) => list.push(value),
            (Some(_), _) => {
                let fault = Invalid::new(format!("?{name}"), "duplicate_member", "comes twice");
                return Err(vec![fault]);
            }
            (None, Kind::List) => drop(object.insert(name, Value::Array(vec![value]))),
            (None, _) => drop(object.insert(name, value)),
        }
    }
    let value = Value::Object(object);
    let faults = schema.check(&value);
    json::build(value, faults).map_err(|faults| faults.into_iter().map(in_query).collect())
}

/// A query has no members and no `null`, and all of it is strings.
const IN_QUERY: [(&str, &str); 3] =
    [("such member", "such parameter"), (" or null", ""), (", not a string", "")];

/// `/status/0` in the object is `?status` in the query.
fn in_query(mut fault: Invalid) -> Invalid {
    let name = fault.pointer.split('/').nth(1).unwrap_or_default();
    fault.pointer = format!("?{}", name.replace("~1", "/").replace("~0", "~"));
    for (of_body, of_query) in IN_QUERY {
        fault.detail = fault.detail.replace(of_body, of_query);
    }
    fault
}

/// What the text of a parameter stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Boolean,
    List,
}

impl Kind {
    fn of(schema: Option<&Value>) -> Self {
        let names = schema.and_then(|schema| schema.get("type"));
        let has = |kind: &str| match names {
            Some(Value::Array(names)) => names.iter().any(|name| name == kind),
            Some(name) => name == kind,
            None => false,
        };
        match () {
            () if has("array") => Self::List,
            () if has("integer") || has("number") => Self::Number,
            () if has("boolean") => Self::Boolean,
            () => Self::Text,
        }
    }

    /// Text that is not what it should be stays text: the schema says what is wrong with it.
    fn value(self, text: String) -> Value {
        let value = match self {
            Self::Text | Self::List => None,
            Self::Number => text.parse().ok().map(Value::Number),
            Self::Boolean => text.parse().ok().map(Value::Bool),
        };
        value.unwrap_or(Value::String(text))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::Expect;
    use expect_test::expect;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, IntoParams)]
    struct Filter {
        #[serde(default)]
        status: Vec<String>,
        user: Option<String>,
        depth: Option<u8>,
        #[param(minimum = 1)]
        page: Option<i64>,
        deltas: Option<bool>,
    }

    #[test]
    fn parameters_are_read_by_their_types() {
        let filter: Filter =
            parse("status=failed&status=queued&user=7&page=3&deltas=false").unwrap();

        let expected = Filter {
            status: vec!["failed".into(), "queued".into()],
            user: Some("7".into()),
            depth: None,
            page: Some(3),
            deltas: Some(false),
        };
        assert_eq!(filter, expected);
    }

    #[test]
    fn escapes_are_decoded() {
        let filter: Filter = parse("user=a%26b+c%C3%A9%EF%BF%BD").unwrap();

        assert_eq!(filter.user.as_deref(), Some("a&b cé\u{fffd}"));
    }

    #[test]
    fn what_is_wrong_with_a_query_is_said_precisely() {
        check(
            "pgae=1&deltas=yes&page=0&depth=1.5",
            expect![[r#"
                ?deltas wrong_type: must be a boolean
                ?depth wrong_type: must be a whole number, not a fraction
                ?page out_of_range: must be at least 1
                ?pgae unknown_member: there is no such parameter; did you mean `page`?
            "#]],
        );
        check("user=a&user=b", expect!["?user duplicate_member: comes twice\n"]);
        check(
            "depth=999",
            expect![[r#"
                ?depth out_of_range: must be a whole number from 0 to 255
            "#]],
        );
    }

    #[test]
    fn text_that_no_database_holds_is_refused() {
        for query in ["user=%00", "%00=1", "user=%FF", "user=%ED%A0%80"] {
            let problem = pairs(query).unwrap_err();
            assert_eq!(problem.status(), 400, "{query}");
        }
    }

    fn parse(query: &str) -> Result<Filter, Vec<Invalid>> {
        read(pairs(query).unwrap())
    }

    #[track_caller]
    fn check(query: &str, expected: Expect) {
        use std::fmt::Write;
        let mut text = String::new();
        for Invalid { pointer, code, detail } in parse(query).unwrap_err() {
            writeln!(text, "{pointer} {code}: {detail}").unwrap();
        }
        expected.assert_eq(&text);
    }
}
