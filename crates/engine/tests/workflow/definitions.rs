//! What definitions are refused for: everything that is wrong, each with its place.

use engine::Limits;
use engine::Parts;
use engine::Workflow;
use engine::normalise;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

fn parse(steps: &Value, output: Option<&Value>) -> Vec<String> {
    let schema = json!({"type": "object", "properties": {"a": {}}});
    let parts = Parts {
        steps,
        output,
        input_schema: Some(&schema),
        output_schema: None,
        limits: Limits::default(),
    };
    let faults = Workflow::parse(parts).err().unwrap_or_default();
    faults.iter().map(|it| format!("{} {}", it.pointer, it.code)).collect()
}

#[track_caller]
fn check(steps: Value, expected: &[&str]) {
    let mut found = parse(&steps, None);
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    check(
        json!([
            5,
            {"type": "tool"},
            {"id": "a b", "type": "agent", "agent": "x", "colour": 1, "timeout_ms": 0, "on_error": "ignore"},
            {"id": "c", "type": "magic", "spell": 1},
            {"id": "d", "type": "tool", "tool": "t", "input": {"$frist": []}, "retry": {"max": 1000, "factor": 0.5, "on": ["rain"], "x": 1}},
            {"id": "d", "type": "mapping", "output": {"$template": "{{"}},
            {"id": "f", "type": "approval", "message": "ok?", "payload_schema": {"type": 1}, "on_timeout": "shrug"}
        ]),
        &[
            "/steps/0 wrong_type",
            "/steps/1/id missing_member",
            "/steps/1/tool missing_member",
            "/steps/2/colour unknown_member",
            "/steps/2/id bad_format",
            "/steps/2/on_error not_one_of",
            "/steps/2/timeout_ms out_of_range",
            "/steps/3/type not_one_of",
            "/steps/4/input bad_value",
            "/steps/4/retry/factor out_of_range",
            "/steps/4/retry/max out_of_range",
            "/steps/4/retry/on/0 not_one_of",
            "/steps/4/retry/x unknown_member",
            "/steps/5/id not_unique",
            "/steps/5/output/$template bad_template",
            "/steps/6/on_timeout not_one_of",
            "/steps/6/payload_schema bad_schema",
        ],
    );
}

#[test]
fn parts_of_containers_are_read_as_strictly() {
    check(
        json!([
            {"id": "a", "type": "parallel", "branches": {}, "retry": {"max": 1}},
            {"id": "b", "type": "parallel", "branches": {"x/y": [], "z": 1}},
            {"id": "c", "type": "conditional", "cases": [{"when": {"op": "is"}}, 1, {"then": []}]},
            {"id": "d", "type": "foreach", "items": 5, "concurrency": 1000},
            {"id": "e", "type": "foreach", "items": [1, 2, 3], "max_items": 2, "do": []},
            {"id": "f", "type": "loop", "while": {"op": "truthy", "value": {"$": "/previous"}}, "until": {"op": "truthy", "value": {"$": "/previous"}}, "do": [{"id": "f1", "type": "mapping", "output": 1}]},
            {"id": "g", "type": "sleep", "duration_ms": -5},
            {"id": "h", "type": "sleep_until", "until": "2027-02-30T00:00:00Z"}
        ]),
        &[
            "/steps/0/branches too_few",
            "/steps/0/retry unknown_member",
            "/steps/1/branches/x~1y too_few",
            "/steps/1/branches/z wrong_type",
            "/steps/2/cases/0/then missing_member",
            "/steps/2/cases/0/when/op bad_predicate",
            "/steps/2/cases/1 wrong_type",
            "/steps/2/cases/2/when missing_member",
            "/steps/3/concurrency out_of_range",
            "/steps/3/do missing_member",
            "/steps/3/items wrong_type",
            "/steps/4/do too_few",
            "/steps/4/items too_many",
            "/steps/5/max_iterations missing_member",
            "/steps/5/while conflict",
            "/steps/6/duration_ms out_of_range",
            "/steps/7/until bad_format",
        ],
    );
}

#[test]
fn values_are_read_only_where_they_are_there() {
    let one = |id: &str, read: &str| json!({"id": id, "type": "mapping", "output": {"$": read}});
    check(
        json!([
            one("a", "/steps/b/output"),
            one("b", "/steps/nobody/output"),
            one("c", "/steps/a/result"),
            one("d", "/item"),
            one("e", "/state/x"),
            one("f", "/input/b"),
            one("g", "/index"),
            {"id": "h", "type": "foreach", "items": {"$": "/input/a"}, "do": [
                one("h1", "/steps/a/output"), one("h2", "/steps/h1/output/x"), one("h3", "/item/x"), one("h4", "/index")
            ]},
            one("i", "/steps/h1/output"),
            {"id": "j", "type": "parallel", "branches": {"x": [one("j1", "/steps/a/output")], "y": [one("j2", "/steps/j1/output")]}},
            one("k", "/steps/j1/output"),
            {"id": "l", "type": "loop", "max_iterations": 2, "until": {"op": "eq", "left": {"$": "/steps/l1/output"}, "right": {"$": "/steps/k/output"}},
             "do": [one("l1", "/steps/l2/output"), one("l2", "/previous")]},
            {"id": "m", "type": "tool", "tool": "t", "compensate": {"id": "m1", "type": "tool", "tool": "t", "input": {"$": "/steps/m/output"}}},
            {"id": "n", "type": "tool", "tool": "t", "input": {"$": "/steps/n/output"}, "compensate": {"id": "n1", "type": "sleep", "duration_ms": 1}}
        ]),
        &[
            "/steps/0/output/$ not_before",
            "/steps/1/output/$ unknown_step",
            "/steps/11/do/0/output/$ not_before",
            "/steps/13/compensate/type not_one_of",
            "/steps/13/input/$ not_before",
            "/steps/2/output/$ bad_value",
            "/steps/3/output/$ bad_value",
            "/steps/4/output/$ bad_value",
            "/steps/5/output/$ unknown_member",
            "/steps/6/output/$ bad_value",
            "/steps/8/output/$ not_before",
            "/steps/9/branches/y/0/output/$ not_before",
        ],
    );
    let steps = json!([one("a", "/previous")]);
    let output = json!({"x": {"$": "/steps/a/output"}, "y": {"$": "/steps/b/output"}});
    assert_eq!(parse(&steps, Some(&output)), ["/output/y/$ unknown_step"]);
}

#[test]
fn graphs_have_no_circles_and_everything_can_be_reached() {
    let entry = |id: &str, depends_on: Value| json!({"id": id, "type": "mapping", "output": 1, "depends_on": depends_on});
    check(
        json!([
            entry("a", json!(["b"])),
            entry("b", json!(["a"])),
            entry("c", json!(["c"])),
            entry("d", json!(["nobody", "e", "e"])),
            entry("e", json!([])),
            entry("f", json!(["a", 5]))
        ]),
        &[
            "/steps/0/depends_on cycle",
            "/steps/1/depends_on cycle",
            "/steps/2/depends_on cycle",
            "/steps/3/depends_on/0 unknown_step",
            "/steps/3/depends_on/2 not_unique",
            "/steps/5/depends_on/1 wrong_type",
        ],
    );
    check(
        json!([
            {"id": "a", "type": "conditional", "cases": [
                {"when": {"op": "truthy", "value": true}, "then": []},
                {"when": {"op": "truthy", "value": {"$": "/input/a"}}, "then": []}
            ], "otherwise": [{"id": "a1", "type": "mapping", "output": 1}]},
            {"id": "b", "type": "loop", "max_iterations": 2, "while": {"op": "truthy", "value": true}, "do": [{"id": "b1", "type": "mapping", "output": 1}]},
            {"id": "c", "type": "fail", "message": "no"},
            {"id": "d", "type": "mapping", "output": 1}
        ]),
        &[
            "/steps/0/cases/1/when unreachable",
            "/steps/0/otherwise unreachable",
            "/steps/1/while never_ends",
            "/steps/3 unreachable",
        ],
    );
}

#[test]
fn definitions_have_bounds() {
    let mapping = |id: usize| json!({"id": format!("a{id}"), "type": "mapping", "output": 1});
    let many: Vec<_> = (0..1002).map(mapping).collect();
    check(json!(many), &["/steps/1000/id too_many", "/steps/1001/id too_many"]);
    let deep = (0..9).fold(mapping(100), |inner, level| json!({"id": format!("b{level}"), "type": "foreach", "items": [1], "do": [inner]}));
    let found = parse(&json!([deep]), None);
    assert_eq!(found, [format!("/steps/0{} too_deep", "/do/0".repeat(7) + "/do")]);
    check(json!([]), &["/steps too_few"]);
    check(json!({}), &["/steps wrong_type"]);
    let long = json!([{"id": "a", "type": "mapping", "output": "x".repeat(600_000)}]);
    check(long, &["/steps too_long"]);
}

#[test]
fn what_would_be_so_anyway_is_not_stored() {
    let given = json!([
        {"id": "a", "type": "parallel", "fail_fast": true, "on_error": "fail", "input": null, "branches": {"x": [
            {"id": "b", "type": "tool", "tool": "t", "timeout_ms": null, "input": {"on_error": null}}
        ]}},
        {"id": "c", "type": "conditional", "cases": [{"when": 1, "then": [{"id": "d", "depends_on": [], "retry": null}]}], "otherwise": []}
    ]);
    let stored = json!([
        {"id": "a", "type": "parallel", "branches": {"x": [{"id": "b", "type": "tool", "tool": "t", "input": {"on_error": null}}]}},
        {"id": "c", "type": "conditional", "cases": [{"when": 1, "then": [{"id": "d", "depends_on": []}]}]}
    ]);

    assert_eq!(normalise(&given), stored);
    assert_eq!(normalise(&stored), stored);
}

/// JSON that looks like entries, right and wrong.
fn any_entry() -> impl Strategy<Value = Value> {
    let id = prop::sample::select(vec!["a", "b", "c", "d", "e", "", "a b"]);
    let kind = prop::sample::select(vec![
        "agent",
        "tool",
        "mapping",
        "parallel",
        "conditional",
        "foreach",
        "loop",
        "sleep",
        "fail",
        "x",
    ]);
    let value = prop_oneof![
        Just(json!({"$": "/steps/a/output"})),
        Just(json!({"$": "/item"})),
        Just(json!({"$template": "{{ steps.b.output }}"})),
        Just(json!(5)),
        Just(json!([])),
        Just(json!({"op": "truthy", "value": {"$": "/steps/c/output"}})),
    ];
    let leaf = (id, kind, value, prop::option::of("[a-e]")).prop_map(|(id, kind, value, after)| {
        let mut entry = json!({"id": id, "type": kind, "agent": "x", "tool": "x", "output": value, "items": value, "duration_ms": value,
            "while": value, "message": "m", "max_iterations": 2});
        let keep: &[&str] = match kind {
            "agent" => &["agent"],
            "tool" => &["tool"],
            "mapping" => &["output"],
            "foreach" => &["items", "do"],
            "loop" => &["while", "max_iterations", "do"],
            "sleep" => &["duration_ms"],
            "fail" => &["message"],
            _ => &["branches", "cases", "do"],
        };
        let members = entry.as_object_mut().unwrap();
        members.retain(|name, _| ["id", "type"].contains(&name.as_str()) || keep.contains(&name.as_str()));
        members.extend(after.map(|it| ("depends_on".to_owned(), json!([it]))));
        entry
    });
    leaf.prop_recursive(4, 30, 4, |inner| {
        (inner.clone(), prop::collection::vec(inner, 0..4)).prop_map(|(mut entry, list)| {
            let when = json!({"op": "truthy", "value": {"$": "/previous"}});
            match entry["type"].as_str().unwrap() {
                "parallel" => entry["branches"] = json!({"x": list, "y": []}),
                "conditional" => entry["cases"] = json!([{"when": when, "then": list}]),
                "foreach" | "loop" => entry["do"] = json!(list),
                _ => {}
            }
            entry
        })
    })
}

proptest! {
    /// No definition makes it panic; faults stand at places that are there, or of which the parent is.
    #[test]
    fn any_list_is_a_workflow_or_has_faults_at_its_places(entries in prop::collection::vec(any_entry(), 0..5)) {
        let steps = Value::Array(entries);
        let definition = json!({ "steps": steps });
        let parts = Parts { steps: &definition["steps"], output: None, input_schema: None, output_schema: None, limits: Limits::default() };
        for fault in Workflow::parse(parts).err().unwrap_or_default() {
            let parent = fault.pointer.rsplit_once('/').unwrap().0;
            prop_assert!(definition.pointer(parent).is_some(), "{}", fault.pointer);
        }
        // What is stored means the same.
        let stored = normalise(&definition["steps"]);
        let parts = Parts { steps: &stored, ..parts };
        prop_assert_eq!(Workflow::parse(parts).is_ok(), Workflow::parse(Parts { steps: &definition["steps"], ..parts }).is_ok());
        prop_assert_eq!(normalise(&stored), stored);
    }
}
