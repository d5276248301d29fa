//! `fetch`: a question to the host, and nothing else.

use std::time::Duration;

use bytes::Bytes;
use expect_test::expect;
use sandbox::javascript::Failure;
use sandbox::javascript::Request;

use crate::harness::Recorder;
use crate::harness::call;
use crate::harness::pool;
use crate::harness::run;
use crate::harness::run_with;
use crate::harness::table;

#[tokio::test]
async fn a_request_is_made_by_the_host_and_its_answer_is_read() {
    let host = Recorder::default();
    let script = "
        const reply = await ctx.fetch('https://api.example/orders', {
            method: 'post', headers: { 'X-A': ' 1 ', accept: 'a/b' }, body: JSON.stringify({ n: 1 }),
        });
        return [reply.status, reply.ok, reply.url, reply.headers.get('content-type'), await reply.json()]";
    let came = run_with(&pool(1), &host, script, "null").await.unwrap();

    assert_eq!(came, r#"[200,true,"https://api.example/orders","text/x-test",{"n":1}]"#);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let asked = Request {
        method: "POST".to_owned(),
        url: "https://api.example/orders".to_owned(),
        headers: vec![
            header("x-a", "1"),
            header("accept", "a/b"),
            header("content-type", "text/plain;charset=UTF-8"),
        ],
        body: Bytes::from_static(br#"{"n":1}"#),
    };
    assert_eq!(host.asked.into_inner().unwrap(), [asked]);
}

#[tokio::test]
async fn bodies_come_and_go_in_every_form() {
    let scripts = [
        "return (await (await fetch('https://a/big')).json()).id",
        "return [...await (await fetch('https://a/binary')).bytes()]",
        "return (await (await fetch('https://a/binary')).text())",
        "return (await (await fetch('https://a/large')).text()).length",
        "return await (await fetch('https://a/x', { method: 'PUT', body: new Uint8Array([104, 105]) })).text()",
        "return (await (await fetch('https://a/x', { method: 'PUT', body: new Uint8Array([255]).buffer })).arrayBuffer()).byteLength",
        "return await (await fetch('https://a/x', { method: 'POST', body: new URLSearchParams({ a: 'b c' }) })).text()",
        "const r = await fetch('https://a/big'); await r.text(); await r.text()",
        "await fetch('https://a/x', { method: 'POST', body: { a: 1 } })",
        "await fetch('https://a/x', { body: 'b' })",
        "await fetch('https://a/refused')",
        "try { await fetch('https://a/refused') } catch (e) { return [e.name, e.message] }",
        "return (await Promise.all([1, 2, 3].map((n) => fetch('https://a/' + n)))).map((r) => r.url)",
        "await Promise.all(Array.from({ length: 17 }, () => fetch('https://a/slow')))",
        "fetch('https://a/slow'); return 'nobody waits'",
        "return await Promise.race([fetch('https://a/slow'), new Promise((yes) => setTimeout(yes, 5, 'first'))])",
    ];
    expect![[r#"
        return (await (await fetch('https://a/big')).json()).id
            9007199254740993
        return [...await (await fetch('https://a/binary')).bytes()]
            [255,0,1]
        return (await (await fetch('https://a/binary')).text())
            "��\u0001"
        return (await (await fetch('https://a/large')).text()).length
            1048576
        return await (await fetch('https://a/x', { method: 'PUT', body: new Uint8Array([104, 105]) })).text()
            "hi"
        return (await (await fetch('https://a/x', { method: 'PUT', body: new Uint8Array([255]).buffer })).arrayBuffer()).byteLength
            1
        return await (await fetch('https://a/x', { method: 'POST', body: new URLSearchParams({ a: 'b c' }) })).text()
            "a=b+c"
        const r = await fetch('https://a/big'); await r.text(); await r.text()
            ! TypeError: the body was read already (line 1)
        await fetch('https://a/x', { method: 'POST', body: { a: 1 } })
            ! TypeError: a body is a text, bytes or URLSearchParams: use JSON.stringify for an object (line 1)
        await fetch('https://a/x', { body: 'b' })
            ! TypeError: a GET has no body (line 1)
        await fetch('https://a/refused')
            ! TypeError: the tool may not ask `internal.example`
        try { await fetch('https://a/refused') } catch (e) { return [e.name, e.message] }
            ["TypeError","the tool may not ask `internal.example`"]
        return (await Promise.all([1, 2, 3].map((n) => fetch('https://a/' + n)))).map((r) => r.url)
            ["https://a/1","https://a/2","https://a/3"]
        await Promise.all(Array.from({ length: 17 }, () => fetch('https://a/slow')))
            ! TypeError: too many requests are under way at once (line 1)
        fetch('https://a/slow'); return 'nobody waits'
            "nobody waits"
        return await Promise.race([fetch('https://a/slow'), new Promise((yes) => setTimeout(yes, 5, 'first'))])
            "first"
    "#]].assert_eq(&table(&scripts).await);
}

#[tokio::test]
async fn a_request_that_never_ends_ends_with_the_time_of_the_script() {
    let pool = pool(1);
    let host = Recorder::default();
    let late = call(
        &pool,
        &host,
        "a",
        "await fetch('https://a/slow')",
        "null",
        Duration::from_millis(300),
    );
    let failure = late.await.unwrap_err();
    assert!(matches!(failure, Failure::Script { .. } | Failure::Late), "{failure:?}");

    assert_eq!(run(&pool, "return 1", "null").await.as_deref(), Ok("1"));
}
