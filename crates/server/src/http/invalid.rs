//! One fault in what a caller sent.

use std::borrow::Cow;
use std::fmt::Display;

use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

/// One fault in a request, or in a stored definition: where it is, which kind, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invalid {
    /// Where: an RFC 6901 pointer into the body, `?name` for a parameter, or the name of a header.
    #[schema(example = "/tools/0")]
    pub pointer: String,
    /// Which kind of fault, for programs. Codes are only added, never renamed.
    #[schema(value_type = String, example = "unknown_tool")]
    pub code: Cow<'static, str>,
    /// What was expected, for people. It never repeats a long value.
    #[schema(example = "no tool is named `tool1`")]
    pub detail: String,
}

impl Invalid {
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Display) -> Self {
        Self { pointer: pointer.into(), code: Cow::Borrowed(code), detail: detail.to_string() }
    }

    /// The same fault, one level further down: `/0` of `/tools` is `/tools/0`.
    #[must_use]
    pub fn under(mut self, parent: &str) -> Self {
        self.pointer.insert_str(0, parent);
        self
    }
}

/// The pointer to `member` of the object at `parent`, escaped as RFC 6901 wants it.
pub fn pointer_to(parent: &str, member: &str) -> String {
    format!("{parent}/{}", member.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_escapes_its_two_special_characters() {
        assert_eq!(pointer_to("/metadata", "a/b~c"), "/metadata/a~1b~0c");
    }

    #[test]
    fn a_fault_moves_under_its_parent() {
        let fault = Invalid::new("/0", "unknown_tool", "no tool is named `x`");

        assert_eq!(fault.under("/tools").pointer, "/tools/0");
    }
}
