//! From the plan and the arguments to a request.

use bytes::Bytes;
use http::HeaderName;
use http::HeaderValue;
use http::header;
use serde_json::Value;

use super::plan::Body;
use super::plan::Node;
use super::plan::Plan;
use super::plan::leaves_its_path;
use super::template::Missing;
use super::template::Path;
use super::template::Template;
use super::template::as_text;
use super::template::push;
use crate::egress;
use crate::egress::Escape;
use crate::egress::Limits;
use crate::egress::Request;
use crate::egress::SecretHeader;
use crate::egress::Text;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Why these arguments make no request. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error(transparent)]
    Missing(#[from] Missing),
    #[error("an argument would make `.` or `..` a step of the path")]
    LeavesItsPath,
    #[error("an argument for the header `{0}` has a line break or another control character in it")]
    Header(HeaderName),
}

impl Plan {
    /// The request for these arguments, without what proves whose it is.
    pub fn request(&self, input: &Value, limits: Limits) -> Result<Request, Unfit> {
        let mut url = self.url.render(input, Escape::None, Escape::Percent)?;
        if leaves_its_path(&url.to_string()) {
            return Err(Unfit::LeavesItsPath);
        }
        let query = pairs(&self.query, input)?;
        if !query.is_empty() {
            url.push(if self.url.sample().contains('?') { "&" } else { "?" });
            url.append(&query);
        }
        let mut request = Request::new(self.method.clone(), url, limits);
        for (name, template) in &self.headers {
            header(&mut request, name, template, input)?;
        }
        let headers = &mut request.headers;
        request.body = match &self.body {
            Body::Json(node) if node.is_left_out(input) => Bytes::new().into(),
            Body::None => Bytes::new().into(),
            Body::Form(members) => egress::Body::Text(pairs(members, input)?, Escape::Percent),
            Body::Text(template) => {
                headers.entry(header::CONTENT_TYPE).or_insert(TEXT);
                egress::Body::Text(
                    template.render(input, Escape::None, Escape::None)?,
                    Escape::None,
                )
            }
            Body::Json(node) => {
                headers.entry(header::CONTENT_TYPE).or_insert(JSON);
                let mut text = Text::default();
                node.write(input, &mut text)?;
                egress::Body::Text(text, Escape::Json)
            }
        };
        Ok(request)
    }
}

impl Node {
    /// Writes it as JSON. A member that is a missing argument is left out.
    fn write(&self, input: &Value, json: &mut Text) -> Result<(), Missing> {
        match self {
            Self::Plain(value) => json.push(&value.to_string()),
            Self::Argument(path) => json.push(&path.find(input)?.to_string()),
            Self::Text(template) => {
                json.push("\"");
                json.append(&template.render(input, Escape::Json, Escape::Json)?);
                json.push("\"");
            }
            Self::List(items) => {
                json.push("[");
                for (index, item) in items.iter().enumerate() {
                    json.push(if index > 0 { "," } else { "" });
                    item.write(input, json)?;
                }
                json.push("]");
            }
            Self::Object(members) => {
                json.push("{");
                let given = members.iter().filter(|(_, node)| !node.is_left_out(input));
                for (index, (name, node)) in given.enumerate() {
                    json.push(if index > 0 { "," } else { "" });
                    json.push(&Value::from(name.as_str()).to_string());
                    json.push(":");
                    node.write(input, json)?;
                }
                json.push("}");
            }
        }
        Ok(())
    }

    /// Whether it is an argument alone, which is not given.
    fn is_left_out(&self, input: &Value) -> bool {
        match self {
            Self::Argument(path) => path.find(input).is_err(),
            Self::Text(template) => template.sole().is_some_and(|it| it.find(input).is_err()),
            _ => false,
        }
    }

    /// Its texts as a part of a form: a list has several.
    fn texts(&self, input: &Value) -> Result<Vec<Text>, Missing> {
        let encoded = |value: &Value| {
            let mut text = Text::default();
            push(&mut text, &as_text(value), Escape::Percent);
            text
        };
        let all = |value: &Value| match value {
            Value::Array(items) => items.iter().map(encoded).collect(),
            other => vec![encoded(other)],
        };
        Ok(match self {
            Self::Plain(value) => all(value),
            Self::Argument(path) => all(path.find(input)?),
            Self::Text(template) => match template.sole() {
                Some(path) => all(path.find(input)?),
                None => vec![template.render(input, Escape::Percent, Escape::Percent)?],
            },
            Self::List(items) => {
                let texts: Result<Vec<_>, _> = items.iter().map(|it| it.texts(input)).collect();
                texts?.into_iter().flatten().collect()
            }
            Self::Object(_) => {
                let mut json = Text::default();
                self.write(input, &mut json)?;
                let mut text = Text::default();
                push(&mut text, &json.to_string(), Escape::Percent);
                vec![text]
            }
        })
    }
}

/// `a=1&b=2`, without what is a missing argument alone.
fn pairs(members: &[(String, Node)], input: &Value) -> Result<Text, Missing> {
    let mut text = Text::default();
    let given = |node: &Node| match node {
        Node::Argument(path) => is_given(path, input),
        Node::Text(template) => template.sole().is_none_or(|path| is_given(path, input)),
        _ => true,
    };
    for (name, node) in members.iter().filter(|(_, node)| given(node)) {
        for value in node.texts(input)? {
            text.push(if text.is_empty() { "" } else { "&" });
            push(&mut text, name, Escape::Percent);
            text.push("=");
            text.append(&value);
        }
    }
    Ok(text)
}

/// Whether there is something to write: `null` has no form but in JSON.
fn is_given(path: &Path, input: &Value) -> bool {
    path.find(input).is_ok_and(|value| !value.is_null())
}

fn header(
    request: &mut Request,
    name: &HeaderName,
    template: &Template,
    input: &Value,
) -> Result<(), Unfit> {
    if template.sole().is_some_and(|path| !is_given(path, input)) {
        return Ok(());
    }
    let text = template.render(input, Escape::None, Escape::None)?;
    let value = HeaderValue::from_str(&text.to_string())
        .or_else(|_| HeaderValue::from_bytes(text.to_string().as_bytes()))
        .map_err(|_| Unfit::Header(name.clone()))?;
    if template.has_secrets() {
        request.secret_headers.push((name.clone(), SecretHeader::Value(text)));
    } else {
        request.headers.insert(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;
    use serde_json::json;

    use super::super::config::Config;
    use super::*;
    use crate::egress::Allow;
    use crate::egress::Egress;
    use crate::egress::Wanted;

    /// The request that comes of `config` and `input`, or all that is wrong, as a text.
    fn request(config: Value, input: Value) -> String {
        let schema = json!({"type": "object", "properties": {
            "id": {}, "note": {"type": "string"}, "tags": {"type": "array"}, "limit": {"type": "integer"},
            "nothing": {},
        }});
        let config: Config = serde_json::from_value(config).unwrap();
        let egress = Egress::new(Allow::default()).unwrap();
        let plan = match Plan::new(config, &schema, &egress) {
            Ok(plan) => plan,
            Err(faults) => {
                let lines =
                    faults.iter().map(|it| format!("{} {}: {}", it.pointer, it.code, it.detail));
                return lines.collect::<Vec<_>>().join("\n");
            }
        };
        let limits =
            Limits { time: Duration::from_secs(1), response: Wanted::Body(1), hosts: None };
        match plan.request(&input, limits) {
            Err(unfit) => unfit.to_string(),
            Ok(request) => {
                let mut lines = vec![format!("{} {}", request.method, request.url)];
                let headers = request.headers.iter();
                lines.extend(
                    headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())),
                );
                for (name, value) in &request.secret_headers {
                    let SecretHeader::Value(value) = value else { continue };
                    lines.push(format!("{name}: {value} (secret)"));
                }
                if let egress::Body::Text(text, escape) = &request.body {
                    lines.push(format!("{escape:?} {text}"));
                }
                lines.join("\n")
            }
        }
    }

    #[test]
    fn arguments_come_to_their_places() {
        let config = json!({
            "method": "POST", "url": "https://api.example.com/v1/orders/{{ input.id }}?fixed=1",
            "query": {"note": "{{input.note}}", "nothing": {"$": "/input/nothing"}, "tag": {"$": "/input/tags"}, "limit": "{{ input.limit }}", "key": "{{secrets.key}}", "a b": 5},
            "headers": {"X-Note": "n: {{input.note}}", "X-Limit": "{{input.limit}}", "X-Null": "{{input.nothing}}", "X-Key": "Key {{ secrets.key }}"},
            "body": {"id": {"$": "/input/id"}, "text": "<{{input.note}}>", "limit": {"$": "/input/limit"},
                "list": [{"$": "/input/tags"}, null, {"key": "{{secrets.key}}"}]},
        });
        let input = json!({"id": "a/b?c", "note": "x \"&\" {{secrets.other}}", "tags": [1, "ä"], "nothing": null});

        expect![[r#"
            POST https://api.example.com/v1/orders/a%2Fb%3Fc?fixed=1&a%20b=5&key={{secrets.key}}&note=x%20%22%26%22%20%7B%7Bsecrets.other%7D%7D&tag=1&tag=%C3%A4
            x-note: n: x "&" {{secrets.other}}
            content-type: application/json
            x-key: Key {{secrets.key}} (secret)
            Json {"id":"a/b?c","list":[[1,"ä"],null,{"key":"{{secrets.key}}"}],"text":"<x \"&\" {{secrets.other}}>"}"#]].assert_eq(&request(config, input));
    }

    #[test]
    fn a_body_is_a_form_or_a_text_if_its_type_says_so() {
        let form = json!({"method": "POST", "url": "https://a.example/", "headers": {"content-type": "application/x-www-form-urlencoded"},
            "body": {"a": "{{input.note}}", "tags": {"$": "/input/tags"}, "none": "{{input.limit}}", "key": "{{secrets.key}}"}});
        let text = json!({"method": "PUT", "url": "https://a.example/", "body": "note: {{input.note}} {{secrets.key}}"});
        let input = json!({"note": "a&b=c", "tags": ["x", "y"]});

        expect![[r#"
            POST https://a.example/
            content-type: application/x-www-form-urlencoded
            Percent a=a%26b%3Dc&key={{secrets.key}}&tags=x&tags=y"#]]
        .assert_eq(&request(form, input.clone()));
        expect![[r#"
            PUT https://a.example/
            content-type: text/plain; charset=utf-8
            None note: a&b=c {{secrets.key}}"#]]
        .assert_eq(&request(text, input));
    }

    #[test]
    fn arguments_that_make_no_request_are_refused() {
        let to = |path: &str| json!({"url": format!("https://a.example/{path}"), "headers": {"x": "{{input.note}}"}});

        for id in [json!(".."), json!("."), json!("%2e%2e")] {
            let refused = request(to("v1/{{input.id}}/x"), json!({"id": id, "note": ""}));
            assert!(refused.contains("a step of the path") || id == "%2e%2e", "{id}: {refused}");
        }
        let joined = request(to(".{{input.id}}/x"), json!({"id": ".", "note": ""}));
        assert_eq!(joined, "an argument would make `.` or `..` a step of the path");
        let missing = request(to("v1/{{input.id}}"), json!({"note": ""}));
        assert_eq!(missing, "the argument `input.id` is not given");
        let broken = request(to("v1/"), json!({"note": "a\r\nx-admin: 1"}));
        assert!(broken.contains("the header `x` has a line break"), "{broken}");
        let encoded = request(to("v1/{{input.id}}"), json!({"id": "../../etc", "note": ""}));
        assert!(encoded.starts_with("GET https://a.example/v1/..%2F..%2Fetc"), "{encoded}");
    }

    #[test]
    fn everything_wrong_in_a_configuration_is_said_at_once() {
        let config = json!({
            "url": "https://a.example/{{input.none}}", "query": {"a": {"$": "/id"}, "b": "{{x}}"},
            "headers": {"Host": "x", "x y": "z", "x": 5, "authorization": "Bearer x", "z": "a\nb"},
            "body": {"a": [{"b": "{{input.nope}}"}]}, "auth": {"type": "bearer", "secret": "key"},
            "response": {"pointer": "a", "success": ["2x"]},
        });
        expect![[r#"
            /url unknown_variable: `input.none` is no argument of this tool
            /query/a/$ bad_pointer: a pointer begins with `/input`
            /query/b bad_template: between `{{` and `}}` stands `input`, `input.` and the name of an argument, `secrets.` and the name of a secret, or a text in `"`
            /headers/Host not_allowed: this header is written from the rest of the request
            /headers/x wrong_type: must be a text
            /headers/x y bad_header: this is no name of a header
            /headers/z bad_header: a header has no line breaks
            /headers/authorization not_allowed: `auth` writes this header
            /body/a/0/b unknown_variable: `input.nope` is no argument of this tool
            /body not_allowed: GET and HEAD have no body
            /response/pointer bad_pointer: a pointer begins with `/`"#]].assert_eq(&request(config, json!({})));

        for (url, auth) in [
            ("https://{{input.id}}.example.com/", json!({"type": "none"})),
            ("https://a.example{{input.id}}", json!({"type": "none"})),
            ("{{input.id}}", json!({"type": "none"})),
            ("https://a.example:{{input.id}}/", json!({"type": "none"})),
            ("https://{{secrets.key}}.example/", json!({"type": "none"})),
            ("http://a.example/", json!({"type": "none"})),
            ("https://169.254.169.254/", json!({"type": "none"})),
            ("https://0x7f.1/{{input.id}}", json!({"type": "none"})),
            ("https://u:p@a.example/", json!({"type": "none"})),
            ("https://a.example/x/../y", json!({"type": "none"})),
            ("https://a.example/", json!({"type": "exchange", "audience": "x"})),
            ("https://a.example/", json!({"type": "exchange", "audience": "https://b.example"})),
            ("https://a.example/", json!({"type": "header", "name": "Host", "secret": "key"})),
            ("https://a.example/", json!({"type": "basic", "username": "a:b", "secret": "key"})),
            (
                "https://a.example/",
                json!({"type": "oauth", "token_url": "http://a.example", "client_id": "x", "secret": "key"}),
            ),
        ] {
            let refused = request(json!({"url": url, "auth": auth}), json!({"id": "x"}));
            assert!(
                refused.starts_with("/url") || refused.starts_with("/auth"),
                "{url} {auth}: {refused}"
            );
        }
    }
}
