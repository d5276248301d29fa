//! `agent-server export`: the definitions of the server as files.

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
definitions stay as they are.

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

pub async fn export(args: ExportArgs, env: &Environment, server: Builder) -> Result<(), Failure> {
    let app = open(env, server).await?;
    let only = args.only.iter().map(|it| asked(it, &kinds(&app))).collect::<Result<Vec<_>, _>>()?;
    let mut all = definitions(&app).await?;
    app.db.close().await;
    all.retain(|it| only.is_empty() || only.iter().any(|asked| asked.means(it)));
    if let Some(missing) = only.iter().find(|asked| !all.iter().any(|it| asked.means(it))) {
        return Err(format!("there is no `{}`", missing.0).into());
    }
    if args.stdout {
        let texts: Vec<_> = all.into_iter().map(|it| it.text).collect();
        terminal::text(texts.join("---\n"));
        return Ok(());
    }
    let mut changed = 0;
    for definition in &all {
        let path = definition.path(&args.folder);
        if is_written(&path, &definition.text)? {
            changed += 1;
            terminal::line(path.display());
        }
    }
    terminal::aside(format!("{changed} written, {} as they were", all.len() - changed));
    Ok(())
}

async fn definitions(app: &App) -> Result<Vec<Written>, Failure> {
    let (tenant, mut all) = (TenantId::default(), Vec::new());
    each_kind!(app, it => {
        let kind = it.filed_as();
        for (name, members) in it.list_filed(&tenant).await? {
            let text = write(kind, &name, &members);
            all.push(Written { kind, name, text });
        }
    });
    Ok(all)
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
    /// Names have letters, digits, `_` and `-` only, so each makes the name of a file. A row that was written in SQL may
    /// have another.
    fn path(&self, folder: &Path) -> PathBuf {
        let is_plain = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
        let name: String =
            self.name.chars().map(|it| if is_plain(it) { it } else { '_' }).collect();
        folder.join(format!("{}s", self.kind)).join(format!("{name}.yaml"))
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
    fn means(&self, it: &Written) -> bool {
        match self.0.split_once('/') {
            Some((kind, name)) => kind == it.kind && name.eq_ignore_ascii_case(&it.name),
            None => self.0 == it.kind,
        }
    }
}
