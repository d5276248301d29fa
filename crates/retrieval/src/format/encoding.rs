//! Bytes to characters.

use encoding_rs::Encoding;
use encoding_rs::UTF_8;

use super::ParseError;
use super::Writer;
use crate::text::Warning;

/// Decodes by the byte order mark, else as UTF-8 if it is, else as the bytes look; says which it was.
pub(super) fn decode(bytes: &[u8], out: &mut Writer<'_>) -> Result<String, ParseError> {
    let (encoding, mark, guessed) = encoding(bytes);
    let (text, replaced) = encoding.decode_without_bom_handling(&bytes[mark..]);
    out.text.encoding(encoding.name());
    if guessed {
        out.text.warn(Warning::EncodingGuessed(encoding.name()));
    }
    if replaced {
        out.text.warn(Warning::BytesReplaced(encoding.name()));
    }
    if looks_binary(&text) {
        return Err(ParseError::Unsupported(
            "a file of this kind (it is neither text nor a known document)",
        ));
    }
    Ok(text.into_owned())
}

/// The encoding, how long its byte order mark is, and whether it is a guess.
fn encoding(bytes: &[u8]) -> (&'static Encoding, usize, bool) {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return (encoding, mark, false);
    }
    if std::str::from_utf8(bytes).is_ok() && !is_utf16(bytes) {
        return (UTF_8, 0, false);
    }
    if is_utf16(bytes) {
        let little = bytes.iter().skip(1).step_by(2).take(512).filter(|&&byte| byte == 0).count();
        let big = bytes.iter().step_by(2).take(512).filter(|&&byte| byte == 0).count();
        return (if little > big { encoding_rs::UTF_16LE } else { encoding_rs::UTF_16BE }, 0, true);
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    (detector.guess(None, chardetng::Utf8Detection::Allow), 0, true)
}

/// Whether every other byte is NUL in most of the beginning, as in UTF-16 of Latin text without a mark.
fn is_utf16(bytes: &[u8]) -> bool {
    let near = &bytes[..bytes.len().min(1024)];
    let zeros = |skip: usize| near.iter().skip(skip).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let half = near.len() / 2;
    near.len() >= 4
        && (odd * 10 > half * 7 && even * 10 < half || even * 10 > half * 7 && odd * 10 < half)
}

/// Whether more than three tenths of the beginning is control characters and characters that could not be decoded.
fn looks_binary(text: &str) -> bool {
    let odd = |character: char| {
        character == char::REPLACEMENT_CHARACTER
            || character.is_control()
                && !matches!(character, '\n' | '\r' | '\t' | '\u{c}' | '\u{85}' | '\u{1b}')
    };
    let (mut all, mut strange) = (0, 0);
    for character in text.chars().take(4096) {
        all += 1;
        strange += usize::from(odd(character));
    }
    strange > 1 && strange * 10 > all * 3
}
