//! `agent-server rag search`: passages, for people or for programs.

use std::process::ExitCode;

use clap::Args;
use clap::ValueEnum;
use serde_json::Value;
use serde_json::json;

use super::path_of;
use crate::commands::Failure;
use crate::commands::api::Server;
use crate::commands::chat::place;
use crate::commands::terminal;
use crate::commands::terminal::harmless;
use crate::config::Environment;

pub const HELP: &str = "\
The same server and client are meant as with `agent-server chat`. With --json the answer of the
server is on standard output, as it came.

Examples:
  agent-server rag search handbook \"parental leave\"
  agent-server rag search handbook leave --filter '{\"team\": \"hr\"}' --json";

/// Characters that a line shows of where a passage stands, and of the passage.
const PLACE: usize = 40;
const PASSAGE: usize = 90;

#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Id or name of the database
    database: String,
    /// What to look for
    query: String,
    /// Passages to show; without it as the database says
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    top_k: Option<u8>,
    /// How; without it as the database says
    #[arg(long)]
    mode: Option<Mode>,
    /// Which documents, by their metadata
    #[arg(long, value_name = "JSON", value_parser = value)]
    filter: Option<Value>,
    /// Show the whole answer, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    Vector,
    Keyword,
    Hybrid,
}

pub async fn run(args: SearchArgs, env: &Environment) -> Result<ExitCode, Failure> {
    let api = args.server.api(env)?;
    api.sign_in().await?;
    let mut body = json!({ "query": args.query });
    let mode = args.mode.map(|mode| match mode {
        Mode::Vector => json!("vector"),
        Mode::Keyword => json!("keyword"),
        Mode::Hybrid => json!("hybrid"),
    });
    for (name, value) in
        [("top_k", args.top_k.map(Value::from)), ("mode", mode), ("filter", args.filter)]
    {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    let answer = api.post(&format!("{}/search", path_of(&args.database)), &body).await?;
    if args.json {
        terminal::line(answer);
    } else {
        terminal::text(table(&answer));
        for warning in answer["warnings"].as_array().into_iter().flatten() {
            terminal::aside(harmless(warning.as_str().unwrap_or_default()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The passages of an answer, a line each.
fn table(answer: &Value) -> String {
    let rows: Vec<[String; 3]> = answer["data"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        return "nothing is found\n".to_owned();
    }
    let mut text = String::new();
    let head = ["SCORE", "WHERE", "PASSAGE"].map(str::to_owned);
    let widths = [0, 1].map(|column| {
        let cells = std::iter::once(&head).chain(&rows).map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    });
    for [score, place, passage] in std::iter::once(&head).chain(&rows) {
        let line = format!("{score:>0$}  {place:<1$}  {passage}", widths[0], widths[1]);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(hit: &Value) -> [String; 3] {
    let place = short(&place(&hit["citation"]), PLACE);
    let score = format!("{:.4}", hit["score"].as_f64().unwrap_or_default());
    [score, place, short(hit["text"].as_str().unwrap_or_default(), PASSAGE)]
}

/// A text in one line, of at most so many characters.
fn short(text: &str, most: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = harmless(&text);
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|_| "it must be JSON".to_owned())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn passages_are_lines_of_a_table() {
        let hit = |score: f64, filename: &str, page: Value, text: &str| json!({"score": score, "text": text, "citation": {"filename": filename, "page": page}});
        let long = "word ".repeat(40);
        let answer = json!({"data": [
            hit(0.0328, "handbook.pdf", json!(7), "Parental\n leave\u{1b}[2J lasts."),
            hit(10.5, "cats.txt", Value::Null, &long),
        ]});

        expect![[r#"
              SCORE  WHERE                 PASSAGE
             0.0328  handbook.pdf, page 7  Parental leave[2J lasts.
            10.5000  cats.txt              word word word word word word word word word word word word word word word word word word …
        "#]]
        .assert_eq(&table(&answer));
        assert_eq!(table(&json!({"data": []})), "nothing is found\n");
    }
}
