//! What the server is set to do, for whoever administers it: read, never changed, and no secret among it.

pub mod routes;
