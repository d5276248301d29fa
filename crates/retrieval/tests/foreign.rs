//! Files that other programs wrote: `python-docx` 1.2, `openpyxl` 3.1 and `python-pptx` 1.0.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use expect_test::Expect;
use expect_test::expect;
use retrieval::Chunker;
use retrieval::Limits;
use retrieval::Sizes;
use retrieval::Unit;

const LIMITS: Limits = Limits {
    bytes_in: 1 << 20,
    bytes_out: 1 << 20,
    unpacked: 1 << 22,
    pages: 50,
    nesting: 60,
    columns: 1000,
};

/// The chunks of a section or record each: page, headings, text.
fn passages(bytes: &[u8], chunker: Chunker, expected: Expect) {
    let (_, document) = retrieval::parse(bytes, None, &LIMITS, &|| false).unwrap();
    let chunks = retrieval::chunk(&document, chunker, Sizes::new(60, 0).unwrap(), Unit::Characters);
    let lines: Vec<String> = chunks
        .iter()
        .map(|chunk| {
            format!("{:?} {} | {:?}", chunk.page, chunk.heading_path.join(" > "), chunk.text)
        })
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn a_document_of_python_docx_is_read_whole() {
    passages(
        include_bytes!("files/python-docx.docx"),
        Chunker::Markdown,
        expect![[r#"
            None  | "HEADER"
            None Handbook | "Handbook\n\nLeave\n\nParental leave lasts twelve weeks."
            None Leave | "bullet one\n\nr0c0\tr0c1\nr1c0\tr1c1\n\nFOOTER""#]],
    );
}

#[test]
fn a_workbook_of_openpyxl_is_read_whole() {
    passages(
        include_bytes!("files/openpyxl.xlsx"),
        Chunker::Rows,
        expect![[r#"
            Some(1) Pay | "Pay\n\nname: Ada\namount: 12.5\nwhen: 2024"
            Some(1) Pay | "name: Alan\nwhen: TRUE"
            Some(2) Two | "Two\n\nonly""#]],
    );
}

#[test]
fn a_presentation_of_python_pptx_is_read_whole() {
    passages(
        include_bytes!("files/python-pptx.pptx"),
        Chunker::Markdown,
        expect![[r#"
            Some(1) Title 0 | "Title 0\n\nBody 0\nline two\n\nnote 0"
            Some(2) Title 1 | "Title 1\n\nBody 1\nline two\n\na\tb\nc\td\n\nnote 1""#]],
    );
}
