//! Content of images and files that came as `data:` URLs.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// A `data:` URL, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Data<'a> {
    pub media_type: &'a str,
    pub base64: &'a str,
}

impl<'a> Data<'a> {
    /// `data:<media type>;base64,<content>`; other forms are not known to any provider.
    pub fn parse(url: &'a str) -> Option<Self> {
        let (head, base64) = url.strip_prefix("data:")?.split_once(',')?;
        let head = head.strip_suffix(";base64")?;
        let media_type = head.split(';').next().unwrap_or(head);
        Some(Self { media_type, base64 })
    }

    /// The content, if it is text.
    pub fn text(&self) -> Option<String> {
        String::from_utf8(BASE64_STANDARD.decode(self.base64).ok()?).ok()
    }
}

/// Whether files of this type can be read out to a model as they are.
pub(crate) fn is_text(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || matches!(essence, "application/json" | "application/xml" | "application/yaml")
}

/// A text file as a part of what the user says.
pub(crate) fn read_out(filename: Option<&str>, text: &str) -> String {
    format!("{}:\n{text}", filename.unwrap_or("File"))
}

#[cfg(test)]
mod tests {
    use super::Data;

    #[test]
    fn a_data_url_is_taken_apart() {
        let data = Data::parse("data:text/plain;charset=utf-8;base64,R3LDvMOfZQ==").unwrap();
        assert_eq!(data.media_type, "text/plain");
        assert_eq!(data.text().as_deref(), Some("Gr\u{fc}\u{df}e"));
    }

    #[test]
    fn other_urls_are_none() {
        for url in ["https://example.com/a.png", "data:text/plain,hello", "data:;base64"] {
            assert_eq!(Data::parse(url), None, "{url}");
        }
    }
}
