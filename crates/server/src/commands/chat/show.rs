//! What of a run is shown in a terminal.

use serde_json::Value;

use crate::commands::terminal;

/// Characters of arguments and results that a line shows.
const WIDTH: usize = 160;

/// Shows a run while it happens, for people.
#[derive(Debug, Default)]
pub struct Show {
    /// Whether the line that the agent speaks is open.
    speaks: bool,
}

impl Show {
    /// Text that the agent says.
    pub fn say(&mut self, text: &str) {
        self.speaks |= !text.is_empty();
        terminal::text(terminal::harmless(text));
    }

    /// Something beside it.
    pub fn aside(&mut self, text: &str) {
        self.end_line();
        terminal::dim(terminal::harmless(text));
    }

    /// Ends the line that the agent speaks, if there is one.
    pub fn end_line(&mut self) {
        if std::mem::take(&mut self.speaks) {
            terminal::line("");
        }
    }

    /// Shows an event, unless it is none for people.
    pub fn event(&mut self, name: &str, data: &Value) {
        let text = |member: &str| data[member].as_str().unwrap_or_default();
        match name {
            "text.delta" => self.say(text("text")),
            "model.finished" => self.end_line(),
            "model.failed" => {
                let message = data["error"]["message"].as_str().unwrap_or_default();
                let again = if data["retry_in_ms"].is_null() { "" } else { "; it is asked again" };
                self.aside(&format!("! {message}{again}"));
            }
            "tool.started" => {
                self.aside(&format!("→ {} {}", text("tool"), short(&data["arguments"])));
            }
            "tool.progress" => self.aside(&format!("  {}", progress(data))),
            "request.started" => self.aside(&format!("  {} {}", text("method"), text("url"))),
            "log" => self.aside(&format!("  {}: {}", text("source"), short(&data["message"]))),
            "tool.finished" => {
                let error = &data["error"]["message"];
                let result = if error.is_null() { &data["result"] } else { error };
                self.aside(&format!("← {} {}", text("status"), short(result)));
            }
            "child.started" => self.aside(&format!("… {} is asked", text("name"))),
            "limit.reached" => self.aside(&format!("! {} is reached", text("limit"))),
            "run.finished" => self.sources(&data["output"]["citations"]),
            _ => {}
        }
    }

    /// The documents that an answer comes from, each with its page once.
    fn sources(&mut self, citations: &Value) {
        let mut places: Vec<String> =
            citations.as_array().into_iter().flatten().map(place).collect();
        places.dedup();
        for place in places {
            self.aside(&format!("¶ {place}"));
        }
    }
}

/// Where a passage stands.
pub fn place(citation: &Value) -> String {
    let filename = citation["filename"].as_str().unwrap_or_default();
    match (citation["page"].as_i64(), citation["page_end"].as_i64()) {
        (Some(page), Some(end)) => format!("{filename}, pages {page} to {end}"),
        (Some(page), None) => format!("{filename}, page {page}"),
        (None, _) => filename.to_owned(),
    }
}

/// How far a call is.
fn progress(data: &Value) -> String {
    let of = if data["total"].is_null() { "" } else { " of " };
    let total = data["total"].as_f64().map_or_else(String::new, |total| total.to_string());
    let progress = data["progress"].as_f64().unwrap_or_default();
    let message =
        data["message"].as_str().map_or_else(String::new, |it| format!(" {}", short(&it.into())));
    format!("{progress}{of}{total}{message}")
}

/// A value in one line.
pub fn short(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), |text| text.replace('\n', " "));
    let mut short: String = text.chars().take(WIDTH).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_is_what_is_known_of_it() {
        let all = json!({"progress": 3.0, "total": 10.5, "message": "three\nfiles"});
        assert_eq!(progress(&all), "3 of 10.5 three files");
        assert_eq!(progress(&json!({"progress": 0.5, "total": null, "message": null})), "0.5");
    }

    #[test]
    fn a_place_has_its_page_if_there_are_pages() {
        assert_eq!(place(&json!({"filename": "a.pdf", "page": 7})), "a.pdf, page 7");
        assert_eq!(place(&json!({"filename": "a.txt", "page": null})), "a.txt");
        let over = json!({"filename": "a.pdf", "page": 7, "page_end": 9});
        assert_eq!(place(&over), "a.pdf, pages 7 to 9");
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let long = short(&json!("é".repeat(WIDTH + 1)));

        assert_eq!(long.chars().count(), WIDTH + 1);
        assert!(long.ends_with('…'));
        assert_eq!(short(&json!({"a": "b\n"})), r#"{"a":"b\n"}"#);
    }
}
