//! From what a row or a body says to a tool: one function for both.

use engine::Effect;
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
use crate::tools::Makers;
use crate::tools::ToolContent;
use crate::tools::ToolKind;
use crate::tools::ToolRows;

/// The most levels that a schema or a `config` may have, and the most bytes as JSON.
const DEPTH: usize = 32;
const SCHEMA_BYTES: usize = 64 << 10;
const CONFIG_BYTES: usize = 256 << 10;

/// What every tool says of itself; `null` is no value of these.
const REQUIRED: [&str; 3] = ["name", "description", "input_schema"];

/// A new tool, as a body describes it. Only its schema is used.
#[derive(Debug)]
pub enum NewTool {}

/// What of a tool is to change, as a body says it. Only its schema is used.
#[derive(Debug)]
pub enum ToolChange {}

impl PartialSchema for NewTool {
    fn schema() -> RefOr<OpenApiSchema> {
        new_body::<ToolContent>(&REQUIRED, "A new tool. `null` stands for the default.")
    }
}

impl PartialSchema for ToolChange {
    fn schema() -> RefOr<OpenApiSchema> {
        let description = "The members that change. `null` stands for the default.";
        change_body::<ToolContent>(&REQUIRED, description)
    }
}

impl ToSchema for NewTool {
    fn schemas(schemas: &mut Vec<(String, RefOr<OpenApiSchema>)>) {
        ToolContent::schemas(schemas);
    }
}

impl ToSchema for ToolChange {
    fn schemas(schemas: &mut Vec<(String, RefOr<OpenApiSchema>)>) {
        ToolContent::schemas(schemas);
    }
}

/// Understands `given`, of which `unreadable` is already known to be no JSON.
///
/// A member that breaks a rule keeps its value; one of another type has its default. Whether what
/// the tool refers to exists, and whether its kind can be executed, is not seen here.
pub fn normalise(
    makers: &Makers,
    given: Document,
    unreadable: Vec<Invalid>,
) -> Normalised<ToolRows> {
    let (has_kind, has_effect) = (given.get("kind").is_some(), given.get("effect").is_some());
    let mut reader = Reader::new::<NewTool>(given, unreadable);
    let name: String = reader.take("name");
    let given_name: Option<String> = reader.take("display_name");
    let (kind, config) = (reader.take::<Option<ToolKind>>("kind"), reader.take("config"));
    let is_kind_known = kind.is_some() || !has_kind;
    let kind = kind.unwrap_or(ToolKind::Javascript);
    let default = ToolContent {
        display_name: name.clone(),
        effect: kind.usual_effect(&config),
        ..ToolContent::default()
    };
    let effect = reader.take::<Option<Effect>>("effect");
    let is_effect_known = if has_effect { effect.is_some() } else { is_kind_known };
    let content = ToolContent {
        display_name: given_name.filter(|it| !it.is_empty()).unwrap_or_else(|| name.clone()),
        name,
        description: reader.take("description"),
        kind,
        input_schema: reader.take("input_schema"),
        output_schema: reader.take("output_schema"),
        config,
        execute_code: reader.take("execute_code"),
        effect: effect.unwrap_or(default.effect),
        approval: reader.take("approval"),
        timeout_ms: reader.take::<Option<u64>>("timeout_ms").unwrap_or(default.timeout_ms),
        retry: reader.take("retry"),
        scopes: reader.take("scopes"),
        metadata: reader.take("metadata"),
    };
    let is_active = reader.take::<Option<bool>>("is_active").unwrap_or(true);
    for faults in broken_rules(&content) {
        reader.report(faults);
    }
    // What follows from a kind or an effect that was not understood is nobody's fault.
    if is_effect_known {
        reader.report(retry(&content));
    }
    if is_kind_known {
        reader.report(kind_and_code(&content, has_kind));
        if let Some(Err(faults)) = makers.make(&content) {
            reader.report(faults);
        }
    }
    let (document, problems) = reader.finish(&content, &default, &REQUIRED);
    Normalised { content, document, is_active, problems }
}

/// What the rules that no schema knows find wrong with each member.
fn broken_rules(content: &ToolContent) -> [Vec<Invalid>; 7] {
    [
        check_name(&content.name).err().into_iter().collect(),
        input_schema(content),
        content.output_schema.iter().flat_map(|it| schema("/output_schema", it)).collect(),
        size("/config", &content.config, CONFIG_BYTES, "262,144"),
        content.approval.check("/approval"),
        check_scopes(&content.scopes),
        metadata::check(&content.metadata),
    ]
}

fn kind_and_code(content: &ToolContent, has_kind: bool) -> Vec<Invalid> {
    let fault = |place, code, detail| vec![Invalid::new(place, code, detail)];
    match (content.kind, &content.execute_code) {
        (ToolKind::Javascript, None) if has_kind => {
            fault("/execute_code", "missing_member", "a tool of kind `javascript` has it")
        }
        (ToolKind::Javascript, None) => fault("/kind", "missing_member", "is required"),
        (ToolKind::Javascript, Some(_)) => Vec::new(),
        (ToolKind::Builtin, _) => fault("/kind", "not_one_of", "only the program has such tools"),
        (_, Some(_)) => {
            fault("/execute_code", "conflict", "only a tool of kind `javascript` has it")
        }
        (_, None) => Vec::new(),
    }
}

fn input_schema(content: &ToolContent) -> Vec<Invalid> {
    let faults = schema("/input_schema", &content.input_schema);
    if faults.is_empty() && content.input_schema.get("type").is_none_or(|it| it != "object") {
        let detail = "arguments are an object: `type` must be `object`";
        return vec![Invalid::new("/input_schema/type", "bad_schema", detail)];
    }
    faults
}

fn schema(place: &str, schema: &Value) -> Vec<Invalid> {
    let faults = size(place, schema, SCHEMA_BYTES, "65,536");
    if !faults.is_empty() {
        return faults;
    }
    let fault = Schema::compile(schema.clone()).err();
    fault.map(|fault| fault.under(place)).into_iter().collect()
}

fn size(
    place: &str,
    value: &(impl serde::Serialize + ?Sized),
    most: usize,
    most_in_words: &str,
) -> Vec<Invalid> {
    let value = serde_json::to_value(value).unwrap_or_default();
    if value.to_string().len() > most {
        let detail = format!("must have at most {most_in_words} bytes as JSON");
        return vec![Invalid::new(place, "too_long", detail)];
    }
    if metadata::depth(&value) > DEPTH {
        let detail = format!("must have at most {DEPTH} levels");
        return vec![Invalid::new(place, "too_deep", detail)];
    }
    Vec::new()
}

fn retry(content: &ToolContent) -> Vec<Invalid> {
    if content.effect != Effect::Effect || content.retry.max == 0 {
        return Vec::new();
    }
    let detail = "must be 0: a call that has effects is never made again";
    vec![Invalid::new("/retry/max", "out_of_range", detail)]
}
