//! Lists come in pages; a cursor leads from one to the next.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::IntoResponse;
use axum::response::Response;
use chrono::DateTime;
use chrono::Utc;
use http::Uri;
use http::request::Parts;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::path::ParameterIn;

use crate::app::App;
use crate::http::Cursors;
use crate::http::Invalid;
use crate::http::Problem;
use crate::http::params;

/// The parameters that every list has.
pub const PARAMETERS: [&str; 2] = ["limit", "cursor"];
const DEFAULT_LIMIT: u32 = 50;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    pub data: Vec<T>,
    /// Where the next page begins: give it back as `?cursor=`. `null`: this page is the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// Which page is asked for. Cursors are bound to the path and the filters they were made for.
#[derive(Debug)]
pub struct Paging {
    limit: u32,
    cursor: Option<String>,
    /// Path and filters.
    list: String,
    cursors: Cursors,
    now: DateTime<Utc>,
}

/// [`Paging`] of a list that has no filters: what is no parameter of pages is refused.
#[derive(Debug)]
pub struct OnlyPaging(pub Paging);

/// Tells [`params::Query`] that `limit` and `cursor` are taken care of.
#[derive(Debug, Clone, Copy)]
pub struct IsPaged;

impl Paging {
    fn of(uri: &Uri, cursors: Cursors, now: DateTime<Utc>) -> Result<Self, Problem> {
        let pairs = params::pairs(uri.query().unwrap_or_default())?;
        let (own, mut filters): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|(name, _)| PARAMETERS.contains(&name.as_str()));
        let given: Parameters = params::read(own).map_err(Problem::invalid)?;
        filters.sort();
        let list = url::form_urlencoded::Serializer::new(format!("{}?", uri.path()))
            .extend_pairs(filters)
            .finish();
        let limit = given.limit.unwrap_or(DEFAULT_LIMIT);
        Ok(Self { limit, cursor: given.cursor, list, cursors, now })
    }

    /// How many rows to read: one more than a page has, which tells whether there is a next one.
    pub fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// After which position the page begins; nothing for the first one.
    pub fn after<P: DeserializeOwned>(&self) -> Result<Option<P>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let position = self.cursors.open(&self.list, cursor, self.now);
        position.map(Some).map_err(|error| {
            let fault = Invalid::new("?cursor", "bad_cursor", error);
            Problem::malformed(format!("the cursor {error}"), vec![fault])
        })
    }

    /// Makes the page of the rows that were read, and the cursor to what follows them.
    pub fn page<T, P: Serialize>(&self, rows: Vec<T>, position: impl Fn(&T) -> P) -> Page<T> {
        self.page_with(rows, |_| false, position)
    }

    /// The same for rows some of which belong `with` the row before them: these stand on its page too.
    /// One more row must have been read than [`Paging::rows`] for each that may follow another so.
    pub fn page_with<T, P: Serialize>(
        &self,
        mut rows: Vec<T>,
        with: impl Fn(&T) -> bool,
        position: impl Fn(&T) -> P,
    ) -> Page<T> {
        let mut end = self.limit as usize;
        while rows.get(end).is_some_and(&with) {
            end += 1;
        }
        if rows.len() <= end {
            return Page { data: rows, next_cursor: None };
        }
        rows.truncate(end);
        let next_cursor =
            rows.last().map(|last| self.cursors.seal(&self.list, position(last), self.now));
        Page { data: rows, next_cursor }
    }
}

impl FromRequestParts<App> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        parts.extensions.insert(IsPaged);
        Self::of(&parts.uri, app.cursors.clone(), app.clock.now().into())
    }
}

impl FromRequestParts<App> for OnlyPaging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let pairs = params::pairs(parts.uri.query().unwrap_or_default())?;
        params::read::<Parameters>(pairs).map_err(Problem::invalid)?;
        Paging::from_request_parts(parts, app).await.map(Self)
    }
}

impl IntoParams for Paging {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Parameters::into_params(place)
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Parameters {
    /// How many items a page has at most; 50 if not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page begins: the `next_cursor` of the page before.
    #[param(max_length = 1024)]
    cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use auth::secret::MasterKey;

    use super::*;

    #[test]
    fn pages_lead_through_the_whole_list() {
        let first = paging("/things?limit=2&kind=a&kind=b").unwrap();
        assert_eq!((first.rows(), first.after::<u32>().unwrap()), (3, None));

        let page = first.page(vec![9, 8, 7], |row| *row);
        assert_eq!(page.data, [9, 8]);
        let cursor = page.next_cursor.unwrap();

        let second = paging(&format!("/things?cursor={cursor}&kind=b&limit=2&kind=a")).unwrap();
        assert_eq!(second.after().unwrap(), Some(8));
        assert_eq!(second.page(vec![7], |row| *row).next_cursor, None);
    }

    #[test]
    fn rows_that_belong_together_are_not_separated() {
        let paging = paging("/things?limit=2").unwrap();
        let page = |rows: &[(u32, char)]| {
            let page = paging.page_with(rows.to_vec(), |(_, it)| *it == '+', |(at, _)| *at);
            (page.data.len(), page.next_cursor.is_some())
        };

        assert_eq!(page(&[(1, '-'), (2, '-'), (3, '+'), (4, '-')]), (3, true));
        assert_eq!(page(&[(1, '-'), (2, '-'), (3, '+')]), (3, false));
        assert_eq!(page(&[(1, '-'), (2, '+'), (3, '-'), (4, '+')]), (2, true));
    }

    #[test]
    fn a_cursor_of_other_filters_is_refused() {
        let page = paging("/things?limit=1&kind=a").unwrap().page(vec![2, 1], |row| *row);
        let cursor = page.next_cursor.unwrap();

        for list in ["/things?", "/things?kind=b&", "/others?kind=a&", "/things?kind=a&kind=a&"] {
            let problem =
                paging(&format!("{list}cursor={cursor}")).unwrap().after::<u32>().unwrap_err();
            assert_eq!(problem.status(), 400);
            assert!(problem.detail().contains("other filters"), "{}", problem.detail());
        }
    }

    #[test]
    fn limits_have_limits() {
        for query in ["limit=0", "limit=201", "limit=x", "limit=1&limit=2"] {
            assert_eq!(paging(&format!("/things?{query}")).unwrap_err().status(), 422, "{query}");
        }
        assert_eq!(paging("/things").unwrap().rows(), 51);
        assert_eq!(paging("/things?limit=200").unwrap().rows(), 201);
    }

    fn paging(uri: &str) -> Result<Paging, Problem> {
        static MASTER: LazyLock<MasterKey> = LazyLock::new(|| MasterKey::generate().unwrap());
        Paging::of(&uri.parse().unwrap(), Cursors::new(&MASTER), DateTime::UNIX_EPOCH)
    }
}
