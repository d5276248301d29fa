//! What every request has at hand: time, ids, tasks, settings and the database.

mod clock;
mod ids;
mod tasks;

pub use clock::Clock;
pub use ids::Ids;
pub use tasks::Tasks;
