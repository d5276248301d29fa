//! JSON Schema as the rule for a value: ours for what callers send, our users' for their tools.

use std::any::TypeId;
use std::collections::HashMap;
use std::iter;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::PoisonError;
use std::sync::RwLock;

use jsonschema::Draft;
use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::Required;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::schema::Schema as OpenApiSchema;

use crate::http::Invalid;
use crate::http::explain::explain;

static OF_TYPES: LazyLock<RwLock<HashMap<TypeId, Arc<Schema>>>> = LazyLock::new(RwLock::default);

/// A compiled JSON Schema (2020-12) whose faults come in our words.
#[derive(Debug)]
pub struct Schema {
    document: Value,
    validator: Validator,
}

impl Schema {
    /// The schema that the OpenAPI document shows for `T`. It is compiled once in a process.
    pub fn of<T: ToSchema + 'static>() -> Result<Arc<Self>, Invalid> {
        once(TypeId::of::<T>(), document_of::<T>)
    }

    /// The same for the parameters of a query.
    pub fn of_params<T: IntoParams + 'static>() -> Result<Arc<Self>, Invalid> {
        once(TypeId::of::<T>(), document_of_params::<T>)
    }

    /// Compiles a schema, or says where it is none. Nothing is fetched: a `$ref` to elsewhere is a fault.
    pub fn compile(document: Value) -> Result<Self, Invalid> {
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .build(&document)
            .map_err(|error| {
                if let ValidationErrorKind::Referencing(_) = error.kind() {
                    let detail = "a `$ref` of this schema leads to nothing inside it";
                    return Invalid::new(error.instance_path().as_str(), "bad_schema", detail);
                }
                let at = error.instance_path().to_string();
                let fault = explain(&Value::Null, iter::once(error)).pop();
                let (at, why) = fault.map_or((at, String::new()), |it| (it.pointer, it.detail));
                Invalid::new(at, "bad_schema", format!("this is not a JSON Schema: {why}"))
            })?;
        Ok(Self { document, validator })
    }

    /// The faults of `value`, at most one a place and a hundred in all. None: it is valid.
    pub fn check(&self, value: &Value) -> Vec<Invalid> {
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        explain(&self.document, self.validator.iter_errors(value))
    }

    /// The schema of one member of the object that this describes.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.document.get("properties")?.get(name)
    }
}

fn once(id: TypeId, document: impl Fn() -> Value) -> Result<Arc<Schema>, Invalid> {
    if let Some(known) = OF_TYPES.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return Ok(Arc::clone(known));
    }
    let schema = Arc::new(Schema::compile(document())?);
    OF_TYPES.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&schema));
    Ok(schema)
}

/// The parameters of `T` as an object. A type that they refer to is left to serde.
fn document_of_params<T: IntoParams>() -> Value {
    let parameters = T::into_params(|| Some(ParameterIn::Query));
    let required: Vec<&str> = parameters
        .iter()
        .filter(|parameter| matches!(parameter.required, Required::True))
        .map(|parameter| parameter.name.as_str())
        .collect();
    let members: Map<String, Value> = parameters
        .iter()
        .map(|parameter| {
            let rule = match &parameter.schema {
                Some(RefOr::T(schema)) => as_rule(RefOr::T(schema.clone())),
                Some(RefOr::Ref(_)) | None => json!({}),
            };
            (parameter.name.clone(), rule)
        })
        .collect();
    json!({
        "type": "object",
        "properties": members,
        "required": required,
        "additionalProperties": false,
    })
}

/// The schema of `T` and of all that it refers to, as one document.
fn document_of<T: ToSchema>() -> Value {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let parts: Map<String, Value> =
        parts.into_iter().map(|(name, schema)| (name, as_rule(schema))).collect();
    let mut document = as_rule(T::schema());
    if let Value::Object(members) = &mut document {
        members.insert("components".into(), Value::from_iter([("schemas", Value::Object(parts))]));
    }
    document
}

/// utoipa's words as a rule.
fn as_rule(schema: RefOr<OpenApiSchema>) -> Value {
    let mut document = serde_json::to_value(schema).unwrap_or_default();
    loosen(&mut document);
    document
}

/// Turns each `oneOf` to `anyOf`: serde takes the first variant that fits, so that two may.
fn loosen(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(loosen),
        Value::Object(members) => {
            if let Some(variants) = members.remove("oneOf") {
                members.insert("anyOf".into(), variants);
            }
            members.values_mut().for_each(loosen);
        }
        _ => {}
    }
}
