//! Connections: reading and writing.
//!
//! A handler is given a [`Conn`]. Its methods return *tokens*: futures that give all that was asked
//! for, or nothing yet. Dropping a token before it is ready loses no bytes (they are *cancel-safe*).
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
//! Bytes are handed out without copying: a [`Line`] or a [`Chunk`] is a slice of the block in which the
//! bytes arrived, and keeps that block in memory. To keep the bytes for long, copy them: `to_vec()`,
//! `to_bytes()`, `trimmed().to_string()`.
//!
//! # Back-pressure
//!
//! While a handler does not read, its stream is not read either, beyond
//! [`read_ahead`](crate::hub::ServiceConfig::read_ahead): the peer's sending stops. While the peer does not
//! read, [`write`](Conn::write) waits, once [`high_water`](crate::hub::ServiceConfig::high_water) bytes are
//! queued.
//!
//! # Half-close, split, upgrade
//!
//! [`half_close`](Conn::half_close) ends our side alone, and reading goes on. [`split`](Conn::split) gives
//! a reader and a writer, for two fibers. [`upgrade`](Conn::upgrade) hands the connection to a
//! [`Machine`](crate::machine::Machine), with the bytes that have arrived and were not taken.

#[cfg(doc)]
use crate::buf::{Chunk, Line};
#[cfg(doc)]
use crate::fiber::Conn;
