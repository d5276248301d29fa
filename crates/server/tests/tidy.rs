//! The layout of the repository, as tests. Each failure names the file and says what to do.
//!
//! Only what the compiler and clippy cannot see belongs here.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Features, in order. A feature may use those before it, never those after it.
const FEATURES: &[&str] = &[
    "oauth",
    "secrets",
    "rag",
    "tools",
    "agents",
    "workflows",
    "runs",
    "mcp",
    "openai",
    "settings",
];

/// What puts the features together, and is known by none of them.
const COMPOSITION: &[&str] = &["code", "router", "workers", "commands", "ui"];

/// Files outside of `http/` and `routes.rs` that may know the web framework, with good reason.
const KNOWS_AXUM: &[&str] = &["router.rs", "ui.rs", "oauth/caller.rs", "runs/stream.rs"];

/// The longest file we read with pleasure, without its tests.
const LINES: usize = 400;

#[test]
fn features_use_only_features_before_them() {
    check(|path, text| {
        let own = module(path);
        // The composition root: it holds a handle of each feature (docs/decisions/0001).
        if own == "app" || own == "lib" || own == "main" || COMPOSITION.contains(&own.as_str()) {
            return None;
        }
        let first_forbidden = FEATURES.iter().position(|it| *it == own).map_or(0, |own| own + 1);
        let mut forbidden = FEATURES[first_forbidden..].iter().chain(COMPOSITION);
        let used = forbidden.find(|it| text.contains(&format!("crate::{it}")))?;
        Some(format!("uses `{used}`, which comes after `{own}`: move what both need upwards"))
    });
}

#[test]
fn sql_is_only_in_stores() {
    check(|path, text| {
        let allowed = module(path) == "db" || is_part(path, "store");
        let breach = !allowed && (text.contains("sqlx::query") || text.contains("QueryBuilder"));
        breach.then(|| {
            String::from(
                "has SQL: a statement is a function of a `store.rs`, or of a file in `store/`",
            )
        })
    });
}

#[test]
fn the_web_framework_is_only_at_the_edge() {
    check(|path, text| {
        let allowed = module(path) == "http"
            || is_part(path, "routes")
            || KNOWS_AXUM.iter().any(|it| path == Path::new(it));
        let breach = !allowed && text.contains("axum::");
        breach.then(|| String::from("knows axum: a handler is in a `routes.rs`"))
    });
}

/// The crate changes often, and its types are those of one protocol.
#[test]
fn the_crate_for_mcp_is_known_in_one_place() {
    check(|path, text| {
        let breach = !path.starts_with("mcp/protocol") && text.contains("rmcp::");
        breach.then(|| {
            String::from("knows rmcp: what is said by MCP is put into words in `mcp/protocol/`")
        })
    });
}

#[test]
fn modules_are_named_one_a_line() {
    check(|_, text| {
        let breach = text.lines().find(|line| {
            let used = line.trim_start().trim_start_matches("pub ");
            let used = used.strip_prefix("use ");
            used.is_some_and(|used| used.contains('{') || used.ends_with("*;"))
        })?;
        Some(format!("has `{}`: one item a line, so that these tests see it", breach.trim()))
    });
}

#[test]
fn files_are_short() {
    let all = ["crates", "bench"].into_iter().flat_map(sources);
    let breaches = all.filter_map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let lines = without_tests(&text).lines().count();
        (lines > LINES).then(|| format!("{} has {lines} lines: at most {LINES}", shown(&path)))
    });
    assert_none(breaches.collect());
}

/// Both databases have the same migrations, and each can be taken back.
#[test]
fn migrations_come_in_pairs_with_a_way_back() {
    let names = |dialect: &str| {
        let mut names = files(&root().join("migrations").join(dialect));
        names.sort();
        names.iter().map(|it| it.file_name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("postgres"), names("sqlite"));

    let breaches = files(&root().join("migrations")).into_iter().filter(|path| {
        let text = fs::read_to_string(path).unwrap();
        !(text.lines().any(|it| it.trim() == "-- UP")
            && text.lines().any(|it| it.trim() == "-- DOWN"))
    });
    assert_none(breaches.map(|it| format!("{} lacks `-- UP` or `-- DOWN`", shown(&it))).collect());
}

/// The `type` of a problem is the address of its page.
#[test]
fn problems_have_pages_and_pages_have_problems() {
    let calls = ["::new(", "::not_found(", "::conflict("];
    let mut used = BTreeSet::new();
    for path in sources("crates/server/src") {
        let text = fs::read_to_string(&path).unwrap();
        let text = without_tests(&text);
        used.extend(calls.iter().flat_map(|call| text.split(call).skip(1)).filter_map(slug));
    }
    let pages = files(&root().join("docs/problems"));
    let pages: BTreeSet<String> =
        pages.iter().map(|it| it.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let lonely = used.symmetric_difference(&pages);
    assert_none(
        lonely
            .map(|it| format!("docs/problems/{it}.md, or the code that answers it, is missing"))
            .collect(),
    );
}

/// The kind of problem among the arguments that `text` begins with, if it is written there.
fn slug(text: &str) -> Option<String> {
    let literal = text.split(')').next()?.split('"').nth(1)?;
    let is_slug = ["unavailable", "unauthenticated"].contains(&literal) || literal.contains('-');
    let is_slug = is_slug && literal.bytes().all(|it| it.is_ascii_lowercase() || it == b'-');
    is_slug.then(|| literal.to_owned())
}

/// A page that says "shown by `name`" points at a test that exists.
#[test]
fn documents_name_tests_that_exist() {
    let sources: Vec<String> = files(&root().join("crates"))
        .into_iter()
        .filter(|it| it.extension().is_some_and(|it| it == "rs"))
        .map(|it| fs::read_to_string(it).unwrap())
        .collect();
    let exists = |test: &str| {
        let function = format!("fn {}(", test.rsplit("::").next().unwrap());
        sources.iter().any(|text| text.contains(&function))
    };

    let mut breaches = Vec::new();
    for page in ["docs/GUARANTEES.md", "docs/CURRENT_STATE.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let last_cells = text.lines().filter_map(|line| {
            line.strip_prefix('|')?.trim_end().strip_suffix('|')?.rsplit('|').next()
        });
        for test in last_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
            if !exists(test) {
                breaches.push(format!("{page} names the test `{test}`, which does not exist"));
            }
        }
    }
    assert_none(breaches);
}

/// The top module a file of the server belongs to: `agents` for `agents/store.rs`, `app` for `app.rs`.
fn module(path: &Path) -> String {
    let first = Path::new(path.iter().next().unwrap());
    first.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// Whether a file is `<part>.rs` of a feature, or in its folder `<part>/`.
fn is_part(path: &Path, part: &str) -> bool {
    path.file_stem().unwrap() == part || path.parent().unwrap().ends_with(part)
}

/// The text above the tests, which stand last in a file.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests").map_or(text, |tests| &text[..tests])
}

/// Our sources below `folder`, without files that hold only tests.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = files(&root().join(folder));
    found.retain(|it| {
        let is_test = it.iter().any(|it| it == "tests" || it == "tests.rs");
        !is_test && it.extension().is_some_and(|it| it == "rs")
    });
    found
}

/// Runs `rule` over the server's sources, without comments and tests, and reports every breach.
#[track_caller]
fn check(rule: impl Fn(&Path, &str) -> Option<String>) {
    let mut breaches = Vec::new();
    let folder = root().join("crates/server/src");
    for path in sources("crates/server/src") {
        let text = fs::read_to_string(&path).unwrap();
        let code: Vec<_> = without_tests(&text)
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        let path = path.strip_prefix(&folder).unwrap();
        if let Some(breach) = rule(path, &code.join("\n")) {
            breaches.push(format!("crates/server/src/{} {breach}", path.display()));
        }
    }
    assert_none(breaches);
}

#[track_caller]
fn assert_none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// A path as a reader would say it.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// All files below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
