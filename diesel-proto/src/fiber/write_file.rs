//! Sends a part of a file: as a region, which the embedder sends from the file, or, where a layer has
//! to see the bytes, by reading it piece by piece.
//!
//! ```text
//!   in memory           ──▶ bytes
//!   regions can pass    ──▶ one region ──▶ flush: all of it was sent
//!   a layer needs bytes ──▶ read ──▶ bytes (back-pressure) ──▶ and so on ──▶ flush
//! ```
//!
//! Rules of this file:
//!
//! - A file stays open while a region of it is queued, also if the token is dropped meanwhile.
//! - A file that has become too short cuts the stream: the peer must not take what it got for all.
//!
//! It must never know what carries the bytes.

use alloc::rc::Rc;
use core::ops::{Range, RangeBounds};

use bytes::Bytes;

use super::channel::ConnShared;
use super::file::File;
use super::write::{Flush, RegionPayload, Write};
use crate::hub::OpenFile;
use crate::machine::{Cause, Error, FileErrorKind};

/// How much is read at once for a layer that has to see the bytes.
const PIECE: usize = 64 << 10;

pub(super) async fn write_file(
    socket: &ConnShared,
    file: &File,
    range: impl RangeBounds<u64>,
) -> Result<(), Error> {
    let range = file.part(range);
    let sent = match file.open_file() {
        _ if range.is_empty() => Ok(()),
        Some(open) if socket.takes_region_of(open) => {
            return write_region(socket, open, range).await;
        }
        _ => write_pieces(socket, file, range).await,
    };
    if let Err(Error::File(why)) = sent {
        socket.cut(Cause::File(why));
    }
    sent?;
    Flush::new(socket).await
}

async fn write_region(
    socket: &ConnShared,
    open: &Rc<OpenFile>,
    range: Range<u64>,
) -> Result<(), Error> {
    let region = open.region(range.start, range.end - range.start);
    Write::new(socket, RegionPayload(region)).await?;
    let queued = Queued { socket, open };
    let sent = Flush::new(socket).await;
    core::mem::forget(queued);
    sent
}

/// A region that is queued. On drop, the file is kept open until it is sent.
struct Queued<'a> {
    socket: &'a ConnShared,
    open: &'a Rc<OpenFile>,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.socket.core.keep_until_sent(self.socket.key, Rc::clone(self.open));
    }
}

async fn write_pieces(socket: &ConnShared, file: &File, range: Range<u64>) -> Result<(), Error> {
    let mut at = range.start;
    while at < range.end {
        let most = usize::try_from(range.end - at).unwrap_or(usize::MAX);
        let most = if file.content().is_some() { most } else { most.min(PIECE) };
        let bytes: Bytes = file.read_to_send(at, most).await?;
        if bytes.is_empty() {
            return Err(FileErrorKind::Shrunk.into());
        }
        at += bytes.len() as u64;
        Write::new(socket, bytes).await?;
    }
    Ok(())
}
