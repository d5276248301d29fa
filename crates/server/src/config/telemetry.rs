//! OpenTelemetry, by the variables of its specification.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

use crate::config::Env;
use crate::config::reader::Reader;

/// Where traces go, and what they say of this server.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// `None`: nowhere.
    pub endpoint: Option<String>,
    pub headers: Vec<(String, SecretString)>,
    pub service: String,
    pub resource: Vec<(String, String)>,
    /// The share of traces that is sent, from 0 to 1.
    pub sampled: f64,
}

#[derive(Debug, Clone, Copy)]
enum Sampler {
    On,
    Off,
    Ratio,
}

pub fn telemetry<E: Env>(from: &mut Reader<E>) -> Telemetry {
    let base = from.optional("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let base = base.map(|base| format!("{}/v1/traces", base.trim_end_matches('/')));
    let own = from.optional("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint);
    let samplers = [
        ("always_on", Sampler::On),
        ("parentbased_always_on", Sampler::On),
        ("always_off", Sampler::Off),
        ("parentbased_always_off", Sampler::Off),
        ("traceidratio", Sampler::Ratio),
        ("parentbased_traceidratio", Sampler::Ratio),
    ];
    let sampler = from.choice("OTEL_TRACES_SAMPLER", &samplers, Sampler::On);
    let ratio = from.optional("OTEL_TRACES_SAMPLER_ARG", ratio).unwrap_or(1.0);
    Telemetry {
        endpoint: own.or(base),
        headers: from
            .list("OTEL_EXPORTER_OTLP_HEADERS", pair)
            .into_iter()
            .map(|(name, value)| (name, SecretString::from(value)))
            .collect(),
        service: from.text("OTEL_SERVICE_NAME"),
        resource: from.list("OTEL_RESOURCE_ATTRIBUTES", pair),
        sampled: match sampler {
            Sampler::On => 1.0,
            Sampler::Off => 0.0,
            Sampler::Ratio => ratio,
        },
    }
}

fn endpoint(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.map(|_| text.to_owned())
        .ok_or_else(|| "it must be a URL such as `http://127.0.0.1:4318`".to_owned())
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|it| (0.0..=1.0).contains(it));
    ratio.ok_or_else(|| "it must be a number from 0 to 1".to_owned())
}

/// `name=value`, with the value percent-encoded. What comes back as a fault names no value.
fn pair(text: &str) -> Result<(String, String), String> {
    let fault = || "it must be `name=value` pairs with commas between".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(fault)?;
    let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| fault())?;
    let name = name.trim();
    if name.is_empty() { Err(fault()) } else { Ok((name.to_owned(), value.into_owned())) }
}
