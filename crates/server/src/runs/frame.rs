//! Events as callers see them: one JSON object, and the frame of an event stream around it.

use std::io;
use std::io::Write;

use serde::Serialize;

use super::cursor::Cursor;
use super::live::Shown;
use super::text::Piece;
use crate::db::At;
use crate::db::Id;

/// An event on the wire.
#[derive(Debug, Serialize)]
pub struct EventView<'a, D> {
    pub seq: u64,
    #[serde(rename = "type")]
    pub name: &'a str,
    pub run_id: Id,
    pub at: At,
    pub data: D,
}

/// `data` of a `text.delta` or `reasoning.delta`.
#[derive(Debug, Serialize)]
struct DeltaView<'a> {
    call_id: &'a str,
    part: usize,
    offset: usize,
    text: &'a str,
}

/// Appends the frame of a stored event.
pub fn stored(frame: &mut Vec<u8>, run_id: Id, event: &Shown) -> io::Result<()> {
    let Shown { seq, name, at, data, .. } = event;
    write!(
        frame,
        "id: {seq}\nevent: {name}\ndata: {{\"seq\":{seq},\"type\":\"{name}\",\
         \"run_id\":\"{run_id}\",\"at\":\"{at}\",\"data\":{data}}}\n\n"
    )
}

/// Appends the frame of a growing text's piece, which stands after event `seq`.
pub fn delta(
    frame: &mut Vec<u8>,
    run_id: Id,
    seq: u64,
    at: At,
    call_id: &str,
    piece: &Piece<'_>,
) -> serde_json::Result<()> {
    let name = match piece.kind {
        llm::DeltaKind::Text => "text.delta",
        llm::DeltaKind::Reasoning => "reasoning.delta",
    };
    let Piece { part, offset, text, end, .. } = *piece;
    let id = Cursor { seq, points: end };
    let data = DeltaView { call_id, part, offset, text };
    write!(frame, "id: {id}\nevent: {name}\ndata: ").map_err(serde_json::Error::io)?;
    serde_json::to_writer(&mut *frame, &EventView { seq, name, run_id, at, data })?;
    frame.extend_from_slice(b"\n\n");
    Ok(())
}
