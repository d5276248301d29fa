//! Pages of the web.
//!
//! The tokens of the HTML standard's tokenizer are enough for text, and, unlike a tree, need no memory and no stack
//! for what is nested.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::BufferQueue;
use html5ever::tokenizer::Tag;
use html5ever::tokenizer::TagKind;
use html5ever::tokenizer::Token;
use html5ever::tokenizer::TokenSink;
use html5ever::tokenizer::TokenSinkResult;
use html5ever::tokenizer::Tokenizer;
use html5ever::tokenizer::states::RawKind;

use super::ParseError;
use super::Writer;

/// Writes what a reader sees: no scripts, styles, templates and comments; white space as a browser shows it.
pub(super) fn read(text: &str, out: &mut Writer<'_>) -> Result<(), ParseError> {
    let sink = Sink(RefCell::new(Page {
        out,
        fault: None,
        dropped: None,
        pre: 0,
        title: None,
        heading: None,
        gap: Gap::None,
    }));
    let tokenizer = Tokenizer::new(sink, html5ever::tokenizer::TokenizerOpts::default());
    let input = BufferQueue::default();
    let mut rest = text;
    while !rest.is_empty() {
        let mut size = rest.len().min(64 * 1024);
        while !rest.is_char_boundary(size) {
            size -= 1;
        }
        let (now, later) = rest.split_at(size);
        rest = later;
        input.push_back(StrTendril::from_slice(now));
        let _ = tokenizer.feed(&input);
        if let Some(fault) = tokenizer.sink.0.borrow_mut().fault.take() {
            return Err(fault);
        }
    }
    tokenizer.end();
    tokenizer.sink.0.into_inner().fault.map_or(Ok(()), Err)
}

/// What has to stand before the next word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
    Paragraph,
}

struct Page<'a, 'b> {
    out: &'a mut Writer<'b>,
    fault: Option<ParseError>,
    /// The element whose content is dropped until it closes.
    dropped: Option<String>,
    pre: usize,
    title: Option<String>,
    /// Where a heading began, its level and its words.
    heading: Option<(Option<usize>, u8, String)>,
    gap: Gap,
}

struct Sink<'a, 'b>(RefCell<Page<'a, 'b>>);

impl TokenSink for Sink<'_, '_> {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let page = &mut *self.0.borrow_mut();
        if page.fault.is_some() {
            return TokenSinkResult::Continue;
        }
        let (result, raw) = match token {
            Token::CharacterTokens(text) => (page.text(&text), None),
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                (page.open(&tag), raw_kind(&tag.name))
            }
            Token::TagToken(tag) => (page.close(&tag.name), None),
            _ => (page.out.step(), None),
        };
        page.fault = result.err();
        raw.map_or(TokenSinkResult::Continue, TokenSinkResult::RawData)
    }
}

/// Elements in which a tag is text, which the tokenizer has to be told.
fn raw_kind(name: &str) -> Option<RawKind> {
    match name {
        "script" => Some(RawKind::ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => Some(RawKind::Rawtext),
        "title" | "textarea" => Some(RawKind::Rcdata),
        _ => None,
    }
}

impl Page<'_, '_> {
    fn open(&mut self, tag: &Tag) -> Result<(), ParseError> {
        self.out.step()?;
        if self.dropped.is_some() {
            return Ok(());
        }
        let name: &str = &tag.name;
        match name {
            "script" | "style" | "template" | "noembed" | "noframes" | "iframe" | "svg"
            | "math" => {
                if !tag.self_closing || raw_kind(name).is_some() {
                    self.dropped = Some(name.to_owned());
                }
            }
            "title" => self.title = Some(String::new()),
            "br" => self.out.push("\n")?,
            "pre" | "textarea" => {
                self.wants(Gap::Paragraph);
                self.pre += 1;
            }
            "img" => {
                let alternative =
                    tag.attrs.iter().find(|attribute| &*attribute.name.local == "alt");
                if let Some(alternative) = alternative {
                    self.wants(Gap::Space);
                    self.text(&alternative.value)?;
                    self.wants(Gap::Space);
                }
            }
            _ => {
                if let Some(level) = level(name) {
                    self.heading = Some((None, level, String::new()));
                }
                self.wants(gap(name));
            }
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), ParseError> {
        self.out.step()?;
        if let Some(dropped) = &self.dropped {
            if dropped == name {
                self.dropped = None;
            }
            return Ok(());
        }
        match name {
            "title" => {
                if let Some(title) = self.title.take() {
                    self.out.text.title(&title);
                }
            }
            "pre" | "textarea" => {
                self.pre = self.pre.saturating_sub(1);
                self.wants(Gap::Paragraph);
            }
            _ => {
                if level(name).is_some()
                    && let Some((Some(at), level, words)) = self.heading.take()
                {
                    self.out.text.heading(at, level, &words);
                }
                self.wants(gap(name));
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), ParseError> {
        if self.dropped.is_some() {
            return self.out.step();
        }
        if let Some(title) = &mut self.title {
            if title.len() < 4096 {
                title.push_str(text);
            }
            return self.out.step();
        }
        if self.pre > 0 {
            self.begin_word("")?;
            return self.out.push(text);
        }
        // A no-break space is not white space to a browser.
        for part in text.split_inclusive(|character: char| character.is_ascii_whitespace()) {
            let word = part.trim_end_matches(|character: char| character.is_ascii_whitespace());
            if !word.is_empty() {
                self.begin_word(word)?;
                self.out.push(word)?;
            }
            if word.len() < part.len() {
                self.wants(Gap::Space);
            }
        }
        Ok(())
    }

    /// Writes the gap that is due, and notes where a heading begins.
    fn begin_word(&mut self, word: &str) -> Result<(), ParseError> {
        let gap = std::mem::replace(&mut self.gap, Gap::None);
        match gap {
            Gap::None => {}
            Gap::Space => {
                if self.out.text.points() > 0 && !self.out.text.at_line_start() {
                    self.out.push(" ")?;
                }
            }
            Gap::Line => self.out.text.line_end(),
            Gap::Paragraph => self.out.text.paragraph_end(),
        }
        if let Some((at, _, words)) = &mut self.heading {
            at.get_or_insert(self.out.text.points());
            if words.len() < 4096 {
                words.push_str(if words.is_empty() || gap == Gap::None { "" } else { " " });
                words.push_str(word);
            }
        }
        Ok(())
    }

    fn wants(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }
}

fn level(name: &str) -> Option<u8> {
    let level = name.strip_prefix('h')?.parse().ok()?;
    (1..=6).contains(&level).then_some(level)
}

/// What stands around an element in the text.
fn gap(name: &str) -> Gap {
    match name {
        "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "dl" | "table"
        | "blockquote" | "section" | "article" | "header" | "footer" | "nav" | "main" | "aside"
        | "figure" | "form" | "hr" | "fieldset" | "details" | "body" => Gap::Paragraph,
        "div" | "li" | "tr" | "dt" | "dd" | "option" | "caption" | "figcaption" | "summary"
        | "legend" | "address" => Gap::Line,
        "td" | "th" => Gap::Space,
        _ => Gap::None,
    }
}
