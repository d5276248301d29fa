//! What `LIKE` is asked with.

/// The pattern of texts that have `part` in them, whatever is in it. It wants `ESCAPE '!'`, the same in both databases.
pub fn containing(part: &str) -> String {
    let escaped = part.chars().flat_map(|it| {
        let needs = matches!(it, '%' | '_' | '!');
        needs.then_some('!').into_iter().chain([it])
    });
    format!("%{}%", escaped.collect::<String>())
}
