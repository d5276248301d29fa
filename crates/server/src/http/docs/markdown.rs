//! The little of Markdown that doc comments and problem pages use, as HTML.
//!
//! Headings, paragraphs, lists, fenced code; in a line `code`, `**strong**` and `[links](…)`. Anything
//! else stays as it is written. All text is escaped.

use std::iter::Peekable;
use std::str::Lines;

enum Block<'t> {
    Heading { level: usize, text: &'t str },
    Code(Vec<&'t str>),
    List(Vec<String>),
    Paragraph(String),
}

/// Renders a text.
pub fn html(text: &str) -> String {
    let mut lines = text.lines().peekable();
    let mut html = String::new();
    while let Some(block) = next_block(&mut lines) {
        let block = match block {
            Block::Heading { level, text } => format!("<h{level}>{}</h{level}>", inline(text)),
            Block::Code(lines) => format!("<pre><code>{}</code></pre>", escape(&lines.join("\n"))),
            Block::List(items) => {
                let items: Vec<_> =
                    items.iter().map(|item| format!("<li>{}</li>", inline(item))).collect();
                format!("<ul>{}</ul>", items.concat())
            }
            Block::Paragraph(text) => format!("<p>{}</p>", inline(&text)),
        };
        html.extend([&block, "\n"]);
    }
    html
}

/// Renders one line.
pub fn inline(text: &str) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        html.push_str(&escape(&rest[..at]));
        rest = &rest[at..];
        let (done, after) = span(rest).unwrap_or_else(|| (escape(&rest[..1]), &rest[1..]));
        html.push_str(&done);
        rest = after;
    }
    html + &escape(rest)
}

/// Text that stands for itself.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The code, emphasis or link that `text` begins with, and what follows it.
fn span(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('`') {
        let (code, after) = rest.split_once('`')?;
        return Some((format!("<code>{}</code>", escape(code)), after));
    }
    if let Some(rest) = text.strip_prefix("**") {
        let (strong, after) = rest.split_once("**")?;
        return Some((format!("<strong>{}</strong>", inline(strong)), after));
    }
    let (label, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (target, after) = rest.split_once(')')?;
    let is_safe = ["https://", "/", "#"].iter().any(|start| target.starts_with(start));
    is_safe.then(|| (format!("<a href=\"{}\">{}</a>", escape(target), inline(label)), after))
}

fn next_block<'t>(lines: &mut Peekable<Lines<'t>>) -> Option<Block<'t>> {
    while lines.next_if(|line| line.trim().is_empty()).is_some() {}
    let line = lines.next()?;
    if line.starts_with("```") {
        return Some(Block::Code(lines.by_ref().take_while(|line| *line != "```").collect()));
    }
    if let Some((marks, text)) = line.split_once(' ')
        && (1..=4).contains(&marks.len())
        && marks.bytes().all(|mark| mark == b'#')
    {
        return Some(Block::Heading { level: marks.len(), text });
    }
    if let Some(item) = line.strip_prefix("- ") {
        return Some(Block::List(list(item, lines)));
    }
    let mut text = line.to_owned();
    while let Some(more) = lines.next_if(|line| continues(line)) {
        text.extend([" ", more.trim()]);
    }
    Some(Block::Paragraph(text))
}

fn list(first: &str, lines: &mut Peekable<Lines<'_>>) -> Vec<String> {
    let mut items = vec![first.to_owned()];
    while let Some(line) = lines.next_if(|line| line.starts_with("- ") || line.starts_with("  ")) {
        match (line.strip_prefix("- "), items.last_mut()) {
            (None, Some(item)) => item.extend([" ", line.trim()]),
            (item, _) => items.push(item.unwrap_or(line).to_owned()),
        }
    }
    items
}

/// Whether a line goes on with the paragraph before it.
fn continues(line: &str) -> bool {
    !line.trim().is_empty() && !["```", "- ", "#"].iter().any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn blocks_and_spans_become_html() {
        let text = "# A `page`\n\nTwo lines\nof **one** paragraph.\n- first\n  item\n- [second](/docs)\n\n```json\n{\"a\": \"<b>\"}\n```\nEnd.";

        expect![[r#"
            <h1>A <code>page</code></h1>
            <p>Two lines of <strong>one</strong> paragraph.</p>
            <ul><li>first item</li><li><a href="/docs">second</a></li></ul>
            <pre><code>{&quot;a&quot;: &quot;&lt;b&gt;&quot;}</code></pre>
            <p>End.</p>
        "#]]
        .assert_eq(&html(text));
    }

    #[test]
    fn nothing_that_a_page_says_becomes_markup() {
        expect!["&lt;b&gt; &amp; &quot;c&quot; <code>&lt;i&gt;</code> [x](javascript:alert) 2 * 3 [open ** `"]
            .assert_eq(&inline("<b> & \"c\" `<i>` [x](javascript:alert) 2 * 3 [open ** `"));
    }
}
