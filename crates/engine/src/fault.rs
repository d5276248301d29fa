//! What is wrong with a definition.

/// A fault of a definition, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// RFC 6901, into the definition.
    pub pointer: String,
    /// For programs, such as `unknown_step`.
    pub code: &'static str,
    /// For people.
    pub detail: String,
}

impl Fault {
    pub(crate) fn new(
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}
