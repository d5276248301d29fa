//! From what a row or a body says to a database: one function for both.

use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema as OpenApiSchema;

use super::DatabaseContent;
use super::DatabaseRows;
use crate::definitions::Document;
use crate::definitions::Normalised;
use crate::definitions::Reader;
use crate::definitions::change_body;
use crate::definitions::check_name;
use crate::definitions::check_scopes;
use crate::definitions::metadata;
use crate::definitions::new_body;
use crate::http::Invalid;
use crate::rag::stores::check;

/// What every database says of itself; `null` is no value of it.
const REQUIRED: [&str; 1] = ["name"];

/// A new database, as a body describes it. Only its schema is used.
#[derive(Debug)]
pub enum NewDatabase {}

/// What of a database is to change, as a body says it. Only its schema is used.
#[derive(Debug)]
pub enum DatabaseChange {}

impl PartialSchema for NewDatabase {
    fn schema() -> RefOr<OpenApiSchema> {
        new_body::<DatabaseContent>(&REQUIRED, "A new database. `null` stands for the default.")
    }
}

impl PartialSchema for DatabaseChange {
    fn schema() -> RefOr<OpenApiSchema> {
        let description = "The members that change. `null` stands for the default.";
        change_body::<DatabaseContent>(&REQUIRED, description)
    }
}

impl ToSchema for NewDatabase {
    fn schemas(schemas: &mut Vec<(String, RefOr<OpenApiSchema>)>) {
        DatabaseContent::schemas(schemas);
    }
}

impl ToSchema for DatabaseChange {
    fn schemas(schemas: &mut Vec<(String, RefOr<OpenApiSchema>)>) {
        DatabaseContent::schemas(schemas);
    }
}

/// Understands `given`, of which `unreadable` is already known to be no JSON.
/// `model` embeds if it names none.
pub fn normalise(
    given: Document,
    unreadable: Vec<Invalid>,
    model: &str,
) -> Normalised<DatabaseRows> {
    let mut reader = Reader::new::<NewDatabase>(given, unreadable);
    let name: String = reader.take("name");
    let given_name: Option<String> = reader.take("display_name");
    let default = DatabaseContent {
        display_name: name.clone(),
        embedding_model: model.to_owned(),
        ..DatabaseContent::default()
    };
    let content = DatabaseContent {
        display_name: given_name.filter(|it| !it.is_empty()).unwrap_or_else(|| name.clone()),
        name,
        description: reader.take("description"),
        vector_store_type: reader.take("vector_store_type"),
        vector_store_config: reader.take("vector_store_config"),
        embedding_model: reader
            .take::<Option<String>>("embedding_model")
            .unwrap_or_else(|| model.to_owned()),
        chunk_size: reader.take::<Option<u32>>("chunk_size").unwrap_or(default.chunk_size),
        chunk_overlap: reader.take::<Option<u32>>("chunk_overlap").unwrap_or(default.chunk_overlap),
        chunker: reader.take("chunker"),
        chunk_unit: reader.take("chunk_unit"),
        search: reader.take("search"),
        scopes: reader.take("scopes"),
        metadata: reader.take("metadata"),
    };
    let is_active = reader.take::<Option<bool>>("is_active").unwrap_or(true);
    for faults in broken_rules(&content) {
        reader.report(faults);
    }
    let (document, problems) = reader.finish(&content, &default, &REQUIRED);
    Normalised { content, document, is_active, problems }
}

/// What the rules that no schema knows find wrong with each member.
fn broken_rules(content: &DatabaseContent) -> [Vec<Invalid>; 5] {
    [
        check_name(&content.name).err().into_iter().collect(),
        check(content.vector_store_type, &content.vector_store_config),
        overlap(content),
        check_scopes(&content.scopes),
        metadata::check(&content.metadata),
    ]
}

fn overlap(content: &DatabaseContent) -> Vec<Invalid> {
    if content.chunk_overlap < content.chunk_size {
        return Vec::new();
    }
    let detail = format!("must be less than `chunk_size`, which is {}", content.chunk_size);
    vec![Invalid::new("/chunk_overlap", "out_of_range", detail)]
}
