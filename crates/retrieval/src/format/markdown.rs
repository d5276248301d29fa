//! Markdown: the text as it is, with its headings known.

use super::ParseError;
use super::Writer;

/// Reads ATX (`# Title`) and setext (underlined) headings; what is in a code fence is none.
pub(super) fn read(text: &str, out: &mut Writer<'_>) -> Result<(), ParseError> {
    let mut fence: Option<&str> = None;
    let mut before: Option<(usize, &str)> = None;
    for line in text.split_inclusive(['\n']) {
        let at = out.text.points();
        let bare = line.trim();
        let marks = fence_of(bare);
        match (fence, marks) {
            (Some(open), Some(close)) if close.starts_with(open) && close.len() == bare.len() => {
                fence = None;
            }
            (None, Some(open)) => fence = Some(open),
            (Some(_), _) => {}
            (None, None) => {
                if let Some((level, title)) = atx(line) {
                    heading(out, at, level, title);
                } else if let (Some(level), Some((at, title))) = (underline(bare), before) {
                    heading(out, at, level, title);
                }
            }
        }
        let paragraph =
            fence.is_none() && marks.is_none() && !bare.is_empty() && atx(line).is_none();
        before = (paragraph && !bare.starts_with(['-', '*', '>', '|', '='])).then_some((at, bare));
        out.push(line)?;
    }
    Ok(())
}

fn heading(out: &mut Writer<'_>, at: usize, level: u8, title: &str) {
    if level == 1 && out.text.has_no_title() {
        out.text.title(title);
    }
    out.text.heading(at, level, title);
}

fn fence_of(line: &str) -> Option<&str> {
    let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = line.chars().take_while(|&other| other == mark).count();
    (length >= 3).then(|| &line[..length])
}

fn atx(line: &str) -> Option<(u8, &str)> {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let line = line.trim();
    let hashes = line.bytes().take_while(|&byte| byte == b'#').count();
    let title = &line[hashes..];
    if indent > 3
        || !(1..=6).contains(&hashes)
        || !(title.is_empty() || title.starts_with([' ', '\t']))
    {
        return None;
    }
    let title = title.trim();
    let closed = title.trim_end_matches('#');
    let title = if closed.is_empty() || closed.ends_with(' ') { closed.trim_end() } else { title };
    Some((u8::try_from(hashes).ok()?, title))
}

fn underline(line: &str) -> Option<u8> {
    let level = match line.chars().next()? {
        '=' => 1,
        '-' => 2,
        _ => return None,
    };
    let mark = line.chars().next();
    line.chars().all(|character| Some(character) == mark).then_some(level)
}
