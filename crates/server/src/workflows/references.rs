//! Whether what a workflow refers to is there, and for its author to use.

use engine::Effect;
use engine::Reference;
use engine::ReferenceKind;

use crate::definitions;
use crate::definitions::Author;
use crate::definitions::Broken;
use crate::definitions::unknown_at;
use crate::http::Invalid;
use crate::tools::Node;
use crate::workflows::Around;
use crate::workflows::WorkflowContent;

/// Follows all references of `content`.
pub fn follow(content: &WorkflowContent, around: &Around) -> Broken {
    let mut broken = Broken::default();
    for reference in of(content) {
        let Reference { kind, name, pointer, .. } = &reference;
        let (is_known, code) = match kind {
            ReferenceKind::Agent => (around.view.find_by_name(name).is_some(), "unknown_agent"),
            ReferenceKind::Tool => (around.view.view.find_by_name(name).is_some(), "unknown_tool"),
            ReferenceKind::Workflow => {
                let is_itself = name.eq_ignore_ascii_case(&content.name);
                (is_itself || around.find_by_name(name).is_some(), "unknown_workflow")
            }
        };
        if !is_known {
            broken.unknown.push(unknown_at(pointer.clone(), code, name));
        }
        broken.unknown.extend(repeated_effect(&reference, around));
    }
    broken
}

/// A call that has effects is never made again, so an entry that makes it is not begun again either.
fn repeated_effect(reference: &Reference, around: &Around) -> Option<Invalid> {
    if reference.kind != ReferenceKind::Tool || reference.retries == 0 {
        return None;
    }
    let tool = around.view.view.find_by_name(&reference.name)?;
    let place = reference.pointer.strip_suffix("/tool")?;
    let detail = "must be 0: a call that has effects is never made again";
    (tool.content.effect == Effect::Effect)
        .then(|| Invalid::new(format!("{place}/retry/max"), "out_of_range", detail))
}

/// The agents, tools and workflows in `content` that its author may not use himself.
pub fn beyond_rights(
    author: Author<'_>,
    content: &WorkflowContent,
    around: &Around,
) -> Vec<Invalid> {
    let beyond = |Reference { kind, name, pointer, .. }: Reference| {
        let scopes = match kind {
            ReferenceKind::Agent => &around.view.find_by_name(&name)?.content.scopes,
            ReferenceKind::Tool => &around.view.view.find_by_name(&name)?.content.scopes,
            ReferenceKind::Workflow => &around.find_by_name(&name)?.content.scopes,
        };
        definitions::beyond_rights(author, scopes, pointer)
    };
    of(content).into_iter().filter_map(beyond).collect()
}

/// The entries of `content` through which it would, directly or not, run itself.
pub fn cycles(content: &WorkflowContent, around: &Around) -> Vec<Invalid> {
    let own = Node::workflow(&content.name);
    let circle = |Reference { kind, name, pointer, .. }: Reference| {
        let is_circle = around.view.view.would_wait(Node::of(kind, &name), &own);
        let detail = format!("`{name}` would run `{}` in turn, which waits for it", content.name);
        is_circle.then(|| Invalid::new(pointer, "cycle", detail))
    };
    of(content).into_iter().filter_map(circle).collect()
}

/// None of one that is not valid: that is told of first.
fn of(content: &WorkflowContent) -> Vec<Reference> {
    content.parse().map(|workflow| workflow.references()).unwrap_or_default()
}
