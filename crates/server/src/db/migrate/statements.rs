//! SQL text split into statements.

use crate::db::Dialect;
use crate::db::migrate::lexer::Kind;
use crate::db::migrate::lexer::Piece;

/// A statement of a migration, without its semicolon and the comments before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The line of the file on which it begins.
    pub line: usize,
    pub text: String,
}

impl Statement {
    /// Its first line, for messages.
    pub fn title(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}

/// Splits `pieces` of `sql` at the semicolons that end a statement.
pub(super) fn split(sql: &str, pieces: &[Piece<'_>], dialect: Dialect) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut begin = None;
    let mut end = 0;
    let mut inside = Inside::default();
    for piece in pieces.iter().filter(|piece| !piece.is_skipped()) {
        let ends = match dialect {
            Dialect::Postgres => inside.postgres(*piece),
            Dialect::Sqlite => inside.sqlite(*piece),
        };
        if ends {
            statements.extend(begin.take().map(|begin| statement(sql, begin, end)));
            inside = Inside::default();
            continue;
        }
        begin.get_or_insert(piece.start);
        end = piece.start + piece.text.len();
    }
    statements.extend(begin.map(|begin| statement(sql, begin, end)));
    statements
}

fn statement(sql: &str, begin: usize, end: usize) -> Statement {
    Statement { line: line(sql, begin), text: sql[begin..end].to_owned() }
}

/// The line on which the byte `at` of `sql` stands.
pub(super) fn line(sql: &str, at: usize) -> usize {
    sql[..at].matches('\n').count() + 1
}

/// What is known of the statement that is being read.
#[derive(Default)]
struct Inside {
    head: Head,
    /// Parentheses that are open.
    parentheses: usize,
    /// `BEGIN ATOMIC` and `CASE` that are open.
    blocks: usize,
    /// The last two words or signs.
    last: [Last; 2],
}

/// How far the beginning of a statement is that of one with a body in it.
#[derive(Default, Clone, Copy, PartialEq)]
enum Head {
    #[default]
    Empty,
    Create,
    HasBody,
    Other,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Last {
    Semicolon,
    Begin,
    End,
    #[default]
    Other,
}

impl Inside {
    /// Takes one more piece, and says whether it ends the statement. The body of a function in SQL
    /// (`BEGIN ATOMIC … END`) and the commands of a rule (in parentheses) have semicolons in them.
    fn postgres(&mut self, piece: Piece<'_>) -> bool {
        self.read_head(piece, &["function", "procedure"], &["or", "replace"]);
        match piece.kind {
            Kind::Open => self.parentheses += 1,
            Kind::Close => self.parentheses = self.parentheses.saturating_sub(1),
            Kind::Semicolon => return self.parentheses == 0 && self.blocks == 0,
            Kind::Word if self.head == Head::HasBody => self.read_block(piece),
            _ => {}
        }
        self.remember(piece);
        false
    }

    fn read_block(&mut self, piece: Piece<'_>) {
        let opens = piece.is("atomic") && self.last[1] == Last::Begin;
        if opens || (self.blocks > 0 && piece.is("case")) {
            self.blocks += 1;
        } else if piece.is("end") {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }

    /// Takes one more piece, and says whether it ends the statement. A trigger ends where SQLite's own
    /// shell takes it to end: at `; END ;`.
    fn sqlite(&mut self, piece: Piece<'_>) -> bool {
        self.read_head(piece, &["trigger"], &["temp", "temporary"]);
        let is_body = self.head == Head::HasBody && self.last != [Last::Semicolon, Last::End];
        self.remember(piece);
        piece.kind == Kind::Semicolon && !is_body
    }

    /// Follows `CREATE`, perhaps some of `between`, and one of `bodies`.
    fn read_head(&mut self, piece: Piece<'_>, bodies: &[&str], between: &[&str]) {
        let is_one_of = |words: &[&str]| words.iter().any(|word| piece.is(word));
        self.head = match self.head {
            Head::Empty if piece.is("create") => Head::Create,
            Head::Create if is_one_of(bodies) => Head::HasBody,
            Head::Create if is_one_of(between) => Head::Create,
            Head::HasBody => Head::HasBody,
            _ => Head::Other,
        };
    }

    fn remember(&mut self, piece: Piece<'_>) {
        let last = match piece.kind {
            Kind::Semicolon => Last::Semicolon,
            _ if piece.is("begin") => Last::Begin,
            _ if piece.is("end") => Last::End,
            _ => Last::Other,
        };
        self.last = [self.last[1], last];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::db::migrate::lexer;

    fn texts(sql: &str, dialect: Dialect) -> Vec<String> {
        let pieces = lexer::pieces(sql, dialect).unwrap();
        split(sql, &pieces, dialect).into_iter().map(|statement| statement.text).collect()
    }

    const BOTH: [&str; 7] = [
        "SELECT 1",
        "INSERT INTO t VALUES ('a;b', ';')",
        "CREATE TABLE \"a;b\" (x TEXT) -- ; it's\n, y",
        "SELECT /* ; ' */ 2",
        "SELECT CASE WHEN a THEN 1 END",
        "CREATE VIEW trigger_begin AS SELECT begin FROM t",
        "ALTER TABLE t\n\n  ADD x",
    ];

    const POSTGRES: [&str; 8] = [
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$",
        "CREATE OR REPLACE FUNCTION f() RETURNS int AS $x$ SELECT '$$;'; $x$ LANGUAGE sql",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true \
         THEN 1 ELSE 2 END; END",
        "CREATE FUNCTION f(\"begin\" int DEFAULT CASE WHEN true THEN 1 END) RETURNS int RETURN 1",
        "CREATE PROCEDURE p() BEGIN ATOMIC END",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2)",
        "DO $$ BEGIN PERFORM 1; END $$",
        r"SELECT E'\';'",
    ];

    const SQLITE: [&str; 4] = [
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET x = 1; DELETE FROM t; END",
        "CREATE TEMP TRIGGER r AFTER INSERT ON t FOR EACH ROW WHEN CASE WHEN 1 THEN 1 END BEGIN \
         UPDATE t SET end = CASE WHEN NEW.end THEN 1 ELSE 2 END; END",
        "CREATE TRIGGER r AFTER DELETE ON t BEGIN SELECT 1; /* ; */ END",
        "SELECT [a;b], `c;d`",
    ];

    #[test]
    fn a_statement_is_not_cut_inside() {
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            let own: &[&str] = if dialect == Dialect::Postgres { &POSTGRES } else { &SQLITE };
            for statement in BOTH.iter().chain(own) {
                assert_eq!(texts(statement, dialect), [*statement], "{dialect}");
                assert_eq!(texts(&format!("{statement};"), dialect), [*statement], "{dialect}");
            }
        }
    }

    #[test]
    fn comments_and_empty_statements_are_left_out() {
        let sql = "-- a;\n;; /* b */ SELECT 1 /* c */ ; -- d\n;\n";

        assert_eq!(texts(sql, Dialect::Postgres), ["SELECT 1"]);
        assert_eq!(texts("-- nothing\n", Dialect::Sqlite), [""; 0]);
    }

    #[test]
    fn a_statement_knows_its_line() {
        let sql = "-- a\n\nSELECT 1;\nSELECT\n2; SELECT 3";
        let pieces = lexer::pieces(sql, Dialect::Postgres).unwrap();

        let lines: Vec<_> =
            split(sql, &pieces, Dialect::Postgres).iter().map(|statement| statement.line).collect();

        assert_eq!(lines, [3, 4, 5]);
    }

    fn any_of(own: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
        let all: Vec<_> = BOTH.iter().chain(own).copied().collect();
        prop::collection::vec(prop::sample::select(all), 0..8)
    }

    proptest! {
        #[test]
        fn statements_in_a_row_come_out_as_they_went_in(
            postgres in any_of(&POSTGRES),
            sqlite in any_of(&SQLITE),
            between in "[ \n]*(-- ;'\n|/\\* ;' \\*/)?",
        ) {
            for (statements, dialect) in [(postgres, Dialect::Postgres), (sqlite, Dialect::Sqlite)] {
                let sql = statements.join(&format!("{between};{between}"));
                prop_assert_eq!(texts(&sql, dialect), statements);
            }
        }
    }
}
