//! The first steps of the README, word for word.

use tokio::process::Command;

use crate::dev;

/// What the steps make the server say, in this order.
const SAID: [&str; 18] = [
    r#""name":"demo""#,
    "You said: Hello!",
    "event: tool.finished",
    "event: run.finished",
    r#""name":"poet""#,
    "You said: The sea",
    r#""type":"run.finished""#,
    r#""client_secret":"ags_"#,
    r#""name":"handbook""#,
    "event: document.completed",
    r#""quote":"Parental leave lasts fourteen months.""#,
    r#""name":"reader""#,
    r#""citations":[{"#,
    r#""quote":"Parental leave lasts fourteen months.""#,
    r#""name":"checked_answer""#,
    r#""status":"approved""#,
    r#""status":"succeeded""#,
    r#""output":"You said: How long is parental leave?""#,
];

#[tokio::test]
async fn the_first_steps_of_the_readme_work_as_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, _lines, base) = dev::start(folder.path()).await;
    let steps = steps().replace("http://localhost:3000", &base);
    let strict = r#"set -eu; curl() { command curl --fail-with-body "$@"; }"#;

    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{strict}\n{steps}")]).current_dir(folder.path());
    let output = shell.output().await.unwrap();

    let mut said = std::str::from_utf8(&output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for part in SAID {
        let at = said.find(part).unwrap_or_else(|| panic!("`{part}` is not in {said}"));
        said = &said[at + part.len()..];
    }
    dev::terminate(&mut server).await;
}

/// The lines of shell under "Try it".
fn steps() -> &'static str {
    let (_, text) = include_str!("../../../../README.md").split_once("## Try it").unwrap();
    let (_, text) = text.split_once("```sh\n").unwrap();
    text.split_once("```").unwrap().0
}
