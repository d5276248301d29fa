//! What makes a definition one of a database.

use super::DatabaseContent;
use super::StoreType;
use super::normalise::normalise;
use crate::db::Conn;
use crate::db::Dialect;
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
use crate::definitions::beyond_rights;
use crate::egress::covered;
use crate::http::Invalid;
use crate::rag::Embedders;
use crate::rag::embedders::NoEmbedder;
use crate::rag::store;
use crate::rag::stores::secret_use;
use crate::secrets;
use crate::secrets::SecretHosts;
use crate::table;

/// The kind of definition that a database is.
#[derive(Debug)]
pub struct DatabaseRows {
    pub embedders: Embedders,
}

/// Where a definition names the secret of its store.
const SECRET: &str = "/vector_store_config/secret";

/// What is around databases of documents.
#[derive(Debug, Default)]
pub struct Around {
    is_postgres: bool,
    secrets: SecretHosts,
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
    const WATCHED: &'static [&'static str] = &["rag_databases", "secrets"];
    const EXECUTE: &'static str = "rag.search";

    type Content = DatabaseContent;
    type Ready = ();
    type View = Around;

    fn understand(&self, given: Document, unreadable: Vec<Invalid>) -> Normalised<Self> {
        normalise(given, unreadable, self.embedders.default_model())
    }

    fn ready(&self, _: Id, _: i64, _: &DatabaseContent) {}

    async fn look(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        _: &Self::View,
    ) -> Result<Around, DefinitionError> {
        let secrets = secrets::list_hosts(conn, tenant).await?;
        Ok(Around { is_postgres: conn.dialect() == Dialect::Postgres, secrets })
    }

    fn follow(&self, _: &TenantId, content: &DatabaseContent, around: &Snapshot<Self>) -> Broken {
        let mut broken = Broken::default();
        let fault = |code, why: NoEmbedder| Invalid::new("/embedding_model", code, why);
        match self.embedders.find(&content.embedding_model) {
            Ok(_) => {}
            Err(why @ NoEmbedder::NotConfigured { .. }) => {
                broken.unusable.push(fault("model_not_configured", why));
            }
            Err(why) => broken.unknown.push(fault("unknown_model", why)),
        }
        let rerank = content.search.rerank.as_ref();
        let check = |rerank| self.embedders.check_reranker("/search/rerank/model", rerank);
        broken.unknown.extend(rerank.and_then(check));
        if content.vector_store_type == StoreType::Pgvector && !around.view.is_postgres {
            let detail = "`pgvector` is for a server whose own database is PostgreSQL";
            broken.unusable.push(Invalid::new("/vector_store_type", "not_supported", detail));
        }
        follow_secret(content, &around.view.secrets, &mut broken);
        broken
    }

    fn beyond(
        &self,
        author: Author<'_>,
        content: &DatabaseContent,
        _: &Snapshot<Self>,
    ) -> Vec<Invalid> {
        let used = secret_use(&content.vector_store_config);
        let beyond = used.and_then(|_| beyond_rights(author, [secrets::USE], SECRET.to_owned()));
        beyond.into_iter().collect()
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

/// What is wrong with the secret that the store is told.
fn follow_secret(content: &DatabaseContent, secrets: &SecretHosts, broken: &mut Broken) {
    let Some((secret, url)) = secret_use(&content.vector_store_config) else { return };
    match secrets.get(&secret.to_ascii_lowercase()) {
        None => {
            let detail = format!("there is no secret `{secret}`");
            broken.unknown.push(Invalid::new(SECRET, "unknown_secret", detail));
        }
        Some(hosts) if url.is_some_and(|url| !covered(hosts, &url)) => {
            let detail = format!("the secret `{secret}` is not for this host");
            broken.unusable.push(Invalid::new(SECRET, "secret_not_for_host", detail));
        }
        Some(_) => {}
    }
}
