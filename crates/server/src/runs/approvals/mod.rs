//! Approvals: what people are asked to decide, and who was first to decide it.
//!
//! The row in `approvals` decides who was first. What follows from the decision is recorded by the
//! owner of the run, who finds it as a signal.

pub mod decide;
pub mod routes;
