//! Documents as people write them, and as nobody should.

use expect_test::expect;
use serde_json::json;

use super::*;
use crate::egress::Allow;
use crate::egress::Egress;
use crate::http::schema::Schema;

fn import_all(document: &Value) -> Import {
    import(document, &Wanted::default()).unwrap()
}

/// The only tool of a document with one operation.
fn tool(mut document: Value) -> Value {
    document["openapi"] = json!("3.1.0");
    if document["servers"].is_null() {
        document["servers"] = json!([{"url": "https://api.example.com/v1/"}]);
    }
    let mut import = import_all(&document);
    assert_eq!(import.skipped, []);
    assert_eq!(import.tools.len(), 1);
    Value::Object(import.tools.remove(0))
}

fn reason(path: &str, method: &str, operation: Value) -> String {
    let document = json!({"openapi": "3.1.0", "servers": [{"url": "https://a.example"}],
        "paths": {path: {method: operation}}});
    let import = import_all(&document);
    assert!(import.tools.is_empty());
    import.skipped[0].reason.clone()
}

const YAML: &str = "
openapi: 3.0.3
info: {title: Shop, version: '1'}
servers:
  - url: https://{region}.example.com/v1
    variables: {region: {default: eu}}
security: [{bearer: []}]
components:
  securitySchemes:
    bearer: {type: http, scheme: bearer}
  parameters:
    Trace: {name: X-Trace, in: header, schema: {type: string, nullable: true}}
  schemas:
    Order:
      type: object
      required: [id, lines]
      properties:
        id: {type: string, readOnly: true}
        amount: {type: number, minimum: 0, exclusiveMinimum: true}
        lines: {type: array, items: {$ref: '#/components/schemas/Line'}}
    Line:
      type: object
      properties:
        sku: {type: string, example: A1}
        nullable: {type: boolean}
        parts: {type: array, items: {$ref: '#/components/schemas/Line'}}
paths:
  /orders/{orderId}:
    parameters:
      - {name: orderId, in: path, required: true, schema: {type: string}}
      - $ref: '#/components/parameters/Trace'
    put:
      operationId: orders.update
      summary: Update an order
      parameters:
        - {name: 'tags[]', in: query, schema: {type: array, items: {type: string}}}
        - {name: fields, in: query, explode: false, schema: {type: array, items: {type: string}}}
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}
      responses:
        200: {description: Done}
";

#[test]
fn an_operation_becomes_a_tool_that_sends_it() {
    let document = read(YAML).unwrap();

    let import = import_all(&document);

    assert_eq!(import.skipped, []);
    let mut tools = import.tools;
    tools[0].remove("input_schema");
    let text = serde_json::to_string_pretty(&tools).unwrap();
    expect![[r#"
        [
          {
            "config": {
              "auth": {
                "secret": "bearer",
                "type": "bearer"
              },
              "body": {
                "$": "/input/body"
              },
              "headers": {
                "X-Trace": "{{ input.X-Trace }}"
              },
              "method": "PUT",
              "query": {
                "fields": {
                  "$": "/input/fields"
                },
                "tags[]": {
                  "$": "/input/tags"
                }
              },
              "url": "https://eu.example.com/v1/orders/{{ input.orderId }}"
            },
            "description": "Update an order",
            "display_name": "Update an order",
            "kind": "http",
            "metadata": {
              "openapi": {
                "operation": "orders.update"
              }
            },
            "name": "orders_update"
          }
        ]"#]]
    .assert_eq(&text);
}

#[test]
fn what_an_operation_takes_becomes_one_schema() {
    let document = read(YAML).unwrap();

    let import = import_all(&document);

    let schema = &import.tools[0]["input_schema"];
    let line = json!({"type": "object", "properties": {
        "nullable": {"type": "boolean"},
        "parts": {"type": "array", "items": {}},
        "sku": {"type": "string"},
    }});
    let body = json!({"type": "object", "required": ["lines"], "properties": {
        "amount": {"type": "number", "exclusiveMinimum": 0},
        "lines": {"type": "array", "items": line},
    }});
    let commas = "Several values have commas between them.";
    let expected = json!({
        "type": "object", "additionalProperties": false, "required": ["orderId", "body"],
        "properties": {
            "X-Trace": {"type": ["string", "null"]},
            "body": body,
            "fields": {"type": "string", "description": commas},
            "orderId": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
        }
    });
    assert_eq!(*schema, expected);
    let input = json!({"orderId": "a/b", "tags": ["x", "y"], "fields": "a,b", "body": {"amount": 1, "lines": []}});
    assert_eq!(Schema::compile(schema.clone()).unwrap().check(&input), []);
}

#[test]
fn bodies_are_sent_as_their_types_want_it() {
    let of = |content: Value| {
        let tool = tool(
            json!({"paths": {"/x": {"post": {"requestBody": {"required": true, "content": content}}}}}),
        );
        json!([tool["config"]["headers"], tool["config"]["body"], tool["input_schema"]["required"]])
    };

    let form = json!({"application/x-www-form-urlencoded": {"schema": {"type": "object", "properties": {"a/b": {}}}}});
    assert_eq!(
        of(form),
        json!([{"content-type": "application/x-www-form-urlencoded"}, {"a/b": {"$": "/input/body/a~1b"}}, ["body"]])
    );
    let patch = json!({"multipart/form-data": {}, "application/merge-patch+json": {"schema": {}}});
    assert_eq!(
        of(patch),
        json!([{"content-type": "application/merge-patch+json"}, {"$": "/input/body"}, ["body"]])
    );
    let text = json!({"text/csv": {"schema": {"type": "string"}}});
    assert_eq!(of(text), json!([{"content-type": "text/csv"}, "{{ input.body }}", ["body"]]));
    let file = json!({"requestBody": {"required": true, "content": {"multipart/form-data": {}}}});
    assert_eq!(reason("/x", "post", file), "its body is multipart/form-data");
}

#[test]
fn what_an_operation_demands_becomes_auth_with_a_secret() {
    let of = |schemes: Value, security: Value| {
        let tool = tool(
            json!({"components": {"securitySchemes": schemes}, "security": security, "paths": {"/x": {"get": {}}}}),
        );
        json!([tool["config"]["auth"], tool["config"]["query"], tool["config"]["headers"]])
    };

    let header = json!({"api key": {"type": "apiKey", "in": "header", "name": "X-Key"}});
    assert_eq!(
        of(header, json!([{"api key": []}])),
        json!([{"type": "header", "name": "X-Key", "secret": "api_key"}, null, null])
    );
    let query = json!({"key": {"type": "apiKey", "in": "query", "name": "k"}});
    assert_eq!(of(query, json!([{"key": []}])), json!([null, {"k": "{{secrets.key}}"}, null]));
    let oauth = json!({"o": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a.example/token", "scopes": {}}}}});
    let token = json!({"type": "oauth", "token_url": "https://a.example/token", "client_id": "", "secret": "o", "scope": "a b"});
    assert_eq!(of(oauth, json!([{"o": ["a", "b"]}])), json!([token, null, null]));
    let basic = json!({"b": {"type": "http", "scheme": "Basic"}});
    assert_eq!(of(basic.clone(), json!([{}, {"none": []}])), json!([null, null, null]));
    assert_eq!(of(basic, json!([{"none": []}, {"b": []}]))[0]["type"], "basic");
    // Documents may say that nothing is demanded, and be wrong.
    let document = json!({"openapi": "3.1.0", "servers": [{"url": "https://a.example"}], "paths": {"/x": {"get": {"security": []}}}});
    let auth = json!({"type": "bearer", "secret": "key"});
    let wanted = Wanted { auth: Some(&auth), ..Wanted::default() };
    assert_eq!(import(&document, &wanted).unwrap().tools[0]["config"]["auth"], auth);
}

#[test]
fn what_cannot_be_a_tool_says_why() {
    let parameter = |parameter: Value| reason("/x", "get", json!({"parameters": [parameter]}));

    assert_eq!(
        reason("/x/{id}", "get", json!({})),
        "its path has a parameter that is not described"
    );
    assert_eq!(
        parameter(json!({"name": "c", "in": "cookie", "required": true, "schema": {}})),
        "its parameter `c` is a cookie"
    );
    assert_eq!(
        parameter(
            json!({"name": "f", "in": "query", "required": true, "schema": {"type": "object"}})
        ),
        "its parameter `f` is an object"
    );
    assert_eq!(parameter(json!({"$ref": "#/none"})), "its `$ref` to `#/none` leads to nothing");
    assert_eq!(
        parameter(json!({"$ref": "#/paths/~1x/get/parameters/0"})),
        "a `$ref` of it leads to itself"
    );
    let network = parameter(
        json!({"name": "q", "in": "query", "schema": {"$ref": "https://evil.example/s.json#/S"}}),
    );
    assert_eq!(
        network,
        "its `$ref` to `https://evil.example/s.json#/S` is outside of the document, and nothing is fetched"
    );
    let unknown = reason("/x", "get", json!({"security": [{"none": []}]}));
    assert_eq!(unknown, "its security scheme `none` is not described");
    let relative =
        json!({"openapi": "3.1.0", "paths": {"/x": {"get": {}}}, "servers": [{"url": "/v1"}]});
    assert_eq!(
        import_all(&relative).skipped[0].reason,
        "its server is no absolute URL; say which in `server`"
    );
    let wanted = Wanted { url: Some("https://a.example/docs/openapi.json"), ..Wanted::default() };
    assert_eq!(
        import(&relative, &wanted).unwrap().tools[0]["config"]["url"],
        "https://a.example/v1/x"
    );
    let wanted = Wanted { server: Some("https://b.example"), ..Wanted::default() };
    assert_eq!(
        import(&relative, &wanted).unwrap().tools[0]["config"]["url"],
        "https://b.example/x"
    );
}

#[test]
fn what_can_only_have_one_value_is_no_argument() {
    let parameters = json!([
        {"name": "X-Version", "in": "header", "schema": {"type": "string", "default": "{{secrets.key}}"}},
        {"name": "api", "in": "query", "required": true, "schema": {"enum": [2]}},
        {"name": "page", "in": "query", "required": true, "schema": {"default": 1}},
    ]);
    let tool = tool(json!({"paths": {"/x": {"get": {"parameters": parameters}}}}));

    assert_eq!(tool["config"]["query"], json!({"api": "2", "page": {"$": "/input/page"}}));
    assert_eq!(tool["config"]["headers"], json!({"X-Version": "{{ \"{{\" }}secrets.key}}"}));
    assert_eq!(tool["input_schema"]["required"], json!(["page"]));
}

#[test]
fn operations_are_chosen_by_id_or_by_method_and_path() {
    let document = json!({"openapi": "3.1.0", "servers": [{"url": "https://a.example"}],
        "paths": {"/a": {"get": {"operationId": "readA"}, "post": {}}, "/b": {"get": {}}}});
    let names = |operations: &[&str]| {
        let operations: Vec<String> = operations.iter().map(|it| (*it).to_owned()).collect();
        let import =
            import(&document, &Wanted { operations: Some(&operations), ..Wanted::default() })?;
        Ok::<_, Vec<Invalid>>(
            import
                .tools
                .iter()
                .map(|it| it["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
        )
    };

    assert_eq!(names(&["readA", "GET /b"]).unwrap(), ["readA", "get_b"]);
    assert_eq!(names(&["POST /a"]).unwrap(), ["post_a"]);
    assert_eq!(names(&["readA", "readB"]).unwrap_err()[0].pointer, "/operations/1");
}

#[test]
fn names_are_safe_and_told_apart() {
    let ids = [
        "list orders",
        "list-orders",
        "list_orders",
        "LIST_ORDERS",
        "7 äöü",
        "search",
        "",
        &"x".repeat(80),
        &"X".repeat(80),
    ];
    let paths = ids
        .iter()
        .enumerate()
        .map(|(i, id)| (format!("/{i}"), json!({"get": {"operationId": id}})));
    let document = json!({"openapi": "3.0.0", "servers": [{"url": "https://a.example"}], "paths": paths.collect::<Map<_, _>>()});

    let import = import_all(&document);

    let names: Vec<_> = import.tools.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert!(names.iter().all(|name| check_name(name).is_ok()), "{names:?}");
    let distinct: BTreeSet<_> = names.iter().map(|it| it.to_ascii_lowercase()).collect();
    assert_eq!(distinct.len(), ids.len(), "{names:?}");
    assert_eq!(&names[..3], ["list_orders", "list-orders", "list_orders_2"]);
}

#[test]
fn data_that_looks_like_a_schema_is_left_alone() {
    let schema = json!({"type": "object", "properties": {
        "$ref": {"type": "string"}, "properties": {"type": "string"},
        "a": {"enum": [{"$ref": "#/none"}], "default": {"$ref": "https://evil.example"}},
        "p": {"type": "string", "pattern": "^(?<year>\\p{Nope}"},
    }});
    let tool = tool(
        json!({"paths": {"/x": {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}}}),
    );

    let body = &tool["input_schema"]["properties"]["body"]["properties"];
    assert_eq!(
        body["a"],
        json!({"enum": [{"$ref": "#/none"}], "default": {"$ref": "https://evil.example"}})
    );
    assert_eq!(body["$ref"], json!({"type": "string"}));
    assert_eq!(body["p"], json!({"type": "string"}));
}

#[test]
fn five_thousand_operations_are_as_many_tools() {
    let parameters =
        json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}]);
    let paths =
        (0..5_000).map(|i| (format!("/p{i}/{{id}}"), json!({"get": {"parameters": parameters}})));
    let document = json!({"openapi": "3.1.0", "servers": [{"url": "https://a.example"}], "paths": paths.collect::<Map<_, _>>()});

    let import = import_all(&document);

    assert_eq!((import.tools.len(), import.skipped.len()), (5_000, 0));
    assert_eq!(import.tools[4_999]["config"]["url"], "https://a.example/p999/{{ input.id }}");
}

#[test]
fn hostile_documents_are_bounded() {
    // Each schema has two of the next: 2^40 in all, if nobody stops.
    let mut schemas = Map::new();
    for i in 0..40 {
        let next = json!({"$ref": format!("#/components/schemas/S{}", (i + 1) % 40)});
        schemas.insert(
            format!("S{i}"),
            json!({"type": "object", "properties": {"a": next, "b": next}}),
        );
    }
    let body =
        json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}});
    let paths = (0..5_000).map(|i| (format!("/p{i}"), json!({"post": {"requestBody": body}})));
    let document = json!({"openapi": "3.1.0", "servers": [{"url": "https://a.example"}],
        "components": {"schemas": schemas}, "paths": paths.collect::<Map<_, _>>()});

    let import = import_all(&document);

    assert_eq!(import.tools.len() + import.skipped.len(), 5_000);
    assert!((100..=200).contains(&import.tools.len()), "{}", import.tools.len());
    assert!(import.skipped.iter().all(|it| it.reason.contains("too large")));

    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(read(&deep).is_err());
    let lines: Vec<_> = (1..30).map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}]", i - 1)).collect();
    let bomb = lines.join("\n");
    assert!(read(&format!("a0: &a0 x\n{bomb}")).is_err());
    assert!(read("a: [").is_err());
}

#[test]
fn what_is_no_document_of_openapi_3_is_refused() {
    let pointer =
        |document: Value| import(&document, &Wanted::default()).unwrap_err()[0].pointer.clone();

    assert_eq!(pointer(json!({"swagger": "2.0", "paths": {}})), "/swagger");
    assert_eq!(pointer(json!({"openapi": "4.0.0", "paths": {}})), "/openapi");
    assert_eq!(pointer(json!({"openapi": "3.1.0"})), "/paths");
    assert_eq!(pointer(json!([])), "/openapi");
}

#[test]
fn every_tool_of_an_import_can_be_sent() {
    let document = read(YAML).unwrap();
    let tool = &import_all(&document).tools[0];
    let config = serde_json::from_value(tool["config"].clone()).unwrap();
    let egress = Egress::new(Allow::default()).unwrap();

    crate::tools::http::check(config, &tool["input_schema"], &egress).unwrap();
}
