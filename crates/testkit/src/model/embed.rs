//! Vectors, in the words of each provider.

use serde_json::Value;
use serde_json::json;

use super::Protocol;
use super::Received;

/// How many numbers a vector has if nobody says.
pub(super) const DIMENSION: usize = 16;

/// Whether a request wants vectors.
pub(super) fn is_asked(received: &Received) -> bool {
    ["/embeddings", "/embed", ":batchEmbedContents"].iter().any(|end| received.path.ends_with(end))
}

/// The texts of a request, whoever it is for.
pub(super) fn texts(body: &Value) -> Vec<String> {
    let list = ["input", "texts", "requests"].iter().find_map(|name| body[*name].as_array());
    let text = |item: &Value| {
        let of_google = item.pointer("/content/parts/0/text");
        of_google.unwrap_or(item).as_str().unwrap_or_default().to_owned()
    };
    list.into_iter().flatten().map(text).collect()
}

/// Counts the words of `text` at places that they tell; a little everywhere, so that none is zero.
pub(super) fn vector(text: &str, dimension: usize) -> Vec<f32> {
    let mut vector = vec![0.01; dimension];
    for word in text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let hash = word.to_lowercase().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd) >> 32;
        let place = usize::try_from(mixed % dimension as u64).unwrap_or_default();
        vector[place] += 1.0;
    }
    vector
}

/// The answer with these vectors.
pub(super) fn body(protocol: Protocol, vectors: &[Vec<f32>]) -> Value {
    match protocol {
        Protocol::Google => {
            let values: Vec<_> = vectors.iter().map(|it| json!({"values": it})).collect();
            json!({"embeddings": values})
        }
        Protocol::Cohere => json!({
            "id": "fake", "embeddings": {"float": vectors}, "texts": [], "meta": {"api_version": {"version": "2"}},
        }),
        Protocol::Ollama => json!({"model": "fake", "embeddings": vectors, "total_duration": 1}),
        Protocol::OpenAi | Protocol::Responses | Protocol::Anthropic => {
            let item = |(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector});
            let data: Vec<_> = vectors.iter().enumerate().map(item).collect();
            let usage = json!({"prompt_tokens": 1, "total_tokens": 1});
            json!({"object": "list", "model": "fake", "data": data, "usage": usage})
        }
    }
}
