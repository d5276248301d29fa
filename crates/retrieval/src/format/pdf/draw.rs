//! The glyphs of a page as pieces of text with their places.

use hayro_interpret::BlendMode;
use hayro_interpret::ClipPath;
use hayro_interpret::Context;
use hayro_interpret::Device;
use hayro_interpret::DrawMode;
use hayro_interpret::DrawProps;
use hayro_interpret::Image;
use hayro_interpret::ImageDrawProps;
use hayro_interpret::InterpreterCache;
use hayro_interpret::InterpreterSettings;
use hayro_interpret::SoftMask;
use hayro_interpret::TransformExt;
use hayro_interpret::font::Glyph;
use hayro_interpret::font::GlyphRun;
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::hayro_cmap::WritingMode;
use hayro_interpret::hayro_syntax::Pdf;
use hayro_interpret::hayro_syntax::page::Page;
use hayro_interpret::interpret_page;
use hayro_interpret::kurbo::Affine;
use hayro_interpret::kurbo::BezPath;
use hayro_interpret::kurbo::Point;
use hayro_interpret::kurbo::Rect;
use hayro_interpret::kurbo::Vec2;

use super::super::ParseError;
use super::super::Writer;
use super::layout;
use super::layout::Line;
use super::layout::Piece;

/// What all pages hold.
#[derive(Default)]
pub(super) struct Pages {
    /// Of each page its lines, as they are read.
    pub(super) lines: Vec<Vec<Line>>,
    /// Glyphs of which the file does not say what they mean.
    pub(super) without_text: usize,
    /// Pages with an image and no text.
    pub(super) scanned: usize,
}

pub(super) fn pages(pdf: &Pdf, out: &Writer<'_>) -> Result<Pages, ParseError> {
    let cache = InterpreterCache::new();
    let mut pages = Pages::default();
    let mut room = out.limits.bytes_out;
    if pdf.pages().len() > out.limits.pages {
        return Err(ParseError::TooLarge { what: "pages", limit: out.limits.pages });
    }
    for page in pdf.pages().iter() {
        let mut drawn = draw(pdf, page, &cache, out, room);
        if (out.late)() {
            return Err(ParseError::TooSlow);
        }
        let lines = drawn.lines();
        let bytes = lines.iter().map(|line| line.text.len()).sum();
        room = room
            .checked_sub(bytes)
            .filter(|_| !drawn.full)
            .ok_or(ParseError::TooLarge { what: "bytes of text", limit: out.limits.bytes_out })?;
        pages.without_text += drawn.without_text;
        pages.scanned += usize::from(lines.is_empty() && drawn.has_image);
        pages.lines.push(lines);
    }
    Ok(pages)
}

fn draw<'a, 'out>(
    pdf: &'a Pdf,
    page: &Page<'a>,
    cache: &InterpreterCache<'a>,
    out: &'out Writer<'_>,
    room: usize,
) -> Drawn<'out> {
    let (width, height) = page.render_dimensions();
    let whole = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let settings = InterpreterSettings::default();
    let transform = page.initial_transform(true).to_kurbo();
    let mut context = Context::new(transform, whole, cache, pdf.xref(), settings);
    let mut drawn = Drawn::new(out.late, room);
    interpret_page(page, &mut context, &mut drawn);
    drawn
}

/// One page.
struct Drawn<'out> {
    late: &'out dyn Fn() -> bool,
    /// Bytes of text that may still come.
    room: usize,
    /// There is more, or it takes longer, than is allowed: nothing is taken any more.
    full: bool,
    /// By the way they are read: to the right, down, to the left, up. Each has places as if it were to the right.
    pieces: [Vec<Piece>; 4],
    /// Whether the last glyph was a space.
    after_space: bool,
    runs: usize,
    without_text: usize,
    has_image: bool,
}

impl<'out> Drawn<'out> {
    /// Runs of glyphs between two looks at the clock.
    const RUNS: usize = 256;

    fn new(late: &'out dyn Fn() -> bool, room: usize) -> Self {
        Self {
            late,
            room,
            full: false,
            pieces: Default::default(),
            after_space: false,
            runs: 0,
            without_text: 0,
            has_image: false,
        }
    }

    /// A glyph, with the transform that places it on the page, 1000 units to its size.
    fn glyph(&mut self, glyph: &Glyph<'_>, place: Affine, vertical: bool) {
        let Some(text) = glyph.as_unicode() else {
            self.without_text += 1;
            return;
        };
        let text = match &text {
            BfString::Char(character) => character.encode_utf8(&mut [0; 4]).to_owned(),
            BfString::String(text) => text.clone(),
        };
        let text = layout::spelled(&text);
        if text.trim().is_empty() {
            self.after_space = true;
            return;
        }
        let width = match glyph {
            Glyph::Outline(glyph) => glyph.advance_width(),
            Glyph::Type3(glyph) => glyph.advance_width(),
        };
        let width = f64::from(width.unwrap_or(500.0));
        let start = place * Point::ZERO;
        let along = place * Point::new(1000.0, 0.0) - start;
        let size = (place * Point::new(0.0, 1000.0) - start).hypot();
        let (way, along) = if vertical { (1, size) } else { (way(along), along.hypot()) };
        let (left, base) = match way {
            0 => (start.x, start.y),
            1 => (start.y, -start.x),
            2 => (-start.x, -start.y),
            _ => (-start.y, start.x),
        };
        let piece = Piece { text, left, right: left + along * width / 1000.0, base, size };
        if [piece.left, piece.right, piece.base, piece.size].iter().all(|it| it.is_finite()) {
            self.room = self.room.saturating_sub(piece.text.len());
            self.full |= self.room == 0;
            self.take(way, piece);
        }
    }

    fn take(&mut self, way: usize, piece: Piece) {
        let spaced = std::mem::take(&mut self.after_space);
        let pieces = &mut self.pieces[way];
        match pieces.last_mut() {
            Some(last) if last.goes_on_with(&piece) => last.append(piece, spaced),
            _ => pieces.push(piece),
        }
    }

    /// The lines of all ways; those of the way with most text come first.
    fn lines(&mut self) -> Vec<Line> {
        let mut ways = std::mem::take(&mut self.pieces);
        ways.sort_by_key(|pieces| {
            std::cmp::Reverse(pieces.iter().map(|it| it.text.len()).sum::<usize>())
        });
        ways.into_iter().flat_map(layout::lines).collect()
    }
}

/// Which of the four ways is nearest to `along`, on a page whose y grows downwards.
fn way(along: Vec2) -> usize {
    match (along.x.abs() >= along.y.abs(), along.x >= 0.0, along.y >= 0.0) {
        (true, true, _) => 0,
        (false, _, true) => 1,
        (true, false, _) => 2,
        (false, _, false) => 3,
    }
}

impl<'a> Device<'a> for Drawn<'_> {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, _: &DrawMode) {
        self.runs += 1;
        if self.runs.is_multiple_of(Self::RUNS) && (self.late)() {
            self.full = true;
        }
        if self.full {
            return;
        }
        let vertical = matches!(run.writing_mode(), WritingMode::Vertical);
        for glyph in run.glyphs() {
            self.glyph(glyph, props.transform * glyph.transform(), vertical);
        }
    }

    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {
        self.has_image = true;
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
