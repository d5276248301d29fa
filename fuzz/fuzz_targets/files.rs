//! Files of strangers: they are read within their bounds or refused, and what was read can be cut by every chunker.
#![no_main]

use std::cell::Cell;

use libfuzzer_sys::fuzz_target;
use retrieval::Chunker;
use retrieval::Limits;
use retrieval::Sizes;
use retrieval::Unit;

const LIMITS: Limits = Limits {
    bytes_in: 1 << 20,
    bytes_out: 1 << 18,
    unpacked: 1 << 20,
    pages: 20,
    nesting: 60,
    columns: 200,
};
/// As often a parser asks whether it is late before it is.
const PATIENCE: u32 = 100_000;

fuzz_target!(|data: &[u8]| {
    let asked = Cell::new(0);
    let late = || {
        asked.set(asked.get() + 1);
        asked.get() > PATIENCE
    };
    let Ok((_, document)) = retrieval::parse(data, None, &LIMITS, &late) else { return };
    assert!(document.text.len() <= LIMITS.bytes_out);
    let sizes = Sizes::new(40, 7).unwrap();
    for chunker in [Chunker::Recursive, Chunker::Markdown, Chunker::Rows] {
        for chunk in retrieval::chunk(&document, chunker, sizes, Unit::Characters) {
            assert!(chunk.text.chars().count() <= 40);
        }
    }
});
