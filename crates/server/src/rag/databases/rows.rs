//! What makes a definition one of a database.

use super::DatabaseContent;
use super::normalise::normalise;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Author;
use crate::definitions::Broken;
use crate::definitions::DefinitionError;
use crate::definitions::Dependent;
use crate::definitions::Document;
use crate::definitions::Kind;
use crate::definitions::Normalised;
use crate::definitions::Slug;
use crate::definitions::Snapshot;
use crate::definitions::Table;
use crate::definitions::Words;
use crate::http::Invalid;
use crate::rag::Embedders;
use crate::rag::embedders::NoEmbedder;
use crate::rag::store;
use crate::table;

/// The kind of definition that a database is.
#[derive(Debug)]
pub struct DatabaseRows {
    pub embedders: Embedders,
}

static TABLE: Table = table!("rag_databases", "rag_database", {
    "name": Text = "$6",
    "display_name": Text = "$7",
    "description": Text = "$8",
    "vector_store_type": Text = "$9",
    "vector_store_config": Json = "$10",
    "embedding_model": Text = "$11",
    "chunk_size": Number = "$12",
    "chunk_overlap": Number = "$13",
    "chunker": Text = "$14",
    "chunk_unit": Text = "$15",
    "search": Json = "$16",
    "scopes": Json = "$17",
    "metadata": Json = "$18",
});

static WORDS: Words = Words {
    name: "rag_database",
    not_found: Slug::new("rag-database-not-found"),
    version_not_found: Slug::new("rag-database-version-not-found"),
    name_taken: Slug::new("rag-database-name-taken"),
    in_use: Slug::new("rag-database-in-use"),
    invalid: Slug::new("rag-database-invalid"),
};

impl Kind for DatabaseRows {
    const WORDS: &'static Words = &WORDS;
    const SCHEMA: &'static str = "RagDatabase";
    const TABLE: &'static Table = &TABLE;
    const WATCHED: &'static [&'static str] = &["rag_databases"];
    const EXECUTE: &'static str = "rag.search";

    type Content = DatabaseContent;
    type Ready = ();
    type View = ();

    fn understand(&self, given: Document, unreadable: Vec<Invalid>) -> Normalised<Self> {
        normalise(given, unreadable, self.embedders.default_model())
    }

    fn ready(&self, _: Id, _: i64, _: &DatabaseContent) {}

    async fn look(&self, _: &mut Conn<'_>, _: &TenantId) -> Result<(), DefinitionError> {
        Ok(())
    }

    fn follow(&self, _: &TenantId, content: &DatabaseContent, _: &Snapshot<Self>) -> Broken {
        let fault = |code, why| vec![Invalid::new("/embedding_model", code, why)];
        match self.embedders.find(&content.embedding_model) {
            Ok(_) => Broken::default(),
            Err(why @ NoEmbedder::NotConfigured { .. }) => {
                Broken { unusable: fault("model_not_configured", why), ..Broken::default() }
            }
            Err(why) => Broken { unknown: fault("unknown_model", why), ..Broken::default() },
        }
    }

    fn beyond(&self, _: Author<'_>, _: &DatabaseContent, _: &Snapshot<Self>) -> Vec<Invalid> {
        Vec::new()
    }

    async fn dependents(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        _: Id,
        name: &str,
        _: &Snapshot<Self>,
    ) -> Result<Vec<Dependent>, DefinitionError> {
        let agents = store::list_agents_with_database(conn, tenant, name).await?;
        let tools = store::list_tools_with_database(conn, tenant, name).await?;
        let agents = agents.into_iter().map(|name| Dependent { kind: "agent", name });
        Ok(agents.chain(tools.into_iter().map(|name| Dependent { kind: "tool", name })).collect())
    }
}
