//! What happened in a run and in those below it, as a tree of spans: a view of their logs.

mod shape;

use std::collections::HashMap;

use engine::Usage;
use serde::Serialize;
use utoipa::ToSchema;

use self::shape::Shape;
use super::Record;
use super::Run;
use super::RunSummary;
use super::RunsError;
use super::service::Runs;
use super::store::tree as store;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;

/// The most that a tree shows.
const LEVELS: usize = 10;
const RUNS: usize = 200;
const SPANS: usize = 2000;
/// Events that are read at once.
const PAGE: i64 = 500;

/// A run, and all that happened in it and below it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tree {
    pub run: Run,
    /// Of all runs that are shown.
    pub usage: Usage,
    /// Level by level; those of one run in the order in which they began.
    pub spans: Vec<Span>,
    /// Whether there is more than is shown.
    pub truncated: bool,
}

/// Something that took time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Span {
    /// Of a run its id.
    pub id: String,
    /// What it is a part of: a turn of a run, a call of a turn, a run or a search of the call that began it, and
    /// what was recalled of the run.
    pub parent_id: Option<String>,
    pub kind: SpanKind,
    /// Of the agent, the turn, the model, the tool, the databases that were searched, or `memory`.
    pub name: String,
    /// Of a run its status. Of all else `running`, or how it ended: `done`, `failed`, `interrupted`; of tools
    /// also `rejected` and `unknown`.
    pub status: String,
    /// `null` for a run that has not begun.
    pub started_at: Option<At>,
    /// `null` as long as it goes on.
    pub duration_ms: Option<u64>,
    /// Of runs, turns and models. Runs do not count what they took over from others.
    pub usage: Option<Usage>,
    /// The event that it began with, of the run that it is of.
    pub seq: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    Run,
    Step,
    Model,
    Tool,
    Retrieval,
}

/// The tree below the run of `record`: two queries a level, and more only for long logs.
pub async fn tree(runs: &Runs, record: Record) -> Result<Tree, RunsError> {
    let Record { tenant, run, .. } = record;
    let mut tree = Tree { run, usage: Usage::default(), spans: Vec::new(), truncated: false };
    let mut shown = 0;
    let mut level = vec![(tree.run.summary.clone(), None)];
    for depth in 1.. {
        shown += level.len();
        let shapes = shapes(runs, &tenant, level, SPANS - tree.spans.len()).await?;
        tree.truncated |= shapes.truncated;
        let mut children = HashMap::new();
        for shape in shapes.all {
            let (run_id, usage, spans, begun) = shape.finish();
            tree.usage += usage;
            tree.spans.extend(spans);
            children.extend(begun.into_iter().map(|(child, span)| (child, (run_id, span))));
        }
        if children.is_empty() {
            break;
        }
        if depth == LEVELS || tree.spans.len() >= SPANS {
            tree.truncated = true;
            break;
        }
        level = next_level(runs, &tenant, &children).await?;
        tree.truncated |= shown + level.len() > RUNS;
        level.truncate(RUNS - shown);
        if level.is_empty() {
            break;
        }
    }
    tree.truncated |= tree.spans.len() > SPANS;
    tree.spans.truncate(SPANS);
    Ok(tree)
}

/// Runs, each with the span that began it.
type Level = Vec<(RunSummary, Option<String>)>;

/// Those of the children that are there. What a run took over from another tells of runs that are not its.
async fn next_level(
    runs: &Runs,
    tenant: &TenantId,
    children: &HashMap<Id, (Id, String)>,
) -> Result<Level, RunsError> {
    let mut ids: Vec<Id> = children.keys().copied().collect();
    ids.sort_unstable();
    // One more than is shown tells whether there is more.
    ids.truncate(RUNS + 1);
    let found = runs.db.read(async |conn| store::summaries(conn, tenant, &ids).await).await?;
    let own = found.into_iter().filter_map(|summary| {
        let (parent, span) = children.get(&summary.id)?;
        (summary.parent_run_id == Some(*parent)).then(|| (summary, Some(span.clone())))
    });
    Ok(own.collect())
}

/// The runs of a level, in the order of their ids.
struct Shapes {
    all: Vec<Shape>,
    truncated: bool,
}

async fn shapes(
    runs: &Runs,
    tenant: &TenantId,
    level: Level,
    room: usize,
) -> Result<Shapes, RunsError> {
    let ids: Vec<Id> = level.iter().map(|(summary, _)| summary.id).collect();
    let all: Vec<Shape> =
        level.into_iter().map(|(summary, parent)| Shape::new(&summary, parent)).collect();
    let mut shapes = Shapes { all, truncated: false };
    let Some(first) = ids.first() else { return Ok(shapes) };
    let mut after = (*first, 0);
    loop {
        let page =
            runs.db.read(async |conn| store::events(conn, tenant, &ids, after, PAGE).await).await?;
        let Some(last) = page.last() else { return Ok(shapes) };
        after = (last.run_id, last.event.seq);
        let is_last = i64::try_from(page.len()).unwrap_or(PAGE) < PAGE;
        for row in page {
            if let Ok(place) = ids.binary_search(&row.run_id) {
                shapes.all[place].apply(&row.event)?;
            }
        }
        if is_last {
            return Ok(shapes);
        }
        if shapes.all.iter().map(Shape::len).sum::<usize>() > room {
            shapes.truncated = true;
            return Ok(shapes);
        }
    }
}
