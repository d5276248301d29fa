//! Server-sent events, decoded from however the network cut them.
//!
//! The decoder knows lines and fields, nothing of JSON. Comments and blocks without data never leave it, but
//! for their `id` and `retry`.

use std::time::Duration;

/// The longest line, and the most data of one event, that we take in.
pub const MAX_EVENT: usize = 8 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Turns pieces of a body into events.
///
/// The events are the same however the body is cut. Text is decoded a whole line at a time, so a
/// cut within a character does no harm; bytes that are no UTF-8 become U+FFFD.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    name: String,
    /// The last id that came; it holds for all events until the next one comes.
    id: String,
    /// The last `retry` that came.
    retry: Option<Duration>,
    data: String,
    data_lines: usize,
    /// The first line is read, which may begin with a byte-order mark.
    begun: bool,
    /// The last byte was CR: an LF right behind it ends no second line.
    after_cr: bool,
    /// The event in `name` and `data` was handed out.
    dispatched: bool,
}

/// One event with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field; empty when there was none.
    pub name: &'a str,
    /// The last `id` field of the body; empty when there was none.
    pub id: &'a str,
    /// The `data` fields, joined by line feeds; never blank.
    pub data: &'a str,
}

/// A line or an event is longer than [`MAX_EVENT`].
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Decoder {
    /// The events that end in `bytes`; what is left over waits for the next piece.
    pub fn events<'d, 'b>(&'d mut self, bytes: &'b [u8]) -> Events<'d, 'b> {
        Events { decoder: self, bytes }
    }

    /// The last id that came, also without data; empty when there was none.
    pub fn last_id(&self) -> &str {
        &self.id
    }

    /// How long who loses the connection should wait, if the body said so.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The event that the end of the body cut off from its blank line, if there is one.
    ///
    /// Its data may be incomplete.
    pub fn rest(&mut self) -> Option<Event<'_>> {
        self.forget_dispatched();
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() && self.take_line(&line).is_err() {
            return None;
        }
        self.has_data().then(|| self.dispatch())
    }

    /// Takes in one line without its end. `true` when it is the blank one that ends an event.
    fn take_line(&mut self, line: &[u8]) -> Result<bool, TooLong> {
        let line =
            if self.begun { line } else { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) };
        self.begun = true;
        if line.is_empty() {
            return Ok(true);
        }
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => self.take_data(value)?,
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => self.id = String::from_utf8_lossy(value).into_owned(),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let millis = str::from_utf8(value).ok().and_then(|it| it.parse().ok());
                self.retry = millis.map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
        Ok(false)
    }

    fn take_data(&mut self, value: &[u8]) -> Result<(), TooLong> {
        if self.data.len() + value.len() > MAX_EVENT {
            return Err(TooLong);
        }
        if self.data_lines > 0 {
            self.data.push('\n');
        }
        self.data_lines += 1;
        self.data.push_str(&String::from_utf8_lossy(value));
        Ok(())
    }

    fn has_data(&self) -> bool {
        !self.data.trim_ascii().is_empty()
    }

    fn dispatch(&mut self) -> Event<'_> {
        self.dispatched = true;
        Event { name: &self.name, id: &self.id, data: &self.data }
    }

    fn forget_dispatched(&mut self) {
        if self.dispatched {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.name.clear();
        self.data.clear();
        self.data_lines = 0;
        self.dispatched = false;
    }
}

/// The events in one piece of a body.
#[derive(Debug)]
pub struct Events<'d, 'b> {
    decoder: &'d mut Decoder,
    bytes: &'b [u8],
}

impl Events<'_, '_> {
    /// The next event; `None` when the rest of this piece ends none.
    #[expect(clippy::should_implement_trait, reason = "an event borrows from what reads it")]
    pub fn next(&mut self) -> Result<Option<Event<'_>>, TooLong> {
        self.decoder.forget_dispatched();
        while self.next_blank_line()? {
            if self.decoder.has_data() {
                return Ok(Some(self.decoder.dispatch()));
            }
            self.decoder.forget();
        }
        Ok(None)
    }

    /// Reads lines up to and with the next blank one. `false` when this piece has none.
    fn next_blank_line(&mut self) -> Result<bool, TooLong> {
        loop {
            self.skip_line_feed();
            let Some(end) = self.bytes.iter().position(|&byte| matches!(byte, b'\n' | b'\r'))
            else {
                self.keep_rest()?;
                return Ok(false);
            };
            let (line, rest) = self.bytes.split_at(end);
            self.decoder.after_cr = rest[0] == b'\r';
            self.bytes = &rest[1..];
            if self.take_line(line)? {
                return Ok(true);
            }
        }
    }

    fn take_line(&mut self, line: &[u8]) -> Result<bool, TooLong> {
        if self.decoder.line.is_empty() {
            return self.decoder.take_line(line);
        }
        let mut whole = std::mem::take(&mut self.decoder.line);
        whole.extend_from_slice(line);
        let blank = self.decoder.take_line(&whole);
        whole.clear();
        self.decoder.line = whole;
        blank
    }

    fn skip_line_feed(&mut self) {
        if self.decoder.after_cr
            && let Some((&first, rest)) = self.bytes.split_first()
        {
            self.decoder.after_cr = false;
            if first == b'\n' {
                self.bytes = rest;
            }
        }
    }

    fn keep_rest(&mut self) -> Result<(), TooLong> {
        if self.decoder.line.len() + self.bytes.len() > MAX_EVENT {
            return Err(TooLong);
        }
        self.decoder.line.extend_from_slice(self.bytes);
        self.bytes = &[];
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::Strategy;
    use proptest::prelude::any;
    use proptest::prelude::prop;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    use super::Decoder;
    use super::MAX_EVENT;
    use super::TooLong;

    type Pair = (String, String);

    /// What comes out when `body` arrives cut at `cuts`.
    fn decode(body: &[u8], cuts: &[usize]) -> Vec<Pair> {
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        let mut from = 0;
        for &cut in cuts.iter().chain([&body.len()]) {
            let mut events = decoder.events(&body[from..cut]);
            while let Some(event) = events.next().unwrap() {
                found.push((event.name.to_owned(), event.data.to_owned()));
            }
            from = cut;
        }
        found.extend(decoder.rest().map(|event| (event.name.to_owned(), event.data.to_owned())));
        found
    }

    fn data(body: &[u8]) -> Vec<String> {
        decode(body, &[]).into_iter().map(|(_, data)| data).collect()
    }

    #[test]
    fn every_line_end_ends_a_line() {
        for end in ["\n", "\r", "\r\n"] {
            let body = format!("event: a{end}data: 1{end}{end}data: 2{end}{end}");
            let found = decode(body.as_bytes(), &[]);
            assert_eq!(found, [("a".into(), "1".into()), (String::new(), "2".into())], "{end:?}");
        }
    }

    #[test]
    fn blocks_without_data_are_no_events() {
        let body = b": hello\n\nretry: 3000\n\nid: 7\n\nevent: ping\n\ndata\n\ndata:\n\ndata:  \n\ndata: x\n\n";
        assert_eq!(data(body), ["x"]);
    }

    #[test]
    fn what_who_loses_the_connection_needs_is_kept() {
        let mut decoder = Decoder::default();
        let mut decode = |body: &[u8]| {
            let mut events = decoder.events(body);
            while events.next().unwrap().is_some() {}
            (decoder.last_id().to_owned(), decoder.retry())
        };

        assert_eq!(decode(b"data: a\n\n"), (String::new(), None));
        let kept = ("7".to_owned(), Some(Duration::from_millis(500)));
        assert_eq!(decode(b"id: 7\nretry: 500\ndata:\n\n"), kept);
        assert_eq!(decode(b"retry: soon\nretry: 99999999999999999999\ndata: b\n\n"), kept);
    }

    #[test]
    fn comments_between_data_lines_change_nothing() {
        assert_eq!(data(b": BUSY\ndata: {\"a\":\n: BUSY\ndata: 1}\n\n"), ["{\"a\":\n1}"]);
    }

    #[test]
    fn only_one_space_after_the_colon_is_no_data() {
        assert_eq!(data(b"data:a\n\ndata:  b\n\ndata: c:d\n\n"), ["a", " b", "c:d"]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_at_the_start_only() {
        assert_eq!(data(b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\ndata: c\n\n"), ["a", "c"]);
    }

    #[test]
    fn an_event_name_belongs_to_one_event() {
        let found = decode(b"event: a\n\ndata: 1\n\n", &[]);
        assert_eq!(found, [(String::new(), "1".to_owned())]);
    }

    #[test]
    fn bytes_that_are_no_text_become_replacement_characters() {
        assert_eq!(data(b"data: a\xffb\n\n"), ["a\u{fffd}b"]);
    }

    #[test]
    fn the_end_of_the_body_ends_the_last_event() {
        assert_eq!(data(b"data: a\n\ndata: b"), ["a", "b"]);
    }

    #[test]
    fn a_line_without_end_is_refused_when_it_is_too_long() {
        let mut decoder = Decoder::default();
        let piece = vec![b'x'; MAX_EVENT];
        assert_eq!(decoder.events(&piece).next(), Ok(None));
        assert_eq!(decoder.events(b"x").next(), Err(TooLong));
    }

    #[test]
    fn an_event_of_many_lines_is_refused_when_it_is_too_long() {
        let mut decoder = Decoder::default();
        let piece = [b"data: ".as_slice(), &vec![b'x'; MAX_EVENT - 10], b"\n"].concat();
        assert_eq!(decoder.events(&piece).next(), Ok(None));
        assert_eq!(decoder.events(&piece).next(), Err(TooLong));
    }

    /// Lines of every sort in every order, with text of several bytes a character.
    fn bodies() -> impl Strategy<Value = String> {
        let line = prop::sample::select(vec![
            "data: 那个🌍é",
            "data:x",
            "data",
            "event: a",
            ": comment",
            "retry: 1",
            "id: 1",
            "",
            "",
            "data: {\"a\": 1}",
            "other: y",
            ":",
        ]);
        let end = prop::sample::select(vec!["\n", "\r", "\r\n"]);
        let lines = prop::collection::vec((line, end), 0..24);
        (any::<bool>(), lines).prop_map(|(marked, lines)| {
            let lines = lines.into_iter().map(|(line, end)| format!("{line}{end}"));
            let mark = if marked { "\u{feff}" } else { "" };
            mark.to_owned() + &lines.collect::<String>()
        })
    }

    /// The same rules, written for a whole body at once.
    fn decode_whole(body: &str) -> Vec<Pair> {
        let body = body.strip_prefix('\u{feff}').unwrap_or(body);
        let body = body.replace("\r\n", "\n").replace('\r', "\n");
        let mut found = Vec::new();
        let (mut name, mut data) = (String::new(), Vec::new());
        for line in body.split('\n').chain([""]) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => data.push(value),
                "event" => value.clone_into(&mut name),
                "" if line.is_empty() => {
                    let (name, data) = (std::mem::take(&mut name), std::mem::take(&mut data));
                    let data = data.join("\n");
                    if !data.trim().is_empty() {
                        found.push((name, data));
                    }
                }
                _ => {}
            }
        }
        found
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(body in bodies(), cuts in prop::collection::vec(0.0..=1.0, 0..8)) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
                reason = "a place in a short text")]
            let mut cuts: Vec<usize> = cuts.iter().map(|at: &f64| (at * body.len() as f64) as usize).collect();
            cuts.sort_unstable();
            let whole = decode_whole(&body);
            prop_assert_eq!(&decode(body.as_bytes(), &cuts), &whole);
            let each_byte: Vec<usize> = (0..body.len()).collect();
            prop_assert_eq!(&decode(body.as_bytes(), &each_byte), &whole);
        }

        #[test]
        fn no_bytes_make_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let each_byte: Vec<usize> = (0..bytes.len()).collect();
            prop_assert_eq!(decode(&bytes, &each_byte), decode(&bytes, &[]));
        }
    }
}
