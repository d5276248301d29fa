//! `agent-server export`: the definitions of the server as files.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;

use super::FOLDER;
use super::batch::each_kind;
use super::batch::kinds;
use super::open;
use crate::app::App;
use crate::code::Builder;
use crate::commands::Failure;
use crate::commands::terminal;
use crate::config::Environment;
use crate::db::TenantId;
use crate::definitions::files::write;

pub const EXPORT_HELP: &str = "\
Each definition is a file <FOLDER>/<kind>s/<name>.yaml with what it says that is not usual anyway: no ids, no
times, no versions, and of secrets the names. The same definitions always give the same bytes. Files of other
definitions stay as they are. What cannot be written hides no other: a row that cannot be read, and one whose
name, written in SQL, would make the file of another.

The command ends with
  0  all is written    1  it failed, or something could not be written, as the lines say

Examples:
  agent-server export
  agent-server export backup/ --only tool --only agent/support
  agent-server export --stdout --only agent/support";

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Where the files are written
    #[arg(value_name = "FOLDER", default_value = FOLDER)]
    folder: PathBuf,
    /// What to write, as KIND or KIND/NAME; may be given more than once
    #[arg(long, value_name = "WHAT")]
    only: Vec<String>,
    /// Write all to standard output instead
    #[arg(long)]
    stdout: bool,
}

/// A definition as it is written.
struct Written {
    kind: &'static str,
    name: String,
    text: String,
}

/// One that is not.
struct Missed {
    kind: &'static str,
    /// If it can be read.
    name: Option<String>,
    why: String,
}

pub async fn export(args: ExportArgs, env: &Environment, server: Builder) -> Result<(), Failure> {
    let app = open(env, server).await?;
    let only = args.only.iter().map(|it| asked(it, &kinds(&app))).collect::<Result<Vec<_>, _>>()?;
    let (mut all, mut missed) = definitions(&app).await?;
    app.db.close().await;
    if !args.stdout {
        missed.extend(take_doubles(&mut all));
    }
    for asked in &only {
        let is_here = all.iter().any(|it| asked.means(it.kind, Some(&it.name)));
        if !is_here && !missed.iter().any(|it| asked.means(it.kind, it.name.as_deref())) {
            return Err(format!("there is no `{}`", asked.0).into());
        }
    }
    let is_asked = |kind: &str, name: Option<&str>| {
        only.is_empty() || only.iter().any(|asked| asked.means(kind, name))
    };
    all.retain(|it| is_asked(it.kind, Some(&it.name)));
    missed.retain(|it| is_asked(it.kind, it.name.as_deref()));
    if args.stdout {
        let texts: Vec<_> = all.into_iter().map(|it| it.text).collect();
        terminal::text(texts.join("---\n"));
    } else {
        write_files(&all, &args.folder)?;
    }
    say(&missed)
}

/// Says what could not be written, which is a failure.
fn say(missed: &[Missed]) -> Result<(), Failure> {
    for Missed { kind, name, why } in missed {
        let name = terminal::harmless(name.as_deref().unwrap_or("?"));
        terminal::aside(format!("{kind} {name}: {why}"));
    }
    if missed.is_empty() {
        return Ok(());
    }
    Err(format!("{} not written, all others are", missed.len()).into())
}

async fn definitions(app: &App) -> Result<(Vec<Written>, Vec<Missed>), Failure> {
    let (tenant, mut all, mut missed) = (TenantId::default(), Vec::new(), Vec::new());
    each_kind!(app, it => {
        let kind = it.filed_as();
        let found = it.list_filed(&tenant).await?;
        for (name, members) in found.filed {
            let text = write(kind, &name, &members);
            all.push(Written { kind, name, text });
        }
        for row in found.unreadable {
            let why = format!("its row cannot be read: {}", row.why);
            missed.push(Missed { kind, name: row.name, why });
        }
    });
    Ok((all, missed))
}

/// Takes out those whose files would be those of others; the one that a file is named after keeps it.
fn take_doubles(all: &mut Vec<Written>) -> Vec<Missed> {
    // There are file systems to which `A` and `a` are one name.
    let file = |it: &Written| (it.kind, it.stem().to_ascii_lowercase());
    let mut counts = HashMap::new();
    for it in all.iter() {
        *counts.entry(file(it)).or_insert(0) += 1;
    }
    let is_double = |it: &Written| it.stem() != it.name && counts[&file(it)] > 1;
    let (doubles, own): (Vec<_>, Vec<_>) = std::mem::take(all).into_iter().partition(is_double);
    *all = own;
    let missed = doubles.into_iter().map(|it| {
        let why = format!("`{}.yaml` would be the file of another, too", it.stem());
        Missed { kind: it.kind, name: Some(it.name), why }
    });
    missed.collect()
}

fn write_files(all: &[Written], folder: &Path) -> Result<(), Failure> {
    let mut changed = 0;
    for definition in all {
        let path = definition.path(folder);
        if is_written(&path, &definition.text)? {
            changed += 1;
            terminal::line(path.display());
        }
    }
    terminal::aside(format!("{changed} written, {} as they were", all.len() - changed));
    Ok(())
}

/// Writes a file unless it says the same already.
fn is_written(path: &Path, text: &str) -> Result<bool, Failure> {
    let fault = |error| format!("cannot write {}: {error}", path.display());
    match fs::read(path) {
        Ok(known) if known == text.as_bytes() => return Ok(false),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(fault(error).into()),
        _ => {}
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fault)?;
    }
    fs::write(path, text).map_err(fault)?;
    Ok(true)
}

impl Written {
    fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}s", self.kind)).join(format!("{}.yaml", self.stem()))
    }

    /// Names have letters, digits, `_` and `-` only, so each makes the name of a file. A row that was written in SQL may
    /// have another.
    fn stem(&self) -> String {
        let is_plain = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
        self.name.chars().map(|it| if is_plain(it) { it } else { '_' }).collect()
    }
}

/// What was asked for.
struct Asked(String);

fn asked(text: &str, kinds: &[&str]) -> Result<Asked, Failure> {
    let kind = text.split('/').next().unwrap_or_default();
    if kinds.contains(&kind) {
        return Ok(Asked(text.to_owned()));
    }
    Err(format!("there is no kind `{kind}`; there are {}", kinds.join(", ")).into())
}

impl Asked {
    /// Whether it is this; what has no name that can be read may be.
    fn means(&self, kind: &str, name: Option<&str>) -> bool {
        match self.0.split_once('/') {
            Some((asked, named)) => {
                asked == kind && name.is_none_or(|it| it.eq_ignore_ascii_case(named))
            }
            None => self.0 == kind,
        }
    }
}
