//! What these tests have in common.

use futures::StreamExt;
use llm::Account;
use llm::Answer;
use llm::ChatModel;
use llm::Chunk;
use llm::Delta;
use llm::DeltaKind;
use llm::Message;
use llm::ModelError;
use llm::ModelOptions;
use llm::Part;
use llm::Request;
use llm::Role;
use llm::Timeouts;
use llm::Tool;
use llm::ToolStatus;
use llm::anthropic::Anthropic;
use llm::google::Google;
use llm::ollama::Ollama;
use llm::openai::OpenAi;
use llm::responses::Responses;
use secrecy::SecretString;
use serde_json::Value;
use serde_json::json;
use testkit::model::FakeModel;
use testkit::model::Received;
use testkit::model::Reply;

/// The key that all tests use; no error may show it.
pub const KEY: &str = "sk-test-0123456789";

/// All adapters, for faults that have nothing to do with the wire format.
pub const FORMATS: [Format; 5] =
    [Format::OpenAi, Format::Anthropic, Format::Responses, Format::Google, Format::Ollama];

/// Those whose answers are event streams.
pub const STREAMS: [Format; 4] =
    [Format::OpenAi, Format::Anthropic, Format::Responses, Format::Google];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    OpenAi,
    Anthropic,
    Responses,
    Google,
    Ollama,
}

impl Format {
    /// The adapter for `fake`.
    pub fn model(self, fake: &FakeModel) -> Box<dyn ChatModel> {
        self.model_with(fake, Timeouts::default())
    }

    pub fn model_with(self, fake: &FakeModel, timeouts: Timeouts) -> Box<dyn ChatModel> {
        let url = match self {
            Self::OpenAi | Self::Responses => fake.openai_url(),
            Self::Anthropic | Self::Google | Self::Ollama => fake.url(),
        };
        let key = Some(SecretString::from(KEY));
        self.model_of(Account { key, timeouts, ..self.account(&url) })
    }

    /// The adapter for an account.
    pub fn model_of(self, account: Account) -> Box<dyn ChatModel> {
        match self {
            Self::OpenAi => Box::new(OpenAi::new(account)),
            Self::Anthropic => Box::new(Anthropic::new(account)),
            Self::Responses => Box::new(Responses::new(account)),
            Self::Google => Box::new(Google::new(account)),
            Self::Ollama => Box::new(Ollama::new(account)),
        }
    }

    /// An account at `base_url` without a key, of the name that the provider usually has.
    pub fn account(self, base_url: &str) -> Account {
        Account {
            name: self.provider().into(),
            client: client(),
            base_url: base_url.parse().unwrap(),
            key: None,
            timeouts: Timeouts::default(),
        }
    }

    pub fn provider(self) -> &'static str {
        match self {
            Self::OpenAi => llm::openai::PROVIDER,
            Self::Anthropic => llm::anthropic::PROVIDER,
            Self::Responses => llm::responses::PROVIDER,
            Self::Google => llm::google::PROVIDER,
            Self::Ollama => llm::ollama::PROVIDER,
        }
    }
}

/// A client that needs no certificates of the machine and no proxy.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap()
}

/// All that came of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Joined as far as part and kind are the same.
    pub deltas: Vec<Delta>,
    pub end: Result<Answer, ModelError>,
}

/// Makes one call to the end, and checks what is promised of every stream.
pub async fn call(model: &dyn ChatModel, request: Request) -> Outcome {
    let mut stream = model.stream(request);
    let mut deltas: Vec<Delta> = Vec::new();
    let end = loop {
        match stream.next().await.expect("a stream ends with an answer or an error") {
            Ok(Chunk::Finished(answer)) => break Ok(*answer),
            Ok(Chunk::Delta(delta)) => push(&mut deltas, delta),
            Err(error) => break Err(error),
        }
    };
    assert_eq!(stream.next().await, None, "nothing comes behind the end");
    if let Ok(answer) = &end {
        assert_parts_match(&deltas, &answer.message);
    }
    Outcome { deltas, end }
}

fn push(deltas: &mut Vec<Delta>, delta: Delta) {
    assert!(!delta.text.is_empty());
    match deltas.last_mut() {
        Some(last) if last.part == delta.part => {
            assert_eq!(last.kind, delta.kind);
            last.text.push_str(&delta.text);
        }
        last => {
            assert!(
                last.is_none_or(|last| last.part < delta.part),
                "parts grow one after the other"
            );
            deltas.push(delta);
        }
    }
}

/// The deltas, joined, are the texts of the message.
fn assert_parts_match(deltas: &[Delta], message: &Message) {
    let texts = message.content.iter().enumerate().filter_map(|(part, content)| {
        let (kind, text) = match content {
            Part::Text { text, .. } => (DeltaKind::Text, text),
            Part::Reasoning { text, .. } => (DeltaKind::Reasoning, text),
            _ => return None,
        };
        Some(Delta { part, kind, text: text.clone() })
    });
    let texts: Vec<Delta> = texts.filter(|delta| !delta.text.is_empty()).collect();
    assert_eq!(deltas, texts);
}

/// One call whose answer is `reply`.
pub async fn answer_to(format: Format, reply: Reply) -> Outcome {
    let fake = FakeModel::start().await;
    fake.reply(reply);
    call(&*format.model(&fake), request("Hello")).await
}

/// A short request of a user who says `text`.
pub fn request(text: &str) -> Request {
    Request {
        model: "fake".to_owned(),
        instructions: None,
        messages: vec![Message::user(text)],
        tools: Vec::new(),
        options: ModelOptions::default(),
        output_schema: None,
    }
}

pub fn tool(name: &str) -> Tool {
    Tool {
        name: name.to_owned(),
        description: format!("Does {name}."),
        input_schema: json!({"type": "object"}),
    }
}

pub fn assistant(content: Vec<Part>) -> Message {
    Message { role: Role::Assistant, content }
}

pub fn tool_call(call_id: &str, tool: &str, arguments: Value) -> Part {
    Part::ToolCall {
        call_id: call_id.to_owned(),
        tool: tool.to_owned(),
        arguments,
        malformed: None,
    }
}

pub fn results(results: &[(&str, &str, ToolStatus, Value)]) -> Message {
    let content = results.iter().map(|(call_id, tool, status, result)| Part::ToolResult {
        call_id: (*call_id).to_owned(),
        tool: (*tool).to_owned(),
        status: *status,
        result: result.clone(),
    });
    Message { role: Role::Tool, content: content.collect() }
}

/// An event stream of these data.
pub fn sse(data: impl IntoIterator<Item = String>) -> String {
    data.into_iter().fold(String::new(), |body, data| body + "data: " + &data + "\n\n")
}

/// What the provider gets for `request`.
pub async fn sent(format: Format, request: Request) -> Received {
    let fake = FakeModel::start().await;
    call(&*format.model(&fake), request).await.end.unwrap();
    fake.last_request()
}
