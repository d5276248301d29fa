//! The body that brings a document: a form with a file, or JSON with a text or a URL.

use axum::extract::FromRequest;
use axum::extract::Multipart;
use axum::extract::Request;
use axum::extract::multipart::Field;
use axum::extract::multipart::MultipartError;
use http::StatusCode;
use http::header;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::config::Limits;
use crate::db::Id;
use crate::db::TenantId;
use crate::http::Invalid;
use crate::http::Problem;
use crate::http::body;
use crate::http::json;
use crate::rag::RagError;
use crate::rag::documents::Labels;
use crate::rag::documents::Upload;
use crate::rag::fetch::Unfetched;
use crate::rag::fetch::fetch;
use crate::rag::incoming::Incoming;
use crate::rag::incoming::Pace;

/// What a form may have beside its file, and how much longer JSON may be than the text in it.
const REST: usize = 128 * 1024;
/// The most bytes of a text in JSON, which is in memory as a whole.
const TEXT: usize = 16 << 20;

/// A document as a body brings it.
#[derive(Debug, Default)]
pub struct Given {
    pub upload: Option<Upload>,
    pub labels: Labels,
}

/// Where bodies bring documents to.
#[derive(Debug, Clone, Copy)]
pub struct Target<'t> {
    pub app: &'t App,
    pub tenant: &'t TenantId,
    pub database: Id,
}

/// A document whose text is in the JSON, or is fetched.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RagText {
    /// The text; in a change the text stays without it.
    #[schema(required = false)]
    text: Option<String>,
    /// Instead of a text: where the file is. It is fetched before the answer, from public `https` or what
    /// `AGENT_SERVER_EGRESS_ALLOW` permits.
    #[schema(required = false, max_length = 2000, example = "https://example.com/handbook.pdf")]
    url: Option<String>,
    /// What it is called, which decides between kinds of plain text; `document.txt` if absent, or what the URL
    /// says.
    #[schema(required = false, max_length = 1000, example = "handbook.md")]
    filename: Option<String>,
    /// Yours, and what filters of searches are about; at most 16 kB and 8 levels deep.
    #[schema(value_type = Option<Object>, required = false)]
    metadata: Option<Map<String, Value>>,
    /// What a caller must hold, all of it, to find or read the document.
    #[schema(required = false, max_items = 100)]
    scopes: Option<Vec<String>>,
}

/// A form with a file.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct RagForm {
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// An object, as JSON.
    #[schema(required = false)]
    metadata: Option<String>,
    /// A list, as JSON.
    #[schema(required = false)]
    scopes: Option<String>,
}

impl Target<'_> {
    /// Reads a body to its end, stores the file in it as it comes, and fetches what is somewhere else.
    pub async fn read(self, request: Request) -> Result<Given, Problem> {
        let most = self.app.config.rag.file_bytes;
        let limits = &self.app.config.limits;
        let given = request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        if !given.is_some_and(|it| it.to_ascii_lowercase().starts_with("multipart/form-data")) {
            let body_bytes = most.min(TEXT).saturating_mul(2) + REST;
            let limits = Limits { body_bytes, ..limits.clone() };
            let bytes = body::read_json(request, &limits).await?;
            return self.of_json(body::parse(&bytes)?).await;
        }
        let declared = request.headers().get(header::CONTENT_LENGTH);
        let declared = declared.and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > most + REST) {
            return Err(RagError::FileTooLarge(most).into());
        }
        let form = Multipart::from_request(request, self.app).await;
        self.of_form(form.map_err(|error| malformed(&error.body_text()))?).await
    }

    async fn of_json(self, body: RagText) -> Result<Given, Problem> {
        let RagText { text, url, filename, metadata, scopes } = body;
        let mut file = self.app.rag.incoming(self.tenant, self.database);
        let upload = match (text, url) {
            (Some(_), Some(_)) => {
                return Err(invalid("/url", "conflict", "there is a `text` already"));
            }
            (None, None) => None,
            (Some(text), None) => {
                file.push(text.as_bytes()).await?;
                Some(Upload {
                    filename: filename.unwrap_or_else(|| "document.txt".to_owned()),
                    media_type: Some("text/plain".to_owned()),
                    source_url: None,
                    file,
                })
            }
            (None, Some(url)) => {
                let time = self.app.config.limits.body_time;
                let fetched = fetch(&self.app.egress, &url, filename, file, time).await;
                Some(fetched.map_err(|why| match why {
                    Unfetched::Refused(why) => invalid("/url", "not_fetched", &why),
                    Unfetched::Rag(error) => error.into(),
                })?)
            }
        };
        Ok(Given { upload, labels: Labels { metadata, scopes } })
    }

    async fn of_form(self, mut form: Multipart) -> Result<Given, Problem> {
        let (mut given, pace) = (Given::default(), Pace::begin(self.app.config.limits.body_time));
        while let Some(field) = in_time(pace, 0, form.next_field()).await? {
            let name = field.name().unwrap_or_default().to_owned();
            let pointer = format!("/{name}");
            match name.as_str() {
                "file" if given.upload.is_none() => {
                    let file = self.app.rag.incoming(self.tenant, self.database);
                    given.upload = Some(upload(field, file, pace).await?);
                }
                "metadata" if given.labels.metadata.is_none() => {
                    given.labels.metadata = Some(value(field, &pointer, pace).await?);
                }
                "scopes" if given.labels.scopes.is_none() => {
                    given.labels.scopes = Some(value(field, &pointer, pace).await?);
                }
                "file" | "metadata" | "scopes" => {
                    return Err(invalid(&pointer, "duplicate_member", "is there twice"));
                }
                _ => {
                    let detail =
                        "there is no such field; there are `file`, `metadata` and `scopes`";
                    return Err(invalid(&pointer, "unknown_member", detail));
                }
            }
        }
        Ok(given)
    }
}

async fn upload(mut field: Field<'_>, mut file: Incoming, pace: Pace) -> Result<Upload, Problem> {
    let filename = field.file_name().unwrap_or_default().replace('\0', "");
    let media_type =
        field.content_type().map(|it| it.replace('\0', "").chars().take(200).collect());
    while let Some(piece) = in_time(pace, file.size(), field.chunk()).await? {
        file.push(&piece).await?;
    }
    Ok(Upload { filename, media_type, source_url: None, file })
}

/// The JSON of a field.
async fn value<T: DeserializeOwned>(
    mut field: Field<'_>,
    pointer: &str,
    pace: Pace,
) -> Result<T, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = in_time(pace, bytes.len(), field.chunk()).await? {
        if bytes.len() + piece.len() > REST {
            return Err(invalid(pointer, "too_long", "has too many bytes"));
        }
        bytes.extend_from_slice(&piece);
    }
    let value = json::parse_strict(&bytes)
        .map_err(|malformed| Problem::invalid(vec![Invalid::from(malformed).under(pointer)]))?;
    json::build(value, Vec::new()).map_err(|faults| {
        Problem::invalid(faults.into_iter().map(|fault| fault.under(pointer)).collect())
    })
}

/// What comes next of a form of which there are `size` bytes.
async fn in_time<T>(
    pace: Pace,
    size: usize,
    next: impl Future<Output = Result<T, MultipartError>>,
) -> Result<T, Problem> {
    let next = tokio::time::timeout_at(pace.deadline(size), next).await;
    let next = next.map_err(|_| {
        let detail = "the body did not arrive in time";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail)
    })?;
    next.map_err(|error| broken(&error))
}

fn broken(error: &MultipartError) -> Problem {
    malformed(&error.body_text())
}

fn malformed(detail: &str) -> Problem {
    Problem::malformed(format!("the form cannot be read: {detail}"), Vec::new())
}

pub fn invalid(pointer: &str, code: &'static str, detail: &str) -> Problem {
    Problem::invalid(vec![Invalid::new(pointer, code, detail)])
}
