//! `agent-server apply` and `diff`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Files;
use super::batch::Batch;
use super::batch::End;
use super::batch::Outcome;
use super::batch::kinds;
use super::load::load;
use super::open;
use super::show;
use super::show::Tense;
use crate::app::App;
use crate::code::Builder;
use crate::commands::Failure;
use crate::commands::terminal;
use crate::config::Environment;
use crate::definitions::FileSet;
use crate::definitions::files::Fault;
use crate::definitions::files::Filed;
use crate::http::Invalid;

pub const APPLY_HELP: &str = "\
All of it is one transaction: whatever is wrong with any file is said with file and line, and nothing is
written. What files name may stand in any order. A definition that is what its file says stays as it is,
with its version. Running servers notice within half a second. The settings are those of the server.

With --prune definitions go that were applied before, from the same set, and are in no file any more. What
others name, and databases that have documents, do not, and neither does what was applied from files that are
not among the paths. Where the paths have no definitions nothing is pruned: that is an error.

The command ends with
  0  it is done; with --dry-run: there is nothing to do    1  something is wrong, as the last lines say
  2  only with --dry-run: there is something to do

Examples:
  agent-server apply
  agent-server apply definitions/ --prune
  agent-server apply agents.yaml --dry-run --json";

pub const DIFF_HELP: &str = "\
It says what `apply` would do, and what somebody has changed in the server since it was applied. Nothing is
written.

The command ends with
  0  there is nothing to do    1  something is wrong, as the last lines say    2  there is something to do

Examples:
  agent-server diff
  agent-server diff definitions/ --prune --json";

/// How whatever is done is told to the audit trail.
const BY: &str = "system:apply";

/// What there is to do.
const CHANGES: u8 = 2;

#[derive(Debug, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    pruning: Pruning,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    pruning: Pruning,
}

#[derive(Debug, Args)]
struct Pruning {
    /// Delete what was applied before from these paths and is in no file of them any more
    #[arg(long)]
    prune: bool,
    /// Let databases go with their documents
    #[arg(long, requires = "prune")]
    delete_documents: bool,
    /// Which files these are, where several folders are applied to one server
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = set_name)]
    set: String,
}

pub async fn apply(
    args: ApplyArgs,
    env: &Environment,
    server: Builder,
) -> Result<ExitCode, Failure> {
    let end = if args.dry_run { End::Undo } else { End::Commit };
    run(&args.files, &args.pruning, end, &open(env, server).await?).await
}

pub async fn diff(args: DiffArgs, env: &Environment, server: Builder) -> Result<ExitCode, Failure> {
    run(&args.files, &args.pruning, End::Undo, &open(env, server).await?).await
}

async fn run(args: &Files, pruning: &Pruning, end: End, app: &App) -> Result<ExitCode, Failure> {
    let (files, mut faults) = load(&args.paths, &kinds(app));
    if pruning.prune && files.is_empty() && faults.is_empty() {
        faults.push(nothing_read());
    }
    let paths = looked_at(&args.paths, &files);
    let outcome = if faults.is_empty() {
        let set = FileSet { name: Some(&pruning.set), paths: &paths, prune: pruning.prune };
        let deletes_documents = pruning.delete_documents;
        let batch = Batch { files: &files, set, deletes_documents, by: BY };
        batch.run(app, end).await?
    } else {
        Outcome::Refused(faults, Vec::new())
    };
    app.db.close().await;
    Ok(say(&outcome, end, args.json))
}

/// All that is in the set would be in no file any more, which is more likely a wrong path than meant.
fn nothing_read() -> Fault {
    let detail = "there are no definitions here, and --prune would delete all that ever were";
    let what = Invalid::new("", "nothing_read", detail);
    Fault { file: None, line: None, kind: None, name: None, what }
}

/// The files and folders that are meant; of a pattern the files that fit it now.
fn looked_at(paths: &[PathBuf], files: &[Filed]) -> Vec<PathBuf> {
    let named = paths.iter().filter(|path| path.exists()).cloned();
    named.chain(files.iter().map(|it| PathBuf::from(&*it.file))).collect()
}

/// Says what came of it, and how the command ends.
fn say(outcome: &Outcome, end: End, as_json: bool) -> ExitCode {
    let tense = if end == End::Commit { Tense::Done } else { Tense::Planned };
    match outcome {
        Outcome::Planned(plan, notes) => {
            if as_json {
                terminal::line(format!("{:#}", show::plan_json(plan, notes, tense)));
            } else {
                show::plan(plan, notes, tense);
            }
            let is_ahead = tense == Tense::Planned && plan.changes_something();
            if is_ahead { ExitCode::from(CHANGES) } else { ExitCode::SUCCESS }
        }
        Outcome::Refused(faults, notes) => {
            if as_json {
                terminal::line(format!("{:#}", show::faults_json(faults, notes)));
            } else {
                show::faults(faults);
            }
            terminal::aside(format!("{} wrong; nothing was written", faults.len()));
            ExitCode::FAILURE
        }
    }
}

fn set_name(text: &str) -> Result<String, String> {
    let is_name = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    if text.is_empty() || text.len() > 64 || !text.chars().all(is_name) {
        return Err("it has 1 to 64 letters, digits, `.`, `_` and `-`".to_owned());
    }
    Ok(text.to_owned())
}
