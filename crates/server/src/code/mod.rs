//! What a program of yours defines in Rust: tools, agents, models, and steps of workflows.
//!
//! [`App::builder`](crate::App::builder) puts them together with the server. They are shown in the
//! API with `source: "code"`, belong to the tenant `default`, and only the program can change them.

mod agent;
mod builder;
mod step;
mod tool;

pub use agent::Agent;
pub use builder::Builder;
pub(crate) use builder::sealer;
pub use step::Step;
pub use tool::Tool;
