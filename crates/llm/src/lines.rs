//! A body of one JSON text a line, decoded from however the network cut it.

use crate::sse::Event;
use crate::sse::MAX_EVENT;
use crate::sse::TooLong;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Turns pieces of a body into lines, each of which is an event without a name.
///
/// The lines are the same however the body is cut. Blank ones never leave it; bytes that are no
/// UTF-8 become U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    /// The line that was handed out last.
    line: String,
}

/// The lines that end in one piece of a body.
#[derive(Debug)]
pub(crate) struct Rest<'d, 'b> {
    lines: &'d mut Lines,
    bytes: &'b [u8],
}

impl Lines {
    /// The lines that end in `bytes`; what is left over waits for the next piece.
    pub fn lines<'d, 'b>(&'d mut self, bytes: &'b [u8]) -> Rest<'d, 'b> {
        Rest { lines: self, bytes }
    }

    /// The line that the end of the body cut off, if there is one. It may be incomplete.
    pub fn rest(&mut self) -> Option<Event<'_>> {
        self.end_line();
        (!self.line.is_empty()).then(|| self.event())
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.begun.len() + bytes.len() > MAX_EVENT {
            return Err(TooLong);
        }
        self.begun.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.begun);
        self.line = line.trim_start_matches(BYTE_ORDER_MARK).trim_ascii().to_owned();
        self.begun.clear();
    }

    fn event(&self) -> Event<'_> {
        Event { name: "", id: "", data: &self.line }
    }
}

impl Rest<'_, '_> {
    /// The next line; `None` when the rest of this piece ends none.
    pub fn next(&mut self) -> Result<Option<Event<'_>>, TooLong> {
        loop {
            let Some(end) = self.bytes.iter().position(|&byte| byte == b'\n') else {
                self.lines.keep(std::mem::take(&mut self.bytes))?;
                return Ok(None);
            };
            let (line, rest) = self.bytes.split_at(end);
            self.bytes = &rest[1..];
            self.lines.keep(line)?;
            self.lines.end_line();
            if !self.lines.line.is_empty() {
                return Ok(Some(self.lines.event()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::any;
    use proptest::prelude::prop;
    use proptest::proptest;

    use super::Lines;
    use crate::sse::MAX_EVENT;
    use crate::sse::TooLong;

    fn decode<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Vec<String> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in pieces {
            let mut rest = lines.lines(piece);
            while let Some(event) = rest.next().unwrap() {
                found.push(event.data.to_owned());
            }
        }
        found.extend(lines.rest().map(|event| event.data.to_owned()));
        found
    }

    #[test]
    fn blank_lines_are_none_and_the_last_may_lack_its_end() {
        let body = "\u{feff}{\"a\":1}\r\n\n  \n{\"那个\":2}".as_bytes();
        assert_eq!(decode([body]), [r#"{"a":1}"#, r#"{"那个":2}"#]);
    }

    #[test]
    fn a_line_that_is_too_long_is_refused() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; MAX_EVENT];
        assert_eq!(lines.lines(&piece).next(), Ok(None));
        assert_eq!(lines.lines(b"x\n").next(), Err(TooLong));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let lossy: Vec<u8> = body.iter().map(|byte| if byte % 7 == 0 { b'\n' } else { *byte }).collect();
            assert_eq!(decode(lossy.chunks(1)), decode([&lossy[..]]));
        }
    }
}
