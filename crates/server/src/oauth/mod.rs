pub mod caller;
pub mod scopes;
