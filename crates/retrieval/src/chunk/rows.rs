//! Chunks of whole records.

use std::ops::Range;

use super::window::Window;
use crate::text::Document;
use crate::text::Offsets;

/// Packs neighbouring records into one cut as long as they fit, and cuts alone what is too long.
///
/// What stands between records (there is nothing, for the formats of this crate) goes with the record after it,
/// so that no text is lost.
pub(super) fn cut(
    document: &Document,
    offsets: &Offsets<'_>,
    window: &mut Window<'_>,
) -> Vec<Range<usize>> {
    let end = document.text.len();
    let mut cuts = Vec::new();
    let mut open = 0..0;
    let mut weight = 0;
    for stop in document.records.iter().map(|record| offsets.byte(record.end)).chain([end]) {
        let next = open.end..stop;
        let adds = window.weigh(next.clone());
        if weight > 0 && weight + adds > window.size() {
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
