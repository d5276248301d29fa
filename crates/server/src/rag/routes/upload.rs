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
use crate::http::Invalid;
use crate::http::Problem;
use crate::http::body;
use crate::http::json;
use crate::rag::RagError;
use crate::rag::documents::Labels;
use crate::rag::documents::Upload;
use crate::rag::fetch::fetch;

/// What a form may have beside its file, and how much longer JSON may be than the text in it.
const REST: usize = 128 * 1024;

/// A document as a body brings it.
#[derive(Debug, Default)]
pub struct Given {
    pub upload: Option<Upload>,
    /// Where the file is, if it is to be fetched.
    pub link: Option<Link>,
    pub labels: Labels,
}

/// A file that is somewhere else.
#[derive(Debug)]
pub struct Link {
    url: String,
    filename: Option<String>,
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

impl FromRequest<App> for Given {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let most = app.config.rag.file_bytes;
        let limits = &app.config.limits;
        let given = request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        if !given.is_some_and(|it| it.to_ascii_lowercase().starts_with("multipart/form-data")) {
            let limits = Limits { body_bytes: most.saturating_mul(2) + REST, ..limits.clone() };
            let bytes = body::read_json(request, &limits).await?;
            return of_json(body::parse(&bytes)?);
        }
        let declared = request.headers().get(header::CONTENT_LENGTH);
        let declared = declared.and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > most + REST) {
            return Err(RagError::FileTooLarge(most).into());
        }
        let form = Multipart::from_request(request, app).await;
        let form = form.map_err(|error| malformed(&error.body_text()))?;
        let read = tokio::time::timeout(limits.body_time, of_form(form, most)).await;
        read.unwrap_or_else(|_| {
            let detail = "the body did not arrive in time";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail))
        })
    }
}

impl Given {
    /// The file, fetched if need be. `None`: there is none.
    pub async fn upload(&mut self, app: &App) -> Result<Option<Upload>, Problem> {
        let Some(Link { url, filename }) = self.link.take() else { return Ok(self.upload.take()) };
        let fetched = fetch(&app.egress, &url, filename, app.config.rag.file_bytes).await;
        fetched.map(Some).map_err(|why| invalid("/url", "not_fetched", &why))
    }
}

fn of_json(body: RagText) -> Result<Given, Problem> {
    let RagText { text, url, filename, metadata, scopes } = body;
    let labels = Labels { metadata, scopes };
    if let Some(url) = url {
        if text.is_some() {
            return Err(invalid("/url", "conflict", "there is a `text` already"));
        }
        return Ok(Given { upload: None, link: Some(Link { url, filename }), labels });
    }
    let upload = text.map(|text| Upload {
        filename: filename.unwrap_or_else(|| "document.txt".to_owned()),
        media_type: Some("text/plain".to_owned()),
        bytes: text.into_bytes(),
        source_url: None,
    });
    Ok(Given { upload, link: None, labels })
}

async fn of_form(mut form: Multipart, most: usize) -> Result<Given, Problem> {
    let mut given = Given::default();
    while let Some(field) = form.next_field().await.map_err(|it| broken(&it))? {
        let name = field.name().unwrap_or_default().to_owned();
        let place = format!("/{name}");
        match name.as_str() {
            "file" if given.upload.is_none() => given.upload = Some(file(field, most).await?),
            "metadata" if given.labels.metadata.is_none() => {
                given.labels.metadata = Some(value(field, &place).await?);
            }
            "scopes" if given.labels.scopes.is_none() => {
                given.labels.scopes = Some(value(field, &place).await?);
            }
            "file" | "metadata" | "scopes" => {
                return Err(invalid(&place, "duplicate_member", "is there twice"));
            }
            _ => {
                let detail = "there is no such field; there are `file`, `metadata` and `scopes`";
                return Err(invalid(&place, "unknown_member", detail));
            }
        }
    }
    Ok(given)
}

async fn file(mut field: Field<'_>, most: usize) -> Result<Upload, Problem> {
    let filename = field.file_name().unwrap_or_default().replace('\0', "");
    let media_type =
        field.content_type().map(|it| it.replace('\0', "").chars().take(200).collect());
    let bytes = read(&mut field, most).await?;
    Ok(Upload { filename, media_type, bytes, source_url: None })
}

/// The JSON of a field.
async fn value<T: DeserializeOwned>(mut field: Field<'_>, place: &str) -> Result<T, Problem> {
    let bytes = read(&mut field, REST).await?;
    let value = json::parse_strict(&bytes)
        .map_err(|malformed| Problem::invalid(vec![Invalid::from(malformed).under(place)]))?;
    json::build(value, Vec::new()).map_err(|faults| {
        Problem::invalid(faults.into_iter().map(|fault| fault.under(place)).collect())
    })
}

async fn read(field: &mut Field<'_>, most: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(|it| broken(&it))? {
        if bytes.len() + piece.len() > most {
            return Err(RagError::FileTooLarge(most).into());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn broken(error: &MultipartError) -> Problem {
    malformed(&error.body_text())
}

fn malformed(detail: &str) -> Problem {
    Problem::malformed(format!("the form cannot be read: {detail}"), Vec::new())
}

pub fn invalid(place: &str, code: &'static str, detail: &str) -> Problem {
    Problem::invalid(vec![Invalid::new(place, code, detail)])
}
