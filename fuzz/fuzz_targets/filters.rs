//! Filters of strangers: they are understood or refused, and mean the same in the form in which stores are asked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use retrieval::Filter;
use serde_json::Map;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    // One line for the filter, one for what it is held against.
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let mut next = || serde_json::from_slice::<Value>(lines.next().unwrap_or_default()).ok();
    let Some(filter) = next().and_then(|it| Filter::parse(&it).ok()) else { return };
    let metadata: Map<String, Value> =
        next().and_then(|it| it.as_object().cloned()).unwrap_or_default();
    let _ = filter.matches(&metadata);
    let _ = filter.normal();
});
