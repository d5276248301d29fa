//! A reader's place in the log of a run.

use std::fmt;
use std::str::FromStr;

/// `<seq>`, or `<seq>.<points>` within the text of the model call that event `seq` began.
///
/// Opaque to callers. `0` is before the first event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub seq: u64,
    pub points: usize,
}

impl Cursor {
    /// The place right after event `seq`.
    pub fn after(seq: u64) -> Self {
        Self { seq, points: 0 }
    }
}

/// That a text is no cursor of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this server")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (seq, points) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        if !digits(seq) || !digits(points) {
            return Err(NoCursor);
        }
        let seq = seq.parse().map_err(|_| NoCursor)?;
        Ok(Self { seq, points: points.parse().map_err(|_| NoCursor)? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.points {
            0 => write!(f, "{}", self.seq),
            points => write!(f, "{}.{points}", self.seq),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        for text in ["0", "7", "9.12"] {
            assert_eq!(text.parse::<Cursor>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_no_cursor() {
        for text in ["", "x", "-1", "+1", "1.", ".1", "1.2.3", " 1", "99999999999999999999"] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
