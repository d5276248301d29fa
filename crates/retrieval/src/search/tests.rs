use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Numbers that look like chance and are the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ self.0 >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ mixed >> 33
    }

    /// Near enough to a normal distribution: the sum of twelve even ones.
    #[expect(clippy::cast_precision_loss, reason = "24 bits are meant")]
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| (self.next() >> 40) as f32 / (1 << 24) as f32).sum::<f32>() - 6.0
    }
}

/// Clusters in a space with noise along a few directions and a little along all, as in the notes on storage.
struct Clusters {
    centres: Vec<Vec<f32>>,
    directions: Vec<Vec<f32>>,
    chance: Chance,
}

impl Clusters {
    const DIMENSION: usize = 384;

    fn new(clusters: usize) -> Self {
        let mut chance = Chance(42);
        let mut vectors = |count: usize| -> Vec<Vec<f32>> {
            let mut vector = || (0..Self::DIMENSION).map(|_| chance.normal()).collect::<Vec<f32>>();
            (0..count).map(|_| unit(&vector())).collect()
        };
        let (centres, directions) = (vectors(clusters), vectors(48));
        Self { centres, directions, chance }
    }

    fn next(&mut self) -> Vec<f32> {
        let cluster = usize::try_from(self.chance.next()).unwrap() % self.centres.len();
        let mut vector = self.centres[cluster].clone();
        for direction in &self.directions {
            let along = self.chance.normal() * 0.7 / 48.0_f32.sqrt();
            vector.iter_mut().zip(direction).for_each(|(number, step)| *number += along * step);
        }
        let all = 0.25 / 384.0_f32.sqrt();
        for number in &mut vector {
            *number += self.chance.normal() * all;
        }
        unit(&vector)
    }
}

fn unit(vector: &[f32]) -> Vec<f32> {
    let length = dot(vector, vector).sqrt();
    vector.iter().map(|number| number / length).collect()
}

fn id(number: usize) -> ChunkId {
    ChunkId(u128::try_from(number).unwrap())
}

/// The true best by looking at all with all their digits.
fn truth(
    query: &[f32],
    vectors: &[Vec<f32>],
    among: impl Fn(usize) -> bool,
    wanted: usize,
) -> Vec<Hit> {
    let rows = vectors.iter().enumerate().filter(|(row, _)| among(*row));
    rescore(query, rows.map(|(row, vector)| (id(row), vector.as_slice())), wanted)
}

fn found(
    index: &Index,
    query: &[f32],
    vectors: &[Vec<f32>],
    among: Among<'_>,
    wanted: usize,
) -> Vec<Hit> {
    let candidates = index.near(query, wanted, among).unwrap();
    let rows = candidates
        .iter()
        .map(|hit| (hit.id, vectors[usize::try_from(hit.id.0).unwrap()].as_slice()));
    rescore(query, rows, wanted)
}

fn indexed(vectors: &[Vec<f32>]) -> Index {
    let mut index = Index::new(Clusters::DIMENSION, 1, 0);
    index.reserve(vectors.len());
    for (row, vector) in vectors.iter().enumerate() {
        index.load(id(row), &Code::of(vector).unwrap()).unwrap();
    }
    index
}

/// 20,000 vectors, because looking at all of 100,000 with all their digits is slow in a build for tests.
#[test]
fn the_ten_best_are_found_with_and_without_a_filter() {
    let mut clusters = Clusters::new(200);
    let vectors: Vec<Vec<f32>> = (0..20_000).map(|_| clusters.next()).collect();
    let mut index = indexed(&vectors);
    let rare: Vec<ChunkId> = (0..vectors.len()).filter(|row| row % 100 == 7).map(id).collect();
    let mut right = 0;
    for _ in 0..50 {
        let query = clusters.next();
        let best = truth(&query, &vectors, |_| true, 10);
        right += found(&index, &query, &vectors, Among::All, 10)
            .iter()
            .filter(|hit| best.contains(hit))
            .count();
        let best = truth(&query, &vectors, |row| row % 100 == 7, 10);
        assert_eq!(
            found(&index, &query, &vectors, Among::Ids(&rare), 10),
            best,
            "of one in a hundred, all are found"
        );
    }
    assert!(right >= 495, "{right} of 500");
    assert!(index.bytes() < vectors.len() * 550, "{} bytes", index.bytes());

    let gone = (0..3000).map(|row| Change::Delete(id(row))).collect();
    index.apply(&Revision { generation: 1, number: 1, changes: gone }).unwrap();
    let mut right = 0;
    for _ in 0..10 {
        let query = clusters.next();
        let best = truth(&query, &vectors, |row| row >= 3000, 10);
        let hits = found(&index, &query, &vectors, Among::All, 10);
        right += hits.iter().filter(|hit| best.contains(hit)).count();
    }
    assert!(right >= 99, "{right} of 100 when others are gone");
}

/// Zeros, one way, and few numbers: what signs do not tell apart is looked at whole.
#[test]
fn vectors_with_signs_that_say_little_are_found_as_well() {
    let mut clusters = Clusters::new(200);
    let sparse = |vector: &[f32]| -> Vec<f32> {
        vector.iter().map(|number| if *number > 0.1 { *number } else { 0.0 }).collect()
    };
    let one_way = |vector: &[f32]| vector.iter().map(|number| number + 0.2).collect::<Vec<f32>>();
    for shape in [&sparse as &dyn Fn(&[f32]) -> Vec<f32>, &one_way] {
        let mut shaped = || loop {
            let vector = shape(&clusters.next());
            if vector.iter().any(|number| *number != 0.0) {
                return vector;
            }
        };
        let vectors: Vec<Vec<f32>> = (0..17_000).map(|_| shaped()).collect();
        let index = indexed(&vectors);
        let mut right = 0;
        for _ in 0..10 {
            let query = shaped();
            let least = truth(&query, &vectors, |_| true, 10)[9].score;
            let hits = found(&index, &query, &vectors, Among::All, 10);
            right += hits.iter().filter(|hit| hit.score >= least).count();
        }
        assert!(right >= 98, "{right} of 100");
    }
}

#[test]
fn a_code_is_near_its_vector_whatever_its_length() {
    let vector = Clusters::new(1).next();
    for scale in [1e-30_f32, 1.0, 1e30] {
        let scaled: Vec<f32> = vector.iter().map(|number| number * scale).collect();
        let code = Code::of(&scaled).unwrap();
        let back: Vec<f32> =
            code.values.iter().map(|&value| f32::from(value) * code.scale).collect();
        assert!((cosine(&back, &vector) - 1.0).abs() < 1e-3);
        assert!((dot(&back, &back) - 1.0).abs() < 1e-2, "{}", dot(&back, &back));
    }
}

#[test]
fn what_is_no_vector_has_no_code() {
    assert_eq!(Code::of(&[1.0, f32::NAN]), Err(VectorError::NotANumber));
    assert_eq!(Code::of(&[f32::INFINITY]), Err(VectorError::NotANumber));
    assert_eq!(Code::of(&[0.0, 0.0]), Err(VectorError::Zero));
    assert_eq!(Code::of(&[]), Err(VectorError::Zero));
    let index = Index::new(2, 1, 0);
    assert_eq!(
        index.candidates(&[1.0], 1, Among::All),
        Err(VectorError::Dimension { expected: 2, got: 1 })
    );
}

fn put(number: usize, vector: &[f32]) -> Change {
    Change::Put(id(number), Code::of(vector).unwrap())
}

fn revision(number: u64, changes: Vec<Change>) -> Revision {
    Revision { generation: 3, number, changes }
}

fn near(index: &Index) -> Vec<u128> {
    index.candidates(&[1.0, 0.0], 9, Among::All).unwrap().into_iter().map(|hit| hit.id.0).collect()
}

#[test]
fn an_index_follows_revisions_without_gaps() {
    let mut index = Index::new(2, 3, 7);
    let first = revision(8, vec![put(1, &[1.0, 0.0]), put(2, &[1.0, 1.0]), put(3, &[0.0, 1.0])]);
    index.apply(&first).unwrap();
    assert_eq!((near(&index), index.revision()), (vec![1, 2, 3], 8));
    index
        .apply(&revision(
            9,
            vec![Change::Delete(id(1)), put(3, &[9.0, 0.0]), Change::Delete(id(77))],
        ))
        .unwrap();
    assert_eq!((near(&index), index.len()), (vec![3, 2], 2));
    index.apply(&first).unwrap();
    assert_eq!(near(&index), [3, 2], "what was seen before changes nothing");
    assert_eq!(index.apply(&revision(11, vec![])), Err(FeedError::Gap { expected: 10, got: 11 }));
    let other = Revision { generation: 4, ..revision(10, vec![]) };
    assert_eq!(index.apply(&other), Err(FeedError::Generation { expected: 3, got: 4 }));
    let wrong = revision(10, vec![put(4, &[1.0, 0.0]), put(5, &[1.0])]);
    assert_eq!(
        index.apply(&wrong),
        Err(FeedError::Vector(VectorError::Dimension { expected: 2, got: 1 }))
    );
    assert_eq!(
        (near(&index), index.revision()),
        (vec![3, 2], 9),
        "what is refused changes nothing"
    );
}

proptest! {
    #[test]
    fn an_index_holds_what_was_put_and_not_deleted(changes in proptest::collection::vec((0_usize..8, proptest::option::of(-5_i8..5)), 0..60), count in 0_usize..12) {
        let mut index = Index::new(2, 3, 0);
        let mut rows: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
        for (number, (row, value)) in (1..).zip(changes) {
            let change = if let Some(value) = value {
                let vector = vec![f32::from(value), 1.0];
                rows.insert(row, vector.clone());
                put(row, &vector)
            } else {
                rows.remove(&row);
                Change::Delete(id(row))
            };
            index.apply(&revision(number, vec![change])).unwrap();
        }
        prop_assert_eq!(index.len(), rows.len());
        let all = index.candidates(&[1.0, 0.5], 100, Among::All).unwrap();
        for hit in &all {
            let vector = &rows[&usize::try_from(hit.id.0).unwrap()];
            prop_assert!((hit.score - cosine(vector, &[1.0, 0.5])).abs() < 0.02);
        }
        prop_assert!(all.is_sorted_by(|one, other| rank(one, other).is_lt()));
        let best = index.candidates(&[1.0, 0.5], count, Among::All).unwrap();
        prop_assert_eq!(&best[..], &all[..count.min(all.len())]);
        let asked: Vec<ChunkId> = (3..20).map(id).collect();
        let among = index.candidates(&[1.0, 0.5], 100, Among::Ids(&asked)).unwrap();
        let expected: Vec<Hit> = all.iter().copied().filter(|hit| hit.id >= id(3)).collect();
        prop_assert_eq!(among, expected);
    }
}

#[test]
fn rankings_are_fused_by_places_alone() {
    let (one, other) = ([id(1), id(2), id(3), id(2)], [id(3), id(2), id(4)]);
    let fused: Vec<(u128, f32)> =
        fuse(&[&one, &other]).into_iter().map(|hit| (hit.id.0, hit.score)).collect();
    let share = |place: f32| 1.0 / (60.0 + place);
    let expected = [
        (3, share(3.0) + share(1.0)),
        (2, share(2.0) + share(2.0)),
        (1, share(1.0)),
        (4, share(3.0)),
    ];
    assert_eq!(fused.iter().map(|hit| hit.0).collect::<Vec<_>>(), expected.map(|hit| hit.0));
    assert!(fused.iter().zip(expected).all(|(hit, expected)| (hit.1 - expected.1).abs() < 1e-6));
    assert_eq!(fuse(&[&one, &[]]).iter().map(|hit| hit.id.0).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn diversity_prefers_what_is_not_said_yet() {
    let (same, near_it, else_) = ([1.0, 0.0], [0.99, 0.1], [0.0, 1.0]);
    let hit = |number, score| Hit { id: id(number), score };
    let hits: [(Hit, &[f32]); 3] =
        [(hit(1, 0.033), &same), (hit(2, 0.032), &near_it), (hit(3, 0.028), &else_)];
    let order = |diversity, wanted| {
        diversify(&hits, diversity, wanted).iter().map(|hit| hit.id.0).collect::<Vec<_>>()
    };
    assert_eq!(order(0.0, 3), [1, 2, 3]);
    assert_eq!(order(0.5, 3), [1, 3, 2]);
    assert_eq!(order(1.0, 2), [1, 3]);
    assert_eq!(diversify(&hits, 0.5, 1), [hit(1, 0.033)], "scores stay as they were");
    assert_eq!(diversify(&[], 0.5, 3), []);
}
