//! One migration: the text of a file, taken apart.

use std::fmt::Write;

use aws_lc_rs::digest;

use crate::db::Dialect;
use crate::db::migrate::lexer;
use crate::db::migrate::lexer::Kind;
use crate::db::migrate::lexer::Piece;
use crate::db::migrate::lexer::Unterminated;
use crate::db::migrate::statements;
use crate::db::migrate::statements::Statement;

/// A migration, as one database needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The name of its file without `.sql`: fourteen digits, `_`, a name. Migrations run in this order.
    pub id: String,
    pub up: Section,
    /// Without statements if there is no way back.
    pub down: Section,
    pub mode: Mode,
    /// Whether programs that do not know it must not run after it.
    pub is_contract: bool,
}

/// What is under `-- UP` or `-- DOWN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub statements: Vec<Statement>,
    /// SHA-256 of its text, in which line ends and blanks around it mean nothing.
    pub checksum: String,
}

/// How the statements of a migration are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All in one transaction.
    Transaction,
    /// Each by itself, for what cannot be in a transaction. It must bear to be repeated.
    OneByOne,
}

/// What is wrong with the text of a migration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("the {what} that begins on line {line} does not end")]
    Unterminated { what: &'static str, line: usize },
    #[error("there is no line `{0}`")]
    NoSection(&'static str),
    #[error("line {line}: `{marker}` is there a second time")]
    Repeated { marker: &'static str, line: usize },
    #[error("line {line}: `{marker}` must stand above `-- UP`")]
    Late { marker: &'static str, line: usize },
    #[error("line {line}: `-- DOWN` must come after `-- UP`")]
    Order { line: usize },
    #[error("line {line}: SQL above `-- UP`")]
    Outside { line: usize },
    #[error("line {line}: `-- DOWN` inside a statement")]
    Inside { line: usize },
    #[error("line {line}: `{word}` in a migration, which is a transaction of its own")]
    Transaction { line: usize, word: String },
}

const UP: &str = "-- UP";
const DOWN: &str = "-- DOWN";
const NO_TRANSACTION: &str = "-- no-transaction";
const CONTRACT: &str = "-- contract";

impl Migration {
    /// Takes the text of a file apart. Line ends and a byte order mark mean nothing.
    pub fn parse(id: &str, text: &str, dialect: Dialect) -> Result<Self, ParseError> {
        let sql = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        let pieces = lexer::pieces(&sql, dialect).map_err(|it| unterminated(&sql, it))?;
        let markers = Markers::find(&sql, &pieces)?;
        let (up, down) = (markers.up, markers.down);
        if let Some(early) = pieces[..up].iter().find(|piece| !piece.is_skipped()) {
            return Err(ParseError::Outside { line: statements::line(&sql, early.start) });
        }
        let (up_pieces, down_pieces) = (&pieces[up + 1..down], &pieces[down + 1..]);
        check_is_closed(&sql, up_pieces, pieces[down])?;
        Ok(Self {
            id: id.to_owned(),
            up: Section::new(&sql, up_pieces, dialect)?,
            down: Section::new(&sql, down_pieces, dialect)?,
            mode: if markers.no_transaction { Mode::OneByOne } else { Mode::Transaction },
            is_contract: markers.contract,
        })
    }

    /// What follows the digits of its id.
    pub fn name(&self) -> &str {
        self.id.split_once('_').map_or(&self.id, |(_, name)| name)
    }
}

impl Section {
    fn new(sql: &str, pieces: &[Piece<'_>], dialect: Dialect) -> Result<Self, ParseError> {
        let statements = statements::split(sql, pieces, dialect);
        if let Some(one) = statements.iter().find(|one| ends_transaction(one.first_word())) {
            let word = one.first_word().to_owned();
            return Err(ParseError::Transaction { line: one.line, word });
        }
        let text: String = pieces.iter().map(|piece| piece.text).collect();
        Ok(Self { statements, checksum: sha256(text.trim()) })
    }
}

impl Statement {
    fn first_word(&self) -> &str {
        let end = self.text.find(|it: char| !it.is_ascii_alphabetic()).unwrap_or(self.text.len());
        &self.text[..end]
    }
}

fn ends_transaction(word: &str) -> bool {
    ["begin", "start", "commit", "end", "rollback", "abort"]
        .iter()
        .any(|it| it.eq_ignore_ascii_case(word))
}

/// Where the lines are that mean something to us: indexes of pieces.
struct Markers {
    up: usize,
    down: usize,
    no_transaction: bool,
    contract: bool,
}

impl Markers {
    /// A marker is a comment that is a whole line; in strings, bodies and comments it is none.
    fn find(sql: &str, pieces: &[Piece<'_>]) -> Result<Self, ParseError> {
        let place = |marker: &'static str| {
            let mut found = pieces.iter().enumerate().filter(|(_, piece)| {
                let is_at_line_start = piece.start == 0 || sql[..piece.start].ends_with('\n');
                piece.kind == Kind::LineComment
                    && is_at_line_start
                    && piece.text.trim_ascii_end() == marker
            });
            let first = found.next().map(|(index, _)| index);
            match found.next() {
                None => Ok(first),
                Some((_, again)) => {
                    Err(ParseError::Repeated { marker, line: statements::line(sql, again.start) })
                }
            }
        };
        let line = |index: usize| statements::line(sql, pieces[index].start);
        let up = place(UP)?.ok_or(ParseError::NoSection(UP))?;
        let down = place(DOWN)?.ok_or(ParseError::NoSection(DOWN))?;
        if down < up {
            return Err(ParseError::Order { line: line(down) });
        }
        let in_head = |marker| match place(marker)? {
            Some(index) if index > up => Err(ParseError::Late { marker, line: line(index) }),
            found => Ok(found.is_some()),
        };
        Ok(Self {
            up,
            down,
            no_transaction: in_head(NO_TRANSACTION)?,
            contract: in_head(CONTRACT)?,
        })
    }
}

/// Refuses a `-- DOWN` that stands in the parentheses of a statement.
fn check_is_closed(sql: &str, up: &[Piece<'_>], down: Piece<'_>) -> Result<(), ParseError> {
    let count = |kind| up.iter().filter(|piece| piece.kind == kind).count();
    if count(Kind::Open) > count(Kind::Close) {
        return Err(ParseError::Inside { line: statements::line(sql, down.start) });
    }
    Ok(())
}

fn unterminated(sql: &str, it: Unterminated) -> ParseError {
    ParseError::Unterminated { what: it.what, line: statements::line(sql, it.start) }
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Migration, ParseError> {
        Migration::parse("20261125000000_first_tables", text, Dialect::Postgres)
    }

    #[track_caller]
    fn refused(text: &str, message: &str) {
        assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
    }

    const PLAIN: &str =
        "-- About.\n\n-- UP\nCREATE TABLE a (x TEXT);\nSELECT 1;\n\n-- DOWN\nDROP TABLE a\n";

    #[test]
    fn a_file_has_two_sections() {
        let migration = parse(PLAIN).unwrap();

        assert_eq!(migration.name(), "first_tables");
        assert_eq!(migration.up.statements.len(), 2);
        assert_eq!(migration.down.statements[0].text, "DROP TABLE a");
        assert_eq!(migration.down.statements[0].line, 8);
        assert_eq!((migration.mode, migration.is_contract), (Mode::Transaction, false));
    }

    #[test]
    fn line_ends_and_a_byte_order_mark_mean_nothing() {
        for text in [
            PLAIN.replace('\n', "\r\n"),
            PLAIN.replace('\n', "\r"),
            format!("\u{feff}{PLAIN}"),
            PLAIN.trim_end().to_owned(),
            PLAIN.replace("-- UP\n", "-- UP  \n\n"),
            PLAIN.replace("About", "Something else about"),
        ] {
            let (expected, found) = (parse(PLAIN).unwrap(), parse(&text).unwrap());
            assert_eq!(found.up.checksum, expected.up.checksum, "{text:?}");
            assert_eq!(found.down.checksum, expected.down.checksum, "{text:?}");
        }
    }

    #[test]
    fn every_edit_inside_a_section_changes_its_checksum() {
        let original = parse(PLAIN).unwrap();
        for (from, to) in [("x TEXT", "y TEXT"), ("(x", "( x"), ("SELECT 1", "SELECT 1 -- why")] {
            let edited = parse(&PLAIN.replace(from, to)).unwrap();
            assert_ne!(edited.up.checksum, original.up.checksum, "{to}");
            assert_eq!(edited.down.checksum, original.down.checksum, "{to}");
        }
        let edited = parse(&PLAIN.replace("DROP TABLE a", "DROP TABLE IF EXISTS a")).unwrap();
        assert_eq!(edited.up.checksum, original.up.checksum);
        assert_ne!(edited.down.checksum, original.down.checksum);
    }

    #[test]
    fn markers_in_strings_bodies_and_comments_are_text() {
        let text =
            "-- UP\nSELECT '\n-- DOWN\n', $$\n-- UP\n$$ /*\n-- contract\n*/;\n  -- DOWN\n-- DOWN\n";

        let migration = parse(text).unwrap();

        assert_eq!(migration.up.statements.len(), 1);
        assert_eq!(migration.down.statements.len(), 0);
        assert!(!migration.is_contract);
    }

    #[test]
    fn marks_above_the_sections_are_read() {
        let migration = parse("-- no-transaction\n-- contract\n-- UP\n-- DOWN\n").unwrap();

        assert_eq!((migration.mode, migration.is_contract), (Mode::OneByOne, true));
    }

    #[test]
    fn a_wrong_file_is_refused_with_its_line() {
        refused("SELECT 1;", "there is no line `-- UP`");
        refused("-- UP\nSELECT 1;\n-- Down\n", "there is no line `-- DOWN`");
        refused("-- DOWN\n-- UP\n", "line 1: `-- DOWN` must come after `-- UP`");
        refused("-- UP\n-- UP\n-- DOWN\n", "line 2: `-- UP` is there a second time");
        refused("SELECT 1;\n-- UP\n-- DOWN\n", "line 1: SQL above `-- UP`");
        refused("-- UP\n-- contract\n-- DOWN\n", "line 2: `-- contract` must stand above `-- UP`");
        refused("-- UP\nSELECT (1\n-- DOWN\n)", "line 3: `-- DOWN` inside a statement");
        refused("-- UP\n\nSELECT 'a\n-- DOWN\n", "the string that begins on line 3 does not end");
        for word in ["COMMIT", "begin", "END", "Rollback", "START"] {
            refused(
                &format!("-- UP\nSELECT 1;\n{word};\n-- DOWN\n"),
                &format!("line 3: `{word}` in a migration, which is a transaction of its own"),
            );
        }
    }

    #[test]
    fn a_checksum_is_a_plain_sha_256() {
        assert_eq!(
            sha256("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
