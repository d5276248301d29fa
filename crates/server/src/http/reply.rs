//! Answers that are more than their JSON.

use std::sync::Arc;

use axum::Json;
use axum::response::IntoResponse;
use axum::response::Response;
use http::StatusCode;
use http::header;
use serde::Serialize;

/// A thing that has an address of its own.
pub trait Located {
    /// Its path on this server, such as `/runs/0199…`.
    fn location(&self) -> String;
}

impl<T: Located> Located for Arc<T> {
    fn location(&self) -> String {
        self.as_ref().location()
    }
}

/// 201, with the new thing and its address.
#[derive(Debug)]
pub struct Created<T>(pub T);

impl<T: Located + Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let location = [(header::LOCATION, self.0.location())];
        (StatusCode::CREATED, location, Json(self.0)).into_response()
    }
}

/// 202, with the thing that is at work on it and its address.
#[derive(Debug)]
pub struct Accepted<T>(pub T);

impl<T: Located + Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        let location = [(header::LOCATION, self.0.location())];
        (StatusCode::ACCEPTED, location, Json(self.0)).into_response()
    }
}

/// 204: it is done, and there is nothing to say.
#[derive(Debug)]
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}
