//! Files that are fetched from where a URL says.

use std::time::Duration;

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::header;
use url::Url;

use crate::egress::Egress;
use crate::egress::EgressError;
use crate::egress::Limits;
use crate::egress::Request;
use crate::egress::Wanted;
use crate::rag::RagError;
use crate::rag::documents::Upload;
use crate::rag::incoming::Incoming;
use crate::rag::incoming::Pace;

/// How long the far side may take to begin, redirects included.
const TIME: Duration = Duration::from_secs(30);
/// What a document is told to be, and never is.
const NEVER: [&str; 4] = ["image/", "audio/", "video/", "font/"];

/// Why nothing was fetched.
#[derive(Debug)]
pub enum Unfetched {
    /// In words for who named the URL.
    Refused(String),
    Rag(RagError),
}

/// Fetches the file at `url` into `file`; each megabyte may take `time`.
///
/// It is called `filename`, or as the URL says; what kind of file it is, its content says.
pub async fn fetch(
    egress: &Egress,
    url: &str,
    filename: Option<String>,
    mut file: Incoming,
    time: Duration,
) -> Result<Upload, Unfetched> {
    let refused = |error: EgressError| Unfetched::Refused(error.to_string());
    let limits = Limits { time: TIME, response: Wanted::Head, hosts: None };
    let mut request = Request::new(Method::GET, url, limits);
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    let mut answer = egress.open(request).await.map_err(refused)?;
    if !answer.status().is_success() {
        return Err(Unfetched::Refused(format!("the far side answered {}", answer.status())));
    }
    let media_type = media_type(answer.headers());
    if let Some(media_type) = &media_type
        && NEVER.iter().any(|kind| media_type.starts_with(kind))
    {
        let why = format!("what is there is `{media_type}`, which is no document");
        return Err(Unfetched::Refused(why));
    }
    let pace = Pace::begin(time);
    loop {
        let piece = tokio::time::timeout_at(pace.deadline(file.size()), answer.piece()).await;
        let slow = |_| Unfetched::Refused("the file did not arrive in time".to_owned());
        match piece.map_err(slow)?.map_err(refused)? {
            Some(piece) => file.push(&piece).await.map_err(too_large)?,
            None => break,
        }
    }
    let filename = filename.unwrap_or_else(|| name(url, media_type.as_deref()));
    Ok(Upload { filename, media_type, source_url: Some(url.to_owned()), file })
}

/// A file that is too large is refused as the URL's fault.
fn too_large(error: RagError) -> Unfetched {
    match error {
        RagError::FileTooLarge(most) => {
            Unfetched::Refused(format!("the file has more than {most} bytes"))
        }
        error => Unfetched::Rag(error),
    }
}

/// What the far side says that it is, without parameters.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let given = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!essence.is_empty()).then(|| essence.chars().take(200).collect())
}

/// The last part of the URL's path, or its host. Plain text has an ending by which its kind is known.
fn name(url: &str, media_type: Option<&str>) -> String {
    let url = Url::parse(url).ok();
    let last =
        url.as_ref().and_then(Url::path_segments).and_then(|mut it| it.rfind(|it| !it.is_empty()));
    let last =
        last.map(|it| percent_encoding::percent_decode_str(it).decode_utf8_lossy().into_owned());
    let host = || url.as_ref().and_then(Url::host_str).unwrap_or("document").replace('.', "-");
    let name = last.unwrap_or_else(host);
    let ending = match media_type {
        Some("text/markdown") => "md",
        Some("text/csv") => "csv",
        Some("text/html" | "application/xhtml+xml") => "html",
        Some("application/json") => "json",
        Some("text/plain") => "txt",
        _ => "",
    };
    if ending.is_empty() || name.contains('.') { name } else { format!("{name}.{ending}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_what_its_url_says() {
        let names = [
            ("https://a.example/hr/Hand%20book.pdf?x=1", Some("application/pdf")),
            ("https://a.example/hr/", Some("text/html")),
            ("https://docs.a.example", Some("text/html")),
            ("https://a.example/rules.csv", Some("text/plain")),
            ("https://a.example/rules", None),
        ]
        .map(|(url, media_type)| name(url, media_type));

        assert_eq!(
            names,
            ["Hand book.pdf", "hr.html", "docs-a-example.html", "rules.csv", "rules"]
        );
    }

    #[test]
    fn a_media_type_has_no_parameters() {
        let of = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            media_type(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]))
        };

        assert_eq!(of("Text/HTML; charset=utf-8").as_deref(), Some("text/html"));
        assert_eq!(of(" ;x"), None);
    }
}
