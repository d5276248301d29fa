//! Placeholder.

use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Config {
    pub limits: Limits,
}

#[derive(Debug, Clone)]
pub struct Limits {
    pub body_bytes: usize,
    pub body_time: Duration,
}
