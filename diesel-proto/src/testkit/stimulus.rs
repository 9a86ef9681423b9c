//! The stimuli of a machine, as values: the input of a test, a property or a fuzz target.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::machine::Cause;

/// One event of a stream.
///
/// Example: see [`laws`](super::laws).
#[derive(Clone, PartialEq, Eq)]
pub enum Stimulus {
    /// Bytes arrive.
    Bytes(Vec<u8>),
    /// The peer ends its side.
    Eof,
    /// The peer resets the stream.
    Reset,
    /// The caller ends the stream, both ways, for this cause.
    Cut(Cause),
    /// A write fails: nothing more reaches the peer. The peer's side goes on.
    WriteFailed,
    /// The peer stops reading until [`Writable`](Stimulus::Writable): output stays queued.
    Blocked,
    /// The peer reads again.
    Writable,
    /// Time passes; every deadline on the way is met when it is due.
    Wait(Duration),
    /// State that is shared with this machine changed.
    Wake,
    /// A graceful shutdown begins.
    Shutdown,
}

impl Stimulus {
    /// Bytes that arrive.
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Stimulus::Bytes(bytes.as_ref().to_vec())
    }
}

impl fmt::Debug for Stimulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stimulus::Bytes(bytes) => write!(f, "Bytes(b\"{}\")", bytes.escape_ascii()),
            Stimulus::Eof => f.write_str("Eof"),
            Stimulus::Reset => f.write_str("Reset"),
            Stimulus::Cut(cause) => write!(f, "Cut({cause:?})"),
            Stimulus::WriteFailed => f.write_str("WriteFailed"),
            Stimulus::Blocked => f.write_str("Blocked"),
            Stimulus::Writable => f.write_str("Writable"),
            Stimulus::Wait(duration) => write!(f, "Wait({duration:?})"),
            Stimulus::Wake => f.write_str("Wake"),
            Stimulus::Shutdown => f.write_str("Shutdown"),
        }
    }
}

/// Joins adjacent bytes and drops empty ones: afterwards bytes are cut only at other stimuli.
///
/// ```
/// use diesel_proto::testkit::{Stimulus, stimulus};
///
/// let cut = [Stimulus::bytes("he"), Stimulus::bytes("llo"), Stimulus::Eof];
/// assert_eq!(stimulus::joined(&cut), [Stimulus::bytes("hello"), Stimulus::Eof]);
/// ```
pub fn joined(stimuli: &[Stimulus]) -> Vec<Stimulus> {
    let mut joined: Vec<Stimulus> = Vec::new();
    for stimulus in stimuli {
        match (joined.last_mut(), stimulus) {
            (_, Stimulus::Bytes(bytes)) if bytes.is_empty() => {}
            (Some(Stimulus::Bytes(last)), Stimulus::Bytes(bytes)) => last.extend_from_slice(bytes),
            _ => joined.push(stimulus.clone()),
        }
    }
    joined
}

/// The number of bytes of all stimuli.
///
/// ```
/// use diesel_proto::testkit::{Stimulus, stimulus};
///
/// assert_eq!(stimulus::len(&[Stimulus::bytes("he"), Stimulus::Eof, Stimulus::bytes("llo")]), 5);
/// ```
pub fn len(stimuli: &[Stimulus]) -> usize {
    let lens = stimuli.iter().map(|stimulus| match stimulus {
        Stimulus::Bytes(bytes) => bytes.len(),
        _ => 0,
    });
    lens.sum()
}
