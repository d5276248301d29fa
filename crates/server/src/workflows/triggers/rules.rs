//! What may be wrong with triggers.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::Schedule;

use super::HookMethod;
use super::Signature;
use super::Trigger;
use crate::db::Id;
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
pub const EVENT_KEY_BYTES: usize = 1000;
/// So many triggers of a tenant may be for events of one name: each of them may begin a run of the same event.
const FOR_ONE_EVENT: usize = 100;

/// What the triggers of `content` break by themselves.
pub fn broken_rules(content: &WorkflowContent) -> Vec<Invalid> {
    let mut faults = Vec::new();
    let (mut ids, mut routes, mut events) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let any = |it: &Trigger| match it {
        Trigger::Event { name, key: None, .. } => Some(name.clone()),
        _ => None,
    };
    let with_any_key: BTreeSet<String> = content.triggers.iter().filter_map(any).collect();
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
            if key.is_some() && with_any_key.contains(name) {
                fault("key", "conflict", "another trigger has this name and any key");
            }
            if key.as_ref().is_some_and(|key| key.len() > EVENT_KEY_BYTES) {
                fault("key", "too_long", "at most 1,000 bytes");
            }
        }
        signature(trigger, &mut fault);
        faults.extend(schedule(trigger, content).into_iter().map(|it| under(index, it)));
    }
    faults
}

/// What is wrong with what the triggers of `content` refer to.
pub fn follow(content: &WorkflowContent, around: &Snapshot<WorkflowKind>, broken: &mut Broken) {
    for (index, trigger) in content.triggers.iter().enumerate() {
        for (member, name) in trigger.secrets() {
            if !around.view.view.view.has_secret(name) {
                let place = format!("/triggers/{index}/{member}");
                broken.unknown.push(unknown_at(place, "unknown_secret", name));
            }
        }
    }
}

/// Paths that other workflows have, and events for which there are too many triggers. Of those that were written in SQL
/// the older ones have it.
pub fn taken(
    content: &WorkflowContent,
    own: Option<Id>,
    around: &Snapshot<WorkflowKind>,
) -> Vec<Invalid> {
    let own = own.and_then(|id| around.find_by_id(id)).map(Arc::as_ref);
    let others = Others { own, around };
    let faults = content.triggers.iter().enumerate().map(|(index, trigger)| {
        let path = trigger.route().and_then(|it| others.with_route(it, index));
        path.or_else(|| others.for_event(trigger.event()?, content, index))
    });
    faults.flatten().collect()
}

/// The workflows beside the one that is looked at, and that one as it is until now.
struct Others<'o> {
    own: Option<&'o Workflow>,
    around: &'o Snapshot<WorkflowKind>,
}

impl<'o> Others<'o> {
    fn all(&self) -> impl Iterator<Item = &'o Arc<Workflow>> {
        let own = self.own.map(|it| it.id);
        self.around.all().filter(move |it| own != Some(it.id))
    }

    fn came_later(&self, other: &Workflow) -> bool {
        self.own.is_some_and(|own| (own.created_at, own.id) < (other.created_at, other.id))
    }

    fn with_route(&self, route: (&str, HookMethod), index: usize) -> Option<Invalid> {
        let has_it = |it: &Workflow| it.content.triggers.iter().any(|it| it.route() == Some(route));
        let was_first = self.own.is_some_and(has_it);
        let other = self.all().find(|it| has_it(it) && !(was_first && self.came_later(it)))?;
        let ((path, method), name) = (route, &other.content.name);
        let detail = format!("the workflow `{name}` has {} /hooks/{path} already", method.as_str());
        Some(Invalid::new(format!("/triggers/{index}/path"), "not_unique", detail))
    }

    fn for_event(&self, name: &str, content: &WorkflowContent, index: usize) -> Option<Invalid> {
        let count = |it: &[Trigger]| it.iter().filter(|it| it.event() == Some(name)).count();
        let had = self.own.map_or(0, |own| count(&own.content.triggers));
        let is_more = count(&content.triggers) > had;
        let counted = self.all().filter(|it| is_more || !self.came_later(it));
        let others: usize = counted.map(|it| count(&it.content.triggers)).sum();
        let before = count(content.triggers.get(..index).unwrap_or_default());
        let detail = format!("{FOR_ONE_EVENT} triggers are for this event, and no more may");
        let fault = Invalid::new(format!("/triggers/{index}/name"), "too_many", detail);
        (others + before >= FOR_ONE_EVENT).then_some(fault)
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
