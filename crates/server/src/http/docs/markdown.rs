//! Doc comments and problem pages as HTML. No markup of a text is passed on, and no link but to the web and to us.

use pulldown_cmark::CowStr;
use pulldown_cmark::Event;
use pulldown_cmark::Options;
use pulldown_cmark::Parser;
use pulldown_cmark::Tag;

/// Renders a text.
pub fn html(text: &str) -> String {
    let mut html = String::new();
    pulldown_cmark::html::push_html(
        &mut html,
        Parser::new_ext(text, Options::ENABLE_TABLES).map(harmless),
    );
    html
}

/// Renders one line, without a paragraph around it.
pub fn inline(text: &str) -> String {
    let html = html(text);
    let line = html.trim_end();
    line.strip_prefix("<p>").and_then(|line| line.strip_suffix("</p>")).unwrap_or(line).to_owned()
}

/// Text that stands for itself.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn harmless(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Link { link_type, dest_url: place(dest_url), title, id })
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Image { link_type, dest_url: place(dest_url), title, id })
        }
        other => other,
    }
}

fn place(url: CowStr<'_>) -> CowStr<'_> {
    let is_safe = ["https://", "/", "#"].iter().any(|start| url.starts_with(start));
    if is_safe { url } else { CowStr::Borrowed("#") }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn blocks_and_spans_become_html() {
        let text = "# A `page`\n\nTwo lines\nof **one** paragraph.\n- first\n  item\n- [second](/docs)\n\n| a | b |\n|---|---|\n| `c` | d |\n\n```json\n{\"a\": \"<b>\"}\n```\nEnd.";

        expect![[r#"
            <h1>A <code>page</code></h1>
            <p>Two lines
            of <strong>one</strong> paragraph.</p>
            <ul>
            <li>first
            item</li>
            <li><a href="/docs">second</a></li>
            </ul>
            <table><thead><tr><th>a</th><th>b</th></tr></thead><tbody>
            <tr><td><code>c</code></td><td>d</td></tr>
            </tbody></table>
            <pre><code class="language-json">{"a": "&lt;b&gt;"}
            </code></pre>
            <p>End.</p>
        "#]]
        .assert_eq(&html(text));
        assert_eq!(inline("Of `one` line."), "Of <code>one</code> line.");
    }

    #[test]
    fn nothing_that_a_page_says_becomes_markup() {
        let hostile =
            "<b> & \"c\" `<i>` [x](javascript:alert) ![y](data:text/html,z) 2 * 3 [open ** `";
        expect![[r##"&lt;b&gt; &amp; "c" <code>&lt;i&gt;</code> <a href="#">x</a> <img src="#" alt="y" /> 2 * 3 [open ** `"##]].assert_eq(&inline(hostile));
        expect!["&lt;script&gt;alert(1)&lt;/script&gt;"]
            .assert_eq(&html("<script>alert(1)</script>"));
    }
}
