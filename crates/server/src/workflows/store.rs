//! SQL of what is kept of workflows beside their definitions.

pub mod firings;
pub mod schedules;
pub mod triggers;
