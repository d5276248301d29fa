//! From a JSON value to a type of ours, with every fault named.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;
use tracing::error;
use utoipa::ToSchema;

use crate::http::Invalid;
use crate::http::explain::unknown_member;
use crate::http::invalid::pointer_to;
use crate::http::remains;
use crate::http::schema::Schema;

pub use crate::http::strict::Malformed;
pub use crate::http::strict::parse_strict;

/// Reads a `T`, or lists everything that keeps `value` from being one.
///
/// The JSON Schema of `T` finds most faults. What only the types' own code knows is found in what is
/// right by the schema.
pub fn read<T: DeserializeOwned + ToSchema + 'static>(value: Value) -> Result<T, Vec<Invalid>> {
    let faults = match Schema::of::<T>() {
        Ok(schema) => schema.check(&value),
        Err(fault) => {
            error!(schema = %T::name(), %fault.pointer, "a request's schema is not usable: {}", fault.detail);
            Vec::new()
        }
    };
    build(value, faults)
}

/// Reads a `T` from a value in which `faults` are known already, or lists these and all others.
pub fn build<T: DeserializeOwned>(value: Value, faults: Vec<Invalid>) -> Result<T, Vec<Invalid>> {
    match by_serde(&value) {
        Ok(thing) if faults.is_empty() => Ok(thing),
        _ => Err(remains::all_faults::<T>(value, faults)),
    }
}

/// Reads a `T`, or says what is wrong first.
pub(in crate::http) fn by_serde<T: DeserializeOwned>(value: &Value) -> Result<T, Invalid> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let at = error.path().iter().fold(String::new(), |parent, step| match step {
            Segment::Seq { index } => format!("{parent}/{index}"),
            Segment::Map { key } => pointer_to(&parent, key),
            Segment::Enum { .. } | Segment::Unknown => parent,
        });
        in_our_words(&at, &error.into_inner().to_string())
    })
}

/// serde's standard messages repeat the value, ours do not; a type's own message is taken as it is.
fn in_our_words(at: &str, message: &str) -> Invalid {
    let (what, expected) = message.rsplit_once(", expected ").unwrap_or((message, ""));
    let name = what.split('`').nth(1).unwrap_or_default();
    let what = what.split([':', '`']).next().unwrap_or_default().trim_end();
    match what {
        "invalid type" | "invalid length" => {
            Invalid::new(at, "wrong_type", format!("must be {}", expectation(expected)))
        }
        "invalid value" => {
            Invalid::new(at, "out_of_range", format!("must be {}", expectation(expected)))
        }
        "unknown variant" => Invalid::new(at, "not_one_of", format!("must be {expected}")),
        "unknown field" => {
            let known = expected.split('`').skip(1).step_by(2);
            Invalid::new(pointer_to(at, name), "unknown_member", unknown_member(name, known))
        }
        "missing field" => Invalid::new(pointer_to(at, name), "missing_member", "is required"),
        _ => Invalid::new(at, "not_valid", message),
    }
}

/// Rust's names for what it expects, in words.
fn expectation(expected: &str) -> String {
    let (least, most) = match expected {
        "u8" => (0, u64::from(u8::MAX)),
        "u16" => (0, u64::from(u16::MAX)),
        "u32" => (0, u64::from(u32::MAX)),
        "u64" | "usize" => (0, u64::MAX),
        "i8" => (i64::from(i8::MIN), 0x7f),
        "i16" => (i64::from(i16::MIN), 0x7fff),
        "i32" => (i64::from(i32::MIN), 0x7fff_ffff),
        "i64" | "isize" => (i64::MIN, 0x7fff_ffff_ffff_ffff),
        "f32" | "f64" => return String::from("a number"),
        "a sequence" => return String::from("a list"),
        "a map" => return String::from("an object"),
        other if other.starts_with("struct ") => return String::from("an object"),
        other => return other.to_owned(),
    };
    format!("a whole number from {least} to {most}")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::Expect;
    use expect_test::expect;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        name: Name,
        #[schema(min_length = 1, max_length = 5)]
        label: String,
        display_name: Option<String>,
        #[serde(default)]
        #[schema(max_items = 3)]
        tools: Vec<ToolRef>,
        auth: Option<Auth>,
        choice: Option<Choice>,
        limits: Option<Limits>,
        #[serde(default)]
        metadata: Value,
        at: Option<chrono::DateTime<chrono::Utc>>,
    }

    #[derive(Debug, PartialEq, Deserialize, ToSchema)]
    #[serde(try_from = "String")]
    #[schema(value_type = String)]
    struct Name(String);

    impl TryFrom<String> for Name {
        type Error = &'static str;

        fn try_from(text: String) -> Result<Self, Self::Error> {
            if text.starts_with(char::is_alphabetic) {
                Ok(Self(text))
            } else {
                Err("a name begins with a letter")
            }
        }
    }

    #[derive(Debug, PartialEq, Deserialize, ToSchema)]
    #[serde(untagged)]
    enum ToolRef {
        Name(String),
        Full(FullRef),
    }

    #[derive(Debug, PartialEq, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    struct FullRef {
        name: String,
        approval: Option<Approval>,
    }

    #[derive(Debug, PartialEq, Deserialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    enum Approval {
        Never,
        Always,
    }

    #[derive(Debug, PartialEq, Deserialize, ToSchema)]
    #[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
    enum Auth {
        None,
        Bearer { secret: String },
        Basic { username: String, secret: String },
    }

    #[derive(Debug, PartialEq, Deserialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        Auto,
        Required,
        Name(String),
    }

    #[derive(Debug, PartialEq, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    struct Limits {
        #[schema(minimum = 1, maximum = 100)]
        max_steps: Option<u32>,
        temperature: Option<f64>,
    }

    #[test]
    fn a_right_value_is_read() {
        let thing: Thing = read(json!({
            "name": "a", "label": "b", "tools": ["t", {"name": "u", "approval": "always"}],
            "auth": {"type": "bearer", "secret": "s"}, "choice": {"name": "x"}, "metadata": null,
            "limits": {"max_steps": 3, "temperature": 1}, "at": "2026-11-25T10:00:00Z"
        }))
        .unwrap();

        assert_eq!(
            thing.tools[1],
            ToolRef::Full(FullRef { name: "u".into(), approval: Some(Approval::Always) })
        );
        assert_eq!(thing.auth, Some(Auth::Bearer { secret: "s".into() }));
        assert_eq!(thing.choice, Some(Choice::Name("x".into())));
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        check(
            json!({"label": "", "display_nmae": "x", "tools": "t", "metadata": {}, "limits": {"max_steps": 0, "temperature": "hot"}}),
            expect![[r#"
                "/name" missing_member: is required
                "/label" too_short: must not be empty
                "/limits/max_steps" out_of_range: must be at least 1
                "/limits/temperature" wrong_type: must be a number or null, not a string
                "/tools" wrong_type: must be a list, not a string
                "/display_nmae" unknown_member: there is no such member; did you mean `display_name`?
            "#]],
        );
    }

    #[test]
    fn a_wrong_type_says_what_is_wanted() {
        check(
            json!([]),
            expect![[r#"
                "" wrong_type: must be an object, not a list
            "#]],
        );
        check(
            json!({"name": 1, "label": null, "display_name": 5, "limits": {"max_steps": 1.5}}),
            expect![[r#"
                "/display_name" wrong_type: must be a string or null, not a number
                "/label" wrong_type: must be a string, not null
                "/limits/max_steps" wrong_type: must be a whole number or null, not a fraction
                "/name" wrong_type: must be a string, not a number
            "#]],
        );
        check(
            json!({"name": "a", "label": "b", "limits": {"max_steps": 5_000_000_000_u64}}),
            expect![[r#"
                "/limits/max_steps" out_of_range: must be at most 100
            "#]],
        );
        check(
            json!({"name": "a", "label": "b", "at": "yesterday"}),
            expect![[r#"
                "/at" bad_format: must be a time such as `2026-11-25T10:00:00Z`
            "#]],
        );
    }

    #[test]
    fn of_several_variants_the_one_that_was_meant_is_explained() {
        check(
            json!({"name": "a", "label": "b", "tools": ["t", 5, {"nam": "x"}]}),
            expect![[r#"
                "/tools/1" wrong_type: must be a string or an object, not a number
                "/tools/2/nam" unknown_member: there is no such member; did you mean `name`?
                "/tools/2/name" missing_member: is required
            "#]],
        );
        check(
            json!({"name": "a", "label": "b", "tools": [{"name": "x", "approval": "alway"}]}),
            expect![[r#"
                "/tools/0/approval" not_one_of: must be one of `never` or `always`; did you mean `always`?
            "#]],
        );
    }

    #[test]
    fn a_tag_tells_which_variant_was_meant() {
        check(
            json!({"name": "a", "label": "b", "auth": {"type": "bearer"}}),
            expect![[r#"
                "/auth/secret" missing_member: is required
            "#]],
        );
        check(
            json!({"name": "a", "label": "b", "auth": {"type": "bearer", "secret": "s", "secrets": 1}}),
            expect![[r#"
                "/auth/secrets" unknown_member: there is no such member; did you mean `secret`?
            "#]],
        );
        check(
            json!({"name": "a", "label": "b", "auth": {"type": "baerer"}}),
            expect![[r#"
                "/auth/type" not_one_of: must be one of `none`, `bearer` or `basic`; did you mean `bearer`?
            "#]],
        );
        check(
            json!({"name": "a", "label": "b", "auth": {"secret": "x"}}),
            expect![[r#"
                "/auth/type" missing_member: is required: one of `none`, `bearer` or `basic`
            "#]],
        );
        check(
            json!({"name": "a", "label": "b", "auth": "bearer"}),
            expect![[r#"
                "/auth" wrong_type: must be an object or null, not a string
            "#]],
        );
    }

    #[test]
    fn words_of_several_variants_are_one_list() {
        check(
            json!({"name": "a", "label": "b", "choice": "atuo"}),
            expect![[r#"
                "/choice" not_one_of: must be one of `auto` or `required`, or an object with `name`; did you mean `auto`?
            "#]],
        );
        check(
            json!({"name": "a", "label": "b", "choice": 7}),
            expect![[r#"
                "/choice" wrong_type: must be a string, an object or null, not a number
            "#]],
        );
        check(
            json!({"name": "a", "label": "b", "choice": {"nmae": "x"}}),
            expect![[r#"
                "/choice/name" missing_member: is required
            "#]],
        );
    }

    #[test]
    fn a_types_own_rule_is_told_in_its_words() {
        check(
            json!({"name": "1", "label": "b"}),
            expect![[r#"
                "/name" not_valid: a name begins with a letter
            "#]],
        );
    }

    #[test]
    fn long_lists_of_faults_end() {
        let tools: Vec<Value> = (0..10_000).map(Value::from).collect();

        let faults = read::<Thing>(json!({"name": "a", "label": "b", "tools": tools})).unwrap_err();

        assert_eq!(faults.len(), 100);
    }

    #[track_caller]
    fn check(value: Value, expected: Expect) {
        let mut text = String::new();
        for Invalid { pointer, code, detail } in read::<Thing>(value).unwrap_err() {
            writeln!(text, "{pointer:?} {code}: {detail}").unwrap();
        }
        expected.assert_eq(&text);
    }
}
