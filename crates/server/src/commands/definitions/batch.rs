//! All kinds of definitions made what files say, in one transaction.

use std::collections::HashSet;

use auth::scope::Scopes;

use crate::app::App;
use crate::audit::Origin;
use crate::commands::Failure;
use crate::db::Conn;
use crate::db::TenantId;
use crate::definitions::Action;
use crate::definitions::Author;
use crate::definitions::DefinitionError;
use crate::definitions::FileSet;
use crate::definitions::Judged;
use crate::definitions::Plan;
use crate::definitions::files::Fault;
use crate::definitions::files::Filed;
use crate::http::Invalid;
use crate::tools::OfServer;

/// Does the same for each kind that files may have.
macro_rules! each_kind {
    ($app:expr, $definitions:ident => $done:expr) => {{
        let app: &$crate::app::App = $app;
        {
            let $definitions = app.mcp.upstreams.rows();
            $done;
        }
        {
            let $definitions = app.rag.databases();
            $done;
        }
        {
            let $definitions = &app.tools;
            $done;
        }
        {
            let $definitions = &app.agents;
            $done;
        }
        {
            let $definitions = &app.workflows;
            $done;
        }
    }};
}

pub(in crate::commands) use each_kind;

/// What is to be made of files.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'b> {
    pub files: &'b [Filed],
    pub set: FileSet<'b>,
    /// Whether databases may go with the documents that are in them.
    pub deletes_documents: bool,
    /// `system:<command>`
    pub by: &'b str,
}

/// Whether what is planned is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Commit,
    Undo,
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    Planned(Plan, Notes),
    /// Nothing was written.
    Refused(Vec<Fault>, Notes),
}

/// What keeps definitions from being used, though nothing is wrong with the files.
pub type Notes = Vec<Fault>;

/// Why a transaction is undone.
enum Stop {
    Outcome(Box<Outcome>),
    Failed(Failure),
}

/// The names of all kinds, in the order in which they are written.
pub fn kinds(app: &App) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    each_kind!(app, it => kinds.push(it.filed_as()));
    kinds
}

impl Batch<'_> {
    /// Makes the definitions of the tenant `default` what the files say: all of it, or nothing.
    pub async fn run(&self, app: &App, end: End) -> Result<Outcome, Failure> {
        self.run_along(app, end, async |_: &mut Conn<'_>| Ok::<_, Failure>(())).await
    }

    /// The same, and what `along` writes in the same transaction, if it is to be.
    pub async fn run_along<F>(&self, app: &App, end: End, along: F) -> Result<Outcome, Failure>
    where
        F: AsyncFnOnce(&mut Conn<'_>) -> Result<(), Failure>,
    {
        let (tenant, scopes, origin) =
            (TenantId::default(), Scopes::everything(), Origin::default());
        let author = Author {
            tenant: &tenant,
            subject: self.by,
            client_id: None,
            scopes: &scopes,
            origin: &origin,
        };
        let mut examined = Vec::new();
        // Then those of the code are known, too.
        each_kind!(app, it => it.snapshot(&tenant).await?);
        each_kind!(app, it => examined.extend(it.examine_files(&tenant, self.files).await));
        let written = app.db.write(async |tx| {
            let outcome = Box::pin(self.within(app, tx, author, examined, end)).await?;
            along(tx).await.map_err(Stop::Failed)?;
            Ok::<_, Stop>(outcome)
        });
        match written.await {
            Ok(outcome) => Ok(outcome),
            Err(Stop::Outcome(outcome)) => Ok(*outcome),
            Err(Stop::Failed(failure)) => Err(failure),
        }
    }

    async fn within(
        &self,
        app: &App,
        tx: &mut Conn<'_>,
        author: Author<'_>,
        examined: Vec<(usize, Invalid)>,
        end: End,
    ) -> Result<Outcome, Stop> {
        let (files, tenant, mut plan) = (self.files, author.tenant, Plan::default());
        each_kind!(app, it => it.plan_within(tx, tenant, files, self.set, &mut plan).await?);
        let mut faults = self.with_what_goes_along(app, tx, tenant, &mut plan).await?;
        each_kind!(app, it => it.write_within(tx, author, files, &plan).await?);
        let mut judged = Judged { faults: examined, ..Judged::default() };
        each_kind!(app, it => it.judge_within(tx, author, files, &plan, &mut judged).await?);
        let notes =
            judged.notes.into_iter().map(|(index, note)| files[index].fault(note)).collect();
        faults.extend(once_each(files, judged.faults));
        let in_use = judged.in_use.into_iter();
        faults.extend(in_use.map(|(kind, name, error)| of_none(kind, &name, "in_use", &error)));
        faults.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        if !faults.is_empty() {
            return Err(Stop::Outcome(Box::new(Outcome::Refused(faults, notes))));
        }
        if end == End::Undo {
            return Err(Stop::Outcome(Box::new(Outcome::Planned(plan, notes))));
        }
        each_kind!(app, it => it.remember_within(tx, author, self.set, &plan).await?);
        Ok(Outcome::Planned(plan, notes))
    }

    /// Servers of others go with their tools; databases that have documents stay.
    async fn with_what_goes_along(
        &self,
        app: &App,
        tx: &mut Conn<'_>,
        tenant: &TenantId,
        plan: &mut Plan,
    ) -> Result<Vec<Fault>, Stop> {
        let (mut faults, mut tools) = (Vec::new(), Vec::new());
        let upstreams = app.mcp.upstreams.rows().filed_as();
        let databases = app.rag.databases().filed_as();
        let seen = app.tools.seen_by(tx, tenant).await?;
        for gone in plan.all.iter().filter(|it| it.action == Action::Delete) {
            if gone.kind == databases && !self.deletes_documents {
                let documents = app.rag.count_documents(tx, tenant, gone.id).await?;
                let detail = format!(
                    "its documents ({documents}) would go with it; --delete-documents lets them"
                );
                if documents > 0 {
                    faults.push(of_none(gone.kind, &gone.name, "has_documents", &detail));
                }
            }
            if gone.kind == upstreams {
                let of_it = |it: &OfServer| it.server.eq_ignore_ascii_case(&gone.name);
                let own =
                    seen.all().filter(|it| OfServer::of(&it.content).is_ok_and(|it| of_it(&it)));
                tools.extend(own.map(|tool| (tool.id, gone.file.clone())));
            }
        }
        let known: HashSet<_> = plan.all.iter().map(|it| it.id).collect();
        for (tool, file) in tools.into_iter().filter(|(id, _)| !known.contains(id)) {
            plan.all.push(app.tools.plan_gone(tx, tenant, tool, file).await?);
        }
        Ok(faults)
    }
}

/// The faults at their places; of each place the first that was found.
fn once_each(files: &[Filed], faults: Vec<(usize, Invalid)>) -> Vec<Fault> {
    let mut seen = HashSet::new();
    let first = faults.into_iter().filter(|(index, it)| seen.insert((*index, it.pointer.clone())));
    first.map(|(index, fault)| files[index].fault(fault)).collect()
}

/// What is wrong with a definition that no file has.
fn of_none(kind: &'static str, name: &str, code: &'static str, detail: &impl ToString) -> Fault {
    let what = Invalid::new("", code, detail.to_string());
    Fault { file: None, line: None, kind: Some(kind), name: Some(name.to_owned()), what }
}

impl From<DefinitionError> for Stop {
    fn from(error: DefinitionError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}
