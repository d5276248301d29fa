use std::fmt::Write as _;

use expect_test::expect;
use proptest::prelude::*;

use super::super::Format;
use super::super::tests::refused;
use super::super::tests::shown;
use super::layout::Line;
use super::layout::Piece;
use super::layout::lines;

const PROSE: &str = "of all words that were said here";

/// A piece with letters of five points in each ten.
fn at(text: &str, left: f64, base: f64) -> Piece {
    let width = 5.0 * text.chars().map(|_| 1.0).sum::<f64>();
    Piece { text: text.to_owned(), left, right: left + width, base, size: 10.0 }
}

fn read(pieces: Vec<Piece>) -> Vec<String> {
    let marked = |line: Line| if line.begins { format!("¶ {}", line.text) } else { line.text };
    lines(pieces).into_iter().map(marked).collect()
}

/// A PDF file of these pages, each the operators of its content with fonts `F1` and `F2`.
fn pdf(pages: &[&str]) -> Vec<u8> {
    let kids: Vec<_> = (0..pages.len()).map(|page| format!("{} 0 R", 5 + 2 * page)).collect();
    let kids = kids.join(" ");
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        format!("<</Type/Pages/Count {}/Kids[{kids}]>>", pages.len()),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_owned(),
        "<</Title(What \\(and why\\))>>".to_owned(),
    ];
    for (page, content) in pages.iter().enumerate() {
        objects.push(format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents {} 0 R/Resources<</Font<</F1 3 0 R>>>>>>",
            6 + 2 * page
        ));
        objects.push(format!("<</Length {}>>stream\n{content}\nendstream", content.len()));
    }
    let (mut file, mut table) = ("%PDF-1.7\n".to_owned(), String::new());
    for (index, object) in objects.iter().enumerate() {
        writeln!(table, "{:010} 00000 n ", file.len()).unwrap();
        writeln!(file, "{} 0 obj{object}endobj", index + 1).unwrap();
    }
    let (start, size) = (file.len(), objects.len() + 1);
    write!(
        file,
        "xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R/Info 4 0 R>>\nstartxref\n{start}\n%%EOF"
    )
    .unwrap();
    file.into_bytes()
}

#[test]
fn pages_are_read_with_their_title_headings_and_paragraphs() {
    let first =
        "BT /F1 20 Tf 50 700 Td (Of foxes) Tj /F1 10 Tf 0 -40 Td (The quick brown fox inter-) Tj
        0 -12 Td (rupts the lazy dog.) Tj 0 -30 Td [(It) -300 (is) -300 (gone.)] TJ ET";
    let second = "BT /F1 10 Tf 50 700 Td (Page two.) Tj ET";
    shown(
        &pdf(&[first, second]),
        "a.pdf",
        expect![[r#"
        Pdf None Some("What (and why)")
        heading 1 "Of foxes" at "Of foxes\n\nTh"
        page 1 "Of foxes\n\nThe quick brown fox interrupts the lazy dog. It is gone.\n\n"
        page 2 "Page two.\n\n"
        ---
        Of foxes

        The quick brown fox interrupts the lazy dog. It is gone.

        Page two."#]],
    );
}

#[test]
fn a_page_that_lies_on_its_side_is_read_as_well() {
    let aside = "BT /F1 10 Tf 0 1 -1 0 100 50 Tm (up the page) Tj 0 -12 Td (in two lines) Tj ET";
    shown(
        &pdf(&[aside]),
        "a.pdf",
        expect![[r#"
        Pdf None Some("What (and why)")
        page 1 "up the page in two lines\n\n"
        ---
        up the page in two lines"#]],
    );
}

#[test]
fn what_cannot_be_read_says_why() {
    let empty = refused(&pdf(&["0 0 m 100 100 l S"]), "a.pdf");
    let damaged = refused(b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n", "a.pdf");
    let locked = refused(include_bytes!("locked.pdf"), "a.pdf");
    expect![[r#"
        there is no text in this file; a scan or an image has to go through text recognition (OCR) first
        the file is damaged: it has no pages that can be found
        the file is locked with a password; save it without one and send it again"#]].assert_eq(&[empty, damaged, locked].join("\n"));
}

#[test]
fn a_text_that_tells_of_pdf_files_is_a_text() {
    let (format, _) = super::super::tests::read(b"Its first line is %PDF-1.7.", "a.txt").unwrap();
    assert_eq!(format, Format::Text);
}

#[test]
fn columns_are_read_one_after_the_other_below_their_title() {
    let mut pieces = vec![at(&format!("A title over {PROSE} and {PROSE} again"), 50.0, 20.0)];
    for row in 0..4 {
        let base = 50.0 + 12.0 * f64::from(row);
        pieces.push(at(&format!("left {row} {PROSE}"), 50.0, base));
        // The columns are not on one grid.
        pieces.push(at(&format!("right {row} {PROSE}"), 300.0, base + 6.0));
    }
    expect![[r#"
        ¶ A title over of all words that were said here and of all words that were said here again
        left 0 of all words that were said here
        left 1 of all words that were said here
        left 2 of all words that were said here
        left 3 of all words that were said here
        right 0 of all words that were said here
        right 1 of all words that were said here
        right 2 of all words that were said here
        right 3 of all words that were said here"#]]
    .assert_eq(&read(pieces).join("\n"));
}

#[test]
fn tables_are_read_row_by_row() {
    let mut pieces = vec![at(PROSE, 50.0, 20.0)];
    for (row, cells) in
        [["Item", "Count", "Price"], ["Pears, green", "12", "20.00"], ["Plums", "1", "0.10"]]
            .into_iter()
            .enumerate()
    {
        let base = 60.0 + [0.0, 18.0, 36.0][row];
        pieces.extend(
            cells.into_iter().zip([50.0, 150.0, 250.0]).map(|(cell, left)| at(cell, left, base)),
        );
    }
    expect![[r#"
        ¶ of all words that were said here
        ¶ Item	Count	Price
        ¶ Pears, green	12	20.00
        ¶ Plums	1	0.10"#]]
    .assert_eq(&read(pieces).join("\n"));
}

#[test]
fn paragraphs_begin_after_a_space_and_at_an_indent() {
    let pieces = vec![
        at("One begins", 50.0, 20.0),
        at("and goes on.", 50.0, 32.0),
        at("Two is set in.", 70.0, 44.0),
        at("It goes on.", 50.0, 56.0),
        at("Three is lower.", 50.0, 80.0),
    ];
    expect![[r#"
        ¶ One begins
        and goes on.
        ¶ Two is set in.
        It goes on.
        ¶ Three is lower."#]]
    .assert_eq(&read(pieces).join("\n"));
}

#[test]
fn raised_figures_and_letters_drawn_twice_stay_in_their_line() {
    let raised = Piece { size: 6.0, ..at("2", 75.0, 16.0) };
    let pieces =
        vec![at("E = mc", 45.0, 20.0), at("E = mc", 45.4, 20.0), raised, at("holds", 90.0, 20.0)];
    expect!["¶ E = mc2	holds"].assert_eq(&read(pieces).join("\n"));
}

#[test]
fn what_is_written_from_the_right_is_read_from_there() {
    let lines = ["םולש", "(2026) םלוע םולש", "see םולש here"]
        .map(|text| read(vec![at(text, 0.0, 0.0)]).concat());
    assert_eq!(lines, ["¶ שלום", "¶ שלום עולם (2026)", "¶ see שלום here"]);
}

proptest! {
    #[test]
    fn every_piece_is_read_once(places in proptest::collection::vec((0_u16..600, 0_u16..800), 1..60)) {
        let pieces = places.iter().enumerate();
        let pieces = pieces.map(|(index, (left, base))| at(&format!("w{index}e"), f64::from(*left), f64::from(*base)));
        let text = read(pieces.collect()).join(" ");
        for index in 0..places.len() {
            prop_assert_eq!(text.matches(&format!("w{index}e")).count(), 1);
        }
    }
}
