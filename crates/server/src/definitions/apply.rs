//! Making definitions what files say: planned, written, judged and remembered, each for one kind.
//!
//! Whoever puts these together does all of it for all kinds in one transaction, first the plans, then the rest; so what
//! files name may stand in any order, and a plan that is only to be seen is undone.

mod carry_out;
mod plan;

use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Content;
use crate::definitions::DefinitionError;
use crate::definitions::Definitions;
use crate::definitions::Document;
use crate::definitions::Kind;
use crate::definitions::Normalised;
use crate::definitions::files::Filed;
use crate::definitions::save::take_read_only;
use crate::definitions::store;
use crate::definitions::store::Applied;
use crate::definitions::store::UnreadableRow;
use crate::http::Invalid;

/// What becomes of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Create,
    Update,
    Delete,
    /// It is what the file says already.
    Keep,
}

/// What applying files means for one definition.
#[derive(Debug, Clone)]
pub struct Planned {
    pub action: Action,
    pub kind: &'static str,
    pub name: String,
    pub id: Id,
    /// The file that says it, or the one that it was applied from.
    pub file: String,
    /// Its version now.
    pub version: Option<i64>,
    /// What it says now, and what it is to say: members, `is_active` among them.
    pub before: Option<Map<String, Value>>,
    pub after: Option<Map<String, Value>>,
    /// What somebody did to it since it was applied.
    pub drift: Option<Drift>,
    /// The other files that it was applied from, if so.
    pub taken_from: Option<String>,
    /// What was said of it when it was last applied.
    applied: Option<Applied>,
}

/// That a definition is not any more what was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    pub applied_version: i64,
    pub applied_at: At,
    /// The version that it is at; `null` if it was changed in SQL and nobody has read it since.
    pub version: Option<i64>,
    /// Who made that version, as far as it is known.
    pub changed_by: Option<String>,
    pub changed_at: Option<At>,
}

/// What there is of a kind beside what is planned.
#[derive(Debug, Default)]
pub struct Plan {
    pub all: Vec<Planned>,
    /// The names of those that are in no file now, and were in one of these files.
    pub orphans: Vec<(&'static str, String)>,
    /// The names of those of the set that were applied from other files than these; they stay.
    pub elsewhere: Vec<(&'static str, String)>,
    /// The names of those that no file has ever had.
    pub others: Vec<(&'static str, String)>,
}

/// Members in the order in which files have them.
pub type OrderedMembers = Vec<(String, Value)>;

/// All rows of a kind as files say them.
#[derive(Debug)]
pub struct AllFiled {
    /// By their names.
    pub filed: Vec<(String, OrderedMembers)>,
    pub unreadable: Vec<UnreadableRow>,
}

/// Which files they are, and whether what they have no more goes away.
#[derive(Debug, Clone, Copy)]
pub struct FileSet<'s> {
    /// `None`: it is not remembered that they were applied.
    pub name: Option<&'s str>,
    /// The files and folders that are looked at, which may be a part of the set.
    pub paths: &'s [PathBuf],
    pub prune: bool,
}

/// What is wrong with files, each with the number of the file's definition.
#[derive(Debug, Default)]
pub struct Judged {
    pub faults: Vec<(usize, Invalid)>,
    /// What is not wrong with a file, but keeps the definition from being used.
    pub notes: Vec<(usize, Invalid)>,
    /// What others name and would be gone.
    pub in_use: Vec<(&'static str, String, DefinitionError)>,
}

impl<K: Kind> Definitions<K> {
    /// The kind as files call it.
    pub fn filed_as(&self) -> &'static str {
        K::NAME
    }

    /// What is wrong with members that take a while to be looked at, of each definition of this kind in `files`.
    pub async fn examine_files(&self, tenant: &TenantId, files: &[Filed]) -> Vec<(usize, Invalid)> {
        let mut faults = Vec::new();
        for (index, file) in of_kind::<K>(files) {
            let found = self.kind().examine(tenant, &file.members).await;
            faults.extend(found.into_iter().map(|fault| (index, fault)));
        }
        faults
    }

    /// All rows of this kind as files say them: what is usual is left out.
    pub async fn list_filed(&self, tenant: &TenantId) -> Result<AllFiled, DefinitionError> {
        let rows = self.db().read(async |conn| store::list::<K>(conn, tenant).await).await?;
        let (mut filed, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            let row = match row {
                Ok(row) => row,
                Err(row) => {
                    unreadable.push(row);
                    continue;
                }
            };
            let normal = row.normalise(self.kind());
            let mut document = members(&normal, row.is_active);
            let order = K::TABLE.columns.iter().map(|(column, _)| *column);
            let ordered = order.chain(["is_active"]).filter_map(|column| {
                let value = document.remove(column)?;
                let is_said = column != "name" && !(column == "is_active" && value == true);
                is_said.then(|| (column.to_owned(), value))
            });
            filed.push((normal.content.name().to_owned(), ordered.collect()));
        }
        filed.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        Ok(AllFiled { filed, unreadable })
    }

    /// What a file says, and which members of it nobody sets.
    fn wanted(&self, file: &Filed) -> (Normalised<K>, Vec<Invalid>) {
        let mut body = file.members.clone();
        let faults = take_read_only(&mut body, &Map::new());
        (self.kind().understand(Document::new(body), Vec::new()), faults)
    }
}

impl FileSet<'_> {
    fn is(self, name: &str) -> bool {
        self.name == Some(name)
    }

    /// Whether `file` is one of these, or in one of these folders, whether it is still there or not. What is hidden is
    /// in no folder: it is only taken when it is named.
    fn has(self, file: &str) -> bool {
        let file = plain(Path::new(file));
        let has = |path: &Path| {
            let rest = file.strip_prefix(plain(path));
            let is_in = rest.is_ok_and(|rest| rest.components().all(is_visible));
            is_in && file.is_absolute() == path.is_absolute()
        };
        self.paths.iter().any(|path| has(path))
    }
}

/// `./a` as `a`.
fn plain(path: &Path) -> &Path {
    path.strip_prefix(".").unwrap_or(path)
}

/// `..` is in no folder, either.
fn is_visible(part: Component<'_>) -> bool {
    !part.as_os_str().as_encoded_bytes().starts_with(b".")
}

impl Plan {
    pub fn changes_something(&self) -> bool {
        self.all.iter().any(|it| it.action != Action::Keep)
    }

    fn of_kind<K: Kind>(&self) -> impl Iterator<Item = &Planned> {
        self.all.iter().filter(|it| it.kind == K::NAME)
    }
}

/// The definitions of a kind in `files`, with their numbers among all.
fn of_kind<K: Kind>(files: &[Filed]) -> impl Iterator<Item = (usize, &Filed)> {
    files.iter().enumerate().filter(|(_, file)| file.kind == K::NAME)
}

/// All that is said of a definition; a row has beside its content whether it is active.
fn members<K: Kind>(normal: &Normalised<K>, is_active: bool) -> Map<String, Value> {
    let mut members = normal.document.members().clone();
    members.insert("is_active".to_owned(), is_active.into());
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_the_files_of_its_paths() {
        let has = |path: &str, file: &str| {
            FileSet { name: None, paths: &[path.into()], prune: true }.has(file)
        };
        for (path, file) in [
            ("definitions", "definitions/a/b.yaml"),
            ("./definitions/", "definitions/b.yaml"),
            ("definitions/b.yaml", "definitions/b.yaml"),
            (".", "definitions/b.yaml"),
            ("..", "../b.yaml"),
            ("/srv/definitions", "/srv/definitions/b.yaml"),
            (".hidden.yaml", ".hidden.yaml"),
        ] {
            assert!(has(path, file), "{path} {file}");
        }
        for (path, file) in [
            ("definitions/a", "definitions/ab/c.yaml"),
            ("definitions/a.yaml", "definitions/b.yaml"),
            ("definitions", "/srv/definitions/b.yaml"),
            (".", "/srv/b.yaml"),
            (".", "../b.yaml"),
            (".", ".hidden.yaml"),
        ] {
            assert!(!has(path, file), "{path} {file}");
        }
    }
}
