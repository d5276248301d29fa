//! Chunks of whole records.

use std::collections::BTreeSet;
use std::ops::Range;

use super::window::Window;
use crate::text::Document;
use crate::text::Offsets;

/// Packs neighbouring records of a page into one cut as long as they fit, and cuts alone what is too long.
///
/// What stands between records, such as the name of a sheet, goes with the record after it, so that no text is lost.
pub(super) fn cut(
    document: &Document,
    offsets: &Offsets<'_>,
    window: &mut Window<'_>,
) -> Vec<Range<usize>> {
    let pages: BTreeSet<usize> =
        document.pages.iter().map(|page| offsets.byte(page.span.start)).collect();
    let records = document.records.iter().map(|record| offsets.byte(record.end));
    let stops: BTreeSet<usize> =
        records.chain(pages.iter().copied()).chain([document.text.len()]).collect();
    let mut cuts = Vec::new();
    let mut open = 0..0;
    let mut weight = 0;
    for stop in stops {
        let next = open.end..stop;
        let adds = window.weigh(next.clone());
        if weight > 0 && (weight + adds > window.size() || pages.contains(&next.start)) {
            cuts.extend(window.cut(open.clone()));
            open = next;
            weight = adds;
        } else {
            open.end = stop;
            weight += adds;
        }
    }
    cuts.extend(window.cut(open));
    cuts
}
