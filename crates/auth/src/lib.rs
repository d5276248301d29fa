//! The rules of OAuth and JOSE, tokens, scopes and encryption at rest.
//!
//! Everything here is a pure function or a value: time comes in as an argument, and nothing knows
//! HTTP, SQL or the settings of the server. The one thing taken from outside is randomness, in
//! [`random`].

pub mod assertion;
pub mod authorize;
pub mod challenge;
pub mod claims;
pub mod client_auth;
pub mod client_keys;
pub mod error;
mod foreign;
pub mod form;
pub mod grant;
pub mod id_token;
pub mod jose;
mod json;
pub mod jwk;
pub mod keys;
pub mod password;
pub mod pkce;
pub mod random;
pub mod redirect;
pub mod registration;
pub mod role;
pub mod rotation;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod token;
