//! Whether what a workflow refers to is there, and for its author to use.

use std::collections::HashMap;

use engine::Effect;
use engine::Reference;
use engine::ReferenceKind;

use crate::db::TenantId;
use crate::definitions;
use crate::definitions::Author;
use crate::definitions::Broken;
use crate::definitions::unknown_at;
use crate::http::Invalid;
use crate::tools::Node;
use crate::workflows::Around;
use crate::workflows::CodeSteps;
use crate::workflows::WorkflowContent;

/// Follows all references of `content`; `steps` are those of the program.
pub fn follow(
    content: &WorkflowContent,
    around: &Around,
    (steps, tenant): (&CodeSteps, &TenantId),
) -> Broken {
    let mut broken = Broken::default();
    for reference in of(content) {
        let Reference { kind, name, pointer, retries, .. } = &reference;
        let (tool, code) = match kind {
            ReferenceKind::Tool => (around.view.view.find_by_name(name), "unknown_tool"),
            ReferenceKind::Step => (steps.find(tenant, name), "unknown_code_step"),
            ReferenceKind::Agent => (None, "unknown_agent"),
            ReferenceKind::Workflow => (None, "unknown_workflow"),
        };
        let is_known = match kind {
            ReferenceKind::Tool | ReferenceKind::Step => tool.is_some(),
            ReferenceKind::Agent => around.view.find_by_name(name).is_some(),
            ReferenceKind::Workflow => {
                let is_itself = name.eq_ignore_ascii_case(&content.name);
                is_itself || around.find_by_name(name).is_some()
            }
        };
        if !is_known {
            broken.unknown.push(match kind {
                ReferenceKind::Step => {
                    Invalid::new(pointer.clone(), code, steps.unknown(tenant, name))
                }
                _ => unknown_at(pointer.clone(), code, name),
            });
        }
        if tool.is_some_and(|it| it.content.effect == Effect::Effect) && *retries > 0 {
            broken.unknown.extend(repeated_effect(pointer));
        }
    }
    broken
}

/// A call that has effects is never made again, so an entry that makes it is not begun again either.
fn repeated_effect(pointer: &str) -> Option<Invalid> {
    let (entry, _) = pointer.rsplit_once('/')?;
    let detail = "must be 0: a call that has effects is never made again";
    Some(Invalid::new(format!("{entry}/retry/max"), "out_of_range", detail))
}

/// The agents, tools, workflows and steps in `content` that its author may not use himself.
pub fn beyond_rights(
    author: Author<'_>,
    content: &WorkflowContent,
    around: &Around,
    steps: &CodeSteps,
) -> Vec<Invalid> {
    let beyond = |Reference { kind, name, pointer, .. }: Reference| {
        let scopes = match kind {
            ReferenceKind::Agent => &around.view.find_by_name(&name)?.content.scopes,
            ReferenceKind::Tool => &around.view.view.find_by_name(&name)?.content.scopes,
            ReferenceKind::Workflow => &around.find_by_name(&name)?.content.scopes,
            ReferenceKind::Step => &steps.find(author.tenant, &name)?.content.scopes,
        };
        definitions::beyond_rights(author, scopes, pointer)
    };
    of(content).into_iter().filter_map(beyond).collect()
}

/// The entries of `content` through which it would, directly or not, run itself.
pub fn cycles(content: &WorkflowContent, around: &Around) -> Vec<Invalid> {
    let own = Node::workflow(&content.name);
    let mut known = HashMap::new();
    let circle = |Reference { kind, name, pointer, .. }: Reference| {
        let node = Node::of(kind, &name);
        let waits = |node: &Node| around.view.view.would_wait(node.clone(), &own);
        let is_circle = *known.entry(node).or_insert_with_key(waits);
        let detail = format!("`{name}` would run `{}` in turn, which waits for it", content.name);
        is_circle.then(|| Invalid::new(pointer, "cycle", detail))
    };
    of(content).into_iter().filter_map(circle).collect()
}

/// None of one that is not valid: that is told of first.
fn of(content: &WorkflowContent) -> Vec<Reference> {
    content.parse().map(|workflow| workflow.references()).unwrap_or_default()
}
