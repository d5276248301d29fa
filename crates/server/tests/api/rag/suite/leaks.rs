//! Random tenants, scopes, labels and filters: what is found is what a naive model finds, on every store.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use retrieval::Filter;
use retrieval::WordQuery;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::completed;
use super::settled;
use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;

const TENANTS: [&str; 2] = ["first", "second"];
const SCOPES: [&str; 3] = ["a.read", "b.read", "c.read"];
const WORDS: [&str; 12] = [
    "leave",
    "paid",
    "month",
    "育児休業",
    "一歳",
    "ลาคลอด",
    "לידה",
    "NEAR(",
    "AND",
    "-x*",
    "'--",
    "\"quoted\"",
];
const MEMBERS: [&str; 4] = ["a", "b.c", "名", "$odd"];

/// Numbers that look random, and are the same for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, sides: usize) -> usize {
        usize::try_from(self.next() % sides as u64).unwrap()
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    fn some(&mut self, all: &[&'static str], of: usize) -> Vec<&'static str> {
        all.iter().copied().filter(|_| self.below(of) == 0).collect()
    }

    fn scalar(&mut self) -> Value {
        self.pick(&[
            json!(null),
            json!(true),
            json!(false),
            json!(0),
            json!(1),
            json!(1.0),
            json!(-2.5),
            json!(7),
            json!("1"),
            json!(""),
            json!("hr"),
            json!("HR"),
            json!("法"),
            json!("o'x\" $1"),
            json!("%"),
            json!(1_000_000_000_000_i64),
        ])
    }

    fn value(&mut self) -> Value {
        match self.below(6) {
            0 => Value::from((0..self.below(4)).map(|_| self.scalar()).collect::<Vec<_>>()),
            1 => json!({"deep": self.scalar()}),
            _ => self.scalar(),
        }
    }

    fn metadata(&mut self) -> Map<String, Value> {
        let mut all = Map::new();
        for member in MEMBERS {
            if self.below(3) > 0 {
                all.insert(member.to_owned(), self.value());
            }
        }
        all
    }

    fn filter(&mut self, depth: usize) -> Value {
        let inner = |dice: &mut Self| {
            (0..=dice.below(2)).map(|_| dice.filter(depth - 1)).collect::<Vec<_>>()
        };
        match self.below(if depth == 0 { 6 } else { 9 }) {
            6 => json!({"$and": inner(self)}),
            7 => json!({"$or": inner(self)}),
            8 => json!({"$not": self.filter(depth - 1)}),
            0 => json!({}),
            // No member may begin with `$` in a filter.
            _ => json!({MEMBERS[self.below(3)]: self.condition()}),
        }
    }

    fn condition(&mut self) -> Value {
        let bound = self.pick(&[
            json!(0),
            json!(1),
            json!(-2.5),
            json!(6.5),
            json!("1"),
            json!("H"),
            json!(""),
        ]);
        let condition = match self.below(10) {
            0 => self.scalar(),
            1 => json!({"$ne": self.scalar()}),
            2 => json!({"$in": [self.scalar(), self.scalar()]}),
            3 => json!({"$nin": [self.scalar(), self.scalar()]}),
            4 => json!({"$exists": self.below(2) == 0}),
            5 => json!({"$contains": self.scalar()}),
            6 => json!({"$gt": bound}),
            7 => json!({"$gte": bound}),
            8 => json!({"$lt": bound}),
            _ => json!({"$lte": bound}),
        };
        if condition.is_object() && self.below(5) == 0 {
            json!({"$not": condition})
        } else {
            condition
        }
    }
}

/// A document as the model knows it.
struct Known {
    path: String,
    text: String,
    scopes: Vec<&'static str>,
    metadata: Map<String, Value>,
}

/// A tenant: who manages it, who searches with which scopes, and what it has.
struct House {
    admin: Client,
    callers: Vec<(Client, Vec<&'static str>)>,
    documents: BTreeMap<String, Known>,
}

/// Compares `queries` answers of the store that `store` names with those of the model.
pub async fn leaks(server: &TestServer, store: Value, seed: u64, queries: usize) {
    let mut dice = Dice(seed);
    let mut houses = Vec::new();
    for tenant in TENANTS {
        let mut house = house(server, tenant).await;
        let mut body = json!({"name": "handbook"});
        body.as_object_mut().unwrap().extend(store.as_object().unwrap().clone());
        let made = house.admin.post("/rag/databases", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        for number in 0..25 {
            add(&mut dice, &mut house, &format!("{tenant}-{number}")).await;
        }
        completed(&house.admin, "handbook", house.documents.len()).await;
        houses.push(house);
    }
    settled(server).await;
    for turn in 0..queries {
        let house = dice.pick(&[0, 1]);
        let house = &mut houses[house];
        match dice.below(8) {
            0 => {
                let name = dice.pick(&house.documents.keys().cloned().collect::<Vec<_>>());
                let known = house.documents.remove(&name).unwrap();
                assert_eq!(house.admin.delete(&known.path).await.status, 204);
                add(&mut dice, house, &name).await;
                completed(&house.admin, "handbook", house.documents.len()).await;
            }
            1 | 2 => {
                let name = dice.pick(&house.documents.keys().cloned().collect::<Vec<_>>());
                let known = house.documents.get_mut(&name).unwrap();
                (known.scopes, known.metadata) = (dice.some(&SCOPES, 3), dice.metadata());
                let labels = json!({"scopes": known.scopes, "metadata": known.metadata});
                assert_eq!(house.admin.put(&known.path, labels).await.status, 200);
            }
            3 => settled(server).await,
            _ => {}
        }
        compare(&mut dice, house, (seed, turn)).await;
    }
}

async fn compare(dice: &mut Dice, house: &House, place: (u64, usize)) {
    let (caller, held) = &house.callers[dice.below(house.callers.len())];
    let filter = dice.filter(2);
    let mode = dice.pick(&["vector", "keyword", "hybrid"]);
    let query = format!("{} {}", dice.pick(&WORDS), dice.pick(&WORDS));
    let means = Filter::parse(&filter).unwrap();
    let words = WordQuery::of(&query);
    let expected: BTreeSet<&str> = house
        .documents
        .iter()
        .filter(|(_, known)| known.scopes.iter().all(|scope| held.contains(scope)))
        .filter(|(_, known)| means.matches(&known.metadata))
        .filter(|(_, known)| mode != "keyword" || !words.places(&known.text).is_empty())
        .map(|(name, _)| name.as_str())
        .collect();
    let body = json!({"query": query, "mode": mode, "top_k": 100, "filter": filter});
    let answer = caller.post("/rag/databases/handbook/search", body.clone()).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text);
    let answer = answer.json();
    let hits = answer["data"].as_array().unwrap().iter();
    let found: Vec<&str> = hits.map(|hit| hit["citation"]["filename"].as_str().unwrap()).collect();
    assert_eq!(
        found.iter().copied().collect::<BTreeSet<_>>(),
        expected,
        "{place:?} {held:?} {body}"
    );
    assert_eq!(found.len(), expected.len(), "each once: {place:?} {body}");
}

async fn add(dice: &mut Dice, house: &mut House, name: &str) {
    // The name makes each text another one.
    let text = format!(
        "{} {} {} {name} {}",
        dice.pick(&WORDS),
        dice.pick(&WORDS),
        dice.pick(&WORDS),
        dice.next()
    );
    let (scopes, metadata) = (dice.some(&SCOPES, 3), dice.metadata());
    let body = json!({"filename": name, "text": text, "scopes": scopes, "metadata": metadata});
    let made = house.admin.post("/rag/databases/handbook/documents", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let path = made.header("location").unwrap().to_owned();
    house.documents.insert(name.to_owned(), Known { path, text, scopes, metadata });
}

/// A new tenant, with somebody who may do everything with documents, and some who may find some.
async fn house(server: &TestServer, tenant: &str) -> House {
    let secret = format!("a-secret-of-the-tenant-{tenant}");
    let digest = auth::token::Digest::of(&secret).to_hex();
    in_sql(server, &format!("INSERT INTO tenants (id, name) VALUES ('{tenant}', '{tenant}')"))
        .await;
    let client = async |name: &str, scopes: &[&str]| {
        let (id, scopes) = (format!("{tenant}-{name}"), json!(scopes).to_string());
        let row = format!(
            "INSERT INTO client_registrations (tenant_id, client_id, secret_sha256, scopes)
             VALUES ('{tenant}', '{id}', '{digest}', '{scopes}')"
        );
        in_sql(server, &row).await;
        server.client_of(&id, &secret).await
    };
    let admin = client("admin", &["rag.*", "a.read", "b.read", "c.read"]).await;
    let mut callers = Vec::new();
    for (number, held) in
        [&SCOPES[..0], &SCOPES[..1], &SCOPES[1..], &SCOPES[..]].into_iter().enumerate()
    {
        let scopes: Vec<&str> = held.iter().copied().chain(["rag.search"]).collect();
        callers.push((client(&number.to_string(), &scopes).await, held.to_vec()));
    }
    House { admin, callers, documents: BTreeMap::new() }
}
