use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::chunk::Chunker;
use crate::chunk::Sizes;
use crate::chunk::TokenCounter;
use crate::chunk::Unit;
use crate::chunk::chunk;
use crate::text::Document;

const WIDTH: usize = 8;

/// A model that is as small as can be, with weights that look like chance.
fn files() -> BertFiles {
    let config = json!({"model_type": "bert", "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 16, "max_position_embeddings": 8, "hidden_act": "gelu"});
    let vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "leave", "last", "##s", "long", ",", "語"];
    let vocab: BTreeMap<_, _> =
        vocab.into_iter().enumerate().map(|(id, word)| (word, id)).collect();
    let tokenizer = json!({"model": {"type": "WordPiece", "vocab": vocab}, "normalizer": {"type": "BertNormalizer",
        "clean_text": true, "handle_chinese_chars": true, "lowercase": true}});
    BertFiles {
        config: config.to_string().into(),
        tokenizer: tokenizer.to_string().into(),
        pooling: None,
        weights: weights(),
    }
}

fn weights() -> Vec<u8> {
    let mut shapes = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![10, WIDTH]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![8, WIDTH]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, WIDTH]),
        ("embeddings.LayerNorm.weight".to_owned(), vec![WIDTH]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![WIDTH]),
    ];
    for layer in 0..2 {
        for (part, rows, columns) in [
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", 16, WIDTH),
            ("output.dense", WIDTH, 16),
        ] {
            shapes.push((format!("encoder.layer.{layer}.{part}.weight"), vec![rows, columns]));
            shapes.push((format!("encoder.layer.{layer}.{part}.bias"), vec![rows]));
        }
        for part in ["attention.output.LayerNorm", "output.LayerNorm"] {
            shapes.push((format!("encoder.layer.{layer}.{part}.gamma"), vec![WIDTH]));
            shapes.push((format!("encoder.layer.{layer}.{part}.beta"), vec![WIDTH]));
        }
    }
    let (mut table, mut data, mut chance) = (serde_json::Map::new(), Vec::new(), 1_u32);
    table.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    for (name, shape) in shapes {
        let from = data.len();
        for _ in 0..shape.iter().product() {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = f32::from(u16::try_from(chance >> 16).unwrap()) / 32768.0 - 1.0;
            data.extend(number.to_le_bytes());
        }
        let tensor = json!({"dtype": "F32", "shape": shape, "data_offsets": [from, data.len()]});
        table.insert(format!("bert.{name}"), tensor);
    }
    let table = Value::Object(table).to_string().into_bytes();
    [&u64::try_from(table.len()).unwrap().to_le_bytes()[..], &table, &data].concat()
}

fn near(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

#[test]
fn a_model_makes_vectors_of_length_one_that_differ_with_the_text() {
    let model = Bert::new(files()).unwrap();

    let vectors =
        ["Leave lasts long", "leave lasts LONG ", "long lasts leave", "unheard of", "", "語,語"]
            .map(|text| model.embed(text).unwrap());

    for vector in &vectors {
        assert_eq!(vector.len(), model.dimension());
        assert!((near(vector, vector) - 1.0).abs() < 1e-5);
    }
    assert_eq!(vectors[0], vectors[1]);
    for other in &vectors[2..] {
        assert!(near(&vectors[0], other) < 0.9999);
    }
    let first =
        json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}).to_string();
    let first = Bert::new(BertFiles { pooling: Some(first.into()), ..files() }).unwrap();
    assert!(near(&first.embed("Leave lasts long").unwrap(), &vectors[0]) < 0.9999);
}

#[test]
fn passages_are_cut_by_the_tokens_of_the_model() {
    let words = WordPieces::new(&files().tokenizer).unwrap();
    let text = "Leave lasts long, unheard of, 語 lasts; and leave lasts for ever. ".repeat(20);
    let document = Document { text, ..Document::default() };

    for size in 1..=12 {
        let sizes = Sizes::new(size, size / 3).unwrap();
        let chunks = chunk(&document, Chunker::Recursive, sizes, Unit::Tokens(&words));
        let counts: Vec<usize> = chunks.iter().map(|it| words.count(&it.text)).collect();
        assert!(counts.iter().all(|count| (1..=size).contains(count)), "{size}: {counts:?}");
        // They are filled: on average to more than half.
        let sum: usize = counts.iter().sum();
        assert!(sum * 2 > counts.len() * size, "{size}: {counts:?}");
    }
    assert_eq!(
        ["Leave lasts long,", "", " 語語 ", "unheard"].map(|it| words.count(it)),
        [5, 0, 2, 1]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_damaged_model_is_refused_or_embeds_and_never_breaks_its_reader(
        which in 0..3,
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_usize..40), 1..4),
        kind in 0..4,
    ) {
        let mut files = files();
        let file = match which {
            0 => &mut files.config,
            1 => &mut files.tokenizer,
            _ => &mut files.weights,
        };
        for (place, byte, length) in &places {
            if file.is_empty() {
                break;
            }
            // The table of the weights is before their numbers, which are what they are.
            let at = place.index(file.len().min(1500));
            let end = (at + length).min(file.len());
            match kind {
                0 => file[at] = *byte,
                1 => drop(file.drain(at..end)),
                2 => drop(file.splice(at..at, b"0".repeat(*length))),
                _ => file.truncate(at),
            }
        }
        if let Ok(model) = Bert::new(files) {
            let _ = model.embed("Leave lasts, long");
        }
    }
}

#[test]
fn a_text_that_is_too_long_is_refused() {
    let error = Bert::new(files()).unwrap().embed("leave lasts long, long, long").unwrap_err();

    assert_eq!(
        error.to_string(),
        "a text has 10 tokens, and the model takes 8; make passages smaller"
    );
}

#[test]
fn what_is_no_such_model_is_refused_and_says_why() {
    let with = |change: fn(&mut BertFiles)| {
        let mut files = files();
        change(&mut files);
        Bert::new(files).unwrap_err().to_string()
    };
    let replace = |file: &mut Vec<u8>, from: &str, to: &str| {
        *file = String::from_utf8(file.clone()).unwrap().replace(from, to).into_bytes();
    };

    assert_eq!(with(|it| it.config = b"{".into()), "`config.json` is not what it should be");
    for (from, to, why) in [
        (
            "\"bert\"",
            "\"llama\"",
            "the model is not of a kind that is known here: its type is not `bert`",
        ),
        (
            "\"gelu\"",
            "\"relu\"",
            "the model is not of a kind that is known here: it computes otherwise than BERT does",
        ),
        (
            "heads\":2",
            "heads\":3",
            "the model is not of a kind that is known here: its sizes do not fit together",
        ),
        (
            "layers\":2",
            "layers\":3",
            "the weights lack `encoder.layer.2.attention.self.query.weight`, or it has another shape",
        ),
        (
            "embeddings\":8",
            "embeddings\":9",
            "the weights lack `embeddings.position_embeddings.weight`, or it has another shape",
        ),
    ] {
        let mut files = files();
        replace(&mut files.config, from, to);
        assert_eq!(Bert::new(files).unwrap_err().to_string(), why);
    }
    let kind = |why: &str| format!("the model is not of a kind that is known here: {why}");
    assert_eq!(
        with(|it| it.tokenizer = b"{}".into()),
        kind("its tokenizer is not that of BERT (WordPiece)")
    );
    assert_eq!(with(|it| it.weights.truncate(5)), kind("its weights are no safetensors"));
    assert_eq!(with(|it| it.weights[7] = 0xff), kind("its weights are no safetensors"));
    assert!(with(|it| it.weights.truncate(it.weights.len() - 4)).contains("the weights lack"));
    assert_eq!(
        with(|it| it.pooling = Some(b"{\"pooling_mode_max_tokens\": true}".into())),
        kind("it pools neither by the mean nor by the first token")
    );
}

/// The real thing, in the folder that `scripts/minilm` brings.
#[cfg(feature = "real-model")]
mod real {
    use super::*;

    fn minilm() -> Bert {
        let folder = std::path::PathBuf::from(std::env::var_os("MINILM").unwrap());
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let files = BertFiles {
            config: read("config.json"),
            tokenizer: read("tokenizer.json"),
            pooling: Some(read("1_Pooling/config.json")),
            weights: read("model.safetensors"),
        };
        Bert::new(files).unwrap()
    }

    /// The sentences and figures of the model's own card.
    #[test]
    fn minilm_finds_as_similar_what_its_makers_say() {
        let model = minilm();
        let vectors =
            ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
                .map(|text| model.embed(text).unwrap());

        for (one, other, similar) in [(0, 1, 0.6660), (0, 2, 0.1046), (1, 2, 0.1411)] {
            let found = near(&vectors[one], &vectors[other]);
            assert!((found - similar).abs() < 1e-4, "{found} {similar}");
        }
    }

    /// What the crate `tokenizers` makes of them, version 0.22.
    #[test]
    fn texts_of_every_kind_have_the_tokens_of_their_makers() {
        let model = minilm();
        let long = "x".repeat(101);
        let cases: [(&str, &[usize]); 11] = [
            ("Hello, world!", &[7592, 1010, 2088, 999]),
            ("Ünïcödé Straße naïve", &[27260, 2358, 27807, 15743]),
            ("混合検索の設定", &[100, 1792, 100, 100, 1671, 100, 1822]),
            (
                "Отпуск длится",
                &[1193, 22919, 29746, 29748, 29747, 23925, 1184, 29436, 10325, 22919, 29747, 17432],
            ),
            ("a\tb\u{200b}c\0d\u{ad}x", &[1037, 4647, 2094, 2595]),
            ("🙂 👩\u{200d}👩\u{200d}👧 ok", &[100, 100, 7929]),
            ("unbelievableness", &[23653, 2791]),
            (&long, &[100]),
            ("don't—stop…", &[2123, 1005, 1056, 1517, 2644, 1529]),
            ("İstanbul ẞ ﬁ", &[9960, 1096, 1984]),
            ("E=mc² 3½ №5 €9", &[1041, 1027, 11338, 10701, 1017, 13714, 1578, 2629, 1574, 2683]),
        ];
        for (text, tokens) in cases {
            let found = model.words.tokens(text);
            assert_eq!(&found[1..found.len() - 1], tokens, "{text}");
        }
    }
}
