use sandbox::javascript::Level;
use sandbox::javascript::Progress;

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

#[tokio::test]
async fn a_script_says_how_far_it_is_as_often_as_it_may() {
    let (pool, host) = (pool(1), Recorder::default());
    let source = "ctx.progress(0, 3, 'begins'); ctx.progress('2'); ctx.progress(NaN); ctx.progress({});
        for (let i = 0; i < 2000; i++) ctx.progress(i); ctx.progress(1, 1, 'x'.repeat(5000)); return 1";

    assert_eq!(run_with(&pool, &host, source, "null").await, Ok("1".to_owned()));

    let told = host.told.lock().unwrap();
    let first = Progress { done: 0.0, total: Some(3.0), message: Some("begins".to_owned()) };
    assert_eq!(told[..2], [first, Progress { done: 2.0, total: None, message: None }]);
    // Those that say no number are counted, and not heard.
    assert_eq!((told.len(), told[997].done), (998, 995.0));
}
