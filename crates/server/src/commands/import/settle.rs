//! Definitions of the original applied, and its clients with them: what is wrong with one keeps no other out.

use serde_json::Map;
use serde_json::Value;

use super::BY;
use super::clients;
use super::report::Report;
use crate::app::App;
use crate::commands::Failure;
use crate::commands::definitions::Batch;
use crate::commands::definitions::End;
use crate::commands::definitions::Outcome;
use crate::definitions::FileSet;
use crate::definitions::files::Fault;
use crate::definitions::files::Filed;
use crate::oauth::TakenOver;

/// Each time something goes, so that it comes to an end; beyond this it does not come to one.
const ROUNDS: usize = 100;

/// What is wrong with an item of a list, or a member, and is mended by taking it away.
const MENDABLE: [&str; 5] =
    ["cycle", "unknown_agent", "unknown_model", "unknown_tool", "unknown_workflow"];
/// The members of which something may be taken away. What callers must hold (`scopes`) is none of them: without it
/// more of them would be let in.
const LISTS: [&str; 3] = ["agents", "tools", "workflows"];
const MEMBERS: [&str; 2] = ["embedding_model", "model"];

/// Writes `made`, without what is wrong in it, and says what that was; and `taken` in the same transaction.
pub async fn apply(
    app: &App,
    mut made: Vec<Filed>,
    taken: &[TakenOver],
    is_dry: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    let end = if is_dry { End::Undo } else { End::Commit };
    for _ in 0..ROUNDS {
        let set = FileSet { name: None, paths: &[], prune: false };
        let batch = Batch { files: &made, set, deletes_documents: false, by: BY };
        let along = batch.run_along(app, end, async |tx| {
            clients::insert(tx, app, taken).await?;
            Ok::<_, Failure>(())
        });
        match along.await? {
            Outcome::Planned(_, notes) => {
                say(&notes, report);
                return Ok(());
            }
            Outcome::Refused(faults, _) => mend(&mut made, faults, report),
        }
    }
    Err("the definitions of the original do not fit together".into())
}

/// What keeps a definition from being used until the server is set up for it.
fn say(notes: &[Fault], report: &mut Report) {
    for note in notes {
        if let (Some(kind), Some(name)) = (note.kind, &note.name) {
            report.note(kind, name, format!("cannot be used yet: {}", note.what.detail));
        }
    }
}

fn mend(made: &mut Vec<Filed>, mut faults: Vec<Fault>, report: &mut Report) {
    // Items from the end of their lists on, so that those before keep their places.
    faults.reverse();
    let mut has_circle = false;
    for fault in faults {
        // A circle is found wherever it goes through, and it is enough to open it once.
        let is_circle = fault.what.code == "cycle";
        if is_circle && std::mem::replace(&mut has_circle, true) {
            continue;
        }
        let found = made
            .iter()
            .position(|it| Some(it.kind) == fault.kind && Some(&it.name) == fault.name.as_ref());
        let Some(index) = found else { continue };
        let filed = &mut made[index];
        let (kind, name, detail) = (filed.kind, filed.name.clone(), &fault.what.detail);
        let is_mendable = MENDABLE.contains(&fault.what.code.as_ref());
        let gone = is_mendable.then(|| take_away(&mut filed.members, &fault.what.pointer));
        if let Some(gone) = gone.flatten() {
            report.note(kind, &name, format!("without {gone}: {detail}"));
        } else {
            made.remove(index);
            report.leave_out(kind, &name, format!("{}: {detail}", fault.what.pointer));
        }
    }
}

/// Takes away what `pointer` leads to, if it is an item of a list or a member that may be missing.
fn take_away(members: &mut Map<String, Value>, pointer: &str) -> Option<Value> {
    let mut steps = pointer.trim_start_matches("/spec/").split('/');
    let (member, index) = (steps.next()?, steps.next());
    let Some(index) = index else {
        return MEMBERS.contains(&member).then(|| members.remove(member)).flatten();
    };
    let list = members.get_mut(member)?.as_array_mut()?;
    let index = index.parse().ok().filter(|index| *index < list.len())?;
    LISTS.contains(&member).then(|| list.remove(index))
}
