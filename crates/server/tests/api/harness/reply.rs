//! An answer of the server, whole.

use std::fmt::Write;

use expect_test::Expect;
use reqwest::Response;
use reqwest::header::HeaderMap;
use serde_json::Value;

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Compares status, media type and body with `expected`; members are sorted.
    #[track_caller]
    pub fn is(&self, expected: Expect) {
        let mut text = self.status.to_string();
        if let Some(media_type) = self.header("content-type") {
            let _ = write!(text, " {media_type}");
        }
        text.push('\n');
        if !self.text.is_empty() {
            let body = serde_json::from_str::<Value>(&self.text);
            text += &body.map_or_else(|_| self.text.clone(), |body| format!("{:#}", sorted(body)));
            text.push('\n');
        }
        expected.assert_eq(&text);
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            members.into_iter().map(|(name, member)| (name, sorted(member))).collect()
        }
        scalar => scalar,
    }
}
