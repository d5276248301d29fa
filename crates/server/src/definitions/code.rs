//! What definitions in code have in the place of a row.

use aws_lc_rs::digest;
use uuid::Builder;

use crate::db::Id;

/// The id of the definition of kind `kind` that the code calls `name`: the same in every process and
/// every release.
///
/// It is the first 16 bytes of SHA-256 of `agent-server/<kind>/<name in lower case>`, with the marks
/// of a UUID of version 8 (RFC 9562, section 5.8).
pub fn code_id(kind: &str, name: &str) -> Id {
    let text = format!("agent-server/{kind}/{}", name.to_ascii_lowercase());
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    Id::new(Builder::from_custom_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_in_code_is_told_by_kind_and_name_for_ever() {
        assert_eq!(code_id("agent", "Support"), code_id("agent", "support"));
        assert_ne!(code_id("agent", "support"), code_id("tool", "support"));
        assert_eq!(code_id("agent", "support").to_string(), "b58d38a3-1aa7-880b-b803-ad10dbc9df8e");
    }
}
