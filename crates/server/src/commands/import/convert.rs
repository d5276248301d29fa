//! Rows of the original as definitions of ours.

use std::collections::HashMap;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::SOURCE;
use super::original::Original;
use super::original::Row;
use super::original::has;
use super::original::is_active;
use super::original::object;
use super::original::text;
use super::original::texts;
use super::report::Fate;
use super::report::Report;
use super::scopes::Demanded;
use super::workflows;
use crate::app::App;
use crate::commands::Failure;
use crate::commands::definitions::each_kind;
use crate::db::TenantId;
use crate::definitions::Source;
use crate::definitions::check_name;
use crate::definitions::files::Filed;

/// The longest text of a description.
const DESCRIPTION: usize = 4000;

/// What the original's words for models stood for.
const MODELS: [(&str, &str); 5] = [
    ("fast", "openai/gpt-5-nano"),
    ("default", "openai/gpt-5-mini"),
    ("evaluation", "openai/gpt-5-mini"),
    ("best", "openai/gpt-5"),
    ("smartest", "openai/gpt-5"),
];

/// Columns of agents that the original kept and never used.
const UNUSED: [&str; 9] = [
    "default_generate_options",
    "default_stream_options",
    "scorers",
    "evals",
    "memory_config",
    "voice_config",
    "input_processors",
    "output_processors",
    "telemetry_enabled",
];

/// What scripts of the original could reach, and ours cannot.
const GLOBALS: [(&str, &str); 5] = [
    ("fetch(", "`ctx.fetch`, to the hosts that `config.hosts` names"),
    ("require(", "nothing: scripts are whole in themselves"),
    ("import(", "nothing: scripts are whole in themselves"),
    ("process.", "`config.secrets`, and what the input says"),
    ("Buffer", "`Uint8Array`"),
];

/// The names that things of a kind have here, by those that they had.
pub type Names = HashMap<String, String>;

/// All definitions as they are to be here, in an order in which each names only what came before, or agents.
pub async fn definitions(
    original: &Original,
    app: &App,
    report: &mut Report,
) -> Result<Vec<Filed>, Failure> {
    let mut made = Vec::new();
    let databases = names("rag_database", original.rows("rag_databases"), report);
    let tools = names("tool", original.rows("tool_definitions"), report);
    let agents = names("agent", original.rows("agent_definitions"), report);
    let workflows = names("workflow", original.rows("workflow_definitions"), report);
    let each = |table,
                names: &Names,
                kind,
                report: &mut Report,
                made: &mut Vec<Filed>,
                convert: &dyn Fn(&Row, &str, &mut Report) -> Map<String, Value>| {
        for row in original.rows(table) {
            if let Some(name) = names.get(text(row, "name")) {
                let members = convert(row, name, report);
                made.push(Filed::made(kind, name, members, SOURCE));
            }
        }
    };
    each("rag_databases", &databases, "rag_database", report, &mut made, &|row, name, report| {
        database(original, row, name, report)
    });
    each("tool_definitions", &tools, "tool", report, &mut made, &tool);
    each("agent_definitions", &agents, "agent", report, &mut made, &|row, name, report| {
        agent(app, row, name, (&tools, &agents, &workflows), report)
    });
    each(
        "workflow_definitions",
        &workflows,
        "workflow",
        report,
        &mut made,
        &|row, name, report| workflows::workflow(original, row, name, report),
    );
    let mut here = Vec::new();
    each_kind!(app, it => {
        let snapshot = it.snapshot(&TenantId::default()).await?;
        let kind = it.filed_as();
        here.extend(made.iter().filter(|filed| filed.kind == kind).filter_map(|filed| {
            let found = snapshot.find_by_name(&filed.name)?;
            (found.source == Source::Database).then(|| (kind, filed.name.clone()))
        }));
    });
    for (kind, name) in &here {
        report.fate(kind, name, Fate::Kept);
        report.clear(kind, name);
    }
    made.retain(|it| !here.iter().any(|(kind, name)| *kind == it.kind && *name == it.name));
    Ok(made)
}

/// Says of what there is nothing here that it is not taken over.
pub fn left_out(original: &Original, report: &mut Report) {
    for (table, kind, why) in [
        (
            "scorer_definitions",
            "scorer",
            "there are no scorers here; the original never executed them",
        ),
        (
            "network_definitions",
            "network",
            "there are no networks here; agents name agents instead (`agents`)",
        ),
        (
            "applications",
            "application",
            "there are no applications here; clients have their scopes themselves",
        ),
    ] {
        for row in original.rows(table) {
            report.leave_out(kind, text(row, "name"), why);
        }
    }
    let documents = original.count("documents");
    if documents > 0 {
        let why =
            "documents of conversations have no place here; upload their files to a RAG database";
        report.leave_out("documents", &format!("{documents} rows"), why);
    }
}

/// What each is called here. Names of the original may be anything, ours stand in URLs.
fn names(kind: &'static str, rows: &[Row], report: &mut Report) -> Names {
    let (mut names, mut taken) = (Names::new(), Vec::new());
    for row in rows {
        let old = text(row, "name");
        let name = if check_name(old).is_ok() { old.to_owned() } else { fitting(old) };
        if let Err(fault) = check_name(&name) {
            report.leave_out(kind, old, fault.detail);
        } else if taken.contains(&name.to_ascii_lowercase()) {
            report.leave_out(kind, old, format!("another {kind} would be called `{name}`, too"));
        } else {
            taken.push(name.to_ascii_lowercase());
            report.fate(kind, &name, Fate::Taken);
            if name != old {
                report.note(kind, &name, format!("it was called `{old}`"));
            }
            names.insert(old.to_owned(), name);
        }
    }
    names
}

/// A name with what may not stand in one made `-`.
fn fitting(old: &str) -> String {
    let is_inner = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
    let mut name = String::new();
    for it in old.chars() {
        match (is_inner(it), name.ends_with('-')) {
            (true, _) => name.push(it),
            (false, false) if !name.is_empty() => name.push('-'),
            (false, _) => {}
        }
    }
    if name.starts_with(|it: char| !it.is_ascii_alphabetic()) {
        name.insert_str(0, "x-");
    }
    name.truncate(56);
    name.trim_end_matches('-').to_owned()
}

/// What rows of all kinds have. One that demands a scope that there is not here is switched off.
pub fn common(
    row: &Row,
    kind: &'static str,
    name: &str,
    report: &mut Report,
) -> Map<String, Value> {
    let mut members = Map::new();
    let shown: String = text(row, "display_name").chars().take(200).collect();
    let shown = if shown.is_empty() { name } else { &shown };
    members.insert("display_name".to_owned(), shown.into());
    let description = text(row, "description");
    if description.chars().count() > DESCRIPTION {
        report.note(kind, name, format!("its description ends after {DESCRIPTION} characters"));
    }
    let description: String = description.chars().take(DESCRIPTION).collect();
    members.insert("description".to_owned(), description.into());
    let Demanded { scopes, is_closed } = Demanded::of(row, kind, name, report);
    members.insert("scopes".to_owned(), json!(scopes));
    members.insert("is_active".to_owned(), (is_active(row) && !is_closed).into());
    members
}

fn tool(row: &Row, name: &str, report: &mut Report) -> Map<String, Value> {
    let mut members = common(row, "tool", name, report);
    if members["description"] == "" {
        members.insert("description".to_owned(), members["display_name"].clone());
        report.note("tool", name, "it had no description; models are told its name");
    }
    let mut input = object(row, "input_schema").cloned().unwrap_or_default();
    if input.get("type") != Some(&json!("object")) {
        report.note("tool", name, "its input_schema did not say that arguments are an object");
        input.insert("type".to_owned(), "object".into());
    }
    members.insert("kind".to_owned(), "javascript".into());
    members.insert("input_schema".to_owned(), input.into());
    members.insert("output_schema".to_owned(), json!(object(row, "output_schema")));
    let code = text(row, "execute_code");
    members.insert("execute_code".to_owned(), code.into());
    globals("tool", name, code, report);
    members
}

/// Says what of a script does not work here.
pub fn globals(kind: &'static str, name: &str, code: &str, report: &mut Report) {
    for (used, instead) in GLOBALS {
        let is_own = |at: usize| !code[..at].ends_with(['.', '_']);
        if code.match_indices(used).any(|(at, _)| is_own(at)) {
            let used = used.trim_end_matches(['(', '.']);
            report.note(kind, name, format!("its code uses `{used}`; here there is {instead}"));
        }
    }
}

fn agent(
    app: &App,
    row: &Row,
    name: &str,
    (tools, agents, workflows): (&Names, &Names, &Names),
    report: &mut Report,
) -> Map<String, Value> {
    let mut members = common(row, "agent", name, report);
    members.insert("instructions".to_owned(), text(row, "instructions").into());
    members.insert("model".to_owned(), model(app, row, name, report));
    for (column, names) in [("tools", tools), ("agents", agents), ("workflows", workflows)] {
        let known = texts(row, column);
        // What is not among them may be here, or be missing, which is found later.
        let now = known.iter().map(|old| names.get(old).unwrap_or(old));
        members.insert(column.to_owned(), json!(now.collect::<Vec<_>>()));
    }
    let unused: Vec<_> = UNUSED.into_iter().filter(|column| has(row, column)).collect();
    if !unused.is_empty() {
        let columns = unused.join(", ");
        report.note(
            "agent",
            name,
            format!("not taken over, as the original did not use it: {columns}"),
        );
    }
    if row.get("max_retries").is_some_and(|it| *it != 3) {
        report.note(
            "agent",
            name,
            "not taken over: max_retries; providers are asked again by rules of their own",
        );
    }
    members
}

/// The model of an agent. A word that is an alias in the settings here stays.
fn model(app: &App, row: &Row, name: &str, report: &mut Report) -> Value {
    let old = text(row, "model");
    let known = MODELS.iter().find(|(word, _)| *word == old);
    match known {
        Some((word, model)) if !app.config.models.aliases.contains_key(*word) => {
            let note =
                format!("its model `{word}` is `{model}` here; how much it thinks is not set");
            report.note("agent", name, note);
            (*model).into()
        }
        _ if old.is_empty() => Value::Null,
        _ => old.into(),
    }
}

fn database(original: &Original, row: &Row, name: &str, report: &mut Report) -> Map<String, Value> {
    let kind = "rag_database";
    let mut members = common(row, kind, name, report);
    let model = text(row, "embedding_model");
    let model = if model.is_empty() || model.contains('/') {
        model.to_owned()
    } else {
        format!("openai/{model}")
    };
    members.insert("embedding_model".to_owned(), Some(model).filter(|it| !it.is_empty()).into());
    let number = |column, usual| row.get(column).and_then(Value::as_u64).unwrap_or(usual);
    let (size, mut overlap) = (number("chunk_size", 1000).max(1), number("chunk_overlap", 200));
    if overlap >= size {
        report.note(
            kind,
            name,
            format!("chunk_overlap was {overlap}, which is no less than chunk_size"),
        );
        overlap = size / 5;
    }
    members.insert("chunk_size".to_owned(), size.into());
    members.insert("chunk_overlap".to_owned(), overlap.into());
    let store = text(row, "vector_store_type");
    let note = format!(
        "vectors are kept in the server's own database; the original named `{store}` and kept none"
    );
    report.note(kind, name, note);
    let own = |it: &&Row| it.get("rag_database_id") == row.get("id");
    let files: Vec<_> =
        original.rows("rag_documents").iter().filter(own).map(|it| text(it, "filename")).collect();
    if !files.is_empty() {
        let note = format!(
            "the original kept no content of its documents ({}); upload them again: {}",
            files.len(),
            files.join(", ")
        );
        report.note(kind, name, note);
    }
    members
}
