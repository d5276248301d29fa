//! Recorded streams of providers, replayed however the network may cut them.

use std::fmt::Write;
use std::fs;

use expect_test::Expect;
use expect_test::expect;

use crate::Answer;
use crate::Delta;
use crate::Message;
use crate::Part;
use crate::anthropic;
use crate::calls::Calls;
use crate::names::ToolNames;
use crate::openai;
use crate::reader::Assembler;
use crate::reader::Fault;
use crate::reader::Progress;
use crate::reader::Reader;

const OPENAI: [&str; 4] =
    ["openai_text", "openai_parallel_tools", "openai_reasoning", "openai_azure"];
const ANTHROPIC: [&str; 3] = ["anthropic_text", "anthropic_tools", "anthropic_thinking"];

/// What comes of a body.
#[derive(Debug, PartialEq)]
struct Read {
    /// Joined where part and kind are the same.
    deltas: Vec<Delta>,
    /// The answer, or what there was when the body ended before it.
    end: Result<Answer, Option<Box<Message>>>,
}

fn recording(name: &str) -> Vec<u8> {
    fs::read(format!("tests/streams/{name}.sse")).unwrap()
}

fn read_as(name: &str, pieces: &[&[u8]]) -> Read {
    let calls = Calls::new(ToolNames::default(), &[]);
    if name.starts_with("openai") {
        read(openai::assembler(calls), pieces)
    } else {
        read(anthropic::assembler(calls), pieces)
    }
}

/// Reads a body that comes in `pieces`, as `stream` does.
fn read(assembler: impl Assembler, pieces: &[&[u8]]) -> Read {
    let mut reader = Reader::new(assembler);
    let mut deltas: Vec<Delta> = Vec::new();
    for piece in pieces {
        reader.push(piece).unwrap();
        for delta in reader.deltas() {
            match deltas.last_mut() {
                Some(last) if last.part == delta.part => last.text.push_str(&delta.text),
                _ => deltas.push(delta),
            }
        }
    }
    reader.end().unwrap();
    for delta in reader.deltas() {
        deltas.push(delta);
    }
    let ended = reader.progress() == Progress::Ended;
    let end = if ended { Ok(reader.finish()) } else { Err(reader.partial()) };
    Read { deltas, end }
}

fn check(name: &str, expected: Expect) {
    let read = read_as(name, &[&recording(name)]);
    let answer = read.end.unwrap();
    let mut text = String::new();
    for part in &answer.message.content {
        writeln!(text, "{}", serde_json::to_string(part).unwrap()).unwrap();
    }
    let usage = serde_json::to_string(&answer.usage).unwrap();
    write!(text, "{:?} {usage}", answer.finish_reason).unwrap();
    expected.assert_eq(&text);
}

#[test]
fn openai_text() {
    check(
        "openai_text",
        expect![[r#"
        {"type":"text","text":"The city of 那个 🌍 is “Zürich”.\n\nTab\tand \\u0041 stay.","citations":[]}
        Stop {"input_tokens":1312,"cached_tokens":1280,"cache_write_tokens":0,"output_tokens":24,"reasoning_tokens":0}"#]],
    );
}

#[test]
fn openai_parallel_tools() {
    check(
        "openai_parallel_tools",
        expect![[r#"
        {"type":"text","text":"Let me look.","citations":[]}
        {"type":"tool_call","call_id":"call_Gx2v9QxZ1o","tool":"get_weather","arguments":{"city":"Zürich","units":"°C"}}
        {"type":"tool_call","call_id":"call_pL40aBcD3e","tool":"find_order","arguments":{"id":2512292042121000001}}
        {"type":"tool_call","call_id":"call_Zz9yXw8vU7","tool":"current_time","arguments":{}}
        ToolCalls {"input_tokens":412,"cached_tokens":0,"cache_write_tokens":0,"output_tokens":77,"reasoning_tokens":0}"#]],
    );
}

#[test]
fn openai_reasoning() {
    check(
        "openai_reasoning",
        expect![[r#"
        {"type":"reasoning","text":"They ask for the time 🕙.\n","private":{"provider":"openai","data":"{\"reasoning_content\":\"They ask for the time 🕙.\\n\"}"}}
        {"type":"text","text":"One moment.","citations":[]}
        {"type":"tool_call","call_id":"call_0_5f3c","tool":"current_time","arguments":{"zone":"Europe/Zurich"}}
        ToolCalls {"input_tokens":90,"cached_tokens":64,"cache_write_tokens":0,"output_tokens":61,"reasoning_tokens":40}"#]],
    );
}

#[test]
fn openai_azure() {
    check(
        "openai_azure",
        expect![[r#"
        {"type":"text","text":"Guten Tag!","citations":[]}
        Stop {"input_tokens":11,"cached_tokens":0,"cache_write_tokens":0,"output_tokens":4,"reasoning_tokens":0}"#]],
    );
}

#[test]
fn anthropic_text() {
    check(
        "anthropic_text",
        expect![[r#"
        {"type":"text","text":"Hello 那个🌍!\n\n“Zürich” stays","citations":[]}
        Stop {"input_tokens":1369,"cached_tokens":1280,"cache_write_tokens":64,"output_tokens":15,"reasoning_tokens":0}"#]],
    );
}

#[test]
fn anthropic_tools() {
    check(
        "anthropic_tools",
        expect![[r#"
        {"type":"text","text":"Okay, let me look.","citations":[]}
        {"type":"tool_call","call_id":"toolu_01T1x1fJ34qAmk2tNTrN7Up6","tool":"get_weather","arguments":{"city":"Zürich","id":2512292042121000001}}
        {"type":"tool_call","call_id":"toolu_01B9k2Qw8Zs","tool":"current_time","arguments":{}}
        ToolCalls {"input_tokens":472,"cached_tokens":0,"cache_write_tokens":0,"output_tokens":89,"reasoning_tokens":0}"#]],
    );
}

#[test]
fn anthropic_thinking() {
    check(
        "anthropic_thinking",
        expect![[r#"
        {"type":"reasoning","text":"The user asks for 27 × 453.\nLet me compute…","private":{"provider":"anthropic","data":"{\"type\":\"thinking\",\"thinking\":\"The user asks for 27 × 453.\\nLet me compute…\",\"signature\":\"EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds/ZJ+w==\"}"}}
        {"type":"reasoning","text":"","private":{"provider":"anthropic","data":"{\"type\":\"redacted_thinking\",\"data\":\"EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpPkNRj2YfWXGmKDxH4mPnZ5sQ7vB==\"}"}}
        {"type":"text","text":"27 × 453 = 12231","citations":[]}
        {"type":"tool_call","call_id":"toolu_01Check","tool":"check","arguments":{"value":12231}}
        ToolCalls {"input_tokens":31,"cached_tokens":0,"cache_write_tokens":0,"output_tokens":122,"reasoning_tokens":0}"#]],
    );
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    for name in OPENAI.into_iter().chain(ANTHROPIC) {
        let body = recording(name);
        let whole = read_as(name, &[&body]);
        for at in 0..=body.len() {
            let (before, after) = body.split_at(at);
            assert_eq!(read_as(name, &[before, after]), whole, "{name} cut at {at}");
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(read_as(name, &bytes), whole, "{name} byte by byte");
    }
}

#[test]
fn line_ends_change_nothing() {
    for name in OPENAI.into_iter().chain(ANTHROPIC) {
        let body = String::from_utf8(recording(name)).unwrap().replace("\r\n", "\n");
        let whole = read_as(name, &[body.as_bytes()]);
        for end in ["\r\n", "\r"] {
            let body = body.replace('\n', end);
            let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
            assert_eq!(read_as(name, &bytes), whole, "{name} with {end:?}");
        }
    }
}

/// A body that ends early is the whole answer or none at all.
#[test]
fn a_body_that_ends_at_any_byte_is_never_half_an_answer() {
    for name in OPENAI.into_iter().chain(ANTHROPIC) {
        let body = recording(name);
        let whole = read_as(name, &[&body]).end.unwrap();
        let mut answered = 0;
        for at in 0..body.len() {
            match read_as(name, &[&body[..at]]).end {
                Ok(answer) => {
                    answered += 1;
                    assert_eq!(answer.message, whole.message, "{name} ended at {at}");
                    assert_eq!(answer.finish_reason, whole.finish_reason, "{name} ended at {at}");
                }
                Err(partial) => assert_is_beginning(partial.as_deref(), &whole.message),
            }
        }
        // The blank line behind the terminal event may be missing, and with `OpenAI` all that
        // comes behind the reason to stop.
        let most = if name.starts_with("openai") { body.len() / 4 } else { 4 };
        assert!((1..=most).contains(&answered), "{name}: {answered}");
    }
}

/// `partial` has no calls, and its texts are those of `whole` as far as they go.
fn assert_is_beginning(partial: Option<&Message>, whole: &Message) {
    let texts = |message: &Message| -> String {
        let texts = message.content.iter().map(|part| match part {
            Part::Text { text, .. } | Part::Reasoning { text, .. } => text.clone(),
            _ => String::new(),
        });
        texts.collect()
    };
    let Some(partial) = partial else { return };
    let is_said =
        |part: &Part| matches!(part, Part::Text { .. } | Part::Reasoning { private: None, .. });
    assert!(partial.content.iter().all(is_said), "{partial:?}");
    assert!(texts(whole).starts_with(&texts(partial)), "{partial:?}");
}

#[test]
fn an_error_within_a_stream_is_an_error() {
    let calls = || Calls::new(ToolNames::default(), &[]);
    let openai = br#"data: {"error":{"message":"boom","type":"server_error","code":500}}"#;
    let mut reader = Reader::new(openai::assembler(calls()));
    reader.push(openai).unwrap();
    assert!(matches!(reader.end(), Err(Fault::Refused(_))));

    let anthropic =
        br#"data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let mut reader = Reader::new(anthropic::assembler(calls()));
    reader.push(anthropic).unwrap();
    assert!(matches!(reader.end(), Err(Fault::Refused(_))));
}
