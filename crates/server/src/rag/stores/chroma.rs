//! The store `chroma`: a Chroma server of version 1, by its REST API of version 2.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use ::http::Method;
use futures::FutureExt;
use percent_encoding::utf8_percent_encode;
use retrieval::ChunkId;
use retrieval::Collection;
use retrieval::Doing;
use retrieval::Marks;
use retrieval::Near;
use retrieval::Normal;
use retrieval::Point;
use retrieval::StoreError;
use retrieval::VectorStore;
use retrieval::chroma;
use serde_json::Value;

use super::http::Http;
use super::http::Said;
use super::http::unclear;
use crate::egress::UNRESERVED;

/// The ids that a server has given to collections, by their URLs.
pub type Ids = Arc<Mutex<HashMap<String, String>>>;

/// A Chroma server, and one of its databases.
#[derive(Debug)]
pub struct Chroma {
    http: Http,
    /// Where the collections of the database are.
    path: String,
    /// The beginning of the names of collections.
    prefix: String,
    ids: Ids,
}

impl Chroma {
    pub fn new(http: Http, ids: Ids, tenant: &str, database: &str, prefix: &str) -> Self {
        let [tenant, database] =
            [tenant, database].map(|it| utf8_percent_encode(it, UNRESERVED).to_string());
        let path = format!("/api/v2/tenants/{tenant}/databases/{database}/collections");
        Self { http, path, prefix: prefix.to_owned(), ids }
    }

    fn name(&self, collection: &Collection) -> String {
        format!("{}{}", self.prefix, collection.name())
    }

    fn key(&self, name: &str) -> String {
        format!("{} {} {}", self.http.url, self.path, name)
    }

    fn remember(&self, name: &str, answer: &Value) -> Result<String, StoreError> {
        let id = answer["id"].as_str().ok_or_else(unclear)?.to_owned();
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.insert(self.key(name), id.clone());
        Ok(id)
    }

    fn forget(&self, name: &str) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key(name));
    }

    /// The id of a collection that is there.
    async fn id(&self, name: &str) -> Result<String, StoreError> {
        let known = {
            let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
            ids.get(&self.key(name)).cloned()
        };
        if let Some(id) = known {
            return Ok(id);
        }
        match self.http.ask(Method::GET, &format!("{}/{name}", self.path), None).await? {
            Said::Done(answer) => self.remember(name, &answer),
            _ => Err(StoreError::Lost),
        }
    }

    /// Says something to a collection that is there.
    async fn say(
        &self,
        collection: &Collection,
        what: &str,
        body: &Value,
    ) -> Result<Value, StoreError> {
        let name = self.name(collection);
        let path = format!("{}/{}/{what}", self.path, self.id(&name).await?);
        match self.http.ask(Method::POST, &path, Some(body)).await? {
            Said::Done(answer) => Ok(answer),
            Said::Missing | Said::Taken => {
                self.forget(&name);
                Err(StoreError::Lost)
            }
        }
    }
}

impl VectorStore for Chroma {
    fn can(&self, filter: &Normal) -> bool {
        chroma::can(filter)
    }

    fn ensure<'a>(&'a self, collection: &'a Collection) -> Doing<'a, ()> {
        async move {
            let name = self.name(collection);
            let body = chroma::collection(&name);
            match self.http.ask(Method::POST, &self.path, Some(&body)).await? {
                Said::Done(answer) => self.remember(&name, &answer).map(drop),
                Said::Missing | Said::Taken => {
                    let detail = "it has no such tenant or database, or is no Chroma";
                    Err(StoreError::Away(detail.to_owned()))
                }
            }
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
            self.say(collection, "upsert", &chroma::upsert(marks, points)).await.map(drop)
        }
        .boxed()
    }

    fn delete<'a>(&'a self, collection: &'a Collection, document: u128) -> Doing<'a, ()> {
        async move { self.say(collection, "delete", &chroma::delete(document)).await.map(drop) }
            .boxed()
    }

    fn near<'a>(&'a self, collection: &'a Collection, near: &'a Near) -> Doing<'a, Vec<ChunkId>> {
        async move {
            collection.check(&near.vector)?;
            let Some(query) = chroma::query(near) else { return Ok(Vec::new()) };
            let answer = self.say(collection, "query", &query).await?;
            chroma::found(&answer).ok_or_else(unclear)
        }
        .boxed()
    }

    fn remove<'a>(&'a self, collection: &'a Collection) -> Doing<'a, ()> {
        async move {
            let name = self.name(collection);
            self.forget(&name);
            let path = format!("{}/{name}", self.path);
            self.http.ask(Method::DELETE, &path, None).await.map(drop)
        }
        .boxed()
    }
}
