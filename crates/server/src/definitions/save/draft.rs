//! What would be said to a definition that is not saved yet.

use serde_json::Map;
use serde_json::Value;

use crate::definitions::Author;
use crate::definitions::Content;
use crate::definitions::DefinitionError;
use crate::definitions::Definitions;
use crate::definitions::Document;
use crate::definitions::Kind;
use crate::definitions::Normalised;
use crate::definitions::Source;
use crate::definitions::save::take_read_only;
use crate::http::Invalid;

impl<K: Kind> Definitions<K> {
    /// What [`create`](Self::create) would make of `body` now, or why it would refuse it. Nothing is stored.
    pub async fn consider(
        &self,
        author: Author<'_>,
        mut body: Map<String, Value>,
    ) -> Result<Normalised<K>, DefinitionError> {
        let faults = take_read_only(&mut body, &Map::new());
        let normal = self.kind().understand(Document::new(body), Vec::new());
        let around = self.snapshot(author.tenant).await?;
        let name = normal.content.name();
        let own = around.find_by_name(name).map(|it| it.id);
        self.refuse_invalid(author, (&normal, own), faults, &around)?;
        match around.find_by_name(name) {
            Some(other) if other.source == Source::Database => {
                Err(DefinitionError::NameTaken { kind: K::WORDS, name: name.to_owned() })
            }
            _ => Ok(normal),
        }
    }

    /// All that would be refused if `body` were saved now. Nothing is stored; whether its name is free is not asked.
    pub async fn faults_of(
        &self,
        author: Author<'_>,
        mut body: Map<String, Value>,
    ) -> Result<Vec<Invalid>, DefinitionError> {
        let mut faults = self.kind().examine(author.tenant, &body).await;
        faults.extend(take_read_only(&mut body, &Map::new()));
        let normal = self.kind().understand(Document::new(body), Vec::new());
        let around = self.snapshot(author.tenant).await?;
        let own = around.find_by_name(normal.content.name()).map(|it| it.id);
        match self.refuse_invalid(author, (&normal, own), faults, &around) {
            Ok(()) => Ok(Vec::new()),
            Err(DefinitionError::Invalid(faults)) => Ok(faults),
            Err(error) => Err(error),
        }
    }
}
