use std::sync::Mutex;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use proptest::prelude::*;

use super::*;

/// The answer of a future that has nothing to wait for.
fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// Answers what it is told to, call by call.
struct Told(Mutex<Vec<Vec<Vec<f32>>>>);

impl Embedder for Told {
    fn model(&self) -> &'static str {
        "told"
    }

    fn dimension(&self) -> Option<usize> {
        None
    }

    fn batch(&self) -> Batch {
        Batch { texts: 2, characters: 100 }
    }

    fn embed<'a>(&'a self, _texts: &'a [&'a str], _kind: Kind) -> Embedding<'a> {
        Box::pin(std::future::ready(Ok(self.0.lock().unwrap().remove(0))))
    }
}

fn told(answers: &[&[&[f32]]], expected: Option<usize>) -> Result<Vec<Vec<f32>>, String> {
    let answers = answers
        .iter()
        .map(|answer| answer.iter().map(|vector| vector.to_vec()).collect())
        .collect();
    now(embed_all(&Told(Mutex::new(answers)), &["a", "b", "c"], Kind::Document, expected))
        .map_err(|error| error.to_string())
}

#[test]
fn answers_come_in_the_order_of_the_texts_over_several_calls() {
    let answer = told(&[&[&[1.0], &[2.0]], &[&[3.0]]], None);
    assert_eq!(answer.unwrap(), [[1.0], [2.0], [3.0]]);
}

#[test]
fn an_answer_that_is_not_whole_is_refused() {
    type Answers<'a> = &'a [&'a [&'a [f32]]];
    let cases: [(Answers<'_>, Option<usize>, &str); 7] = [
        (&[&[&[1.0]]], None, "the embedding model answered 1 vectors for 2 texts"),
        (&[&[&[1.0], &[1.0], &[1.0]]], None, "the embedding model answered 3 vectors for 2 texts"),
        (
            &[&[&[1.0], &[1.0]], &[&[1.0, 2.0]]],
            None,
            "the embedding model answered 2 numbers for a text instead of 1",
        ),
        (
            &[&[&[1.0], &[1.0]]],
            Some(3),
            "the embedding model answered 1 numbers for a text instead of 3",
        ),
        (&[&[&[], &[]]], None, "the embedding model answered 0 numbers for a text instead of 0"),
        (
            &[&[&[1.0], &[1.0]], &[&[f32::NAN]]],
            None,
            "the embedding model answered something that is no number for text 2",
        ),
        (
            &[&[&[1.0, 0.0], &[0.0, 0.0]]],
            None,
            "the embedding model answered only zeros for text 1",
        ),
    ];
    for (answers, expected, error) in cases {
        assert_eq!(told(answers, expected).unwrap_err(), error);
    }
}

proptest! {
    #[test]
    fn each_text_is_in_one_batch_that_is_not_too_large(texts in proptest::collection::vec("[aé]{0,9}", 0..30), most in 0_usize..5, characters in 0_usize..20) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut next = 0;
        for range in batches(&texts, Batch { texts: most, characters }) {
            prop_assert_eq!(range.start, next);
            prop_assert!(!range.is_empty());
            let length: usize = texts[range.clone()].iter().map(|text| text.chars().count()).sum();
            prop_assert!(range.len() == 1 || range.len() <= most && length <= characters);
            next = range.end;
        }
        prop_assert_eq!(next, texts.len());
    }

    #[test]
    fn every_text_has_a_vector_of_length_one(text in "(?s).{0,80}") {
        let vectors = now(embed_all(&Hashing, &[&text], Kind::Document, None)).unwrap();
        let length: f32 = vectors[0].iter().map(|number| number * number).sum();
        prop_assert!((length - 1.0).abs() < 1e-5);
    }
}

fn hashed(text: &str) -> Vec<f32> {
    now(embed_all(&Hashing, &[text], Kind::Query, None)).unwrap().remove(0)
}

fn near(one: &str, other: &str) -> f32 {
    hashed(one).iter().zip(hashed(other)).map(|(one, other)| one * other).sum()
}

#[test]
fn hashing_puts_texts_with_common_words_near_each_other() {
    assert!(near("How long is parental leave?", "Parental leave lasts twelve weeks.") > 0.3);
    assert!(near("How long is parental leave?", "The printer is out of paper.") < 0.15);
    assert!(near("検索の設定", "混合検索の設定について") > 0.3);
    assert!(near("Urlaubsantrag", "Urlaubsanträge") > 0.4);
}

#[test]
fn hashing_gives_the_same_numbers_for_ever() {
    let vector = hashed("Hello, world");
    let places: Vec<(usize, f32)> =
        vector.into_iter().enumerate().filter(|&(_, number)| number != 0.0).collect();
    let (word, part) = (3.0 / 28.0_f32.sqrt(), 1.0 / 28.0_f32.sqrt());
    let signs = [15, -67, -86, -118, 156, -161, 206, 210, -328].map(|place: i32| (place, part));
    let mut expected: Vec<(usize, f32)> = [(301, word), (-332, word), (270, part)]
        .into_iter()
        .chain(signs)
        .map(|(place, size)| {
            (usize::try_from(place.abs()).unwrap(), if place < 0 { -size } else { size })
        })
        .collect();
    expected.sort_by_key(|&(place, _)| place);
    assert_eq!(places.len(), expected.len());
    for (found, expected) in places.iter().zip(expected) {
        assert!(
            found.0 == expected.0 && (found.1 - expected.1).abs() < 1e-6,
            "{found:?} {expected:?}"
        );
    }
}

#[test]
fn cache_keys_differ_by_model_kind_and_text() {
    let keys = [
        cache_key("a", Kind::Query, "b"),
        cache_key("a", Kind::Document, "b"),
        cache_key("ab", Kind::Query, ""),
        cache_key("", Kind::Query, "ab"),
    ];
    assert!((0..keys.len()).all(|at| !keys[at + 1..].contains(&keys[at])));
    assert_eq!(keys[0], "6dea882c0c75eef795e3bb3840e3159685dcc19f32de71fd6984061f77fe4241");
}
