use proptest::prelude::*;

use super::*;
use crate::text::TextBuilder;

/// One token for each word and for each four bytes of a long one, as models roughly do.
struct Words;

impl TokenCounter for Words {
    fn count(&self, text: &str) -> usize {
        text.split_whitespace().map(|word| word.len().div_ceil(4)).sum()
    }
}

/// A whole weighs more than its pieces: what adding up must not rely on.
struct Growing;

impl TokenCounter for Growing {
    fn count(&self, text: &str) -> usize {
        let characters = text.chars().count();
        characters.div_ceil(8) + characters / 40
    }
}

fn document(text: &str) -> Document {
    let mut builder = TextBuilder::default();
    for line in text.split_inclusive('\n') {
        let start = builder.points();
        let level = line.bytes().take_while(|&byte| byte == b'#').count();
        if (1..=6).contains(&level) {
            builder.heading(start, u8::try_from(level).unwrap(), line[level..].trim());
        }
        builder.push(line);
        builder.record(start);
    }
    builder.page(1, 0);
    builder.finish()
}

fn texts(text: &str, chunker: Chunker, size: usize, overlap: usize) -> Vec<String> {
    let chunks =
        chunk(&document(text), chunker, Sizes::new(size, overlap).unwrap(), Unit::Characters);
    chunks.into_iter().map(|chunk| chunk.text).collect()
}

fn all_of(text: &str, chunker: Chunker, sizes: Sizes, unit: Unit<'_>) {
    let document = document(text);
    let characters: Vec<char> = document.text.chars().collect();
    let chunks = chunk(&document, chunker, sizes, unit);
    let mut covered = 0;
    let mut before = Span { start: 0, end: 0 };
    for (index, chunk) in chunks.iter().enumerate() {
        let Span { start, end } = chunk.span;
        assert_eq!(chunk.index, index);
        assert_eq!(
            chunk.text,
            characters[start..end].iter().collect::<String>(),
            "offsets point at the text"
        );
        assert!(!chunk.text.is_empty() && chunk.text.trim() == chunk.text, "{:?}", chunk.text);
        assert!(index == 0 || start > before.start && end > before.end, "each chunk goes on");
        assert!(
            characters[covered.min(start)..start].iter().all(|character| character.is_whitespace()),
            "only white space is in no chunk"
        );
        let units = match unit {
            Unit::Characters => end - start,
            Unit::Tokens(counter) => counter.count(&chunk.text),
        };
        assert!(units <= sizes.size || end - start == 1, "{units} units in {:?}", chunk.text);
        covered = end;
        before = chunk.span;
    }
    assert!(
        characters[covered..].iter().all(|character| character.is_whitespace()),
        "the end is covered"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_is_lost_and_offsets_are_true(
        text in "(?s)([a-z]{1,9}[ .]|# ?|\n|\n\n|[äß語。 ]|👩\u{200d}👩|e\u{301}|\\PC){0,120}",
        size in 1_usize..200,
        overlap in 0_usize..99,
    ) {
        let sizes = Sizes::new(size, overlap.min(size - 1)).unwrap();
        for chunker in [Chunker::Recursive, Chunker::Markdown, Chunker::Rows] {
            all_of(&text, chunker, sizes, Unit::Characters);
            all_of(&text, chunker, sizes, Unit::Tokens(&AboutTokens));
            all_of(&text, chunker, sizes, Unit::Tokens(&Words));
            all_of(&text, chunker, sizes, Unit::Tokens(&Growing));
        }
    }
}

#[test]
fn tokens_are_estimated_without_a_tokenizer() {
    for (text, about) in [
        ("Parental leave lasts fourteen months for everybody.", 15),
        ("2026-11-29, 14:05", 10),
        ("Der Urlaubsantrag wird bewilligt.", 10),
        ("Отпуск длится долго", 9),
        ("混合検索の設定", 7),
        (" \n\t ", 0),
    ] {
        assert_eq!(AboutTokens.count(text), about, "{text}");
    }
}

#[test]
fn an_overlap_that_is_not_smaller_than_the_chunk_is_refused() {
    assert_eq!(Sizes::new(512, 512), Err(SizeError::OverlapTooLarge { size: 512, overlap: 512 }));
    assert_eq!(Sizes::new(0, 0), Err(SizeError::Zero));
    assert_eq!(
        Sizes::new(10, 11).unwrap_err().to_string(),
        "the overlap of 11 must be smaller than the chunk size of 10"
    );
}

#[test]
fn a_text_is_cut_at_the_best_place_that_fits() {
    let text = "One two. Three four.\n\nFive six seven eight. Nine.\nTen";
    assert_eq!(
        texts(text, Chunker::Recursive, 30, 0),
        ["One two. Three four.", "Five six seven eight. Nine.", "Ten"]
    );
    assert_eq!(texts("one two three four", Chunker::Recursive, 10, 0), ["one two", "three four"]);
    assert_eq!(
        texts("一二三。四五六七八。九", Chunker::Recursive, 6, 0),
        ["一二三。", "四五六七八。", "九"]
    );
}

#[test]
fn what_repeats_begins_with_a_word() {
    assert_eq!(
        texts("alpha beta gamma delta epsilon", Chunker::Recursive, 16, 7),
        ["alpha beta gamma", "gamma delta", "delta epsilon"]
    );
}

#[test]
fn a_character_of_several_code_points_is_not_cut() {
    let family = "👩\u{200d}👩\u{200d}👧";
    assert_eq!(
        texts(&family.repeat(3), Chunker::Recursive, 12, 0),
        [family.repeat(2), family.to_owned()]
    );
    assert_eq!(texts(&"e\u{301}".repeat(5), Chunker::Recursive, 3, 0), ["e\u{301}"; 5]);
}

#[test]
fn sections_are_not_mixed_and_know_their_headings() {
    let text = "Before.\n# A\n## B\nUnder b.\n## C\nUnder c.\n# D\nUnder d.\n";
    let chunks =
        chunk(&document(text), Chunker::Markdown, Sizes::new(100, 10).unwrap(), Unit::Characters);
    let found: Vec<_> =
        chunks.iter().map(|chunk| (chunk.text.as_str(), chunk.heading_path.join(" > "))).collect();
    let expected = [
        ("Before.", ""),
        ("# A\n## B\nUnder b.", "A"),
        ("## C\nUnder c.", "A > C"),
        ("# D\nUnder d.", "D"),
    ];
    assert_eq!(found, expected.map(|(text, path)| (text, path.to_owned())));
    assert!(chunks.iter().all(|chunk| chunk.page == Some(1)));
}

#[test]
fn records_are_kept_whole_as_long_as_they_fit() {
    assert_eq!(
        texts("aa\nbb\ncc\ndddddddddd\nee\n", Chunker::Rows, 6, 2),
        ["aa\nbb", "cc", "dddddd", "dddddd", "ee"]
    );
}

#[test]
fn records_of_two_pages_are_not_mixed() {
    let mut text = TextBuilder::default();
    for number in 1..=2 {
        let start = text.points();
        text.push("a\n");
        text.record(start);
        text.page(number, start);
    }
    let chunks = chunk(&text.finish(), Chunker::Rows, Sizes::new(99, 0).unwrap(), Unit::Characters);
    assert_eq!(chunks.iter().map(|chunk| chunk.page).collect::<Vec<_>>(), [Some(1), Some(2)]);
}

#[test]
fn a_passage_over_the_end_of_a_page_knows_both_pages() {
    let mut text = TextBuilder::default();
    for (number, words) in (1..).zip(["one two\n\n", "three four\n\n", "five\n\n"]) {
        let start = text.points();
        text.push(words);
        text.page(number, start);
    }
    let document = text.finish();
    let pages = |size, overlap| {
        let sizes = Sizes::new(size, overlap).unwrap();
        let chunks = chunk(&document, Chunker::Recursive, sizes, Unit::Characters);
        let pages = |it: &Chunk| (it.text.trim().to_owned(), it.page.unwrap(), it.page_end);
        chunks.iter().map(pages).collect::<Vec<_>>()
    };

    assert_eq!(pages(99, 0), [("one two\n\nthree four\n\nfive".to_owned(), 1, Some(3))]);
    // The space after a page is no part of the next.
    let of = |text: &str, page, end| (text.to_owned(), page, end);
    assert_eq!(
        pages(12, 0),
        [of("one two", 1, None), of("three four", 2, None), of("five", 3, None)]
    );
}

/// 50 MB in all, one of each shape that makes cutters slow; counted, because a clock says what else runs here.
#[test]
fn fifty_megabytes_cost_work_in_proportion_whatever_they_look_like() {
    let shapes = [
        "word ",
        "x",
        " ",
        "\n",
        "a                                ",
        "語",
        "🇩",
        "e\u{301}",
        ". ",
        "\n\na",
    ];
    for shape in shapes {
        let text = shape.repeat(5_000_000 / shape.len());
        let mut window = Window::new(&text, Sizes::new(1000, 200).unwrap(), Unit::Characters);
        let cuts = window.cut(0..text.len());
        // Each chunk is walked to find its end and again to find what repeats, and goes on by 400 or more.
        let most = text.len() / 100 * 100 * 6 + 10_000;
        assert!(
            window.looked_at <= most,
            "{shape:?}: {} bytes for {}",
            window.looked_at,
            text.len()
        );
        assert!(cuts.len() <= text.len() / 400 + 1, "{shape:?}: {} chunks", cuts.len());
    }
}

/// Knows how much it was asked to count.
struct Asked(std::cell::Cell<usize>);

impl TokenCounter for Asked {
    fn count(&self, text: &str) -> usize {
        self.0.set(self.0.get() + text.len());
        Words.count(text)
    }
}

#[test]
fn counting_tokens_costs_work_in_proportion_too() {
    for shape in ["word ", "x", " ", "語", "averyveryverylongwordthatgoeson ", "\n\na"] {
        let text = shape.repeat(1_000_000 / shape.len());
        let asked = Asked(std::cell::Cell::new(0));
        Window::new(&text, Sizes::new(200, 40).unwrap(), Unit::Tokens(&asked)).cut(0..text.len());
        // Pieces are counted twice as characters are, the whole of a chunk once, each with what repeats.
        assert!(
            asked.0.get() <= text.len() * 12,
            "{shape:?}: {} bytes for {}",
            asked.0.get(),
            text.len()
        );
    }
}
