//! The store `qdrant`: a Qdrant server, by its REST API.
//!
//! It was not tried against a server, which no registry of ours has; tests hold it to the published API.

use ::http::Method;
use futures::FutureExt;
use retrieval::ChunkId;
use retrieval::Collection;
use retrieval::Doing;
use retrieval::Marks;
use retrieval::Near;
use retrieval::Normal;
use retrieval::Point;
use retrieval::StoreError;
use retrieval::VectorStore;
use retrieval::qdrant;
use serde_json::Value;

use super::http::Http;
use super::http::Said;
use super::http::unclear;

/// A Qdrant server.
#[derive(Debug)]
pub struct Qdrant {
    pub http: Http,
    /// The beginning of the names of collections.
    pub prefix: String,
}

impl Qdrant {
    fn path(&self, collection: &Collection) -> String {
        format!("/collections/{}{}", self.prefix, collection.name())
    }

    /// Says something to a collection that is there.
    async fn say(
        &self,
        method: Method,
        collection: &Collection,
        what: &str,
        body: &Value,
    ) -> Result<Value, StoreError> {
        let path = format!("{}/{what}", self.path(collection));
        match self.http.ask(method, &path, Some(body)).await? {
            Said::Done(answer) => Ok(answer),
            Said::Missing => Err(StoreError::Lost),
            Said::Taken => Err(unclear()),
        }
    }
}

impl VectorStore for Qdrant {
    fn can(&self, filter: &Normal) -> bool {
        qdrant::can(filter)
    }

    fn ensure<'a>(&'a self, collection: &'a Collection) -> Doing<'a, ()> {
        async move {
            let path = self.path(collection);
            let is_there = matches!(self.http.ask(Method::GET, &path, None).await?, Said::Done(_));
            if is_there || collection.dimension == 0 {
                return Ok(());
            }
            let body = qdrant::collection(collection);
            if let Said::Missing = self.http.ask(Method::PUT, &path, Some(&body)).await? {
                return Err(StoreError::Away("it is no Qdrant".to_owned()));
            }
            for index in qdrant::indexes() {
                self.say(Method::PUT, collection, "index?wait=true", &index).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn put<'a>(
        &'a self,
        collection: &'a Collection,
        marks: &'a Marks,
        points: &'a [Point],
    ) -> Doing<'a, ()> {
        async move {
            points.iter().try_for_each(|point| collection.check(&point.vector))?;
            let body = qdrant::upsert(marks, points);
            self.say(Method::PUT, collection, "points?wait=true", &body).await.map(drop)
        }
        .boxed()
    }

    fn delete<'a>(&'a self, collection: &'a Collection, document: u128) -> Doing<'a, ()> {
        async move {
            let body = qdrant::delete(document);
            self.say(Method::POST, collection, "points/delete?wait=true", &body).await.map(drop)
        }
        .boxed()
    }

    fn near<'a>(&'a self, collection: &'a Collection, near: &'a Near) -> Doing<'a, Vec<ChunkId>> {
        async move {
            collection.check(&near.vector)?;
            let Some(query) = qdrant::query(near) else { return Ok(Vec::new()) };
            let answer = self.say(Method::POST, collection, "points/query", &query).await?;
            qdrant::found(&answer).ok_or_else(unclear)
        }
        .boxed()
    }

    fn remove<'a>(&'a self, collection: &'a Collection) -> Doing<'a, ()> {
        async move { self.http.ask(Method::DELETE, &self.path(collection), None).await.map(drop) }
            .boxed()
    }
}
