//! Recorded streams of providers, replayed however the network may cut them.

use std::fmt::Write;
use std::fs;

use expect_test::Expect;
use expect_test::expect;
use proptest::collection::vec;
use proptest::prelude::ProptestConfig;
use proptest::prelude::any;
use proptest::proptest;
use proptest::sample::Index;
use proptest::sample::select;

use crate::Answer;
use crate::Delta;
use crate::Message;
use crate::Part;
use crate::anthropic;
use crate::calls::Calls;
use crate::google;
use crate::names::ToolNames;
use crate::ollama;
use crate::openai;
use crate::private::Origin;
use crate::reader::Assembler;
use crate::reader::Progress;
use crate::reader::Reader;
use crate::responses;

const OPENAI: [&str; 4] =
    ["openai_text", "openai_parallel_tools", "openai_reasoning", "openai_azure"];
const ANTHROPIC: [&str; 3] = ["anthropic_text", "anthropic_tools", "anthropic_thinking"];
const OTHERS: [&str; 6] = [
    "responses_text",
    "responses_tools",
    "google_text",
    "google_tools",
    "ollama_text",
    "ollama_tools",
];

fn recordings() -> impl Iterator<Item = &'static str> {
    OPENAI.into_iter().chain(ANTHROPIC).chain(OTHERS)
}

/// What comes of a body.
#[derive(Debug, PartialEq)]
struct Read {
    /// Joined where part and kind are the same.
    deltas: Vec<Delta>,
    /// The answer, or what was wrong (nothing when the body just ended) and what there was.
    end: Result<Answer, (Option<String>, Option<Box<Message>>)>,
}

fn recording(name: &str) -> Vec<u8> {
    let kind = if name.starts_with("ollama") { "ndjson" } else { "sse" };
    fs::read(format!("tests/streams/{name}.{kind}")).unwrap()
}

fn read_as(name: &str, pieces: &[&[u8]]) -> Read {
    let calls = Calls::new(ToolNames::default(), &[]);
    let provider = name.split('_').next().unwrap();
    let origin = Origin::of(provider, "model-1");
    match provider {
        "openai" => read(openai::assembler(calls, origin), pieces),
        "responses" => read(responses::assembler(calls, origin), pieces),
        "google" => read(google::assembler(calls, origin), pieces),
        "ollama" => read(ollama::assembler(calls, origin), pieces),
        _ => read(anthropic::assembler(calls, origin), pieces),
    }
}

/// Reads a body that comes in `pieces`, as `stream` does.
fn read(assembler: impl Assembler, pieces: &[&[u8]]) -> Read {
    let mut reader = Reader::new(assembler);
    let mut deltas = Vec::new();
    let pushed = pieces.iter().try_for_each(|piece| {
        let pushed = reader.push(piece);
        join(&mut deltas, reader.deltas());
        pushed
    });
    let ended = pushed.and_then(|()| reader.end());
    join(&mut deltas, reader.deltas());
    let end = match ended {
        Ok(()) if reader.progress() == Progress::Ended => Ok(reader.finish()),
        Ok(()) => Err((None, reader.partial())),
        Err(fault) => Err((Some(format!("{fault:?}")), reader.partial())),
    };
    Read { deltas, end }
}

fn join(deltas: &mut Vec<Delta>, more: Vec<Delta>) {
    for delta in more {
        match deltas.last_mut() {
            Some(last) if last.part == delta.part => last.text.push_str(&delta.text),
            _ => deltas.push(delta),
        }
    }
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
            {"type":"reasoning","text":"They ask for the time 🕙.\n","private":{"provider":"openai","model":"model-1","data":"{\"reasoning_content\":\"They ask for the time 🕙.\\n\"}"}}
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
            {"type":"reasoning","text":"The user asks for 27 × 453.\nLet me compute…","private":{"provider":"anthropic","model":"model-1","data":"{\"type\":\"thinking\",\"thinking\":\"The user asks for 27 × 453.\\nLet me compute…\",\"signature\":\"EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds/ZJ+w==\"}"}}
            {"type":"reasoning","text":"","private":{"provider":"anthropic","model":"model-1","data":"{\"type\":\"redacted_thinking\",\"data\":\"EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpPkNRj2YfWXGmKDxH4mPnZ5sQ7vB==\"}"}}
            {"type":"text","text":"27 × 453 = 12231","citations":[]}
            {"type":"tool_call","call_id":"toolu_01Check","tool":"check","arguments":{"value":12231}}
            ToolCalls {"input_tokens":31,"cached_tokens":0,"cache_write_tokens":0,"output_tokens":122,"reasoning_tokens":0}"#]],
    );
}

#[test]
fn responses_text() {
    check(
        "responses_text",
        expect![[r#"
        {"type":"text","text":"那个 🌍 is “Zürich”.","citations":[{"end_index":3,"start_index":0,"type":"url_citation","url":"https://example.com"}]}
        Stop {"input_tokens":1312,"cached_tokens":1280,"cache_write_tokens":0,"output_tokens":24,"reasoning_tokens":0}"#]],
    );
}

#[test]
fn responses_tools() {
    check(
        "responses_tools",
        expect![[r#"
        {"type":"reasoning","text":"**Looking** for the time 🕙\n\nAnd the weather.","private":{"provider":"responses","model":"model-1","data":"{\"id\":\"rs_68d1f1\",\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"**Looking** for the time 🕙\"},{\"type\":\"summary_text\",\"text\":\"And the weather.\"}],\"encrypted_content\" : \"gAAAAABo0fD/+x9Kd2mQ==\"}"}}
        {"type":"tool_call","call_id":"call_Gx2v9QxZ1o","tool":"get_weather","arguments":{"city":"Zürich","id":2512292042121000001}}
        {"type":"tool_call","call_id":"call_pL40aBcD3e","tool":"current_time","arguments":{}}
        ToolCalls {"input_tokens":412,"cached_tokens":64,"cache_write_tokens":0,"output_tokens":177,"reasoning_tokens":128}"#]],
    );
}

#[test]
fn google_text() {
    check(
        "google_text",
        expect![[r#"
        {"type":"text","text":"那个 🌍 is “Zürich”.\n","citations":[]}
        {"type":"reasoning","text":"","private":{"provider":"google","model":"model-1","data":"{\"parts\":[{\"text\":\"\",\"thoughtSignature\":\"EpwBCpkBAdHtim+/x9Kd2mQ==\"}]}"}}
        Stop {"input_tokens":1312,"cached_tokens":1280,"cache_write_tokens":0,"output_tokens":224,"reasoning_tokens":210}"#]],
    );
}

#[test]
fn google_tools() {
    check(
        "google_tools",
        expect![[r#"
        {"type":"reasoning","text":"**Looking** for the time 🕙\n"}
        {"type":"text","text":"Let me look.","citations":[]}
        {"type":"tool_call","call_id":"call_1","tool":"get_weather","arguments":{"city":"Zürich","id":2512292042121000001}}
        {"type":"tool_call","call_id":"fc-9","tool":"current_time","arguments":{}}
        {"type":"reasoning","text":"","private":{"provider":"google","model":"model-1","data":"{\"calls\":{\"call_1\":{\"thoughtSignature\":\"CiQB0e2Kb3/x9Kd2mQ==\"},\"fc-9\":{\"id\":\"fc-9\"}}}"}}
        ToolCalls {"input_tokens":90,"cached_tokens":0,"cache_write_tokens":0,"output_tokens":85,"reasoning_tokens":61}"#]],
    );
}

#[test]
fn ollama_text() {
    check(
        "ollama_text",
        expect![[r#"
        {"type":"text","text":"那个 🌍 is “Zürich”.\n","citations":[]}
        Stop {"input_tokens":26,"cached_tokens":0,"cache_write_tokens":0,"output_tokens":282,"reasoning_tokens":0}"#]],
    );
}

#[test]
fn ollama_tools() {
    check(
        "ollama_tools",
        expect![[r#"
        {"type":"reasoning","text":"They ask for the time 🕙.","private":{"provider":"ollama","model":"model-1","data":"{\"thinking\":\"They ask for the time 🕙.\"}"}}
        {"type":"text","text":"One moment.","citations":[]}
        {"type":"tool_call","call_id":"call_1","tool":"get_weather","arguments":{"city":"Zürich","id":2512292042121000001}}
        {"type":"tool_call","call_id":"call_9f2c","tool":"current_time","arguments":{}}
        ToolCalls {"input_tokens":26,"cached_tokens":0,"cache_write_tokens":0,"output_tokens":282,"reasoning_tokens":0}"#]],
    );
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    for name in recordings() {
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
    for name in recordings() {
        let body = String::from_utf8(recording(name)).unwrap().replace("\r\n", "\n");
        let whole = read_as(name, &[body.as_bytes()]);
        let is_lines = name.starts_with("ollama");
        for end in ["\r\n", "\r"].into_iter().take(if is_lines { 1 } else { 2 }) {
            let body = body.replace('\n', end);
            let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
            assert_eq!(read_as(name, &bytes), whole, "{name} with {end:?}");
        }
    }
}

/// A body that ends early is the whole answer or none at all.
#[test]
fn a_body_that_ends_at_any_byte_is_never_half_an_answer() {
    for name in recordings() {
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
                Err((fault, partial)) => {
                    assert_eq!(fault, None, "{name} ended at {at}");
                    assert_is_beginning(partial.as_deref(), &whole.message);
                }
            }
        }
        // The blank line behind the terminal event may be missing, and with `OpenAI` all that
        // comes behind the reason to stop.
        let most = if name.starts_with("openai") { body.len() / 4 } else { 6 };
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happened to a body on its way, it is read the same however it is cut.
    #[test]
    fn damaged_bodies_are_read_alike(
        name in select(recordings().collect::<Vec<_>>()),
        damages in vec((any::<Index>(), 0..4, any::<u8>()), 1..6),
        cut in any::<Index>(),
    ) {
        let mut body = recording(name);
        for (at, damage, byte) in damages {
            let at = at.index(body.len());
            match damage {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                2 if body.len() > 1 => { body.remove(at); }
                _ => body.truncate(at + 1),
            }
        }
        let (before, after) = body.split_at(cut.index(body.len()));
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        let whole = read_as(name, &[&body]);
        assert_eq!(read_as(name, &[before, after]), whole);
        assert_eq!(read_as(name, &bytes), whole);
    }
}
