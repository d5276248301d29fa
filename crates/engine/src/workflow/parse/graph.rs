//! In which order the entries of a list are executed.

use super::super::definition::Action;
use super::super::definition::List;
use crate::fault::Fault;

/// Says of each entry what it comes after. `named` are the ids that each depends on; if none says so, each comes
/// after the one before.
pub(super) fn connect(list: &mut List, named: &[Option<Vec<String>>], faults: &mut Vec<Fault>) {
    if named.iter().all(Option::is_none) {
        for (position, entry) in list.entries.iter_mut().enumerate().skip(1) {
            entry.after = vec![position - 1];
        }
    } else {
        for (position, ids) in named.iter().enumerate() {
            for (index, id) in ids.iter().flatten().enumerate() {
                depend(list, position, index, id, faults);
            }
        }
    }
    let mut is_last = vec![true; list.entries.len()];
    list.entries.iter().flat_map(|it| &it.after).for_each(|before| is_last[*before] = false);
    list.last = (0..is_last.len()).filter(|position| is_last[*position]).collect();
    circles(list, faults);
    unreachable(list, faults);
}

fn depend(list: &mut List, position: usize, index: usize, id: &str, faults: &mut Vec<Fault>) {
    let place = format!("{}/depends_on/{index}", list.entries[position].at);
    match list.entries.iter().position(|it| it.id == id && !id.is_empty()) {
        Some(other) => list.entries[position].after.push(other),
        None if id.is_empty() => {}
        None => {
            let detail = format!("no entry of the same list has the id `{id}`");
            faults.push(Fault::new(place, "unknown_step", detail));
        }
    }
}

/// The entries that come before the one at `position`, directly or not.
pub(in crate::workflow) fn all_before(list: &List, position: usize) -> Vec<usize> {
    let mut is_found = vec![false; list.entries.len()];
    let mut ahead = list.entries[position].after.clone();
    while let Some(next) = ahead.pop() {
        if !std::mem::replace(&mut is_found[next], true) {
            ahead.extend(&list.entries[next].after);
        }
    }
    (0..is_found.len()).filter(|it| is_found[*it]).collect()
}

fn circles(list: &List, faults: &mut Vec<Fault>) {
    for (position, entry) in list.entries.iter().enumerate() {
        if all_before(list, position).contains(&position) {
            let detail = format!("`{}` would wait for itself", entry.id);
            faults.push(Fault::new(format!("{}/depends_on", entry.at), "cycle", detail));
        }
    }
}

/// What comes after an entry that always fails is never executed.
fn unreachable(list: &List, faults: &mut Vec<Fault>) {
    for (position, entry) in list.entries.iter().enumerate() {
        let before = all_before(list, position);
        let fails = |it: &&usize| matches!(list.entries[**it].action, Action::Fail { .. });
        if let Some(failing) = before.iter().find(fails) {
            let detail = format!("never executed: `{}` always fails", list.entries[*failing].id);
            faults.push(Fault::new(&entry.at, "unreachable", detail));
        }
    }
}
