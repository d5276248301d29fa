//! From what a row or a body says to a workflow: one function for both.

use serde_json::Value;
use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema as OpenApiSchema;

use crate::definitions::Document;
use crate::definitions::Normalised;
use crate::definitions::Reader;
use crate::definitions::change_body;
use crate::definitions::check_name;
use crate::definitions::check_scopes;
use crate::definitions::metadata;
use crate::definitions::new_body;
use crate::http::Invalid;
use crate::http::schema::Schema;
use crate::workflows::WorkflowContent;
use crate::workflows::WorkflowKind;
use crate::workflows::triggers;

/// The most levels that a schema may have, and the most bytes as JSON.
const DEPTH: usize = 32;
const SCHEMA_BYTES: usize = 64 << 10;

/// What every workflow says of itself; `null` is no value of these.
const REQUIRED: [&str; 2] = ["name", "steps"];

/// A new workflow, as a body describes it. Only its schema is used.
#[derive(Debug)]
pub enum NewWorkflow {}

/// What of a workflow is to change, as a body says it. Only its schema is used.
#[derive(Debug)]
pub enum WorkflowChange {}

impl PartialSchema for NewWorkflow {
    fn schema() -> RefOr<OpenApiSchema> {
        new_body::<WorkflowContent>(&REQUIRED, "A new workflow. `null` stands for the default.")
    }
}

impl PartialSchema for WorkflowChange {
    fn schema() -> RefOr<OpenApiSchema> {
        let description = "The members that change. `null` stands for the default.";
        change_body::<WorkflowContent>(&REQUIRED, description)
    }
}

impl ToSchema for NewWorkflow {
    fn schemas(schemas: &mut Vec<(String, RefOr<OpenApiSchema>)>) {
        WorkflowContent::schemas(schemas);
    }
}

impl ToSchema for WorkflowChange {
    fn schemas(schemas: &mut Vec<(String, RefOr<OpenApiSchema>)>) {
        WorkflowContent::schemas(schemas);
    }
}

/// Understands `given`, of which `unreadable` is already known to be no JSON.
///
/// A member that breaks a rule keeps its value; one of another type has its default. Whether what the workflow refers
/// to exists is not seen here.
pub fn normalise(given: Document, unreadable: Vec<Invalid>) -> Normalised<WorkflowKind> {
    let mut reader = Reader::new::<NewWorkflow>(given, unreadable);
    let name: String = reader.take("name");
    let default = WorkflowContent { display_name: name.clone(), ..WorkflowContent::default() };
    let given_name: Option<String> = reader.take("display_name");
    let steps = Value::Array(reader.take("steps"));
    let content = WorkflowContent {
        display_name: given_name.filter(|it| !it.is_empty()).unwrap_or_else(|| name.clone()),
        name,
        description: reader.take("description"),
        input_schema: reader.take("input_schema"),
        output_schema: reader.take("output_schema"),
        steps: match engine::normalise(&steps) {
            Value::Array(steps) => steps,
            _ => Vec::new(),
        },
        output: reader.take::<Option<Value>>("output").unwrap_or_else(|| default.output.clone()),
        limits: reader.take("limits"),
        triggers: triggers::named(reader.take("triggers")),
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
fn broken_rules(content: &WorkflowContent) -> [Vec<Invalid>; 7] {
    let faults = content.parse().err().unwrap_or_default();
    [
        check_name(&content.name).err().into_iter().collect(),
        schema("/input_schema", content.input_schema.as_ref()),
        schema("/output_schema", content.output_schema.as_ref()),
        faults.into_iter().map(|it| Invalid::new(it.pointer, it.code, it.detail)).collect(),
        triggers::broken_rules(content),
        check_scopes(&content.scopes),
        metadata::check(&content.metadata),
    ]
}

fn schema(place: &str, schema: Option<&Value>) -> Vec<Invalid> {
    let Some(schema) = schema else { return Vec::new() };
    if schema.to_string().len() > SCHEMA_BYTES {
        let detail = "must have at most 65,536 bytes as JSON";
        return vec![Invalid::new(place, "too_long", detail)];
    }
    if metadata::depth(schema) > DEPTH {
        let detail = format!("must have at most {DEPTH} levels");
        return vec![Invalid::new(place, "too_deep", detail)];
    }
    let fault = Schema::compile(schema.clone()).err();
    fault.map(|fault| fault.under(place)).into_iter().collect()
}
