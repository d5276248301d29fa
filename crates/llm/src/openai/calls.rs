//! Tool calls from fragments, whatever the fragments look like.
//!
//! Servers leave out, repeat or mix up ids and indices. What every one of them does is to begin a
//! call with its name and to send the arguments in order, and that is what decides here:
//!
//! - an empty id, name or text of arguments is an absent one;
//! - a fragment belongs to the call with its id, else to the last one with its index, else to the
//!   last one;
//! - it begins a call of its own if its id or name is another one, or if it has a name and the
//!   arguments of that call are whole.

use serde_json::value::RawValue;

use super::chunk::Fragment;
use crate::calls::RawCall;
use crate::clean::tolerant;

/// The calls of an answer, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    index: Option<u64>,
    call: RawCall,
}

impl Fragments {
    pub fn take(&mut self, fragment: Fragment<'_>) {
        let (name, arguments) = match fragment.function {
            Some(function) => (function.name.text, arguments(function.arguments)),
            None => (String::new(), String::new()),
        };
        let id = fragment.id.text;
        if id.is_empty() && name.is_empty() && arguments.is_empty() {
            return;
        }
        let extra = fragment.extra_content.map(|json| json.get().to_owned());
        let piece = Open { index: fragment.index, call: RawCall { id, name, arguments, extra } };
        match self.owner(&piece) {
            Some(owner) => owner.add(piece.call),
            None => self.open.push(piece),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub fn into_calls(self) -> impl Iterator<Item = RawCall> {
        self.open.into_iter().map(|open| open.call)
    }

    /// The call that `piece` goes on with; `None` when it begins one.
    fn owner(&mut self, piece: &Open) -> Option<&mut Open> {
        let at = if piece.call.id.is_empty() {
            match piece.index {
                Some(_) => self.open.iter().rposition(|open| open.index == piece.index),
                None => self.open.len().checked_sub(1),
            }
        } else {
            self.open.iter().rposition(|open| open.is_same(piece))
        };
        let owner = self.open.get_mut(at?)?;
        owner.goes_on_with(&piece.call).then_some(owner)
    }
}

impl Open {
    /// Whether `piece`, which has an id, is about this call.
    fn is_same(&self, piece: &Self) -> bool {
        let same_place = self.index.is_none() || piece.index.is_none() || self.index == piece.index;
        match self.call.id.as_str() {
            // The id comes late.
            "" => self.index == piece.index,
            id => id == piece.call.id && (same_place || piece.call.name.is_empty()),
        }
    }

    /// Whether `piece` does not begin the next call.
    fn goes_on_with(&self, piece: &RawCall) -> bool {
        if piece.name.is_empty() || self.call.name.is_empty() {
            return true;
        }
        piece.name == self.call.name
            && (piece.arguments.is_empty() || self.repeats(piece) || !self.call.is_whole())
    }

    /// Whether `piece` is this whole call once more.
    fn repeats(&self, piece: &RawCall) -> bool {
        !piece.id.is_empty()
            && piece.name == self.call.name
            && piece.arguments == self.call.arguments
    }

    fn add(&mut self, piece: RawCall) {
        if self.repeats(&piece) {
            return;
        }
        let RawCall { id, name, arguments, extra } = &mut self.call;
        if id.is_empty() {
            *id = piece.id;
        }
        if name.is_empty() {
            *name = piece.name;
        }
        if extra.is_none() {
            *extra = piece.extra;
        }
        // Some begin with empty arguments and send the real ones behind them.
        if arguments.trim() == "{}" && piece.arguments.starts_with('{') {
            arguments.clear();
        }
        arguments.push_str(&piece.arguments);
    }
}

/// The text of arguments that come as a string or, from some servers, as the object itself.
fn arguments(json: Option<&RawValue>) -> String {
    let json = json.map_or("null", RawValue::get);
    match json.as_bytes().first() {
        Some(b'"') => tolerant(json, |json| serde_json::from_str(json)).unwrap_or_default(),
        Some(b'{') => json.to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::Fragments;

    /// `id name arguments` of each call made of the fragments.
    fn calls(fragments: &[Value]) -> Vec<String> {
        let mut found = Fragments::default();
        for fragment in fragments {
            found.take(serde_json::from_str(&fragment.to_string()).unwrap());
        }
        found
            .into_calls()
            .map(|call| format!("{} {} {}", call.id, call.name, call.arguments))
            .collect()
    }

    /// A fragment; empty texts stand for absent members.
    fn fragment(index: Option<u64>, id: &str, name: &str, arguments: &str) -> Value {
        let mut fragment = json!({"function": {"name": name, "arguments": arguments}});
        if let Some(index) = index {
            fragment["index"] = json!(index);
        }
        if !id.is_empty() {
            fragment["id"] = json!(id);
        }
        fragment
    }

    #[test]
    fn empty_ids_and_names_are_absent_ones() {
        let found = calls(&[
            json!({"index": 0, "id": "a", "function": {"name": "t", "arguments": ""}}),
            json!({"index": 0, "id": "", "function": {"name": "", "arguments": "{\"x\""}}),
            json!({"index": 0, "id": null, "function": {"name": null, "arguments": ":1}"}}),
            json!({"index": 0, "id": "", "function": {"name": "", "arguments": null}}),
        ]);
        assert_eq!(found, ["a t {\"x\":1}"]);
    }

    #[test]
    fn whole_calls_with_the_same_index_and_different_ids_stay_apart() {
        let found = calls(&[
            fragment(Some(0), "a", "t", "{\"x\":1}"),
            fragment(Some(0), "b", "t", "{\"x\":2}"),
            fragment(Some(0), "c", "t", "{\"x\":3}"),
        ]);
        assert_eq!(found, ["a t {\"x\":1}", "b t {\"x\":2}", "c t {\"x\":3}"]);
    }

    #[test]
    fn whole_calls_without_ids_stay_apart_by_their_names() {
        for index in [None, Some(0)] {
            let found = calls(&[
                fragment(index, "", "t", "{\"x\":1}"),
                fragment(index, "", "t", "{\"x\":1}"),
                fragment(index, "", "u", "{\"x\":1}"),
            ]);
            assert_eq!(found, [" t {\"x\":1}", " t {\"x\":1}", " u {\"x\":1}"], "{index:?}");
        }
    }

    #[test]
    fn repeated_ids_are_different_calls_when_their_places_or_arguments_differ() {
        let found = calls(&[
            fragment(Some(0), "a", "t", "{\"x\":1}"),
            fragment(Some(1), "a", "t", "{\"x\":1}"),
            fragment(Some(1), "a", "t", "{\"x\":2}"),
        ]);
        assert_eq!(found, ["a t {\"x\":1}", "a t {\"x\":1}", "a t {\"x\":2}"]);
    }

    #[test]
    fn a_call_that_is_sent_twice_is_one() {
        let whole = fragment(Some(0), "a", "t", "{\"x\":1}");
        assert_eq!(calls(&[whole.clone(), whole]), ["a t {\"x\":1}"]);
    }

    #[test]
    fn interleaved_fragments_find_their_calls() {
        let found = calls(&[
            fragment(Some(0), "a", "t", ""),
            fragment(Some(1), "b", "u", "{\"y\""),
            fragment(Some(0), "", "", "{\"x\""),
            fragment(Some(1), "", "", ":2}"),
            fragment(Some(0), "", "", ":1}"),
        ]);
        assert_eq!(found, ["a t {\"x\":1}", "b u {\"y\":2}"]);
    }

    #[test]
    fn interleaved_fragments_with_one_index_find_their_calls_by_id() {
        let found = calls(&[
            fragment(Some(0), "a", "t", "{\"x\""),
            fragment(Some(0), "b", "t", "{\"y\""),
            fragment(Some(0), "a", "", ":1}"),
            fragment(Some(0), "b", "", ":2}"),
        ]);
        assert_eq!(found, ["a t {\"x\":1}", "b t {\"y\":2}"]);
    }

    #[test]
    fn ids_and_names_in_every_fragment_are_repetitions() {
        let found = calls(&[
            fragment(Some(0), "a", "t", "{"),
            fragment(Some(0), "a", "t", "\"x\":{}"),
            fragment(Some(0), "a", "t", "}"),
            fragment(Some(0), "a", "t", ""),
        ]);
        assert_eq!(found, ["a t {\"x\":{}}"]);
    }

    #[test]
    fn a_late_id_belongs_to_the_call_that_lacks_one() {
        let found = calls(&[fragment(Some(0), "", "t", "{}"), fragment(Some(0), "a", "", "")]);
        assert_eq!(found, ["a t {}"]);
    }

    #[test]
    fn an_index_that_wanders_does_no_harm_when_ids_tell() {
        let found =
            calls(&[fragment(Some(0), "a", "t", "{\"x\""), fragment(Some(1), "a", "", ":1}")]);
        assert_eq!(found, ["a t {\"x\":1}"]);
    }

    #[test]
    fn empty_arguments_before_the_real_ones_are_dropped() {
        let found = calls(&[
            fragment(Some(0), "a", "t", "{}"),
            fragment(Some(0), "", "", "{\"x\""),
            fragment(Some(0), "", "", ":1}"),
        ]);
        assert_eq!(found, ["a t {\"x\":1}"]);
    }

    #[test]
    fn arguments_may_be_the_object_itself() {
        let whole = json!({"index": 0, "id": 7, "function": {"name": "t", "arguments": {"id": 2_512_292_042_121_000_001_u64}}});
        assert_eq!(calls(&[whole]), ["7 t {\"id\":2512292042121000001}"]);
    }
}
