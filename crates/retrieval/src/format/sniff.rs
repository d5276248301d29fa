//! What a file is.

use super::Format;
use super::ParseError;
use super::csv;
use super::json;

/// Formats that hold other files.
pub(super) enum Container {
    Zip,
    Pdf,
}

/// Says whether `bytes` are a container, or a known kind of file that has no text for us.
pub(super) fn container(bytes: &[u8]) -> Result<Option<Container>, ParseError> {
    const FOREIGN: &[(&[u8], &str)] = &[
        (b"\x89PNG\r\n", "an image (PNG)"),
        (b"\xff\xd8\xff", "an image (JPEG)"),
        (b"GIF8", "an image (GIF)"),
        (b"II*\0", "an image (TIFF)"),
        (b"MM\0*", "an image (TIFF)"),
        (b"\x1f\x8b", "a compressed file (gzip)"),
        (b"BZh", "a compressed file (bzip2)"),
        (b"\xfd7zXZ\0", "a compressed file (xz)"),
        (b"7z\xbc\xaf\x27\x1c", "an archive (7z)"),
        (b"Rar!\x1a\x07", "an archive (RAR)"),
        (b"\x7fELF", "a program"),
        (b"MZ", "a program"),
        (b"OggS", "a sound or film"),
        (b"ID3", "a sound file"),
        (b"{\\rtf", "a rich text file (RTF)"),
        (b"SQLite format 3\0", "a database (SQLite)"),
    ];
    const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Ok(Some(Container::Zip));
    }
    if bytes.starts_with(COMPOUND) {
        // Office puts what a password protects into a stream of this name.
        let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let locked = bytes.windows(name.len()).any(|window| window == name);
        let old = ParseError::Unsupported("an Office file from before 2007 (.doc, .xls, .ppt)");
        return Err(if locked { ParseError::Locked } else { old });
    }
    // `MZ` and `BZh` may begin a text, too.
    let text = std::str::from_utf8(&bytes[..bytes.len().min(512)])
        .is_ok_and(|start| !start.contains('\0'));
    // Its first line may stand behind what a mail or a printer put before it, and a text may tell of it.
    let marked = bytes[..bytes.len().min(1024)].windows(5).any(|window| window == b"%PDF-");
    if bytes.starts_with(b"%PDF-") || marked && !text {
        return Ok(Some(Container::Pdf));
    }
    match FOREIGN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        Some((magic, kind)) if !text || magic.len() > 3 && *magic != b"GIF8" => {
            Err(ParseError::Unsupported(kind))
        }
        _ => Ok(None),
    }
}

/// Which kind of text `text` is.
///
/// `name` says what it is among kinds that no content rules out: everything is Markdown or plain text, and a line
/// with a comma is a table if its name says so.
pub(super) fn text(text: &str, name: Option<&str>) -> Format {
    let start = text.trim_start();
    let extension = name
        .and_then(|name| name.rsplit_once('.'))
        .map(|(_, extension)| extension.to_ascii_lowercase());
    let extension = extension.as_deref();
    if is_html(start) {
        return Format::Html;
    }
    if start.starts_with(['{', '[']) {
        if json::is_value(text) {
            return Format::Json;
        }
        if json::is_lines(text) {
            return Format::JsonLines;
        }
    }
    if matches!(extension, Some("md" | "markdown")) {
        return Format::Markdown;
    }
    let named = matches!(extension, Some("csv" | "tsv"));
    if csv::delimiter(text, if named { csv::Look::Named } else { csv::Look::Unnamed }).is_some() {
        return Format::Csv;
    }
    if looks_like_markdown(text) { Format::Markdown } else { Format::Text }
}

fn is_html(start: &str) -> bool {
    let mut rest = start;
    while let Some(after) = rest.strip_prefix("<!--").or_else(|| rest.strip_prefix("<?xml")) {
        rest = after.find('>').map_or("", |end| &after[end + 1..]).trim_start();
    }
    let head: String = rest.chars().take(16).collect::<String>().to_ascii_lowercase();
    ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| head.starts_with(tag))
}

/// Two signs of Markdown that plain text seldom has.
fn looks_like_markdown(text: &str) -> bool {
    let sign = |line: &&str| {
        let hashes = line.bytes().take_while(|&byte| byte == b'#').count();
        (1..=6).contains(&hashes) && line[hashes..].starts_with(' ')
            || line.starts_with("```")
            || line.contains("](")
    };
    text.lines().take(2000).filter(sign).nth(1).is_some()
}
