use std::cell::Cell;
use std::io::Cursor;
use std::io::Write as _;

use expect_test::Expect;
use expect_test::expect;
use proptest::prelude::*;
use zip::write::SimpleFileOptions;

use super::*;
use crate::text::Span;

const LIMITS: Limits = Limits {
    bytes_in: 1 << 22,
    bytes_out: 1 << 20,
    unpacked: 1 << 20,
    pages: 50,
    nesting: 60,
    columns: 1000,
};

pub(super) fn read(bytes: &[u8], name: &str) -> Result<(Format, Document), ParseError> {
    parse(bytes, Some(name), &LIMITS, &|| false)
}

/// What came out, on one page: kind, encoding, title, headings, pages, records, warnings, text.
pub(super) fn shown(bytes: &[u8], name: &str, expected: Expect) {
    let (format, document) = match read(bytes, name) {
        Ok(read) => read,
        Err(error) => return expected.assert_eq(&error.to_string()),
    };
    let characters: Vec<char> = document.text.chars().collect();
    let at = |span: Span| characters[span.start..span.end].iter().collect::<String>();
    let mut lines = vec![format!("{format:?} {:?} {:?}", document.encoding, document.title)];
    for heading in &document.headings {
        let rest: String = characters[heading.at..].iter().take(12).collect();
        lines.push(format!("heading {} {:?} at {rest:?}", heading.level, heading.title));
    }
    lines.extend(
        document.pages.iter().map(|page| format!("page {} {:?}", page.number, at(page.span))),
    );
    lines.extend(document.records.iter().map(|&record| format!("record {:?}", at(record))));
    lines.extend(document.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.push("---".to_owned());
    lines.push(document.text.trim_end().to_owned());
    expected.assert_eq(&lines.join("\n"));
}

pub(super) fn refused(bytes: &[u8], name: &str) -> String {
    read(bytes, name).map(|(format, _)| format).unwrap_err().to_string()
}

fn zipped(members: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn plain_text_keeps_its_words_and_says_its_encoding() {
    shown(
        "Grüße\r\naus\0 Köln".as_bytes(),
        "a.txt",
        expect![[r#"
        Text Some("UTF-8") None
        warning: 1 NUL characters were taken out
        ---
        Grüße
        aus Köln"#]],
    );
    shown(
        b"\xff\xfeH\0i\0",
        "a.txt",
        expect![[r#"
        Text Some("UTF-16LE") None
        ---
        Hi"#]],
    );
    let german = "Die Gr\u{f6}\u{df}e der T\u{fc}r \u{e4}ndert sich \u{fc}ber Nacht. ".repeat(3);
    let latin: Vec<u8> = german.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    shown(
        &latin,
        "a.txt",
        expect![[r#"
        Text Some("windows-1252") None
        warning: the encoding is not declared; windows-1252 was guessed from the bytes
        ---
        Die Größe der Tür ändert sich über Nacht. Die Größe der Tür ändert sich über Nacht. Die Größe der Tür ändert sich über Nacht."#]],
    );
}

#[test]
fn a_table_from_a_chinese_office_is_read_as_it_was_written() {
    let (gbk, ..) = encoding_rs::GBK
        .encode("姓名,部门,城市\n张伟,人力资源部,北京\n李娜,财务部,上海\n王芳,市场部,广州\n");
    shown(
        &gbk,
        "people.csv",
        expect![[r#"
        Csv Some("GBK") None
        record "姓名: 张伟\n部门: 人力资源部\n城市: 北京\n"
        record "姓名: 李娜\n部门: 财务部\n城市: 上海\n"
        record "姓名: 王芳\n部门: 市场部\n城市: 广州\n"
        warning: the encoding is not declared; GBK was guessed from the bytes
        warning: the columns are separated by ','
        ---
        姓名: 张伟
        部门: 人力资源部
        城市: 北京

        姓名: 李娜
        部门: 财务部
        城市: 上海

        姓名: 王芳
        部门: 市场部
        城市: 广州"#]],
    );
}

#[test]
fn a_table_says_its_delimiter_and_which_rows_are_uneven() {
    shown(
        "\u{feff}Name;Größe\n\"Tür; rot\";2,5\nFenster\n;\n".as_bytes(),
        "a.csv",
        expect![[r#"
        Csv Some("UTF-8") None
        record "Name: Tür; rot\nGröße: 2,5\n"
        record "Name: Fenster\n"
        warning: the columns are separated by ';'
        warning: 1 rows have more or fewer columns than the first
        ---
        Name: Tür; rot
        Größe: 2,5

        Name: Fenster"#]],
    );
}

#[test]
fn a_table_is_known_without_its_name_and_prose_is_none() {
    let table = "name,age,town\nAda,36,London\nAlan,41,Wilmslow\n";
    assert_eq!(read(table.as_bytes(), "upload").unwrap().0, Format::Csv);
    let prose = "Dear Ada, how are you?\nI am well, thanks for asking.\nYours, Alan\n";
    assert_eq!(read(prose.as_bytes(), "letter.txt").unwrap().0, Format::Text);
}

#[test]
fn a_million_columns_are_refused() {
    assert_eq!(
        refused("a,".repeat(1_000_000).as_bytes(), "a.csv"),
        "the file has more columns than the 1000 that are allowed"
    );
}

#[test]
fn json_becomes_lines_that_say_their_path() {
    let list = r#"[{"name": "Ada", "born": 1.8150e3, "tags": ["a", "b\u00e9"], "x": null}, {"name": "Alan", "in": {"town": "Wilmslow"}}]"#;
    shown(
        list.as_bytes(),
        "a.json",
        expect![[r#"
        Json Some("UTF-8") None
        record "name: Ada\nborn: 1.8150e3\ntags[0]: a\ntags[1]: bé\n"
        record "name: Alan\nin.town: Wilmslow\n"
        ---
        name: Ada
        born: 1.8150e3
        tags[0]: a
        tags[1]: bé

        name: Alan
        in.town: Wilmslow"#]],
    );
    shown(
        br#"{"id": 12345678901234567890123, "deep": {"a": [1, {"b": true}]}}"#,
        "a.txt",
        expect![[r#"
        Json Some("UTF-8") None
        record "id: 12345678901234567890123\n"
        record "deep.a[0]: 1\ndeep.a[1].b: true\n"
        ---
        id: 12345678901234567890123

        deep.a[0]: 1
        deep.a[1].b: true"#]],
    );
    shown(
        b"{\"a\": 1}\n\n{\"a\": 2}\n",
        "a.json",
        expect![[r#"
        JsonLines Some("UTF-8") None
        record "a: 1\n"
        record "a: 2\n"
        ---
        a: 1

        a: 2"#]],
    );
}

#[test]
fn nested_json_is_refused_and_broken_json_is_text() {
    let nested = "[".repeat(100) + &"]".repeat(100);
    assert_eq!(
        refused(nested.as_bytes(), "a.json"),
        "the file has more levels of nesting than the 60 that are allowed"
    );
    assert_eq!(read("[".repeat(100_000).as_bytes(), "a.json").unwrap().0, Format::Text);
    assert_eq!(
        refused(b"{\"a\": 1}\n{\"a\": 2}\n{\"a\": \n", "a.jsonl"),
        "the file is damaged: line 3: EOF while parsing a value at line 1 column 6"
    );
}

#[test]
fn markdown_knows_its_headings_and_no_comments_in_code() {
    let text = "Intro\n=====\n\nWords.\n\n## Setup ##\n\n```sh\n# no heading\n```\n\nSub\n---\nx\n\n- item\n---\n";
    shown(
        text.as_bytes(),
        "a.md",
        expect![[r###"
        Markdown Some("UTF-8") Some("Intro")
        heading 1 "Intro" at "Intro\n=====\n"
        heading 2 "Setup" at "## Setup ##\n"
        heading 2 "Sub" at "Sub\n---\nx\n\n-"
        ---
        Intro
        =====

        Words.

        ## Setup ##

        ```sh
        # no heading
        ```

        Sub
        ---
        x

        - item
        ---"###]],
    );
}

#[test]
fn a_page_of_the_web_shows_what_a_reader_sees() {
    let page = "<!DOCTYPE html><html><head><title>The\n Page</title><style>p {}</style></head><body><script>if (a < b) { document.write('<p>no</p>') }</script>\
        <h1>Big <b>ne</b>ws</h1><p>One&nbsp;two &amp; <i>three</i>.<br>Four<!-- no --></p><table><tr><th>a</th><td>1</td></tr><tr><td>b</td></tr></table>\
        <pre>  x\n  y</pre><ul><li>i</li><li>j</li></ul><img alt=\"A cat\"><template>no</template><h2>End</h2>z";
    shown(
        page.as_bytes(),
        "a.txt",
        expect![[r#"
        Html Some("UTF-8") Some("The Page")
        heading 1 "Big news" at "Big news\n\nOn"
        heading 2 "End" at "End\n\nz"
        ---
        Big news

        One two & three.
        Four

        a 1
        b

          x
          y

        i
        j

        A cat

        End

        z"#]],
    );
}

#[test]
fn a_page_that_nests_without_end_is_read() {
    let page = format!("<html>{}deep", "<div><b>".repeat(100_000));
    assert_eq!(read(page.as_bytes(), "a.html").unwrap().1.text, "deep");
}

#[test]
fn files_that_hold_no_text_say_so() {
    assert_eq!(refused(b"", "a.pdf"), "the file is empty");
    assert_eq!(
        refused(b"   \n", "a.txt"),
        "there is no text in this file; a scan or an image has to go through text recognition (OCR) first"
    );
    assert_eq!(refused(b"\x89PNG\r\n\x1a\n\0\0", "a.txt"), "an image (PNG) cannot be read here");
    assert_eq!(
        refused(&[7, 0, 1, 2, 3, 0, 0, 9, 200, 1, 0, 0, 0, 3, 4].repeat(50), "a.txt"),
        "a file of this kind (it is neither text nor a known document) cannot be read here"
    );
    assert_eq!(
        refused(&zipped(&[("a.txt", "a")]), "a.docx"),
        "an archive (ZIP) that is no Word, PowerPoint or Excel file cannot be read here"
    );
}

#[test]
fn locked_and_old_office_files_say_so() {
    let old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and so on".to_vec();
    assert_eq!(
        refused(&old, "a.doc"),
        "an Office file from before 2007 (.doc, .xls, .ppt) cannot be read here"
    );
    let mut locked = old;
    locked.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(
        refused(&locked, "a.docx"),
        "the file is locked with a password; save it without one and send it again"
    );
}

const STYLES: &str = r#"<w:styles xmlns:w="w"><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
    <w:style w:styleId="Mine"><w:name w:val="Mine"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style></w:styles>"#;

const BODY: &str = r#"<?xml version="1.0"?><w:document xmlns:w="w"><w:body>
    <w:p><w:pPr><w:pStyle w:val="berschrift1"/></w:pPr><w:r><w:t>Bene</w:t></w:r><w:r><w:t xml:space="preserve">fits </w:t></w:r></w:p>
    <w:p><w:pPr><w:tabs><w:tab w:val="left" w:pos="1"/></w:tabs></w:pPr><w:r><w:t>A &amp; B</w:t><w:tab/><w:t>C&#233;</w:t><w:br/><w:t>D</w:t></w:r></w:p>
    <w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins></w:p>
    <w:tbl><w:tr><w:tc><w:p><w:r><w:t>r1c1</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>r1c2</w:t></w:r></w:p></w:tc></w:tr>
    <w:tr><w:tc><w:p><w:r><w:t>r2c1</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>r2c2</w:t></w:r></w:p><w:p><w:r><w:t>more</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>in1</w:t></w:r></w:p></w:tc></w:tr><w:tr><w:tc><w:p><w:r><w:t>in2</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:tc></w:tr></w:tbl>
    <w:p><w:r><mc:AlternateContent xmlns:mc="mc"><mc:Choice><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></mc:Choice>
    <mc:Fallback><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></mc:Fallback></mc:AlternateContent></w:r></w:p>
    <w:p><w:pPr><w:pStyle w:val="Mine"/></w:pPr><w:r><w:t>Leave</w:t></w:r></w:p><w:sectPr/></w:body></w:document>"#;

fn part(name: &str, text: &str) -> (String, String) {
    (
        format!("word/{name}.xml"),
        format!("<w:x xmlns:w='w'><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:x>"),
    )
}

#[test]
fn every_visible_word_of_a_word_file_is_found_once() {
    let parts = [
        part("header1", "top"),
        part("header2", "top"),
        part("footnotes", "foot"),
        part("endnotes", "end"),
        part("footer1", "bottom"),
    ];
    let core = "<c xmlns:dc='d'><dc:title>Handbook</dc:title></c>";
    let mut members =
        vec![("word/document.xml", BODY), ("word/styles.xml", STYLES), ("docProps/core.xml", core)];
    members.extend(parts.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    shown(
        &zipped(&members),
        "a.xlsx",
        expect![[r#"
            Docx None Some("Handbook")
            heading 1 "Benefits" at "Benefits \n\nA"
            heading 2 "Leave" at "Leave\n\nfoot\n"
            ---
            top

            Benefits 

            A & B	Cé
            D

            new

            r1c1	r1c2
            r2c1	r2c2 more in1 in2

            boxed

            Leave

            foot

            end

            bottom"#]],
    );
}

#[test]
fn slides_are_pages_in_the_order_in_which_they_are_shown() {
    let slide = |kind: &str, title: &str, text: &str| {
        format!(
            "<p:sld xmlns:p='p' xmlns:a='a'><p:sp><p:nvPr><p:ph type='{kind}'/></p:nvPr><a:p><a:r><a:t>{title}</a:t></a:r></a:p></p:sp><p:sp><a:p><a:r><a:t>{text}</a:t></a:r></a:p><a:p><a:fld><a:t>more</a:t></a:fld></a:p></p:sp><p:sp><p:ph type='sldNum'/><a:p><a:t>7</a:t></a:p></p:sp></p:sld>"
        )
    };
    let rels = "<R><Relationship Id='r1' Target='slides/slide1.xml'/><Relationship Id='r2' Target='/ppt/slides/slide2.xml'/></R>";
    shown(
        &zipped(&[
            (
                "ppt/presentation.xml",
                "<p:x xmlns:p='p' xmlns:r='r'><p:sldId id='256' r:id='r2'/><p:sldId r:id='r1' id='257'/></p:x>",
            ),
            ("ppt/_rels/presentation.xml.rels", rels),
            ("ppt/slides/slide1.xml", &slide("title", "Second", "b")),
            ("ppt/slides/slide2.xml", &slide("ctrTitle", "First", "a")),
            (
                "ppt/slides/_rels/slide2.xml.rels",
                "<R><Relationship Id='n' Target='../notesSlides/notesSlide1.xml'/></R>",
            ),
            ("ppt/notesSlides/notesSlide1.xml", &slide("body", "say this", "and that")),
        ]),
        "a.pptx",
        expect![[r#"
            Pptx None None
            heading 1 "First" at "First\n\na\nmor"
            heading 1 "Second" at "Second\n\nb\nmo"
            page 1 "First\n\na\nmore\n\nsay this\n\nand that\nmore\n\n"
            page 2 "Second\n\nb\nmore\n\n"
            ---
            First

            a
            more

            say this

            and that
            more

            Second

            b
            more"#]],
    );
}

#[test]
fn sheets_are_pages_and_rows_are_records() {
    let rels = "<R><Relationship Id='r1' Target='worksheets/sheet1.xml'/></R>";
    let strings =
        "<s><si><t>Name</t></si><si><r><t>A</t></r><r><t>da</t></r><rPh><t>no</t></rPh></si></s>";
    let sheet = "<w><row><c r='A1' t='s'><v>0</v></c><c r='C1' t='inlineStr'><is><t>Sum</t></is></c></row>\
        <row/><row><c r='A3' t='s'><v>1</v></c><c r='B3' t='b'><v>1</v></c><c r='C3'><f>1+1</f><v>2</v></c><c r='D3' t='s'><v>9</v></c></row></w>";
    let members = [
        (
            "xl/workbook.xml",
            "<w xmlns:r='r'><sheet name='Pay &amp; more' sheetId='1' r:id='r1'/></w>",
        ),
        ("xl/_rels/workbook.xml.rels", rels),
        ("xl/sharedStrings.xml", strings),
        ("xl/worksheets/sheet1.xml", sheet),
    ];
    shown(
        &zipped(&members),
        "a.zip",
        expect![[r#"
        Xlsx None None
        heading 1 "Pay & more" at "Pay & more\n\n"
        page 1 "Pay & more\n\nName: Ada\nTRUE\nSum: 2\n\n"
        record "Name: Ada\nTRUE\nSum: 2\n"
        warning: 1 cells were left out because their text is missing in the file
        ---
        Pay & more

        Name: Ada
        TRUE
        Sum: 2"#]],
    );
    let mut far = members;
    far[3].1 = "<w><row><c r='ZZZZ1'><v>1</v></c></row></w>";
    assert_eq!(
        refused(&zipped(&far), "a.xlsx"),
        "the file has more columns than the 1000 that are allowed"
    );
}

#[test]
fn numbers_that_are_shown_as_dates_are_dates() {
    let rels = "<R><Relationship Id='r1' Target='worksheets/sheet1.xml'/></R>";
    let styles = "<s><numFmts><numFmt numFmtId='164' formatCode='dd/mm/yyyy hh:mm'/></numFmts>\
        <cellStyleXfs><xf numFmtId='14'/></cellStyleXfs>\
        <cellXfs><xf numFmtId='0'/><xf numFmtId='14'/><xf numFmtId='164'/></cellXfs></s>";
    let sheet = "<w><row><c r='A1' t='str'><v>Begin</v></c><c r='B1' t='str'><v>End</v></c><c r='C1' t='str'><v>Days</v></c></row>\
        <row><c r='A2' s='1'><v>45351</v></c><c r='B2' s='2'><v>45352.5</v></c><c r='C2' s='0'><v>1.5</v></c></row></w>";
    let mut members = [
        ("xl/workbook.xml", "<w xmlns:r='r'><sheet name='Leave' r:id='r1'/></w>"),
        ("xl/_rels/workbook.xml.rels", rels),
        ("xl/styles.xml", styles),
        ("xl/worksheets/sheet1.xml", sheet),
    ];
    let read = |members: &[(&str, &str)]| {
        read(&zipped(members), "a.xlsx").unwrap().1.text.trim_end().to_owned()
    };

    assert_eq!(read(&members), "Leave\n\nBegin: 2024-02-29\nEnd: 2024-03-01 12:00:00\nDays: 1.5");
    members[0].1 = "<w xmlns:r='r'><workbookPr date1904='1'/><sheet name='Leave' r:id='r1'/></w>";
    assert!(read(&members).contains("Begin: 2028-03-01\n"));
}

#[test]
fn what_unpacks_to_more_than_allowed_is_refused_whatever_it_claims() {
    let bomb = format!("<w:t xmlns:w='w'>{}</w:t>", "a".repeat(5 << 20));
    let mut bytes = zipped(&[("word/document.xml", &bomb)]);
    assert!(bytes.len() < 10_000);
    let refusal = "the file has more bytes once it is unpacked than the 1048576 that are allowed";
    assert_eq!(refused(&bytes, "a.docx"), refusal);
    // Both places that name its size now claim a single byte.
    let size = u32::try_from(bomb.len()).unwrap().to_le_bytes();
    let places: Vec<usize> = (0..bytes.len() - 4).filter(|&at| bytes[at..at + 4] == size).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
    }
    assert_eq!(refused(&bytes, "a.docx"), refusal);
}

#[test]
fn entities_of_a_document_are_not_expanded() {
    let bomb = "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><w:t xmlns:w='w'>x&b;y</w:t>";
    assert_eq!(
        read(&zipped(&[("word/document.xml", bomb)]), "a.docx").unwrap().1.text.trim(),
        "x&b;y"
    );
}

#[test]
fn limits_hold_for_bytes_in_and_out_pages_and_time() {
    let tight = |limits: Limits, bytes: &[u8]| {
        parse(bytes, None, &limits, &|| false).unwrap_err().to_string()
    };
    assert_eq!(
        tight(Limits { bytes_in: 3, ..LIMITS }, b"four"),
        "the file has more bytes than the 3 that are allowed"
    );
    assert_eq!(
        tight(Limits { bytes_out: 3, ..LIMITS }, b"four"),
        "the file has more bytes of text than the 3 that are allowed"
    );
    let asked = Cell::new(0);
    let late = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let rows = "name: a, b\n".repeat(10_000);
    assert_eq!(parse(rows.as_bytes(), Some("a.csv"), &LIMITS, &late), Err(ParseError::TooSlow));
    assert_eq!(asked.get(), 4, "nothing goes on when the time is over");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_make_a_parser_panic(
        start in prop_oneof![Just(""), Just("{"), Just("[1,"), Just("<html>"), Just("PK\u{3}\u{4}"), Just("# a\n"), Just("a,b\n")],
        rest in prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), "[a-z<>/&;\"'{}\\[\\],:\\n#=` ]{0,300}".prop_map(String::into_bytes)],
        name in prop_oneof![Just("a.csv"), Just("a.md"), Just("a")],
    ) {
        if let Ok((_, document)) = read(&[start.as_bytes(), &rest].concat(), name) {
            let points = document.text.chars().count();
            prop_assert!(document.headings.iter().all(|heading| heading.at <= points));
            prop_assert!(document.headings.is_sorted_by_key(|heading| heading.at));
            prop_assert!(document.records.iter().all(|record| record.start < record.end && record.end <= points));
        }
    }

    #[test]
    fn a_damaged_office_file_is_refused_or_read_but_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = zipped(&[("word/document.xml", BODY), ("word/styles.xml", STYLES)]);
        let index = at.index(bytes.len());
        bytes[index] = byte;
        let _ = read(&bytes, "a.docx");
        bytes.truncate(cut.index(bytes.len()));
        let _ = read(&bytes, "a.docx");
        let body = BODY.as_bytes();
        let _ = read(&zipped(&[("word/document.xml", &String::from_utf8_lossy(&body[..index.min(body.len())]))]), "a.docx");
    }
}
