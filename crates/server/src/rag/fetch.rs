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
use crate::rag::documents::Upload;

/// From the first look-up to the last byte, redirects included.
const TIME: Duration = Duration::from_secs(45);
/// What a document is told to be, and never is.
const NEVER: [&str; 4] = ["image/", "audio/", "video/", "font/"];

/// Fetches the file at `url`, of at most `most` bytes, or says in words for who named it why there is none.
///
/// It is called `filename`, or as the URL says; what kind of file it is, its content says.
pub async fn fetch(
    egress: &Egress,
    url: &str,
    filename: Option<String>,
    most: usize,
) -> Result<Upload, String> {
    let limits = Limits { time: TIME, response: Wanted::Body(most), hosts: None };
    let mut request = Request::new(Method::GET, url, limits);
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    let answer = egress.send(request).await.map_err(|error| match error {
        EgressError::TooLarge { status, .. } if !status.is_success() => refusal(status),
        error => error.to_string(),
    })?;
    if !answer.status.is_success() {
        return Err(refusal(answer.status));
    }
    let media_type = media_type(&answer.headers);
    if let Some(media_type) = &media_type
        && NEVER.iter().any(|kind| media_type.starts_with(kind))
    {
        return Err(format!("what is there is `{media_type}`, which is no document"));
    }
    let filename = filename.unwrap_or_else(|| name(url, media_type.as_deref()));
    let source_url = Some(url.to_owned());
    Ok(Upload { filename, media_type, bytes: answer.body.into(), source_url })
}

fn refusal(status: http::StatusCode) -> String {
    format!("the far side answered {status}")
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
