//! Files as programs of others make them: the right passages, on the right pages, under the right headings.
//!
//! `corpus/make` says how they were made.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test should fail loudly")]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use retrieval::Chunk;
use retrieval::Chunker;
use retrieval::Document;
use retrieval::Format;
use retrieval::Limits;
use retrieval::ParseError;
use retrieval::Sizes;
use retrieval::Unit;

const LIMITS: Limits = Limits {
    bytes_in: 1 << 24,
    bytes_out: 1 << 22,
    unpacked: 1 << 26,
    pages: 1000,
    nesting: 64,
    columns: 1000,
};

const FILES: [&str; 10] = [
    "source/handbook.md",
    "source/staff.csv",
    "handbook-pandoc.docx",
    "handbook-pandoc.html",
    "handbook-libreoffice.docx",
    "handbook-libreoffice.pdf",
    "handbook-chromium.pdf",
    "slides-pandoc.pptx",
    "slides-libreoffice.pptx",
    "staff-libreoffice.xlsx",
];

fn bytes(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name)).unwrap()
}

fn parse(bytes: &[u8], name: &str) -> Result<(Format, Document), ParseError> {
    retrieval::parse(bytes, Some(name), &LIMITS, &|| false)
}

fn read(name: &str) -> (Format, Document) {
    parse(&bytes(name), name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn chunks(document: &Document) -> Vec<Chunk> {
    let sizes = Sizes::new(400, 0).unwrap();
    retrieval::chunk(document, Chunker::Markdown, sizes, Unit::Characters)
}

/// A text without what programs do to its lines.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The page and the headings of the passage with `words`, which is there once.
#[track_caller]
fn place(name: &str, words: &str) -> (Option<u32>, String) {
    let (_, document) = read(name);
    let found: Vec<_> =
        chunks(&document).into_iter().filter(|it| flat(&it.text).contains(words)).collect();
    assert_eq!(found.len(), 1, "{name}: {words}: {:#?}", document.text);
    (found[0].page, found[0].heading_path.join(" > "))
}

/// What every handbook says, and under which headings.
const SAYS: [(&str, &str); 6] = [
    (
        "Parental leave lasts fourteen months. It may be shared between both parents",
        "Leave > Parental leave",
    ),
    (
        "The request is sent to the office of staff affairs six weeks before.",
        "Leave > Parental leave",
    ),
    ("A certificate is needed from the fourth day on.", "Leave > Sick leave"),
    ("Salaries are paid on the last Thursday of each month.", "Pay"),
    ("Fluffy offices and waffles are not travel.", "Pay > Expenses"),
    ("and λόγος means word.", "Pets"),
];

#[test]
fn passages_of_word_files_and_pages_stand_under_their_headings() {
    for name in [
        "handbook-pandoc.docx",
        "handbook-libreoffice.docx",
        "handbook-pandoc.html",
        "source/handbook.md",
    ] {
        for (words, headings) in SAYS {
            let (page, path) = place(name, words);
            assert!(path.ends_with(headings), "{name}: {words}: {path}");
            assert_eq!(page, None, "{name}: {words}");
        }
    }
}

#[test]
fn passages_of_pdf_files_stand_on_their_pages() {
    for name in ["handbook-libreoffice.pdf", "handbook-chromium.pdf"] {
        for (index, (words, _)) in SAYS.into_iter().enumerate() {
            let (page, _) = place(name, words);
            assert_eq!(page, Some([1, 1, 1, 2, 2, 3][index]), "{name}: {words}");
        }
    }
}

#[test]
fn rows_of_tables_keep_their_columns() {
    for name in ["handbook-pandoc.docx", "handbook-libreoffice.docx", "handbook-pandoc.html"] {
        let text = flat(&read(name).1.text);
        assert!(text.contains("Senior") && text.contains("4700 euros"), "{name}: {text}");
        let row = &text[text.find("Senior").unwrap()..];
        assert!(row.find("4700 euros").unwrap() < row.find("Principal").unwrap(), "{name}: {row}");
    }
}

#[test]
fn slides_are_pages() {
    for name in ["slides-pandoc.pptx", "slides-libreoffice.pptx", "slides-libreoffice.pdf"] {
        let page = |words| place(name, words).0.unwrap();
        let leave = page("Parental leave lasts fourteen months.");
        assert_eq!(page("Salaries are paid on the last Thursday"), leave + 1, "{name}");
        assert_eq!(page("Cats are allowed on Fridays."), leave + 2, "{name}");
    }
}

#[test]
fn dates_of_spreadsheets_are_dates() {
    let (format, document) = read("staff-libreoffice.xlsx");

    assert_eq!(format, Format::Xlsx);
    assert!(
        document
            .text
            .contains("Name: Søren Müller\nSince: 2024-02-29\nGrade: Junior\nSalary: 3100"),
        "{}",
        document.text
    );
}

#[test]
fn the_language_of_each_is_known() {
    for name in FILES.into_iter().filter(|it| it.contains("handbook")) {
        assert_eq!(retrieval::language(&read(name).1.text), Some("en"), "{name}");
    }
}

/// What holds for whatever can be read.
fn check(document: &Document) -> Result<(), TestCaseError> {
    let points = document.text.chars().count();
    prop_assert!(document.headings.iter().all(|heading| heading.at <= points));
    prop_assert!(document.headings.is_sorted_by_key(|heading| heading.at));
    prop_assert!(
        document.pages.iter().all(|it| it.span.start <= it.span.end && it.span.end <= points)
    );
    prop_assert!(document.pages.is_sorted_by_key(|page| (page.number, page.span.start)));
    let characters: Vec<char> = document.text.chars().collect();
    for chunk in chunks(document) {
        let there: String = characters[chunk.span.start..chunk.span.end].iter().collect();
        prop_assert_eq!(there, chunk.text);
    }
    Ok(())
}

/// The members of a ZIP file, of which `change` changes one; any other file as a whole.
fn damaged(file: &[u8], which: prop::sample::Index, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    use std::io::Cursor;
    use std::io::Read;
    use std::io::Write;

    let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(file)) else {
        let mut bytes = file.to_vec();
        change(&mut bytes);
        return bytes;
    };
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let which = which.index(archive.len());
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        if index == which {
            change(&mut content);
        }
        let options = zip::write::SimpleFileOptions::default();
        out.start_file(member.name(), options).unwrap();
        out.write_all(&content).unwrap();
    }
    out.finish().unwrap().into_inner()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// One for each parser: bytes that are changed, cut out, doubled or cut off, within members of archives too.
    #[test]
    fn a_damaged_file_is_refused_or_read_and_never_breaks_a_parser(
        file in 0..FILES.len(),
        member in any::<prop::sample::Index>(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_usize..60), 1..5),
        kind in 0_u8..4,
    ) {
        let name = FILES[file];
        let broken = damaged(&bytes(name), member, |content| {
            for (place, byte, length) in &places {
                if content.is_empty() {
                    return;
                }
                let at = place.index(content.len());
                let end = (at + length).min(content.len());
                match kind {
                    0 => content[at] = *byte,
                    1 => drop(content.drain(at..end)),
                    2 => {
                        let copy = content[at..end].to_vec();
                        content.splice(at..at, copy);
                    }
                    _ => content.truncate(at),
                }
            }
        });
        if let Ok((_, document)) = parse(&broken, name) {
            check(&document)?;
        }
    }
}

#[test]
fn whole_files_keep_what_holds_for_all() {
    for name in FILES {
        check(&read(name).1).unwrap();
    }
}
