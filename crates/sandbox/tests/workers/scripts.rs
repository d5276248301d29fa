//! What a script may look like, what it finds, and what it is told when it is wrong.

use expect_test::expect;

use crate::harness::check;
use crate::harness::pool;
use crate::harness::run;
use crate::harness::table;
use crate::harness::value;

#[tokio::test]
async fn every_form_of_a_tool_is_called_with_its_input() {
    let pool = pool(1);
    let forms = [
        "return input.a + 1",
        "const b = await Promise.resolve(input.a); // and so on\nreturn b + 1 // the end",
        "async (input, ctx) => { return input.a + 1 }",
        "({ a }) => a + 1;",
        "it => it.a + 1",
        "async function execute(input, ctx) {\n  return input.a + 1;\n}\n",
        "function add(x) { return x + 1 }\nreturn add(input.a)",
        "function leave() { throw 1 }\n(() => { globalThis.kept = input.a })()\nreturn kept + 1",
        "(() => { globalThis.a = input.a })(); return a + 1",
        "export default async (input, ctx) => input.a + 1",
        "const one = await Promise.resolve(1);\nexport default function (input) { return input.a + one }",
        "export default { id: 'add', execute: async ({ context }) => context.a + 1 }",
        "import { createTool } from '@mastra/core/tools';\nexport default createTool({ id: 'add', description: 'Adds.', execute: async ({ context: { a } }) => a + 1 });",
        "const execute = async (input) => input.a + 1; export { execute as default };",
    ];
    for form in forms {
        assert_eq!(run(&pool, form, r#"{"a": 41}"#).await.as_deref(), Ok("42"), "{form}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_line() {
    let scripts = [
        "return input.a.b",
        "const a = 1;\n\nthrow new RangeError('too far')",
        "const f = () => {\n  undefinedName()\n}\nf()",
        "const a = {\n  b: 1,,\n}",
        "return 1 +",
        "throw 'just a text'",
        "throw { code: 7 }",
        "throw null",
        "throw undefined",
        "throw { get message() { throw 1 }, toString() { throw 2 } }",
        "await new Promise((_, no) => setTimeout(() => no(new Error('late')), 1))",
        "setTimeout(() => { null.x }, 1); await new Promise(() => {})",
        "await new Promise(() => {})",
        "export const a = 1",
        "export default 7",
        "import { z } from 'zod'; export default () => 1",
        "export default (input) => {\n  return input.x\n}",
        "const f = () => f(); f()",
    ];
    expect![[r#"
        return input.a.b
            ! TypeError: cannot read property 'a' of null (line 1)
        const a = 1;

        throw new RangeError('too far')
            ! RangeError: too far (line 3)
        const f = () => {
          undefinedName()
        }
        f()
            ! ReferenceError: undefinedName is not defined (line 2)
        const a = {
          b: 1,,
        }
            ! SyntaxError: invalid property name (line 2)
        return 1 +
            ! SyntaxError: unexpected token in expression: '}' (line 1)
        throw 'just a text'
            ! the script threw "just a text"
        throw { code: 7 }
            ! the script threw {"code":7}
        throw null
            ! the script threw null
        throw undefined
            ! the script threw undefined
        throw { get message() { throw 1 }, toString() { throw 2 } }
            ! the script threw something without a text
        await new Promise((_, no) => setTimeout(() => no(new Error('late')), 1))
            ! Error: late (line 1)
        setTimeout(() => { null.x }, 1); await new Promise(() => {})
            ! TypeError: cannot read property 'x' of null (line 1)
        await new Promise(() => {})
            ! the script waits for something that never happens: no request or timer is left
        export const a = 1
            ! TypeError: the default export must be a function, or an object with a function `execute`
        export default 7
            ! TypeError: the default export must be a function, or an object with a function `execute`
        import { z } from 'zod'; export default () => 1
            ! ReferenceError: could not load module 'zod'
        export default (input) => {
          return input.x
        }
            ! TypeError: cannot read property 'x' of null (line 2)
        const f = () => f(); f()
            ! RangeError: Maximum call stack size exceeded (line 1)
    "#]].assert_eq(&table(&scripts).await);
}

#[tokio::test]
async fn a_script_that_is_only_read_does_nothing() {
    let pool = pool(1);
    for good in [
        "for (;;);",
        "throw 1",
        "({ a }) => { for (;;); }",
        "for (;;);\nexport default () => 1",
        "import { createTool } from '@mastra/core'; export default createTool({})",
    ] {
        assert_eq!(check(&pool, good).await, Ok(()), "{good}");
    }
    let mut told = Vec::new();
    for bad in [
        "return 1 +",
        "const a = 1;\nconst a = 2;",
        "export default (input) => {\n  return input..x\n}",
        "await await",
        "}); globalThis.x = 1; (",
    ] {
        told.push(check(&pool, bad).await.unwrap_err());
    }
    expect![[r#"
        SyntaxError: unexpected token in expression: '}' (line 1)
        SyntaxError: invalid redefinition of lexical identifier (line 2)
        SyntaxError: expecting field name (line 2)
        SyntaxError: unexpected token in expression: '}' (line 1)
        SyntaxError: unexpected token in expression: '}' (line 1)"#]]
    .assert_eq(&told.join("\n"));
}

#[tokio::test]
async fn a_source_with_a_nul_character_is_refused() {
    let told = run(&pool(1), "return '\u{0}'", "null").await.unwrap_err();

    assert_eq!(told, "the source has a NUL character");
}

#[tokio::test]
async fn what_is_thrown_is_told_in_part_if_it_is_long() {
    let told = run(&pool(1), "throw new Error('é'.repeat(5000))", "null").await.unwrap_err();

    assert!(told.starts_with("Error: éé") && told.ends_with("é (line 1)") && told.len() < 2100);
}

#[tokio::test]
async fn the_usual_helpers_are_there() {
    let scripts = [
        "const u = new URL('../b?x=1&y=%20#h', 'https://me:pw@example.com:8443/a/c'); return [u.href, u.origin, u.host, u.pathname, u.search, u.hash, u.username]",
        "const u = new URL('https://example.com'); u.searchParams.set('q', 'a b&c'); u.pathname = '/ü'; return u",
        "return [URL.canParse('nonsense'), URL.canParse('https://a')]",
        "new URL('nonsense')",
        "const p = new URLSearchParams({ a: 1, b: 'x y' }); p.append('a', 2); return [p.toString(), p.getAll('a'), [...p].length, p.has('c')]",
        "return [...new TextEncoder().encode('é€')]",
        "return new TextDecoder().decode(new Uint8Array([0xc3, 0xa9, 0xff]))",
        "return new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff]))",
        "return [btoa('hello'), atob('aGVsbG8=')]",
        "const a = { d: new Date(0), m: new Map([[1, { x: 1 }]]), s: new Set([1]), self: null, b: new Uint8Array([1, 2]) }; a.self = a; const c = structuredClone(a); return [c !== a, c.self === c, c.d.getTime(), c.m.get(1).x, c.s.has(1), [...c.b]]",
        "structuredClone(() => 1)",
        "const t = []; setTimeout(() => t.push(2), 5); setTimeout(() => t.push(1), 1); const gone = setTimeout(() => t.push(9), 2); clearTimeout(gone); await new Promise((yes) => setTimeout(yes, 10)); return t",
        "for (let i = 0; i < 5000; i++) clearTimeout(setTimeout(() => {}, 1e6)); setTimeout(() => {}); return 'cleared'",
        "clearTimeout(setTimeout(() => {}, 1e6)); await new Promise(() => {})",
        "let n = 0; await new Promise((yes) => { const i = setInterval(() => { n += 1; if (n === 3) { clearInterval(i); yes() } }, 1) }); return n",
        "return [typeof queueMicrotask, typeof crypto.randomUUID(), crypto.randomUUID() === crypto.randomUUID(), crypto.getRandomValues(new Uint8Array(4)).length]",
        "return new Date(0).toString()",
        "return [typeof Intl, typeof WebAssembly, typeof require, typeof process, typeof std, typeof os, typeof Deno, typeof XMLHttpRequest]",
    ];
    expect![[r##"
        const u = new URL('../b?x=1&y=%20#h', 'https://me:pw@example.com:8443/a/c'); return [u.href, u.origin, u.host, u.pathname, u.search, u.hash, u.username]
            ["https://me:pw@example.com:8443/b?x=1&y=%20#h","https://example.com:8443","example.com:8443","/b","?x=1&y=%20","#h","me"]
        const u = new URL('https://example.com'); u.searchParams.set('q', 'a b&c'); u.pathname = '/ü'; return u
            "https://example.com/%C3%BC?q=a+b%26c"
        return [URL.canParse('nonsense'), URL.canParse('https://a')]
            [false,true]
        new URL('nonsense')
            ! TypeError: Invalid URL (line 1)
        const p = new URLSearchParams({ a: 1, b: 'x y' }); p.append('a', 2); return [p.toString(), p.getAll('a'), [...p].length, p.has('c')]
            ["a=1&b=x+y&a=2",["1","2"],3,false]
        return [...new TextEncoder().encode('é€')]
            [195,169,226,130,172]
        return new TextDecoder().decode(new Uint8Array([0xc3, 0xa9, 0xff]))
            "é�"
        return new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff]))
            ! TypeError: the bytes are not UTF-8 (line 1)
        return [btoa('hello'), atob('aGVsbG8=')]
            ["aGVsbG8=","hello"]
        const a = { d: new Date(0), m: new Map([[1, { x: 1 }]]), s: new Set([1]), self: null, b: new Uint8Array([1, 2]) }; a.self = a; const c = structuredClone(a); return [c !== a, c.self === c, c.d.getTime(), c.m.get(1).x, c.s.has(1), [...c.b]]
            [true,true,0,1,true,[1,2]]
        structuredClone(() => 1)
            ! TypeError: a function cannot be cloned (line 1)
        const t = []; setTimeout(() => t.push(2), 5); setTimeout(() => t.push(1), 1); const gone = setTimeout(() => t.push(9), 2); clearTimeout(gone); await new Promise((yes) => setTimeout(yes, 10)); return t
            [1,2]
        for (let i = 0; i < 5000; i++) clearTimeout(setTimeout(() => {}, 1e6)); setTimeout(() => {}); return 'cleared'
            "cleared"
        clearTimeout(setTimeout(() => {}, 1e6)); await new Promise(() => {})
            ! the script waits for something that never happens: no request or timer is left
        let n = 0; await new Promise((yes) => { const i = setInterval(() => { n += 1; if (n === 3) { clearInterval(i); yes() } }, 1) }); return n
            3
        return [typeof queueMicrotask, typeof crypto.randomUUID(), crypto.randomUUID() === crypto.randomUUID(), crypto.getRandomValues(new Uint8Array(4)).length]
            ["function","string",false,4]
        return new Date(0).toString()
            "Thu Jan 01 1970 00:00:00 GMT+0000"
        return [typeof Intl, typeof WebAssembly, typeof require, typeof process, typeof std, typeof os, typeof Deno, typeof XMLHttpRequest]
            ["undefined","undefined","undefined","undefined","undefined","undefined","undefined","undefined"]
    "##]].assert_eq(&table(&scripts).await);
    let uuid = value("return crypto.randomUUID()").await;
    assert_eq!(uuid.as_str().map(str::len), Some(36));
}
