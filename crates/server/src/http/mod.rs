//! How we speak HTTP: what comes in, what goes out, and what every request passes through.
//!
//! Nothing here knows a feature. Which error becomes which [`Problem`] stands in each feature's
//! `routes.rs`.

pub mod address;
pub mod bare;
pub mod body;
mod cors;
mod cursor;
pub mod docs;
mod explain;
mod guard;
mod headers;
pub mod health;
mod idempotency;
mod if_match;
mod invalid;
pub mod json;
pub mod layers;
pub mod listen;
pub mod observe;
pub mod once;
pub mod openapi;

mod paging;
mod params;
mod problem;
mod remains;
mod reply;
mod request_id;
mod rest;
mod same_origin;
pub mod schema;
mod stream;
mod strict;
mod suggest;

pub use body::Body;
pub use cursor::CursorError;
pub use cursor::Cursors;
pub use idempotency::IdempotencyKey;
pub use idempotency::Keyed;
pub use idempotency::KeysOf;
pub use if_match::IfMatch;
pub use invalid::Invalid;
pub use invalid::pointer_to;
pub use paging::OnlyPaging;
pub use paging::Page;
pub use paging::Paging;
pub use params::Path;
pub use params::Query;
pub use params::pairs as query_pairs;
pub use problem::Problem;
pub use problem::ProblemSchema;
pub use reply::Accepted;
pub use reply::Created;
pub use reply::Located;
pub use reply::NoContent;
pub use request_id::RequestId;
pub use same_origin::is_same_origin;
pub use same_origin::may_use_cookie;
pub use stream::event_stream;
