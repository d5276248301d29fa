//! Sends spans to an OpenTelemetry collector (OTLP over HTTP, protobuf).
//!
//! What the spans say is the business of who makes them. Here is only the way out: a bounded queue,
//! whose overflow is dropped, since observing must never hold up what is observed.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;
use opentelemetry::trace::SpanId;
use opentelemetry::trace::SpanKind;
use opentelemetry::trace::Status;
use opentelemetry::trace::TraceFlags;
use opentelemetry::trace::TraceId;
use opentelemetry::trace::TraceState;
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_otlp::Protocol;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_otlp::WithHttpConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::runtime::Tokio;
use opentelemetry_sdk::trace::BatchConfigBuilder;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::trace::SpanEvents;
use opentelemetry_sdk::trace::SpanLinks;
use opentelemetry_sdk::trace::SpanProcessor;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use reqwest::Client;
use secrecy::ExposeSecret;
use tracing::warn;

use crate::config;

/// Spans wait no longer than this for others.
const DELAY: Duration = Duration::from_secs(1);

/// The way of spans to their collector.
#[derive(Clone)]
pub struct Telemetry {
    processor: Arc<BatchSpanProcessor<Tokio>>,
    scope: InstrumentationScope,
    /// Of the highest 64-bit number: traces whose last half is below are sent.
    sampled_below: u64,
}

/// Something that took its time.
#[derive(Debug)]
pub struct Span {
    pub trace_id: TraceId,
    pub id: SpanId,
    /// [`SpanId::INVALID`]: none.
    pub parent: SpanId,
    pub name: String,
    pub kind: SpanKind,
    pub began: std::time::SystemTime,
    pub ended: std::time::SystemTime,
    pub attributes: Vec<KeyValue>,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

impl Telemetry {
    /// The way that the settings name; none if they name none. Needs the async runtime.
    pub fn start(
        settings: &config::Telemetry,
        client: Client,
    ) -> Result<Option<Self>, ExporterBuildError> {
        let Some(endpoint) = &settings.endpoint else { return Ok(None) };
        let headers = settings
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .with_headers(headers.collect::<HashMap<_, _>>())
            .build()?;
        let batches = BatchConfigBuilder::default().with_scheduled_delay(DELAY).build();
        let mut processor =
            BatchSpanProcessor::builder(exporter, Tokio).with_batch_config(batches).build();
        let attributes = settings
            .resource
            .iter()
            .map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
        let resource = Resource::builder_empty()
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attributes(attributes)
            .with_service_name(settings.service.clone())
            .build();
        processor.set_resource(&resource);
        let scope = InstrumentationScope::builder("agent-server")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Ok(Some(Self {
            processor: Arc::new(processor),
            scope,
            sampled_below: fraction(settings.sampled),
        }))
    }

    /// Whether the spans of a trace are to be sent: the same for all of it, on every process.
    pub fn samples(&self, trace_id: TraceId) -> bool {
        let last_half = trace_id.to_bytes().last_chunk().map_or(0, |it| u64::from_be_bytes(*it));
        last_half <= self.sampled_below && self.sampled_below > 0
    }

    /// Queues a span. It is dropped if the collector is too slow.
    pub fn send(&self, span: Span) {
        let Span { trace_id, id, parent, name, kind, began, ended, attributes, failed } = span;
        let state = TraceState::default();
        self.processor.on_end(SpanData {
            span_context: SpanContext::new(trace_id, id, TraceFlags::SAMPLED, false, state),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: kind,
            name: name.into(),
            start_time: began,
            end_time: ended,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: failed.map_or(Status::Unset, Status::error),
            instrumentation_scope: self.scope.clone(),
        });
    }

    /// Sends what waits. Nothing is sent after that.
    pub async fn stop(&self) {
        let processor = Arc::clone(&self.processor);
        // It blocks its thread until the collector has answered.
        let stopped = tokio::task::spawn_blocking(move || processor.shutdown()).await;
        if !matches!(stopped, Ok(Ok(()))) {
            warn!("the last spans did not reach their collector");
        }
    }
}

/// The part of all 64-bit numbers that `share`, from 0 to 1, is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share is from 0 to 1, and a sample need not be exact"
)]
fn fraction(share: f64) -> u64 {
    (share * u64::MAX as f64) as u64
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}
