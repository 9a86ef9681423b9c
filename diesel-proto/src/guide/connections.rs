//! What a connection gives.
//!
//! | token | gives |
//! | --- | --- |
//! | [`until`](Conn::until), [`until_eol`](Conn::until_eol) | everything up to and including a sentinel, or a line end |
//! | [`bytes`](Conn::bytes) | exactly that many |
//! | [`some`](Conn::some) | what is there, at least one byte |
//! | [`to_end`](Conn::to_end) | everything before the peer ended its side |
//! | [`peek`](Conn::peek) | as `bytes`, but leaves them |
//! | [`write`](Conn::write) | nothing, once the bytes are queued |
//! | [`flush`](Conn::flush) | nothing, once they are sent |
//!
//! What was read is handed out without copying: a [`Line`] or a [`Chunk`] is a slice of the block
//! that the bytes arrived in. Kept for long it would pin that block; `to_vec()`, `to_bytes()` and
//! `trimmed().to_string()` copy.
//!
//! [`half_close`](Conn::half_close) ends our side alone, [`split`](Conn::split) gives each half to
//! a fiber of its own, and [`upgrade`](Conn::upgrade) hands the connection to a
//! [`Machine`](crate::Machine), with whatever bytes have come already.

#[cfg(doc)]
use crate::{Chunk, Conn, Line};
