//! Why a filter finds nothing.

use retrieval::Filter;
use serde_json::Map;
use serde_json::Value;

use super::Answer;
use super::Query;
use crate::db::TenantId;
use crate::rag::Database;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::store::labels;

/// So many documents of a database are looked at.
const MOST: i64 = 1000;

impl Rag {
    /// Says with an answer without passages if the filter compares what can never be equal to what documents have, as
    /// far as somebody may find them.
    pub(super) async fn explain(
        &self,
        tenant: &TenantId,
        databases: &[&Database],
        query: &Query,
        holds: impl Fn(&str) -> bool,
        answer: &mut Answer,
    ) -> Result<(), RagError> {
        if !answer.found.is_empty() || query.filter == Filter::all() {
            return Ok(());
        }
        let mut documents: Vec<Map<String, Value>> = Vec::new();
        for database in databases {
            let read = self
                .0
                .db
                .read(async |conn| labels::list_latest(conn, tenant, database.id, MOST).await);
            let labels = read.await?.into_iter();
            let visible = labels.filter(|label| label.scopes.iter().all(|scope| holds(scope)));
            documents.extend(visible.map(|label| label.metadata));
        }
        let misfits = query.filter.misfits(&documents).into_iter();
        answer.warnings.extend(misfits.map(|misfit| format!("the filter: {misfit}")));
        Ok(())
    }
}
