//! What an upstream has, beside what was taken in of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use http::HeaderMap;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Offered;
use super::Place;
use super::Seen;
use super::SeenTool;
use super::Upstream;
use super::UpstreamError;
use super::Whose;
use super::client::Question;
use super::message;
use super::usable;
use super::wire::WireError;
use crate::app::App;
use crate::audit;
use crate::audit::Act;
use crate::db::Id;
use crate::db::Json;
use crate::db::TenantId;
use crate::definitions::DefinitionError;
use crate::definitions::Force;
use crate::http::IfMatch;
use crate::mcp::server::means;
use crate::mcp::store::upstreams as store;
use crate::oauth::caller::Principal;
use crate::tools::OfServer;
use crate::tools::ToolDefinition;
use crate::tools::ToolSnapshot;

/// How long a look may take.
const LOOK: Duration = Duration::from_secs(20);
/// Tools of one upstream, and pages and bytes that they may come in.
const TOOLS: usize = 500;
const PAGES: usize = 50;
const PAGE: usize = 4 << 20;
/// Characters that are kept of a description.
const DESCRIPTION: usize = 4000;
/// A name of ours has at most so many letters.
const OWN_NAME: usize = 56;

/// What an upstream says of a tool.
struct Told {
    name: String,
    offered: Offered,
}

/// Looks at an upstream for `caller`, and takes in what is new.
pub async fn refresh(
    app: &App,
    caller: &Principal,
    upstream: &Arc<Upstream>,
) -> Result<Seen, UpstreamError> {
    app.mcp.upstreams.forgive(upstream);
    let seen = take_up(app, caller, upstream).await?;
    tell(app, caller, "mcp_upstream.refresh", upstream).await?;
    Ok(seen)
}

/// The same where it is told elsewhere that it is done.
pub async fn take_up(
    app: &App,
    caller: &Principal,
    upstream: &Arc<Upstream>,
) -> Result<Seen, UpstreamError> {
    let whose = Whose {
        tenant: &caller.tenant,
        subject: caller.subject.as_str(),
        client_id: &caller.client_id,
        scopes: &caller.scopes,
    };
    let mut seen = look(app, upstream, whose).await?;
    for tool in &mut seen.tools {
        let (None, Some(name), Some(offered), false) =
            (&tool.problem, &tool.tool, &tool.offered, tool.pinned)
        else {
            continue;
        };
        let body = members(upstream, name, &tool.name, offered);
        match app.tools.create(caller.author(), body).await {
            Ok(_) => (tool.pinned, tool.offered) = (true, None),
            Err(error) => tool.problem = Some(in_words(error)?),
        }
    }
    keep(app, &caller.tenant, upstream, &seen).await?;
    Ok(seen)
}

/// Takes what was last seen of tools that have changed for what they are, if that is what somebody has `looked_at`.
pub async fn accept(
    app: &App,
    caller: &Principal,
    upstream: &Arc<Upstream>,
    looked_at: Option<&str>,
) -> Result<Seen, UpstreamError> {
    let (tenant, id) = (&caller.tenant, upstream.id);
    let seen = app.db.read(async |conn| store::find_seen(conn, tenant, id).await).await?;
    let mut seen = seen.unwrap_or_default();
    if looked_at.is_some() && looked_at != seen.offered_hash().as_deref() {
        return Err(UpstreamError::OfferChanged(Box::new(seen)));
    }
    let tools = std::mem::take(&mut seen.tools);
    for mut tool in tools {
        let name = tool.tool.clone().filter(|_| tool.changed && tool.pinned);
        let outcome = match (name, &tool.offered) {
            (Some(name), Some(offered)) => {
                let body = of_offered(offered);
                let updated = app.tools.update(caller.author(), &name, &IfMatch::Any, body).await;
                updated.map(|_| (tool.changed, tool.offered, tool.problem) = (false, None, None))
            }
            (Some(name), None) => {
                let gone = app.tools.delete(caller.author(), &name, &IfMatch::Any, Force::No).await;
                match gone {
                    Ok(()) | Err(DefinitionError::NotFound { .. }) => continue,
                    Err(error) => Err(error),
                }
            }
            _ => Ok(()),
        };
        if let Err(error) = outcome {
            tool.problem = Some(in_words(error)?);
        }
        seen.tools.push(tool);
    }
    keep(app, tenant, upstream, &seen).await?;
    tell(app, caller, "mcp_upstream.accept", upstream).await?;
    Ok(seen)
}

/// Deletes an upstream with its tools: all of it or nothing.
pub async fn delete(
    app: &App,
    caller: &Principal,
    upstream: &Upstream,
    if_match: &IfMatch,
    force: Force,
) -> Result<(), DefinitionError> {
    let (rows, author) = (app.mcp.upstreams.rows(), caller.author());
    let deleted = app.db.write(async |tx| {
        rows.delete_within(tx, author, upstream.id, if_match, force).await?;
        let tools = app.tools.seen_by(tx, &caller.tenant).await?;
        let tools: Vec<Id> = taken(&tools, upstream).values().map(|it| it.id).collect();
        for tool in &tools {
            app.tools.delete_within(tx, author, *tool, &IfMatch::Any, Force::Yes).await?;
        }
        Ok::<_, DefinitionError>(tools)
    });
    let tools = deleted.await?;
    rows.note_deleted(author, upstream.id).await;
    for tool in tools {
        app.tools.note_deleted(author, tool).await;
    }
    Ok(())
}

/// Keeps what was seen of an upstream.
pub async fn keep(
    app: &App,
    tenant: &TenantId,
    upstream: &Upstream,
    seen: &Seen,
) -> Result<(), UpstreamError> {
    let (tools, now) = (Json::of(&seen.tools)?, app.clock.now());
    let at = (upstream.id, Place::of(upstream));
    let kept = app.db.write(async |tx| store::upsert_seen(tx, tenant, at, seen, &tools, now).await);
    kept.await?;
    app.mcp.upstreams.looked().notify_one();
    // What has changed is not used from now on, here at once.
    app.tools.snapshot(tenant).await?;
    Ok(())
}

/// Asks an upstream for its tools, and compares them with those that were taken in. Nothing is written.
pub async fn look(
    app: &App,
    upstream: &Arc<Upstream>,
    whose: Whose<'_>,
) -> Result<Seen, UpstreamError> {
    let now = Some(app.clock.now());
    let tools = app.tools.snapshot(whose.tenant).await?;
    let listed = match usable(Some(Arc::clone(upstream)), &upstream.content.name) {
        Ok(upstream) => list(app, &upstream, whose).await.map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    match listed {
        Ok((told, protocol)) => {
            let tools = compare(upstream, told, &tools);
            Ok(Seen { protocol: Some(protocol), last_error: None, tools, checked_at: now })
        }
        Err(why) => {
            let id = upstream.id;
            let known =
                app.db.read(async |conn| store::find_seen(conn, whose.tenant, id).await).await?;
            let known = known.unwrap_or_default();
            Ok(Seen { last_error: Some(why), checked_at: now, ..known })
        }
    }
}

/// All tools that an upstream lists, and the revision of the protocol that it did so in.
async fn list(
    app: &App,
    upstream: &Upstream,
    whose: Whose<'_>,
) -> Result<(Vec<Value>, String), WireError> {
    let (until, headers) = (Instant::now() + LOOK, HeaderMap::new());
    let (mut tools, mut params) = (Vec::new(), json!({}));
    for _ in 0..PAGES {
        let question = Question {
            method: "tools/list",
            params: &params,
            wants_progress: false,
            headers: &headers,
            until,
            most: PAGE,
        };
        let asked = app.mcp.upstreams.ask(upstream, whose, question, &|_, _| {}).await;
        let (mut page, protocol) = asked?;
        let Value::Array(more) = page["tools"].take() else {
            return Err(WireError::Lost("its list of tools is none".to_owned()));
        };
        tools.extend(more);
        if tools.len() > TOOLS {
            return Err(WireError::Lost(format!("it has more than {TOOLS} tools")));
        }
        match page["nextCursor"].take() {
            Value::String(cursor) => params = json!({"cursor": cursor}),
            _ => return Ok((tools, protocol)),
        }
    }
    Err(WireError::Lost(format!("its list of tools has more than {PAGES} pages")))
}

/// What was told of each tool that is allowed, beside what was taken in.
fn compare(upstream: &Upstream, told: Vec<Value>, tools: &ToolSnapshot) -> Vec<SeenTool> {
    let mut taken = taken(tools, upstream);
    let mut seen: Vec<SeenTool> = Vec::new();
    for told in told.into_iter().filter_map(read) {
        let is_double = seen.iter().any(|it| it.name == told.name);
        if is_double || !means(&upstream.content.allow, &told.name) {
            continue;
        }
        let pinned = taken.remove(&told.name);
        let named = own_name(&upstream.content.name, &told.name);
        let Told { name, offered } = told;
        seen.push(match (pinned, named) {
            (Some(tool), _) => {
                let changed = !is_same(tool, &offered);
                let offered = changed.then_some(offered);
                let (tool, problem) = (Some(tool.content.name.clone()), None);
                SeenTool { name, tool, pinned: true, changed, problem, offered }
            }
            (None, Err(why)) => SeenTool::left_out(message::excerpt(&name), why),
            (None, Ok(own)) if tools.find_by_name(&own).is_some() || is_taken(&seen, &own) => {
                SeenTool::left_out(name, format!("another tool is called `{own}`"))
            }
            (None, Ok(own)) => SeenTool {
                name,
                tool: Some(own),
                pinned: false,
                changed: false,
                problem: None,
                offered: Some(offered),
            },
        });
    }
    let gone = taken.into_iter().map(|(name, tool)| SeenTool {
        name,
        tool: Some(tool.content.name.clone()),
        pinned: true,
        changed: true,
        problem: Some("the server has no such tool any more, or it is not allowed".to_owned()),
        offered: None,
    });
    seen.extend(gone);
    seen
}

impl SeenTool {
    fn left_out(name: String, why: String) -> Self {
        let (tool, problem) = (None, Some(why));
        Self { name, tool, pinned: false, changed: false, problem, offered: None }
    }
}

fn is_taken(seen: &[SeenTool], own: &str) -> bool {
    seen.iter().filter_map(|it| it.tool.as_deref()).any(|it| it.eq_ignore_ascii_case(own))
}

/// The tools that were taken in of an upstream, by what it calls them.
fn taken<'t>(
    tools: &'t ToolSnapshot,
    upstream: &Upstream,
) -> BTreeMap<String, &'t Arc<ToolDefinition>> {
    let of_it = |tool: &'t Arc<ToolDefinition>| {
        let OfServer { server, tool: name } = OfServer::of(&tool.content).ok()?;
        server.eq_ignore_ascii_case(&upstream.content.name).then_some((name, tool))
    };
    tools.all().filter_map(of_it).collect()
}

/// What is told of a tool; `None`: it has no name.
fn read(mut tool: Value) -> Option<Told> {
    let name = tool["name"].as_str().filter(|it| !it.is_empty())?.to_owned();
    let words = [&tool["description"], &tool["title"]].into_iter().filter_map(Value::as_str);
    let words = words.into_iter().find(|it| !it.trim().is_empty()).unwrap_or(&name);
    let description = words.replace('\0', "\u{fffd}").chars().take(DESCRIPTION).collect();
    let output_schema = Some(tool["outputSchema"].take()).filter(|it| !it.is_null());
    let input_schema = tool["inputSchema"].take();
    Some(Told { name, offered: Offered { description, input_schema, output_schema } })
}

/// What our agents call a tool, or why they cannot.
fn own_name(upstream: &str, tool: &str) -> Result<String, String> {
    let is_inner = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
    let tool: String = tool.chars().map(|it| if is_inner(it) { it } else { '_' }).collect();
    let name = format!("{upstream}__{tool}");
    if name.len() > OWN_NAME {
        return Err(format!("`<upstream>__<tool>` would have more than {OWN_NAME} characters"));
    }
    Ok(name)
}

fn is_same(tool: &ToolDefinition, offered: &Offered) -> bool {
    let content = &tool.content;
    content.description == offered.description
        && content.input_schema == offered.input_schema
        && content.output_schema == offered.output_schema
}

fn members(upstream: &Upstream, own: &str, tool: &str, offered: &Offered) -> Map<String, Value> {
    let mut members = of_offered(offered);
    let content = &upstream.content;
    members.extend([
        ("name".to_owned(), own.into()),
        ("kind".to_owned(), "mcp".into()),
        ("config".to_owned(), json!({"server": content.name, "tool": tool})),
        ("timeout_ms".to_owned(), content.timeout_ms.into()),
        ("scopes".to_owned(), json!(content.scopes)),
    ]);
    members
}

fn of_offered(offered: &Offered) -> Map<String, Value> {
    Map::from_iter([
        ("description".to_owned(), offered.description.clone().into()),
        ("input_schema".to_owned(), offered.input_schema.clone()),
        ("output_schema".to_owned(), json!(offered.output_schema)),
    ])
}

/// Why a tool cannot be taken in, if it is its own fault.
fn in_words(error: DefinitionError) -> Result<String, UpstreamError> {
    match error {
        DefinitionError::Invalid(faults) => {
            let first = faults.first();
            let words = first.map(|it| format!("{}: {}", it.pointer, it.detail));
            Ok(message::excerpt(&words.unwrap_or_default()))
        }
        DefinitionError::Database(error) => Err(error.into()),
        other => Ok(other.to_string()),
    }
}

async fn tell(
    app: &App,
    caller: &Principal,
    action: &str,
    upstream: &Upstream,
) -> Result<(), UpstreamError> {
    let (act, now) = (Act::new(action, &upstream.content.name, Value::Null), app.clock.now());
    let told = app.db.write(async |tx| audit::record(tx, caller.actor(), act, now).await);
    Ok(told.await?)
}
