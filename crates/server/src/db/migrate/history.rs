//! What was applied, compared with what there is.

use std::collections::BTreeMap;
use std::fmt;

use crate::db::At;
use crate::db::migrate::file::Migration;

/// A row of `schema_migrations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub id: String,
    pub executed_at: At,
    pub checksum: String,
    pub down_checksum: String,
    pub is_contract: bool,
    pub duration_ms: i64,
    /// The version of the program that applied it.
    pub app_version: String,
}

/// A migration that has a file, or was applied, or both.
#[derive(Debug)]
pub struct Entry<'a> {
    pub id: &'a str,
    pub file: Option<&'a Migration>,
    pub applied: Option<&'a Applied>,
    pub state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Applied,
    Pending,
    /// It is later than all that this program knows: a newer one applied it.
    Ahead,
    /// A newer program applied it, and said that older ones must not run after it.
    AheadContract,
    /// It was not applied, but later ones were.
    OutOfOrder,
    /// It was applied, and its file is gone.
    Missing,
    UpEdited,
    DownEdited,
    ContractEdited,
}

/// Every migration, in order.
#[derive(Debug)]
pub struct History<'a>(pub Vec<Entry<'a>>);

impl<'a> History<'a> {
    pub fn new(files: &'a [Migration], applied: &'a [Applied]) -> Self {
        let mut entries: BTreeMap<&str, (Option<&Migration>, Option<&Applied>)> = BTreeMap::new();
        for file in files {
            entries.entry(&file.id).or_default().0 = Some(file);
        }
        for row in applied {
            entries.entry(&row.id).or_default().1 = Some(row);
        }
        let last_file = files.last().map_or("", |file| &file.id);
        let last_applied = applied.iter().map(|row| row.id.as_str()).max().unwrap_or("");
        let entry =
            |(id, (file, applied)): (&'a str, (Option<&'a Migration>, Option<&'a Applied>))| {
                let state = match (file, applied) {
                    (Some(file), Some(applied)) => compare(file, applied),
                    (None, Some(applied)) if id > last_file && applied.is_contract => {
                        State::AheadContract
                    }
                    (None, _) if id > last_file => State::Ahead,
                    (None, _) => State::Missing,
                    (Some(_), None) if id < last_applied => State::OutOfOrder,
                    (Some(_), None) => State::Pending,
                };
                Entry { id, file, applied, state }
            };
        Self(entries.into_iter().map(entry).collect())
    }

    /// What is pending, in the order in which it is applied, up to and with `to`.
    pub fn pending(&self, to: Option<&'a str>) -> impl Iterator<Item = &'a Migration> + '_ {
        let wanted = move |entry: &&Entry<'_>| {
            entry.state == State::Pending && to.is_none_or(|to| entry.id <= to)
        };
        self.0.iter().filter(wanted).filter_map(|entry| entry.file)
    }

    /// What was applied, last first.
    pub fn applied(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.0.iter().rev().filter(|entry| entry.applied.is_some())
    }

    /// Everything that is not as it should be.
    pub fn faults(&self) -> impl Iterator<Item = Fault> + '_ {
        self.0.iter().filter(|entry| entry.state.is_fault()).map(Entry::fault)
    }
}

fn compare(file: &Migration, applied: &Applied) -> State {
    if file.up.checksum != applied.checksum {
        State::UpEdited
    } else if file.down.checksum != applied.down_checksum {
        State::DownEdited
    } else if file.is_contract != applied.is_contract {
        State::ContractEdited
    } else {
        State::Applied
    }
}

impl State {
    fn is_fault(self) -> bool {
        !matches!(self, Self::Applied | Self::Pending | Self::Ahead | Self::AheadContract)
    }

    /// Whether migrations must not be applied on top. An edited way back does not matter there.
    pub fn blocks_up(self) -> bool {
        self.is_fault() && self != Self::DownEdited
    }
}

impl Entry<'_> {
    pub fn fault(&self) -> Fault {
        Fault { id: self.id.to_owned(), state: self.state }
    }
}

/// A migration that is not as it should be, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub id: String,
    pub state: State,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.state {
            State::Applied => "was applied",
            State::Pending => "was not applied yet",
            State::Ahead => "was applied by a newer version",
            State::AheadContract => {
                "was applied by a newer version, and older ones must not run after it"
            }
            State::OutOfOrder => {
                "was not applied, but later ones were; give it a name with a later time"
            }
            State::Missing => "was applied, but its file is missing; bring the file back",
            State::UpEdited => {
                "was edited after it was applied; undo the edit and write a new migration"
            }
            State::DownEdited => "had its DOWN section edited after it was applied",
            State::ContractEdited => "got or lost its mark `-- contract` after it was applied",
        };
        write!(f, "`{}` {what}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Dialect;

    fn file(id: &str) -> Migration {
        Migration::parse(id, "-- UP\nSELECT 1;\n-- DOWN\nSELECT 2;\n", Dialect::Sqlite).unwrap()
    }

    fn applied(file: &Migration) -> Applied {
        Applied {
            id: file.id.clone(),
            executed_at: "2026-11-25T10:00:00Z".parse().unwrap(),
            checksum: file.up.checksum.clone(),
            down_checksum: file.down.checksum.clone(),
            is_contract: file.is_contract,
            duration_ms: 1,
            app_version: "0.1.0".to_owned(),
        }
    }

    fn states(files: &[Migration], applied: &[Applied]) -> Vec<State> {
        History::new(files, applied).0.iter().map(|entry| entry.state).collect()
    }

    #[test]
    fn later_files_are_pending_up_to_the_wanted_one() {
        let files = ["1_a", "2_b", "3_c"].map(file);
        let applied = [applied(&files[0])];
        let history = History::new(&files, &applied);

        let ids = |to| history.pending(to).map(|it| it.id.as_str()).collect::<Vec<_>>();

        assert_eq!(ids(None), ["2_b", "3_c"]);
        assert_eq!(ids(Some("2_b")), ["2_b"]);
        assert_eq!(history.faults().count(), 0);
    }

    #[test]
    fn an_older_file_that_was_not_applied_is_out_of_order() {
        let files = ["1_a", "2_b"].map(file);

        assert_eq!(states(&files, &[applied(&files[1])]), [State::OutOfOrder, State::Applied]);
    }

    #[test]
    fn a_newer_database_is_no_fault_unless_it_says_so() {
        let files = ["1_a"].map(file);
        let mut newer = file("2_b");
        let both = |newer: &Migration| [applied(&files[0]), applied(newer)];

        assert_eq!(states(&files, &both(&newer)), [State::Applied, State::Ahead]);
        newer.is_contract = true;
        assert_eq!(states(&files, &both(&newer)), [State::Applied, State::AheadContract]);
    }

    #[test]
    fn a_file_that_vanished_from_the_middle_is_missing() {
        let files = ["1_a", "3_c"].map(file);
        let rows = ["1_a", "2_b", "3_c"].map(file);

        assert_eq!(
            states(&files, &rows.each_ref().map(applied)),
            [State::Applied, State::Missing, State::Applied]
        );
    }

    #[test]
    fn each_kind_of_edit_is_told_apart() {
        for (edit, expected) in [
            ((|row| row.checksum.clear()) as fn(&mut Applied), State::UpEdited),
            (|row| row.down_checksum.clear(), State::DownEdited),
            (|row| row.is_contract = true, State::ContractEdited),
        ] {
            let files = ["1_a"].map(file);
            let mut row = applied(&files[0]);
            edit(&mut row);

            assert_eq!(states(&files, &[row]), [expected]);
        }
    }
}
