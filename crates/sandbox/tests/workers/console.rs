use sandbox::javascript::Level;

use crate::harness::Recorder;
use crate::harness::pool;
use crate::harness::run_with;

#[tokio::test]
async fn the_console_is_heard_in_order() {
    let host = Recorder::default();
    let script = "console.log('a', 1, { b: [2n] }, null, undefined); console.warn(new TypeError('no')); console.error(() => 1); const c = {}; c.c = c; console.debug(c, Symbol('s'), '\\ud800')";
    run_with(&pool(1), &host, script, "null").await.unwrap();

    let said = host.said.into_inner().unwrap();
    assert_eq!(
        said,
        [
            (Level::Info, r#"a 1 {"b":["2n"]} null undefined"#.to_owned()),
            (Level::Warn, "TypeError: no".to_owned()),
            (Level::Error, "[function ]".to_owned()),
            (Level::Debug, "[object Object] Symbol(s) \u{fffd}".to_owned()),
        ]
    );
}

#[tokio::test]
async fn the_console_is_bounded_in_lines_and_bytes() {
    let pool = pool(1);
    let many = Recorder::default();
    run_with(&pool, &many, "for (let i = 0; i < 10000; i++) console.log(i)", "null").await.unwrap();
    let said = many.said.into_inner().unwrap();
    assert_eq!(said.len(), 201);
    assert_eq!(said[199].1, "199");
    assert_eq!(said[200].1, "further lines are left out");

    let long = Recorder::default();
    let script = "for (let i = 0; i < 10; i++) console.log('é'.repeat(20000))";
    run_with(&pool, &long, script, "null").await.unwrap();
    let said = long.said.into_inner().unwrap();
    assert!(said.iter().map(|(_, line)| line.len()).sum::<usize>() < 66_000);
    assert!(said[1].1.ends_with("é… (cut)"));
    assert_eq!(said[2].1, "further lines are left out");
    assert_eq!(said.len(), 3);
}
