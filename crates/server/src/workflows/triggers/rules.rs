//! What may be wrong with triggers.

use std::collections::BTreeSet;

use engine::Schedule;

use super::Signature;
use super::Trigger;
use crate::definitions::Author;
use crate::definitions::Broken;
use crate::definitions::Kind;
use crate::definitions::Snapshot;
use crate::definitions::beyond_rights;
use crate::definitions::unknown_at;
use crate::http::Invalid;
use crate::http::schema::Schema;
use crate::secrets;
use crate::workflows::Workflow;
use crate::workflows::WorkflowContent;
use crate::workflows::WorkflowKind;

/// The longest input of a schedule, in bytes of JSON.
const INPUT_BYTES: usize = 64 << 10;
/// The longest key of an event, in bytes.
const KEY_BYTES: usize = 1000;

/// What the triggers of `content` break by themselves.
pub fn broken_rules(content: &WorkflowContent) -> Vec<Invalid> {
    let mut faults = Vec::new();
    let (mut ids, mut routes, mut events) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (index, trigger) in content.triggers.iter().enumerate() {
        let mut fault = |member: &str, code, detail: &str| {
            faults.push(Invalid::new(format!("/triggers/{index}/{member}"), code, detail));
        };
        if !is_id(trigger.id()) {
            fault("id", "bad_format", "is a letter, then letters, digits, `_` and `-`");
        }
        if !ids.insert(trigger.id()) {
            fault("id", "not_unique", "another trigger has this id");
        }
        if let Some((path, method)) = trigger.route() {
            if !is_path(path) {
                let detail = "is letters, digits, `_`, `-`, `.` and `~`, the first of them a letter or a digit";
                fault("path", "bad_format", detail);
            }
            if !routes.insert((path, method.as_str())) {
                fault("path", "not_unique", "another trigger has this path and method");
            }
        }
        if let Trigger::Event { name, key, .. } = trigger {
            if !events.insert((name, key)) {
                fault("name", "not_unique", "another trigger has this name and key");
            }
            if key.as_ref().is_some_and(|key| key.len() > KEY_BYTES) {
                fault("key", "too_long", "at most 1,000 bytes");
            }
        }
        signature(trigger, &mut fault);
        faults.extend(schedule(trigger, content).into_iter().map(|it| under(index, it)));
    }
    faults
}

/// What is wrong with what the triggers of `content` refer to, and with paths that others have.
pub fn follow(content: &WorkflowContent, around: &Snapshot<WorkflowKind>, broken: &mut Broken) {
    let own = around.find_by_name(&content.name);
    for (index, trigger) in content.triggers.iter().enumerate() {
        for (member, name) in trigger.secrets() {
            if !around.view.view.view.has_secret(name) {
                let place = format!("/triggers/{index}/{member}");
                broken.unknown.push(unknown_at(place, "unknown_secret", name));
            }
        }
        let Some(route) = trigger.route() else { continue };
        let has_it = |it: &Workflow| it.content.triggers.iter().any(|it| it.route() == Some(route));
        // Of two that were written in SQL, the older one has it.
        let came_first = |other: &Workflow| {
            own.is_some_and(|own| {
                has_it(own) && (own.created_at, own.id) < (other.created_at, other.id)
            })
        };
        let mut others = around.all().filter(|it| own.is_none_or(|own| own.id != it.id));
        if let Some(other) = others.find(|it| has_it(it) && !came_first(it)) {
            let (path, method) = route;
            let detail = format!(
                "the workflow `{}` has {} /hooks/{path} already",
                other.content.name,
                method.as_str()
            );
            let place = format!("/triggers/{index}/path");
            broken.unknown.push(Invalid::new(place, "not_unique", detail));
        }
    }
}

/// What `author` may not have done for him: naming secrets, and runs that nobody else asks for.
pub fn missing_rights(author: Author<'_>, content: &WorkflowContent) -> Vec<Invalid> {
    let mut faults = Vec::new();
    for (index, trigger) in content.triggers.iter().enumerate() {
        if trigger.is_unattended() {
            let needed = content.scopes.iter().map(String::as_str).chain([WorkflowKind::EXECUTE]);
            faults.extend(beyond_rights(author, needed, format!("/triggers/{index}")));
        }
        for (member, _) in trigger.secrets() {
            let place = format!("/triggers/{index}/{member}");
            faults.extend(beyond_rights(author, [secrets::USE], place));
        }
    }
    faults
}

fn signature(trigger: &Trigger, fault: &mut impl FnMut(&str, &'static str, &str)) {
    let Trigger::Webhook { signature, secret, previous_secret, .. } = trigger else { return };
    match (signature, secret) {
        (Signature::None, Some(_)) => {
            fault("secret", "conflict", "a webhook without a signature has no secret");
        }
        (Signature::Standard | Signature::Github, None) => {
            let detail = "is required; only `\"signature\": \"none\"` needs none, and is open to everybody who knows the path";
            fault("secret", "missing_member", detail);
        }
        _ => {}
    }
    if previous_secret.is_some() && (secret.is_none() || secret == previous_secret) {
        fault("previous_secret", "conflict", "stands beside another secret");
    }
}

fn schedule(trigger: &Trigger, content: &WorkflowContent) -> Vec<Invalid> {
    let Trigger::Cron { cron, timezone, input, .. } = trigger else { return Vec::new() };
    let faults = Schedule::parse(cron, timezone).err().unwrap_or_default().into_iter();
    let mut faults: Vec<_> =
        faults.map(|it| Invalid::new(it.pointer, it.code, it.detail)).collect();
    if input.to_string().len() > INPUT_BYTES {
        let detail = "must have at most 65,536 bytes as JSON";
        faults.push(Invalid::new("/input", "too_long", detail));
    }
    // A schema that is none is told of elsewhere.
    let schema = content.input_schema.clone().and_then(|it| Schema::compile(it).ok());
    let wrong = schema.iter().flat_map(|schema| schema.check(input));
    faults.extend(wrong.map(|it| it.under("/input")));
    faults
}

fn under(index: usize, fault: Invalid) -> Invalid {
    fault.under(&format!("/triggers/{index}"))
}

fn is_id(id: &str) -> bool {
    let is_inner = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
    id.starts_with(|it: char| it.is_ascii_alphabetic()) && id.chars().all(is_inner)
}

fn is_path(path: &str) -> bool {
    let is_inner = |it: char| it.is_ascii_alphanumeric() || "_-.~".contains(it);
    path.starts_with(|it: char| it.is_ascii_alphanumeric()) && path.chars().all(is_inner)
}
