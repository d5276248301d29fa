//! The bodies that write a definition, described by the type of its content.

use utoipa::ToSchema;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::OneOfBuilder;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::schema::Object;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::schema::Type;

/// The schema of a body that makes a definition: members of `T` and `is_active`. All may be left out
/// or be `null`, which stands for the default, but for those that are `required`.
pub fn new_body<T: ToSchema>(required: &[&str], description: &str) -> RefOr<Schema> {
    with_object(change_body::<T>(required, description), |body| {
        body.required = required.iter().map(|&name| name.to_owned()).collect();
    })
}

/// The schema of a body that changes a definition. All members may be left out; those that are
/// `required` may not be `null`.
pub fn change_body<T: ToSchema>(required: &[&str], description: &str) -> RefOr<Schema> {
    with_object(T::schema(), |body| {
        let active = ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .description(Some("Whether it may be used; `true` if not said."))
            .build();
        body.properties.insert("is_active".to_owned(), active.into());
        for (name, member) in &mut body.properties {
            if !required.contains(&name.as_str()) {
                allow_null(member);
            }
        }
        body.required.clear();
        body.description = Some(description.to_owned());
        body.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    })
}

fn with_object(mut schema: RefOr<Schema>, change: impl FnOnce(&mut Object)) -> RefOr<Schema> {
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        change(object);
    }
    schema
}

fn allow_null(member: &mut RefOr<Schema>) {
    match member {
        RefOr::T(Schema::Object(object)) => add_null(&mut object.schema_type),
        RefOr::T(Schema::Array(array)) => add_null(&mut array.schema_type),
        RefOr::T(Schema::OneOf(variants)) if variants.items.iter().any(is_null) => {}
        other => {
            let null = ObjectBuilder::new().schema_type(Type::Null);
            *other = OneOfBuilder::new().item(null).item(other.clone()).into();
        }
    }
}

fn add_null(schema_type: &mut SchemaType) {
    match schema_type {
        SchemaType::Type(only) => *schema_type = SchemaType::Array(vec![only.clone(), Type::Null]),
        SchemaType::Array(types) if !types.contains(&Type::Null) => types.push(Type::Null),
        SchemaType::Array(_) | SchemaType::AnyValue => {}
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    let null = SchemaType::Type(Type::Null);
    matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == null)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Thing {
        name: String,
        #[schema(required)]
        note: Option<String>,
        parts: Vec<Part>,
        main: Part,
    }

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Part {
        size: u8,
    }

    #[test]
    fn what_is_not_required_may_be_null() {
        let schema = serde_json::to_value(new_body::<Thing>(&["name"], "A new thing.")).unwrap();

        assert_eq!(schema["required"], json!(["name"]));
        let types: Vec<_> = ["name", "note", "parts", "main", "is_active"]
            .map(|name| schema["properties"][name].to_string())
            .into();
        expect![[r##"
            {"type":"string"}
            {"type":["string","null"]}
            {"items":{"$ref":"#/components/schemas/Part"},"type":["array","null"]}
            {"oneOf":[{"type":"null"},{"$ref":"#/components/schemas/Part"}]}
            {"description":"Whether it may be used; `true` if not said.","type":["boolean","null"]}"##]].assert_eq(&types.join("\n"));
    }
}
