//! Files of `KEY=value` lines.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// Reads `KEY=value` lines: `export` before, comments, single and double quotes (over several lines),
/// and in double quotes the escapes `\n \t \" \\ \$`. A wrong line gives its number, never its text.
///
/// Nothing is expanded: a `$` is a `$`.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { rest: text.chars().peekable(), line: 1 };
    let mut values = BTreeMap::new();
    while reader.skip_to_next_line_with_content() {
        let line = reader.line;
        let (name, value) = reader.pair().ok_or(line)?;
        values.insert(name, value);
    }
    Ok(values)
}

struct Reader<'t> {
    rest: Peekable<Chars<'t>>,
    line: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn skip_to_next_line_with_content(&mut self) -> bool {
        while let Some(&next) = self.rest.peek() {
            match next {
                '#' => self.skip_line(),
                _ if next.is_whitespace() => drop(self.next()),
                _ => return true,
            }
        }
        false
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|next| next != '\n') {}
    }

    fn pair(&mut self) -> Option<(String, String)> {
        let mut name = String::new();
        loop {
            match self.next()? {
                '=' => break,
                '\n' => return None,
                other => name.push(other),
            }
        }
        let name = name.trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return None;
        }
        Some((name.to_owned(), self.value()?))
    }

    fn value(&mut self) -> Option<String> {
        while self.rest.next_if(|next| matches!(next, ' ' | '\t')).is_some() {}
        match self.rest.peek() {
            Some(&quote @ ('"' | '\'')) => {
                self.next();
                let value = self.quoted(quote)?;
                self.ends_here().then_some(value)
            }
            _ => Some(self.bare()),
        }
    }

    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut value = String::new();
        loop {
            match self.next()? {
                end if end == quote => return Some(value),
                '\\' if quote == '"' => match self.next()? {
                    'n' => value.push('\n'),
                    't' => value.push('\t'),
                    escaped @ ('"' | '\\' | '$') => value.push(escaped),
                    other => value.extend(['\\', other]),
                },
                '\r' if self.rest.peek() == Some(&'\n') => {}
                other => value.push(other),
            }
        }
    }

    /// The rest of the line, up to a comment that has a space before it.
    fn bare(&mut self) -> String {
        let mut value = String::new();
        while let Some(next) = self.rest.next_if(|next| *next != '\n') {
            if next == '#' && (value.is_empty() || value.ends_with([' ', '\t'])) {
                self.skip_line();
                break;
            }
            value.push(next);
        }
        value.trim_end().to_owned()
    }

    /// Whether nothing but a comment follows on this line.
    fn ends_here(&mut self) -> bool {
        let after = self.bare();
        after.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_way_to_write_a_value_is_read() {
        let text = concat!(
            "\u{feff}# a comment\r\n",
            "PLAIN=value\r\n",
            "\n",
            "  export SPACED = two words  # said why\n",
            "HASH=a#b\n",
            "EMPTY=\n",
            "ONLY_COMMENT= # nothing\n",
            "KEY={\"kty\":\"OKP\",\"d\":\"x=y\"}\n",
            "QUOTED=\"a \\\"b\\\" # c\\n$d\" # comment\n",
            "SINGLE='a \\n \"b\"'\n",
            "LINES=\"one\r\ntwo\"\n",
            "LAST=x",
        );

        let values = parse(text).unwrap();

        let expected = [
            ("EMPTY", ""),
            ("HASH", "a#b"),
            ("KEY", r#"{"kty":"OKP","d":"x=y"}"#),
            ("LAST", "x"),
            ("LINES", "one\ntwo"),
            ("ONLY_COMMENT", ""),
            ("PLAIN", "value"),
            ("QUOTED", "a \"b\" # c\n$d"),
            ("SINGLE", r#"a \n "b""#),
            ("SPACED", "two words"),
        ];
        let found: Vec<_> = values.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        assert_eq!(parse("A=1\nno value here\n"), Err(2));
        assert_eq!(parse("A=1\n\nB='open\n\n"), Err(3));
        assert_eq!(parse("A='x' y\n"), Err(1));
        assert_eq!(parse("=x"), Err(1));
        assert_eq!(parse("A-B=x"), Err(1));
    }
}
