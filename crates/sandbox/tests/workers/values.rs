//! What goes in and what comes out: exactly that, or a sentence on why not.

use expect_test::expect;
use proptest::prelude::Just;
use proptest::prelude::any;
use proptest::prelude::prop_oneof;
use proptest::strategy::Strategy;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::harness::pool;
use crate::harness::run;
use crate::harness::table;

#[tokio::test]
async fn a_result_is_json_or_what_is_wrong_with_it_is_said() {
    let scripts = [
        "return undefined",
        "",
        "return { a: undefined, b: [undefined, null], c: true, '__proto__': 1, d: 'é\\n\"' }",
        "return { n: NaN }",
        "return [1, { x: [Infinity] }]",
        "return { f() {} }",
        "return Symbol('a')",
        "const a = { b: [] }; a.b.push(a); return a",
        "const a = { x: 1 }; return [a, a]",
        "let a = 1; for (let i = 0; i < 200; i++) a = [a]; return a",
        "return new Date(0)",
        "return new Map([[1, 2]])",
        "return { a: new Set() }",
        "return { a: Promise.resolve(1) }",
        "return new Uint8Array(3)",
        "return { why: new Error('x') }",
        "return { toJSON() { return { b: 2 } } }",
        "return { toJSON() { return this } }",
        "const a = { toJSON() { return { a } } }; return a",
        "return '\\ud800 and \\u{1f600}'",
        "return { '\\ud800': 1 }",
        "return 'x'.repeat(2 ** 21)",
        "return Array(1e9)",
        "return Array.from({ length: 300000 }, () => 'abcdef')",
        "return new Proxy({}, { ownKeys() { throw new Error('no') } })",
        "return Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true }, hidden: { value: 3 } })",
        "return [1.5, -0, 1e21, 1e-7, 4294967296, 9007199254740991, 123456789012]",
        "return { id: 9007199254740993 }",
        "return { id: 9007199254740993n, least: -9223372036854775808n, most: 18446744073709551615n }",
        "return { id: 18446744073709551616n }",
        "return { deep: { id: Number(2n ** 60n) } }",
    ];
    expect![[r#"
        return undefined
            null

            null
        return { a: undefined, b: [undefined, null], c: true, '__proto__': 1, d: 'é\n"' }
            {"b":[null,null],"c":true,"d":"é\n\""}
        return { n: NaN }
            ! `/n` of the result is NaN, which JSON cannot hold
        return [1, { x: [Infinity] }]
            ! `/1/x/0` of the result is infinite, which JSON cannot hold
        return { f() {} }
            ! `/f` of the result is a function, which JSON cannot hold
        return Symbol('a')
            ! the result is a symbol, which JSON cannot hold
        const a = { b: [] }; a.b.push(a); return a
            ! `/b/0` of the result is inside of itself, which JSON cannot hold
        const a = { x: 1 }; return [a, a]
            [{"x":1},{"x":1}]
        let a = 1; for (let i = 0; i < 200; i++) a = [a]; return a
            ! the result is nested deeper than 100 levels
        return new Date(0)
            "1970-01-01T00:00:00.000Z"
        return new Map([[1, 2]])
            ! the result is a Map: use Object.fromEntries
        return { a: new Set() }
            ! `/a` of the result is a Set: use an array
        return { a: Promise.resolve(1) }
            ! `/a` of the result is a Promise: await it
        return new Uint8Array(3)
            ! the result is bytes: use a text
        return { why: new Error('x') }
            ! `/why` of the result is an Error: throw it, or use its message
        return { toJSON() { return { b: 2 } } }
            {"b":2}
        return { toJSON() { return this } }
            ! `/toJSON` of the result is a function, which JSON cannot hold
        const a = { toJSON() { return { a } } }; return a
            ! `/a` of the result is inside of itself, which JSON cannot hold
        return '\ud800 and \u{1f600}'
            "� and 😀"
        return { '\ud800': 1 }
            {"�":1}
        return 'x'.repeat(2 ** 21)
            ! the result is larger than 1024 kB
        return Array(1e9)
            ! the result is larger than 1024 kB
        return Array.from({ length: 300000 }, () => 'abcdef')
            ! the result is larger than 1024 kB
        return new Proxy({}, { ownKeys() { throw new Error('no') } })
            ! Error: no (line 1)
        return Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true }, hidden: { value: 3 } })
            {"own":2}
        return [1.5, -0, 1e21, 1e-7, 4294967296, 9007199254740991, 123456789012]
            [1.5,0,1e+21,1e-7,4294967296,9007199254740991,123456789012]
        return { id: 9007199254740993 }
            ! `/id` of the result is a whole number too large to be exact: make it a BigInt or a text
        return { id: 9007199254740993n, least: -9223372036854775808n, most: 18446744073709551615n }
            {"id":9007199254740993,"least":-9223372036854775808,"most":18446744073709551615}
        return { id: 18446744073709551616n }
            ! `/id` of the result is a number with more than 64 bits: make it a text
        return { deep: { id: Number(2n ** 60n) } }
            ! `/deep/id` of the result is a whole number too large to be exact: make it a BigInt or a text
    "#]].assert_eq(&table(&scripts).await);
}

#[tokio::test]
async fn whole_numbers_keep_all_their_digits_on_their_way_through() {
    let pool = pool(1);
    let input = r#"{"id": 9007199254740993, "minus": -9223372036854775808, "most": 18446744073709551615, "small": 7, "text": "9007199254740993", "float": 0.12345678901234567, "exp": 1e300}"#;

    let same = run(&pool, "return input", input).await.unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&same).unwrap(),
        serde_json::from_str::<Value>(input).unwrap()
    );

    let kinds =
        run(&pool, "return Object.values(input).map((it) => typeof it).join()", input).await;
    assert_eq!(kinds.unwrap(), r#""bigint,bigint,bigint,number,string,number,number""#);

    let loud = run(&pool, "return input.id + 1", input).await.unwrap_err();
    assert_eq!(loud, "TypeError: cannot convert BigInt to number (line 1)");
}

#[tokio::test]
async fn whatever_goes_in_comes_out() {
    let pool = pool(1);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        (-1e15_f64..1e15).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let json = leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    let mut runner = TestRunner::default();
    for _ in 0..200 {
        let value = json.new_tree(&mut runner).unwrap().current();
        let came = run(&pool, "return input", &value.to_string()).await.unwrap();
        let came: Value = serde_json::from_str(&came).unwrap();
        assert_eq!(whole(&came), whole(&value));
    }
}

/// JavaScript has one kind of number: 3.0 is 3.
fn whole(value: &Value) -> String {
    value
        .to_string()
        .replace(".0,", ",")
        .replace(".0]", "]")
        .replace(".0}", "}")
        .trim_end_matches(".0")
        .to_owned()
}
