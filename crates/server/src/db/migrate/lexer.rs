//! SQL text cut into pieces, where the two databases would cut it.
//!
//! It knows what can hide a semicolon or a comment: strings, quoted names, dollar quotes, comments.
//! It does not know what the SQL means.

use crate::db::Dialect;

/// A piece of SQL text. All pieces in a row are the whole text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) kind: Kind,
    /// Where it begins, in bytes.
    pub(super) start: usize,
    pub(super) text: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Blank,
    LineComment,
    BlockComment,
    /// A string, a quoted name or a dollar-quoted body.
    Quoted,
    /// A keyword, a name or a number.
    Word,
    Semicolon,
    Open,
    Close,
    Other,
}

/// A quote or comment that the text does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unterminated {
    pub(super) what: &'static str,
    pub(super) start: usize,
}

impl Piece<'_> {
    /// Whether the databases read over it.
    pub(super) fn is_skipped(self) -> bool {
        matches!(self.kind, Kind::Blank | Kind::LineComment | Kind::BlockComment)
    }

    /// Whether it is this keyword, in any case.
    pub(super) fn is(self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }
}

/// Cuts `sql` into pieces.
pub(super) fn pieces(sql: &str, dialect: Dialect) -> Result<Vec<Piece<'_>>, Unterminated> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < sql.len() {
        let rest = &sql[start..];
        let (kind, len) = match dialect {
            Dialect::Postgres => postgres(rest),
            Dialect::Sqlite => sqlite(rest),
        }
        .map_err(|what| Unterminated { what, start })?;
        pieces.push(Piece { kind, start, text: &rest[..len] });
        start += len;
    }
    Ok(pieces)
}

/// The kind and length of the piece that `rest` begins with, or what is not terminated.
type Cut = Result<(Kind, usize), &'static str>;

fn postgres(rest: &str) -> Cut {
    if rest.starts_with("/*") {
        return nested_comment(rest);
    }
    if rest.starts_with(['e', 'E']) && rest[1..].starts_with('\'') {
        return escape_string(rest);
    }
    if rest.starts_with('$')
        && let Some(tag) = dollar_tag(rest)
    {
        let body = rest[tag.len()..].find(tag).ok_or("dollar quote")?;
        return Ok((Kind::Quoted, tag.len() + body + tag.len()));
    }
    common(rest, |it| is_name(it) || it == '$')
}

fn sqlite(rest: &str) -> Cut {
    if let Some(comment) = rest.strip_prefix("/*") {
        let end = comment.find("*/").ok_or("comment")?;
        return Ok((Kind::BlockComment, "/**/".len() + end));
    }
    if rest.starts_with('`') {
        return quoted(rest, '`', "quoted name");
    }
    if rest.starts_with('[') {
        let end = rest.find(']').ok_or("quoted name")?;
        return Ok((Kind::Quoted, end + 1));
    }
    common(rest, |it| is_name(it) || it == '$')
}

/// What both databases read the same way.
fn common(rest: &str, in_name: impl Fn(char) -> bool) -> Cut {
    let run =
        |kind, of: &dyn Fn(char) -> bool| Ok((kind, rest.find(|it| !of(it)).unwrap_or(rest.len())));
    let Some(first) = rest.chars().next() else { return Ok((Kind::Other, 0)) };
    match first {
        '-' if rest.starts_with("--") => run(Kind::LineComment, &|it| it != '\n'),
        '\'' => quoted(rest, '\'', "string"),
        '"' => quoted(rest, '"', "quoted name"),
        ';' => Ok((Kind::Semicolon, 1)),
        '(' => Ok((Kind::Open, 1)),
        ')' => Ok((Kind::Close, 1)),
        it if it.is_ascii_whitespace() || it == '\u{b}' => {
            run(Kind::Blank, &|it| it.is_ascii_whitespace() || it == '\u{b}')
        }
        // A `$` does not belong to a number: `$1$$` is a parameter before a dollar quote.
        it if it.is_ascii_digit() => run(Kind::Word, &is_name),
        it if is_name(it) => run(Kind::Word, &in_name),
        it => Ok((Kind::Other, it.len_utf8())),
    }
}

fn is_name(it: char) -> bool {
    it.is_ascii_alphanumeric() || it == '_' || !it.is_ascii()
}

/// Text between two quotes; a doubled quote does not end it.
fn quoted(rest: &str, quote: char, what: &'static str) -> Cut {
    let mut from = 1;
    loop {
        let end = from + rest[from..].find(quote).ok_or(what)? + 1;
        if !rest[end..].starts_with(quote) {
            return Ok((Kind::Quoted, end));
        }
        from = end + 1;
    }
}

/// `E'…'`, in which a backslash takes the next sign with it, with its continuations on further lines,
/// which are read the same way though they begin with a plain quote.
fn escape_string(rest: &str) -> Cut {
    let mut end = 1;
    loop {
        end += escaped(&rest[end..])?;
        match continuation(&rest[end..]) {
            Some(gap) => end += gap,
            None => return Ok((Kind::Quoted, end)),
        }
    }
}

/// The length of the string with backslashes that `rest` begins with.
fn escaped(rest: &str) -> Result<usize, &'static str> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'\\', Some(_)) | (b'\'', Some(b'\'')) => at += 2,
            (b'\'', _) => return Ok(at + 1),
            _ => at += 1,
        }
    }
    Err("string")
}

/// The length of what stands between a string and its continuation: blanks with a line end in them,
/// and line comments.
fn continuation(rest: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        match common(&rest[at..], is_name).ok()? {
            (Kind::Blank | Kind::LineComment, len) => at += len,
            (Kind::Quoted, _) if rest[at..].starts_with('\'') => {
                return rest[..at].contains('\n').then_some(at);
            }
            _ => return None,
        }
    }
}

/// A block comment of PostgreSQL, which may hold others.
fn nested_comment(rest: &str) -> Cut {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Ok((Kind::BlockComment, at));
        }
    }
    Err("comment")
}

/// `$$` or `$tag$`, if `rest` begins with one.
fn dollar_tag(rest: &str) -> Option<&str> {
    let len = rest[1..].find('$')?;
    let tag = &rest[1..=len];
    let is_tag = tag.chars().all(is_name) && !tag.starts_with(|it: char| it.is_ascii_digit());
    is_tag.then(|| &rest[..len + 2])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Cuts `sql`, and compares what is not read over with `expected`.
    #[track_caller]
    fn check(dialect: Dialect, sql: &str, expected: &[&str]) {
        let found: Vec<_> = pieces(sql, dialect)
            .unwrap()
            .into_iter()
            .filter(|piece| !piece.is_skipped())
            .map(|piece| piece.text)
            .collect();
        assert_eq!(found, expected, "{dialect}: {sql}");
    }

    #[track_caller]
    fn check_both(sql: &str, expected: &[&str]) {
        check(Dialect::Postgres, sql, expected);
        check(Dialect::Sqlite, sql, expected);
    }

    #[test]
    fn quotes_and_comments_hide_what_is_in_them() {
        check_both("'a;b' ;", &["'a;b'", ";"]);
        check_both("'it''s; ' x", &["'it''s; '", "x"]);
        check_both(r#""a;""b" x"#, &[r#""a;""b""#, "x"]);
        check_both("a -- it's; \n b", &["a", "b"]);
        check_both("a /* ' ; -- */ b", &["a", "b"]);
        check_both(r"'\' x", &[r"'\'", "x"]);
        check_both("a_1 (2);", &["a_1", "(", "2", ")", ";"]);
        check_both("ü;", &["ü", ";"]);
    }

    #[test]
    fn postgres_knows_dollar_quotes() {
        let postgres = |sql, expected: &[&str]| check(Dialect::Postgres, sql, expected);

        postgres("$$ ; ' $$ x", &["$$ ; ' $$", "x"]);
        postgres("$a$ $$ ; $b$ $a$;", &["$a$ $$ ; $b$ $a$", ";"]);
        postgres("$ü$;$ü$", &["$ü$;$ü$"]);
        postgres("$1;$2", &["$", "1", ";", "$", "2"]);
        postgres("a$b$;c$b$", &["a$b$", ";", "c$b$"]);
        postgres("$1$$;$$", &["$", "1", "$$;$$"]);
    }

    #[test]
    fn postgres_knows_escapes_and_nested_comments() {
        let postgres = |sql, expected: &[&str]| check(Dialect::Postgres, sql, expected);

        postgres(r"E'\';' x", &[r"E'\';'", "x"]);
        postgres(r"e'\\' ; 'x'", &[r"e'\\'", ";", "'x'"]);
        postgres(r"E'a''\'' x", &[r"E'a''\''", "x"]);
        postgres("E'a'\n'\\';' x", &["E'a'\n'\\';'", "x"]);
        postgres("E'a' -- b\n '\\';' x", &["E'a' -- b\n '\\';'", "x"]);
        postgres(r"E'a' '\' x", &["E'a'", r"'\'", "x"]);
        postgres(r"U&'\' B'1' x", &["U", "&", r"'\'", "B", "'1'", "x"]);
        postgres("a /* /* ; */ ' */ b", &["a", "b"]);
        postgres("a[1;2]", &["a", "[", "1", ";", "2", "]"]);
    }

    #[test]
    fn sqlite_knows_its_own_quotes_and_no_others() {
        let sqlite = |sql, expected: &[&str]| check(Dialect::Sqlite, sql, expected);

        sqlite("`a;``b` x", &["`a;``b`", "x"]);
        sqlite("[a;b] x", &["[a;b]", "x"]);
        sqlite("/* /* */ x", &["x"]);
        sqlite("$$;", &["$", "$", ";"]);
        sqlite(r"E'\' x", &["E", r"'\'", "x"]);
    }

    #[test]
    fn what_does_not_end_is_named() {
        for (dialect, sql, what) in [
            (Dialect::Postgres, "a 'b", "string"),
            (Dialect::Postgres, r"a E'\'", "string"),
            (Dialect::Postgres, "a $x$ $$", "dollar quote"),
            (Dialect::Postgres, "a /* /* */", "comment"),
            (Dialect::Sqlite, "a \"b", "quoted name"),
            (Dialect::Sqlite, "a [b", "quoted name"),
            (Dialect::Sqlite, "a /*", "comment"),
        ] {
            assert_eq!(pieces(sql, dialect), Err(Unterminated { what, start: 2 }), "{sql}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_of_any_text(sql in r#"([a-zü$'"`\[\]/*;\\\n 1E-]|--|\$\$|\$a\$|/\*|\*/)*"#) {
            for dialect in [Dialect::Postgres, Dialect::Sqlite] {
                if let Ok(pieces) = pieces(&sql, dialect) {
                    let whole: String = pieces.iter().map(|piece| piece.text).collect();
                    prop_assert_eq!(&whole, &sql);
                }
            }
        }
    }
}
