//! `/secrets`: values go in, and everything but values comes out.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::definitions::Document;
use crate::definitions::Reader;
use crate::definitions::wire::Members;
use crate::egress::HostPattern;
use crate::http::Body;
use crate::http::Created;
use crate::http::IdempotencyKey;
use crate::http::Invalid;
use crate::http::Keyed;
use crate::http::Located;
use crate::http::NoContent;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::http::Query;
use crate::http::once::Answers;
use crate::http::once::once;
use crate::http::schema::Schema;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::SecretRead;
use crate::oauth::scopes::SecretWrite;
use crate::secrets::Change;
use crate::secrets::Force;
use crate::secrets::NewSecret;
use crate::secrets::Secret;
use crate::secrets::SecretError;
use crate::secrets::store::Position;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_secrets, create_secret)).routes(routes!(
        read_secret,
        change_secret,
        delete_secret
    ))
}

/// A secret to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSecret)]
#[expect(dead_code, reason = "only its schema is used")]
struct Given {
    /// A letter, then letters, digits, `_` and `-`; at most 56 characters.
    #[schema(example = "stripe_key")]
    name: String,
    /// 8 to 8192 bytes. It is never shown again.
    #[schema(value_type = String, format = Password, write_only)]
    value: SecretString,
    #[serde(default)]
    #[schema(max_length = 1000)]
    description: String,
    /// The hosts that the value may be sent to: `api.stripe.com`, or `*.example.com` for all below it. Any port.
    #[schema(value_type = Vec<String>, example = json!(["api.stripe.com"]))]
    hosts: Vec<HostPattern>,
}

/// What of a secret is to be changed. Members that are absent stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct SecretChange {
    /// The next value, which is used from now on.
    #[schema(value_type = String, required = false, format = Password, write_only)]
    value: Option<SecretString>,
    /// `null`: none.
    #[schema(max_length = 1000)]
    description: Option<String>,
    #[schema(value_type = Vec<String>, required = false)]
    hosts: Option<Vec<HostPattern>>,
}

#[derive(Debug, Deserialize, IntoParams)]
struct Deletion {
    /// Whether to delete it although definitions name it.
    force: Option<bool>,
}

/// Reads a body by the schema of `T`, as strictly as [`Body`] does.
fn reader<T: ToSchema + 'static>(body: Map<String, Value>) -> Reader {
    let body = Value::Object(body);
    let faults = Schema::of::<T>().map_or_else(|fault| vec![fault], |schema| schema.check(&body));
    let members = if let Value::Object(members) = body { members } else { Map::new() };
    Reader::new::<T>(Document::new(members), faults)
}

/// What was read, or all that is wrong with it: with what was read, and by the rules of secrets.
fn checked<T>(mut reader: Reader, read: T, broken: Vec<Invalid>) -> Result<T, Problem> {
    reader.report(broken);
    let faults = reader.into_faults();
    if faults.is_empty() { Ok(read) } else { Err(Problem::invalid(faults)) }
}

fn new_secret(body: Map<String, Value>) -> Result<NewSecret, Problem> {
    let mut reader = reader::<Given>(body);
    let new = NewSecret {
        name: reader.take("name"),
        value: reader.take::<String>("value").into(),
        description: reader.take("description"),
        hosts: reader.take("hosts"),
    };
    let broken = new.faults();
    checked(reader, new, broken)
}

fn change_of(body: Map<String, Value>) -> Result<Change, Problem> {
    let is_taken_away = body.get("description").is_some_and(Value::is_null);
    let mut reader = reader::<SecretChange>(body);
    let change = Change {
        value: reader.take::<Option<String>>("value").map(Into::into),
        description: reader.take("description"),
        hosts: reader.take("hosts"),
    };
    let description = change.description.or_else(|| is_taken_away.then(String::new));
    let change = Change { description, ..change };
    let broken = change.faults();
    checked(reader, change, broken)
}

/// List secrets
///
/// The newest first.
#[utoipa::path(get, path = "/secrets", tag = "secrets", params(Paging),
    responses((status = 200, body = Page<Secret>), Problem),
    security(("oauth2" = ["secret.read"]), ("oauth2" = ["secret.write"])))]
async fn list_secrets(
    State(app): State<App>,
    caller: Caller<SecretRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<Secret>, Problem> {
    let secrets = app.secrets.list(&caller.tenant, paging.after()?, paging.rows()).await?;
    let position = |it: &Secret| it.created_at.map(|at| Position(at, it.id));
    Ok(paging.page(secrets, position))
}

/// Create a secret
#[utoipa::path(post, path = "/secrets", tag = "secrets", request_body = Given,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    responses((status = 201, body = Secret, headers(("Location" = String))), Problem),
    security(("oauth2" = ["secret.write"])))]
async fn create_secret(
    State(app): State<App>,
    caller: Caller<SecretWrite>,
    Keyed { body: Members(body), key }: Keyed<Members>,
) -> Response {
    // A mere hash of the body would let who reads the database try values until one fits.
    let tagged = |key: IdempotencyKey| {
        let body_sha256 = app.secrets.tag(&key.body_sha256);
        IdempotencyKey { body_sha256, ..key }
    };
    let new = match new_secret(body) {
        Ok(new) => new,
        Err(problem) => return problem.into_response(),
    };
    let create = Box::pin(async {
        let made = app.secrets.create(caller.actor(), new).await?;
        Ok::<_, Problem>(Created(made))
    });
    once(&app, caller.owner(), key.map(tagged), Answers::Kept, create).await
}

/// Read a secret
///
/// All of it but its value, which nobody can read.
#[utoipa::path(get, path = "/secrets/{name}", tag = "secrets", params(("name" = String, Path)),
    responses((status = 200, body = Secret), Problem),
    security(("oauth2" = ["secret.read"]), ("oauth2" = ["secret.write"])))]
async fn read_secret(
    State(app): State<App>,
    caller: Caller<SecretRead>,
    Path(name): Path<String>,
) -> Result<Json<Secret>, Problem> {
    Ok(Json(app.secrets.find(&caller.tenant, &name).await?))
}

/// Change a secret
///
/// A new value is used from now on; on other replicas within a second. The same value makes no new version.
#[utoipa::path(put, path = "/secrets/{name}", tag = "secrets", params(("name" = String, Path)),
    request_body = SecretChange,
    responses((status = 200, body = Secret), Problem),
    security(("oauth2" = ["secret.write"])))]
async fn change_secret(
    State(app): State<App>,
    caller: Caller<SecretWrite>,
    Path(name): Path<String>,
    Body(Members(body)): Body<Members>,
) -> Result<Json<Secret>, Problem> {
    let change = change_of(body)?;
    Ok(Json(app.secrets.update(caller.actor(), &name, change).await?))
}

/// Delete a secret
///
/// One that definitions name is deleted only with `force`.
#[utoipa::path(delete, path = "/secrets/{name}", tag = "secrets",
    params(("name" = String, Path), Deletion),
    responses((status = 204), Problem),
    security(("oauth2" = ["secret.write"])))]
async fn delete_secret(
    State(app): State<App>,
    caller: Caller<SecretWrite>,
    Path(name): Path<String>,
    Query(deletion): Query<Deletion>,
) -> Result<NoContent, Problem> {
    let force = if deletion.force == Some(true) { Force::Yes } else { Force::No };
    app.secrets.delete(caller.actor(), &name, force).await?;
    Ok(NoContent)
}

impl Located for Secret {
    fn location(&self) -> String {
        format!("/secrets/{}", self.name)
    }
}

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::NotFound(_) => Problem::not_found("secret-not-found", error),
            SecretError::NameTaken(_) => Problem::conflict("secret-name-taken", error),
            SecretError::InUse(ref users) => {
                let users = users.clone();
                Problem::conflict("secret-in-use", error).with("used_by", users)
            }
            SecretError::Invalid(faults) => Problem::invalid(faults),
            SecretError::Seal(_) | SecretError::Json(_) | SecretError::Database(_) => {
                Problem::internal(&error)
            }
        }
    }
}
