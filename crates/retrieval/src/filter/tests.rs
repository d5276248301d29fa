use proptest::prelude::*;
use serde_json::json;

use super::*;

fn passes(filter: Value, metadata: Value) -> bool {
    Filter::parse(&filter).unwrap().matches(metadata.as_object().unwrap())
}

#[test]
fn conditions_have_one_truth_table() {
    let document = json!({"team": "hr", "year": 2024, "price": 1.0, "draft": false, "none": null, "tags": ["law", 7], "nested": {"a": 1}});
    let table = [
        (json!({}), true),
        (json!({"team": "hr"}), true),
        (json!({"team": "HR"}), false),
        (json!({"team": "hr", "year": 2023}), false),
        (json!({"year": {"$gte": 2024, "$lt": 2025}}), true),
        (json!({"year": {"$gt": 2024}}), false),
        (json!({"year": {"$lte": 2024.5}}), true),
        (json!({"year": "2024"}), false),
        (json!({"year": {"$gte": "2000"}}), false),
        (json!({"price": 1}), true),
        (json!({"draft": 0}), false),
        (json!({"draft": {"$ne": true}}), true),
        (json!({"none": null}), true),
        (json!({"none": {"$exists": true}}), true),
        (json!({"missing": null}), false),
        (json!({"missing": {"$exists": false}}), true),
        (json!({"missing": {"$ne": 1}}), true),
        (json!({"missing": {"$nin": [1]}}), true),
        (json!({"missing": {"$gt": 1}}), false),
        (json!({"missing": {"$not": {"$gt": 1}}}), true),
        (json!({"$not": {"missing": {"$lte": 1}}}), true),
        (json!({"team": {"$in": ["hr", "it"]}}), true),
        (json!({"team": {"$in": []}}), false),
        (json!({"team": {"$nin": []}}), true),
        (json!({"team": {"$gt": "ha", "$lt": "hs"}}), true),
        (json!({"team": {"$contains": "r"}}), true),
        (json!({"tags": {"$contains": "law"}}), true),
        (json!({"tags": {"$contains": "la"}}), false),
        (json!({"tags": {"$contains": 7.0}}), true),
        (json!({"tags": "law"}), false),
        (json!({"nested.a": 1}), false),
        (json!({"$or": [{"team": "it"}, {"year": 2024}]}), true),
        (json!({"$and": [{"team": "hr"}, {"$not": {"year": 2024}}]}), false),
    ];
    for (filter, expected) in table {
        assert_eq!(passes(filter.clone(), document.clone()), expected, "{filter}");
    }
}

#[test]
fn whole_numbers_compare_exactly() {
    assert!(!passes(
        json!({"id": 9_007_199_254_740_993_u64}),
        json!({"id": 9_007_199_254_740_992_u64})
    ));
    assert!(passes(
        json!({"id": {"$gt": 9_007_199_254_740_992_u64}}),
        json!({"id": 9_007_199_254_740_993_u64})
    ));
    assert!(passes(json!({"id": {"$lt": 0}}), json!({"id": i64::MIN})));
}

#[test]
fn a_fault_says_where_it_is_and_what_is_right() {
    let faults = [
        (json!([]), "", "a filter is an object of members and operators"),
        (json!({"$nor": []}), "/$nor", "`$nor` is no operator here; there are $and, $or, $not"),
        (
            json!({"$or": [{"a": 1}, {"a/b~": {"$regex": "x"}}]}),
            "/$or/1/a~1b~0/$regex",
            "`$regex` is no operator here; there are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, $contains, $not",
        ),
        (
            json!({"a": {"b": 1}}),
            "/a/b",
            "`b` is no operator here; there are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, $contains, $not",
        ),
        (json!({"a": [1]}), "/a", "a list is no value to compare with; use $in or $contains"),
        (json!({"a": {"$eq": {"x": 1}}}), "/a/$eq", "an object is no value to compare with"),
        (
            json!({"a": {"$in": [1, [2]]}}),
            "/a/$in/1",
            "a list is no value to compare with; use $in or $contains",
        ),
        (json!({"a": {"$in": 1}}), "/a/$in", "this operator takes a list of values"),
        (json!({"a": {"$gt": null}}), "/a/$gt", "only numbers and strings have an order"),
        (json!({"a": {"$exists": 1}}), "/a/$exists", "$exists takes true or false"),
        (json!({"a": {}}), "/a", "a condition needs an operator, such as {\"$eq\": …}"),
        (json!({"$and": {}}), "/$and", "this operator takes a list of filters"),
        (json!({"$or": []}), "/$or", "the list must hold at least one filter"),
        (json!({"a": {"$not": 1}}), "/a/$not", "$not takes an object of operators here"),
    ];
    for (filter, pointer, reason) in faults {
        let error = Filter::parse(&filter).unwrap_err();
        assert_eq!((error.pointer.as_str(), error.reason.as_str()), (pointer, reason), "{filter}");
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let nested =
        |levels: usize| (0..levels).fold(json!({"a": 1}), |filter, _| json!({"$not": filter}));
    assert!(Filter::parse(&nested(MAX_DEPTH)).is_ok());
    assert!(Filter::parse(&nested(100)).is_err());
    let inner =
        |levels: usize| (0..levels).fold(json!({"$eq": 1}), |filter, _| json!({"$not": filter}));
    assert!(Filter::parse(&json!({"a": inner(100)})).is_err());
    let values: Vec<usize> = (0..MAX_CONDITIONS).collect();
    assert!(Filter::parse(&json!({"a": {"$in": values}})).is_ok());
    assert!(Filter::parse(&json!({"a": {"$in": values}, "b": 1})).is_err());
}

fn scalar() -> impl Strategy<Value = Scalar> {
    let number = proptest::sample::select(vec![json!(1), json!(1.0), json!(2), json!(-1.5)]);
    prop_oneof![
        Just(Scalar::Null),
        any::<bool>().prop_map(Scalar::Bool),
        number.prop_map(|number: Value| Scalar::Number(number.as_number().unwrap().clone())),
        "[ab]{0,2}".prop_map(Scalar::String),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let order = prop_oneof![
        Just(Order::Greater),
        Just(Order::GreaterOrEqual),
        Just(Order::Less),
        Just(Order::LessOrEqual)
    ];
    let bound = prop_oneof![
        "[ab]{0,2}".prop_map(Bound::String),
        (0_i32..3).prop_map(|number: i32| Bound::Number(number.into()))
    ];
    prop_oneof![
        scalar().prop_map(Condition::Eq),
        scalar().prop_map(Condition::Ne),
        proptest::collection::vec(scalar(), 0..3).prop_map(Condition::In),
        proptest::collection::vec(scalar(), 0..3).prop_map(Condition::Nin),
        (order, bound).prop_map(|(order, bound)| Condition::Compare(order, bound)),
        any::<bool>().prop_map(Condition::Exists),
        scalar().prop_map(Condition::Contains),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let leaf =
        ("[abc]", condition()).prop_map(|(member, condition)| Filter::Member(member, condition));
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

/// Metadata in which members are missing, null, scalars and lists.
fn metadata() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        Just(json!(1)),
        Just(json!(2.0)),
        "[ab]{0,3}".prop_map(Value::from),
        Just(json!(["a", 1, null])),
    ];
    proptest::collection::btree_map("[abc]", value, 0..3)
        .prop_map(|members| members.into_iter().collect())
}

/// The truth of the form for stores, by its own words alone.
fn normal_matches(normal: &Normal, metadata: &Map<String, Value>) -> bool {
    match normal {
        Normal::And(all) => all.iter().all(|normal| normal_matches(normal, metadata)),
        Normal::Or(any) => any.iter().any(|normal| normal_matches(normal, metadata)),
        Normal::Is { member, test, holds } => {
            let passes = metadata.get(member).is_some_and(|value| match test {
                Test::Exists => true,
                Test::In(scalars) => scalars.iter().any(|scalar| scalar.is(value)),
                Test::Compare(order, bound) => bound.compares(*order, value),
                Test::Contains(scalar) => scalar.is_in(value),
            });
            passes == *holds
        }
    }
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_denied_twice_is_said(filter in filter(), metadata in metadata()) {
        prop_assert_eq!(not(not(filter.clone())).matches(&metadata), filter.matches(&metadata));
        prop_assert_ne!(not(filter.clone()).matches(&metadata), filter.matches(&metadata));
    }

    #[test]
    fn the_laws_of_de_morgan_hold(one in filter(), other in filter(), metadata in metadata()) {
        let both = not(Filter::And(vec![one.clone(), other.clone()]));
        let either = Filter::Or(vec![not(one.clone()), not(other.clone())]);
        prop_assert_eq!(both.matches(&metadata), either.matches(&metadata));
        let neither = not(Filter::Or(vec![one.clone(), other.clone()]));
        let each = Filter::And(vec![not(one), not(other)]);
        prop_assert_eq!(neither.matches(&metadata), each.matches(&metadata));
    }

    #[test]
    fn the_form_for_stores_means_the_same(filter in filter(), metadata in metadata()) {
        prop_assert_eq!(normal_matches(&filter.normal(), &metadata), filter.matches(&metadata));
    }

    #[test]
    fn a_missing_member_passes_only_what_denies(condition in condition()) {
        let denies = matches!(condition, Condition::Ne(_) | Condition::Nin(_) | Condition::Exists(false));
        prop_assert_eq!(Filter::Member("a".to_owned(), condition).matches(&Map::new()), denies);
    }

    #[test]
    fn a_filter_is_read_or_refused_but_never_panics(text in r#"[{}\[\]"$a-z:,0-9 ]{0,60}"#) {
        if let Ok(value) = serde_json::from_str(&text) {
            let _ = Filter::parse(&value);
        }
    }
}
