//! Values as data: plain JSON that may read what a run knows, as definitions of workflows write it.
//!
//! `{"$": pointer}` reads, `{"$template": text}` fills in, `{"$first": […]}` takes the first that is there, and
//! `{"$literal": any}` stops all that. A value is checked once, when its definition is saved. From then on it
//! always gives something, unless that would be too large.

mod template;

use serde_json::Map;
use serde_json::Value;

pub use template::Template;

use crate::fault::Fault;

/// Values and predicates may be nested so deep.
pub(crate) const DEPTH: usize = 16;

/// What one value may come to, in bytes as JSON.
pub(crate) const BYTES: usize = 1 << 20;

/// Looks up an RFC 6901 pointer in what a run knows.
pub(crate) type Read<'r, 'v> = dyn Fn(&str) -> Option<&'v Value> + 'r;

/// A value that is made when it is needed.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Literal(Value),
    /// What the pointer leads to; `null` if that is nothing.
    Read(String),
    Template(Template),
    /// The first that is there; `null` if none is.
    First(Vec<Expr>),
    List(Vec<Expr>),
    Object(Vec<(String, Expr)>),
}

/// The value would have more than [`BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value would have more than 1,048,576 bytes as JSON")]
pub struct TooLarge;

impl Expr {
    /// Reads the value at the place `at`, and adds what is wrong with it to `faults`.
    pub(crate) fn parse(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Self {
        parse(value, at, DEPTH, faults)
    }

    /// The value, of what `read` finds.
    pub(crate) fn evaluate<'v>(&'v self, read: &Read<'_, 'v>) -> Result<Value, TooLarge> {
        let mut left = BYTES;
        Ok(self.resolve(read, &mut left)?.unwrap_or_default())
    }

    /// The value, if it is the same in every run.
    pub fn constant(&self) -> Option<&Value> {
        match self {
            Self::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// `None` is a pointer to nothing.
    fn resolve<'v>(
        &'v self,
        read: &Read<'_, 'v>,
        left: &mut usize,
    ) -> Result<Option<Value>, TooLarge> {
        Ok(Some(match self {
            Self::Literal(value) => copy(value, left)?,
            Self::Read(pointer) => match read(pointer) {
                Some(value) => copy(value, left)?,
                None => return Ok(None),
            },
            Self::Template(template) => Value::String(template.fill(read, left)?),
            Self::First(options) => {
                for option in options {
                    if let Some(value) = option.resolve(read, left)? {
                        return Ok(Some(value));
                    }
                }
                return Ok(None);
            }
            Self::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    spend(2, left)?;
                    list.push(item.resolve(read, left)?.unwrap_or_default());
                }
                Value::Array(list)
            }
            Self::Object(members) => {
                let mut object = Map::new();
                for (name, member) in members {
                    spend(name.len() + 4, left)?;
                    object.insert(name.clone(), member.resolve(read, left)?.unwrap_or_default());
                }
                Value::Object(object)
            }
        }))
    }
}

/// Takes `bytes` from what is left.
fn spend(bytes: usize, left: &mut usize) -> Result<(), TooLarge> {
    *left = left.checked_sub(bytes).ok_or(TooLarge)?;
    Ok(())
}

fn copy(value: &Value, left: &mut usize) -> Result<Value, TooLarge> {
    weigh(value, left)?;
    Ok(value.clone())
}

/// Takes about as many bytes as `value` has in JSON.
fn weigh(value: &Value, left: &mut usize) -> Result<(), TooLarge> {
    match value {
        Value::String(text) => spend(text.len() + 2, left),
        Value::Array(items) => items.iter().try_for_each(|item| {
            spend(2, left)?;
            weigh(item, left)
        }),
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            spend(name.len() + 4, left)?;
            weigh(member, left)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => spend(8, left),
    }
}

fn parse(value: &Value, at: &str, depth: usize, faults: &mut Vec<Fault>) -> Expr {
    let nothing = Expr::Literal(Value::Null);
    if depth == 0 {
        faults.push(Fault::new(at, "too_deep", "is nested too deeply: 16 levels at most"));
        return nothing;
    }
    let list = |items: &[Value], at: &str, faults: &mut Vec<Fault>| -> Vec<Expr> {
        let items = items.iter().enumerate();
        items.map(|(index, it)| parse(it, &format!("{at}/{index}"), depth - 1, faults)).collect()
    };
    match value {
        Value::Array(items) => constant_or(value, Expr::List(list(items, at, faults))),
        Value::Object(members) => match special(members) {
            None => {
                let member = |(name, it): (&String, &Value)| {
                    let place = format!("{at}/{}", escape(name));
                    (name.clone(), parse(it, &place, depth - 1, faults))
                };
                constant_or(value, Expr::Object(members.iter().map(member).collect()))
            }
            Some(("$", Value::String(pointer))) => Expr::Read(pointer.clone()),
            Some(("$literal", inner)) => Expr::Literal(inner.clone()),
            Some(("$first", Value::Array(items))) => {
                Expr::First(list(items, &format!("{at}/$first"), faults))
            }
            Some(("$template", Value::String(text))) => match Template::parse(text) {
                Ok(template) => Expr::Template(template),
                Err(why) => {
                    faults.push(Fault::new(format!("{at}/$template"), "bad_template", why));
                    nothing
                }
            },
            Some(_) => {
                let words = "must be plain JSON, {\"$\": pointer}, {\"$template\": text}, {\"$first\": […]} or \
                             {\"$literal\": any}; a member of plain JSON whose name begins with `$` stands in `$literal`";
                faults.push(Fault::new(at, "bad_value", words));
                nothing
            }
        },
        scalar => Expr::Literal(scalar.clone()),
    }
}

/// The member by which an object is more than plain JSON, if it has one that may be. A second member makes none
/// of them valid.
fn special(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, inner) = members.iter().find(|(name, _)| name.starts_with('$'))?;
    Some(if members.len() == 1 { (name, inner) } else { ("", inner) })
}

/// `value` itself, if nothing within is read.
fn constant_or(value: &Value, expr: Expr) -> Expr {
    let is_constant = match &expr {
        Expr::List(items) => items.iter().all(|it| it.constant().is_some()),
        Expr::Object(members) => members.iter().all(|(_, it)| it.constant().is_some()),
        _ => false,
    };
    let has_literal = || value.to_string().contains("\"$");
    if is_constant && !has_literal() { Expr::Literal(value.clone()) } else { expr }
}

/// The pointers that values and predicates within `value` read, each with the place where it stands.
pub(crate) fn reads(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                reads(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(members) => match special(members) {
            Some(("$", Value::String(pointer))) => found.push((format!("{at}/$"), pointer.clone())),
            Some(("$template", Value::String(text))) => {
                template_reads(text, &format!("{at}/$template"), found);
            }
            Some(("$first", inner)) => reads(inner, &format!("{at}/$first"), found),
            Some(_) => {}
            None => {
                for (name, member) in members {
                    reads(member, &format!("{at}/{}", escape(name)), found);
                }
            }
        },
        _ => {}
    }
}

/// The same of a template.
pub(crate) fn template_reads(text: &str, at: &str, found: &mut Vec<(String, String)>) {
    if let Ok(template) = Template::parse(text) {
        found.extend(template.reads().map(|pointer| (at.to_owned(), pointer.to_owned())));
    }
}

/// A name as a step of an RFC 6901 pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values() -> Value {
        json!({"input": {"a": {"b": [1, 2]}, "n": 3, "name": "Ada"}, "previous": null})
    }

    fn evaluate(value: Value) -> Value {
        let mut faults = Vec::new();
        let expr = Expr::parse(&value, "", &mut faults);
        assert_eq!(faults, []);
        let values = values();
        expr.evaluate(&|pointer| values.pointer(pointer)).unwrap()
    }

    #[test]
    fn plain_json_is_itself_and_the_rest_is_made() {
        assert_eq!(evaluate(json!({"a": [1, null, "x"]})), json!({"a": [1, null, "x"]}));
        assert_eq!(evaluate(json!({"x": {"$": "/input/a/b/1"}})), json!({"x": 2}));
        assert_eq!(evaluate(json!({"$": "/nothing"})), Value::Null);
        let template =
            json!({"$template": "{{ input.name }} has {{ input.a.b }}, {{ input.x }}{{ \"{{\" }}"});
        assert_eq!(evaluate(template), json!("Ada has [1,2], {{"));
        assert_eq!(evaluate(json!({"$literal": {"$": "/input"}})), json!({"$": "/input"}));
        assert_eq!(evaluate(json!([{"$literal": {"$": "/input"}}])), json!([{"$": "/input"}]));
    }

    #[test]
    fn the_first_that_is_there_may_be_null() {
        let first = json!({"$first": [{"$": "/input/x"}, {"$": "/previous"}, 1]});
        assert_eq!(evaluate(first), Value::Null);
        assert_eq!(evaluate(json!({"$first": [{"$": "/input/x"}, {"$": "/input/n"}]})), json!(3));
        assert_eq!(evaluate(json!({"$first": []})), Value::Null);
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let mut faults = Vec::new();
        let value = json!({"a": {"$": 1}, "b/c": [{"$frist": []}], "d": {"$template": "{{ a b }}"}, "e": {"$": "/x", "y": 1}});
        Expr::parse(&value, "/input", &mut faults);

        let places: Vec<_> = faults.iter().map(|it| it.pointer.as_str()).collect();
        assert_eq!(places, ["/input/a", "/input/b~1c/0", "/input/d/$template", "/input/e"]);
    }

    #[test]
    fn what_grows_beyond_all_bounds_is_refused() {
        let value = json!({"big": "x".repeat(BYTES / 2)});
        let twice = Expr::List(vec![Expr::Read("/big".to_owned()), Expr::Read("/big".to_owned())]);

        assert_eq!(twice.evaluate(&|pointer| value.pointer(pointer)), Err(TooLarge));
    }

    #[test]
    fn what_is_read_is_found_with_its_place() {
        let value = json!({"op": "and", "args": [{"op": "eq", "left": {"$": "/input/a"}, "right": {"$literal": {"$": "/b"}}}],
            "t": {"$template": "{{ steps.x.output.0 }} {{ \"y\" }}"}, "f": {"$first": [{"$": "/item"}]}});
        let mut found = Vec::new();
        reads(&value, "", &mut found);
        found.sort();

        let found: Vec<_> = found.iter().map(|(at, it)| (at.as_str(), it.as_str())).collect();
        assert_eq!(
            found,
            [
                ("/args/0/left/$", "/input/a"),
                ("/f/$first/0/$", "/item"),
                ("/t/$template", "/steps/x/output/0")
            ]
        );
    }

    /// JSON with our special members in all places, right and wrong.
    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a{} .~/\"$]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            let name = prop_oneof![
                Just("$".to_owned()),
                Just("$template".to_owned()),
                Just("$first".to_owned()),
                Just("$literal".to_owned()),
                "[a/~$]{0,3}",
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name, inner), 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_a_value_or_has_faults_at_places_within(value in any_value()) {
            let mut faults = Vec::new();
            let expr = Expr::parse(&value, "", &mut faults);
            let values = values();
            expr.evaluate(&|pointer| values.pointer(pointer)).unwrap();
            for fault in faults {
                prop_assert!(value.pointer(&fault.pointer).is_some(), "{}", fault.pointer);
            }
        }

        #[test]
        fn any_literal_is_itself(value in any_value()) {
            prop_assert_eq!(evaluate(json!({"x": {"$literal": &value}})), json!({"x": value}));
        }
    }
}
