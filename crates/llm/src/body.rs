//! The body of a request.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::value::RawValue;
use serde_json::value::to_raw_value;

use crate::ErrorKind;
use crate::ModelError;

/// `request` as JSON text, with the members of `provider` in the place of ours; in the objects named
/// `merged`, with the members within.
///
/// Members that nobody replaces stay byte for byte. `stream` is not for choosing: we read streams.
pub(crate) fn body_with(
    request: &impl Serialize,
    provider: &Map<String, Value>,
    merged: &[&str],
) -> Result<Vec<u8>, ModelError> {
    let ours = serde_json::to_vec(request).map_err(unwritable)?;
    if provider.is_empty() {
        return Ok(ours);
    }
    let mut members: BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(&ours).map_err(unwritable)?;
    for (name, value) in provider.iter().filter(|(name, _)| *name != "stream") {
        let ours = members.get(name).filter(|_| merged.contains(&name.as_str()));
        let ours = ours.and_then(|json| serde_json::from_str::<Map<_, _>>(json.get()).ok());
        let json = match (ours, value) {
            (Some(mut ours), Value::Object(theirs)) => {
                ours.extend(theirs.clone());
                to_raw_value(&ours)
            }
            _ => to_raw_value(value),
        };
        members.insert(name.clone(), json.map_err(unwritable)?);
    }
    serde_json::to_vec(&members).map_err(unwritable)
}

fn unwritable(_: serde_json::Error) -> ModelError {
    ModelError::lasting(ErrorKind::Refused, "the request cannot be written as JSON")
}
