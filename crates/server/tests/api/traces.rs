//! What an OpenTelemetry collector is told of runs.

use std::collections::BTreeMap;

use expect_test::expect;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;
use testkit::model::Reply;
use testkit::receiver::Receiver;

use crate::harness::TestServer;

/// The first `count` spans that a collector was told of, and the headers that they came with.
async fn spans(collector: &Receiver, count: usize) -> (HeaderMap, Vec<Span>) {
    let (mut headers, mut spans, mut requests) = (HeaderMap::new(), Vec::new(), 0);
    while spans.len() < count {
        requests += 1;
        let request = collector.wait_received(requests).await;
        headers = request.headers;
        let told = ExportTraceServiceRequest::decode(request.body).unwrap();
        let scopes = told.resource_spans.into_iter().flat_map(|it| it.scope_spans);
        spans.extend(scopes.flat_map(|it| it.spans));
    }
    (headers, spans)
}

/// A span in words, with the name of its parent.
fn line(span: &Span, all: &[Span]) -> String {
    let parent = all.iter().find(|it| it.span_id == span.parent_span_id);
    let attributes = span.attributes.iter().filter_map(|it| {
        let value = match it.value.as_ref()?.value.as_ref()? {
            Any::StringValue(text) => text.clone(),
            Any::IntValue(number) => number.to_string(),
            Any::ArrayValue(_) => "[…]".to_owned(),
            _ => return None,
        };
        let is_an_id = ["gen_ai.agent.id", "agent_server.run.id"].contains(&it.key.as_str());
        Some((it.key.clone(), if is_an_id { "…".to_owned() } else { value }))
    });
    let attributes: BTreeMap<_, _> = attributes.collect();
    let failed = span.status.as_ref().is_some_and(|it| it.code == 2);
    let parent = parent.map(|it| it.name.as_str());
    format!("{} < {parent:?} failed: {failed} {attributes:#?}\n", span.name)
}

on_both! {
    async fn a_run_is_one_trace_without_what_was_said(server: TestServer) {
        let collector = Receiver::start().await;
        let url = collector.origin();
        let settings = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20collector"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let admin = server.admin().await;
        for (name, tools, agents) in [("clerk", json!(["current_time"]), json!([])), ("boss", json!([]), json!(["clerk"]))] {
            let body = json!({
                "name": name, "display_name": name, "instructions": "A secret instruction.",
                "model": "openai/fake", "tools": tools, "agents": agents,
            });
            assert_eq!(admin.post("/agents/definitions", body).await.status, 201);
        }
        server.model.reply(Reply::text("").call("ask_clerk", json!({"input": "A secret question"})));
        server.model.reply(Reply::text("").call("current_time", json!({})));
        server.model.reply(Reply::error(400, "A secret refusal"));
        server.model.reply(Reply::text("A secret answer").usage(7, 3));

        let run = admin.post("/agents/boss/execute", json!({"input": "A secret input"})).await.json();
        assert_eq!(run["status"], "succeeded", "{run:#}");

        let (headers, spans) = spans(&collector, 8).await;
        assert_eq!(headers["authorization"], "Bearer collector");
        assert!(spans.iter().all(|it| it.trace_id == spans[0].trace_id));
        assert!(!format!("{spans:?}").contains("secret"));
        let lines: Vec<_> = spans.iter().map(|it| line(it, &spans)).collect();
        expect![[r#"
            chat fake < Some("invoke_agent boss") failed: false {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "fake",
                "gen_ai.response.finish_reasons": "[…]",
                "gen_ai.usage.input_tokens": "1",
                "gen_ai.usage.output_tokens": "1",
            }
            chat fake < Some("invoke_agent clerk") failed: false {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "fake",
                "gen_ai.response.finish_reasons": "[…]",
                "gen_ai.usage.input_tokens": "1",
                "gen_ai.usage.output_tokens": "1",
            }
            execute_tool current_time < Some("invoke_agent clerk") failed: false {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.call.id": "call_1",
                "gen_ai.tool.name": "current_time",
                "gen_ai.tool.type": "function",
            }
            chat fake < Some("invoke_agent clerk") failed: true {
                "error.type": "provider",
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "fake",
            }
            invoke_agent clerk < Some("invoke_agent boss") failed: true {
                "agent_server.agent.version": "1",
                "agent_server.run.id": "…",
                "agent_server.tenant": "default",
                "error.type": "provider",
                "gen_ai.agent.id": "…",
                "gen_ai.agent.name": "clerk",
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.usage.input_tokens": "1",
                "gen_ai.usage.output_tokens": "1",
            }
            execute_tool ask_clerk < Some("invoke_agent boss") failed: true {
                "error.type": "failed",
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.call.id": "call_1",
                "gen_ai.tool.name": "ask_clerk",
                "gen_ai.tool.type": "function",
            }
            chat fake < Some("invoke_agent boss") failed: false {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "fake",
                "gen_ai.response.finish_reasons": "[…]",
                "gen_ai.usage.input_tokens": "7",
                "gen_ai.usage.output_tokens": "3",
            }
            invoke_agent boss < None failed: false {
                "agent_server.agent.version": "1",
                "agent_server.run.id": "…",
                "agent_server.tenant": "default",
                "gen_ai.agent.id": "…",
                "gen_ai.agent.name": "boss",
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.usage.input_tokens": "8",
                "gen_ai.usage.output_tokens": "4",
            }
        "#]].assert_eq(&lines.concat());
    }
}
