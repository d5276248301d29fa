//! Worker processes for what is not trusted, and JavaScript in them.
//!
//! A [`Pool`] starts workers of one program (usually our own, called with an argument), gives each to
//! one owner at a time, and kills what is late. [`worker`] is what such a process does: it confines
//! itself, then answers jobs on its standard streams. Neither knows what a job is.
//!
//! [`javascript`] is the first kind of job. This crate knows no HTTP, no tools and no tenants: what a
//! script may reach is what a [`javascript::Host`] does for it.

pub mod confine;
mod frame;
pub mod javascript;
mod pool;
pub mod worker;

pub use pool::CallError;
pub use pool::Host;
pub use pool::Job;
pub use pool::Pool;
pub use pool::Settings;
