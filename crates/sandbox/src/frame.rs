//! Messages between a pool and its workers: a length, a kind, and bytes.

use bytes::Buf;
use bytes::BufMut;
use bytes::Bytes;
use bytes::BytesMut;

/// The most bytes that a message may have. Whoever announces more is broken.
pub const MAX: usize = 16 * 1024 * 1024;
/// The length (of what follows it), in little-endian order.
const HEAD: usize = 4;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To the worker: something to do. The first byte says which kind of job.
    Job,
    /// To the worker: what it has asked for. The first four bytes are the number of the question.
    Reply,
    /// From the worker: it has confined itself and waits for jobs. One byte: whether system calls are filtered.
    Hello,
    /// From the worker: it has begun with the job.
    Begun,
    /// From the worker: a question. The first four bytes are its number.
    Ask,
    /// From the worker: something said in passing.
    Note,
    /// From the worker: what came of the job.
    Done,
}

const KINDS: [Kind; 7] =
    [Kind::Job, Kind::Reply, Kind::Hello, Kind::Begun, Kind::Ask, Kind::Note, Kind::Done];

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: Kind,
    pub body: Bytes,
}

/// Bytes that are no message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message that is none")]
pub struct Malformed;

/// Adds a message to `out`, its body in pieces. One that is too long is left out, and said to be.
pub fn put(out: &mut impl BufMut, kind: Kind, body: &[&[u8]]) -> Result<(), Malformed> {
    let length = 1 + body.iter().map(|it| it.len()).sum::<usize>();
    let announced = u32::try_from(length).ok().filter(|_| length <= MAX).ok_or(Malformed)?;
    out.put_u32_le(announced);
    out.put_u8(kind as u8);
    for piece in body {
        out.put_slice(piece);
    }
    Ok(())
}

/// Takes the first message out of `read`, if it is there as a whole.
pub fn take(read: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
    let Some((head, _)) = read.split_first_chunk::<HEAD>() else { return Ok(None) };
    let length = usize::try_from(u32::from_le_bytes(*head)).map_err(|_| Malformed)?;
    if !(1..=MAX).contains(&length) {
        return Err(Malformed);
    }
    let kind = match read.get(HEAD) {
        Some(kind) => *KINDS.get(usize::from(*kind)).ok_or(Malformed)?,
        None => return Ok(None),
    };
    if read.len() < HEAD + length {
        read.reserve(HEAD + length - read.len());
        return Ok(None);
    }
    let mut body = read.split_to(HEAD + length).freeze();
    body.advance(HEAD + 1);
    Ok(Some(Frame { kind, body }))
}

/// Takes the number off that a question and its answer begin with.
pub fn number(body: &mut Bytes) -> Result<u32, Malformed> {
    body.try_get_u32_le().map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::proptest;
    use proptest::sample::select;

    use super::*;

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_they_are_cut(
            messages in vec((select(KINDS.to_vec()), vec(any::<u8>(), 0..300)), 0..8),
            cuts in vec(1_usize..100, 1..50),
        ) {
            let mut sent = Vec::new();
            for (kind, body) in &messages {
                put(&mut sent, *kind, &[body]).unwrap();
            }

            let (mut read, mut came) = (BytesMut::new(), Vec::new());
            let mut rest = sent.as_slice();
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                read.extend_from_slice(piece);
                rest = after;
                while let Some(Frame { kind, body }) = take(&mut read).unwrap() {
                    came.push((kind, body.to_vec()));
                }
                if rest.is_empty() {
                    break;
                }
            }

            assert_eq!(came, messages);
            assert!(read.is_empty());
        }

        #[test]
        fn any_bytes_are_messages_or_refused_and_never_more_than_announced(
            bytes in vec(any::<u8>(), 0..600),
        ) {
            let mut read = BytesMut::from(bytes.as_slice());
            let mut left = read.len();
            while let Ok(Some(frame)) = take(&mut read) {
                assert_eq!(left - read.len(), HEAD + 1 + frame.body.len());
                left = read.len();
            }
            assert!(read.capacity() <= bytes.len() + 2 * MAX);
        }
    }

    #[test]
    fn what_is_too_long_is_refused_on_both_sides() {
        let mut out = Vec::new();
        assert_eq!(put(&mut out, Kind::Note, &[&vec![0; MAX]]), Err(Malformed));
        assert!(out.is_empty());

        let mut read = BytesMut::from(&u32::MAX.to_le_bytes()[..]);
        assert_eq!(take(&mut read), Err(Malformed));
    }
}
