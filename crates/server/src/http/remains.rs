//! What is wrong with the remains of a value, when what is known to be wrong is taken out of it.
//!
//! serde stops at the first fault. So each fault is taken out, and what is left is read again.

use std::collections::BTreeSet;
use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::Invalid;
use crate::http::json;

/// A value is read so many times at most.
const MOST: usize = 100;

/// `faults` and all others that keep `value` from being a `T`.
pub fn all_faults<T: DeserializeOwned>(value: Value, mut faults: Vec<Invalid>) -> Vec<Invalid> {
    let mut remains = Remains { value, items: HashMap::new(), gone: BTreeSet::new() };
    for fault in &faults {
        remains.take_out(&fault.pointer);
    }
    if remains.is_gone("") {
        return faults;
    }
    for _ in 0..MOST {
        let Err(found) = json::by_serde::<T>(&remains.value) else { break };
        let pointer = remains.origin(&found.pointer);
        // That something lacks what was taken out of it is no fault of its own: then it has been read to
        // its end, and goes as a whole.
        let place = match remains.is_gone(&pointer) {
            true => pointer.rsplit_once('/').map(|(parent, _)| parent.to_owned()),
            false if remains.has_lost(&pointer) => Some(pointer),
            false => {
                faults.push(Invalid { pointer: pointer.clone(), ..found });
                Some(pointer)
            }
        };
        match place {
            Some(place) if !place.is_empty() => remains.take_out(&place),
            _ => break,
        }
    }
    faults
}

struct Remains {
    value: Value,
    /// Of each list that items were taken out of, by its pointer: the indexes that those left had.
    items: HashMap<String, Vec<usize>>,
    /// The places that were taken out.
    gone: BTreeSet<String>,
}

impl Remains {
    fn take_out(&mut self, pointer: &str) {
        if !self.gone.insert(pointer.to_owned()) {
            return;
        }
        let Some((parent, last)) = pointer.rsplit_once('/') else { return };
        let now = self.now(parent);
        match now.and_then(|now| self.value.pointer_mut(&now)) {
            Some(Value::Object(members)) => {
                members.remove(&last.replace("~1", "/").replace("~0", "~"));
            }
            Some(Value::Array(items)) => {
                let all = || (0..items.len()).collect();
                let left = self.items.entry(parent.to_owned()).or_insert_with(all);
                if let Some(at) = index(last).and_then(|it| left.binary_search(&it).ok()) {
                    left.remove(at);
                    items.remove(at);
                }
            }
            _ => {}
        }
    }

    fn is_gone(&self, pointer: &str) -> bool {
        self.gone.contains(pointer)
    }

    /// Whether something was taken out below `pointer`.
    fn has_lost(&self, pointer: &str) -> bool {
        let below = format!("{pointer}/");
        self.gone.range(below.clone()..).next().is_some_and(|it| it.starts_with(&below))
    }

    /// Where the place is now that `pointer` led to; nowhere, if it was taken out.
    fn now(&self, pointer: &str) -> Option<String> {
        let (mut origin, mut now) = (String::new(), String::new());
        for step in pointer.split('/').skip(1) {
            let step_now = match self.items.get(&origin) {
                Some(left) => left.binary_search(&index(step)?).ok()?.to_string(),
                None => step.to_owned(),
            };
            origin = format!("{origin}/{step}");
            now = format!("{now}/{step_now}");
        }
        Some(now)
    }

    /// The pointer that led to what `pointer` leads to now.
    fn origin(&self, pointer: &str) -> String {
        pointer.split('/').skip(1).fold(String::new(), |origin, step| {
            let was = self.items.get(&origin).and_then(|left| left.get(index(step)?));
            was.map_or_else(|| format!("{origin}/{step}"), |was| format!("{origin}/{was}"))
        })
    }
}

fn index(step: &str) -> Option<usize> {
    step.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read counts")]
    struct Thing {
        size: u8,
        parts: Vec<Part>,
        last: Even,
        others: Option<BTreeMap<String, Even>>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether it can be read counts")]
    struct Part {
        a: Even,
        b: Even,
    }

    #[derive(Debug, Deserialize)]
    #[serde(try_from = "u64")]
    #[expect(dead_code, reason = "only whether it can be read counts")]
    struct Even(u64);

    impl TryFrom<u64> for Even {
        type Error = &'static str;

        fn try_from(number: u64) -> Result<Self, Self::Error> {
            if number.is_multiple_of(2) { Ok(Self(number)) } else { Err("must be even") }
        }
    }

    #[test]
    fn one_fault_hides_no_other() {
        let value = json!({
            "size": 300, "last": 1, "others": {"a/b": 3, "c": 2, "d~": 5},
            "parts": [{"a": 1, "b": 2}, {"a": 2, "b": 2}, {"a": 3, "b": 5}, {"a": 2, "b": 7}],
        });

        assert_eq!(
            places(value, &[]),
            [
                "/last",
                "/others/a~1b",
                "/others/d~0",
                "/parts/0/a",
                "/parts/2/a",
                "/parts/2/b",
                "/parts/3/b",
                "/size",
            ]
        );
    }

    #[test]
    fn what_follows_from_a_known_fault_is_not_said() {
        let value = json!({
            "size": "x", "last": 2,
            "parts": [{"a": 1, "b": 2}, "part", {"a": 2}, {"a": 3, "b": 4}],
        });

        let known = ["/size", "/parts/1", "/parts/2/b"];

        assert_eq!(
            places(value, &known),
            ["/parts/0/a", "/parts/1", "/parts/2/b", "/parts/3/a", "/size"]
        );
    }

    #[test]
    fn what_is_no_object_at_all_has_one_fault() {
        assert_eq!(places(json!([1]), &[""]), [""]);
        assert_eq!(places(json!(7), &[]), [""]);
    }

    fn places(value: Value, known: &[&str]) -> Vec<String> {
        let known = known.iter().map(|at| Invalid::new(*at, "wrong_type", "is wrong")).collect();
        let mut places: Vec<_> =
            all_faults::<Thing>(value, known).into_iter().map(|fault| fault.pointer).collect();
        places.sort();
        places
    }
}
