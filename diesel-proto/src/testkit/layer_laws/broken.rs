//! The names of the laws of layers, and the report of a broken law.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::super::laws::Law;
use super::super::report::differences;
use super::super::run::TranscriptEntry;
use super::super::stimulus::Stimulus;
use super::compare::Allowance;

/// A law that every layer must keep: it names what the layer passes on.
///
/// Example: see the [module](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LayerLaw {
    /// The start of the stream, once, and first.
    Start,
    /// The input bytes: all, in order, and no others.
    Input,
    /// The output bytes as a peer of the layer receives them, also those that the machine sends
    /// first or without an input byte.
    Output,
    /// A wake.
    Wake,
    /// A graceful shutdown.
    Shutdown,
    /// The end of the peer's side.
    Eof,
    /// A reset, or another end of the stream, with its cause.
    Cut,
    /// The deadline of the machine with its time and its reason, and the input when it passes.
    Deadline,
    /// That the machine pauses and resumes reading (back-pressure).
    Pause,
    /// That few enough bytes are queued, here and below, if the machine requested it; and not
    /// earlier.
    Drained,
    /// A half-close: the end of our side, while the peer's goes on.
    HalfClose,
    /// A close, with its cause, after everything that was queued.
    Close,
    /// A close by a reset, with its cause, after everything that was queued.
    CutOff,
    /// An abort, with its cause.
    Abort,
    /// That a write failed.
    WriteFailed,
    /// A successor of the inner machine, which takes its place inside the layer. It gets an earlier
    /// shutdown, and an earlier failed write, as inputs.
    Upgrade,
    /// The numbers of bytes that the machine holds and has scanned.
    Held,
    /// All of these, in combination.
    Together,
    /// A law of all machines: a layer with its inner machine is a machine.
    OfMachines(Law),
}

/// Every law but those of all machines, in the order in which they are checked.
///
/// Example: see the [module](super).
pub const ALL: [LayerLaw; 18] = [
    LayerLaw::Start,
    LayerLaw::Input,
    LayerLaw::Output,
    LayerLaw::Wake,
    LayerLaw::Shutdown,
    LayerLaw::Eof,
    LayerLaw::Cut,
    LayerLaw::Deadline,
    LayerLaw::Pause,
    LayerLaw::Drained,
    LayerLaw::HalfClose,
    LayerLaw::Close,
    LayerLaw::CutOff,
    LayerLaw::Abort,
    LayerLaw::WriteFailed,
    LayerLaw::Upgrade,
    LayerLaw::Held,
    LayerLaw::Together,
];

impl fmt::Display for LayerLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LayerLaw::Start => "the start",
            LayerLaw::Input => "bytes that come in",
            LayerLaw::Output => "bytes that go out",
            LayerLaw::Wake => "a wake",
            LayerLaw::Shutdown => "a shutdown",
            LayerLaw::Eof => "the end of the peer's side",
            LayerLaw::Cut => "a cut or its cause",
            LayerLaw::Deadline => "the deadline, its time or its reason",
            LayerLaw::Pause => "a pause, or its end",
            LayerLaw::Drained => "that few bytes are queued",
            LayerLaw::HalfClose => "the end of our side",
            LayerLaw::Close => "a close or its cause",
            LayerLaw::CutOff => "that the stream is cut off when all is sent, or why",
            LayerLaw::Abort => "an abort or its cause",
            LayerLaw::WriteFailed => "that a write failed",
            LayerLaw::Upgrade => "a successor of the inner machine",
            LayerLaw::Held => "what is held or scanned inside",
            LayerLaw::Together => "something in a combination of stimuli",
            LayerLaw::OfMachines(law) => return write!(f, "{law:?}, a law of all machines"),
        })
    }
}

/// A law of layers that was broken, with the smallest case that was found.
///
/// Example: see the [module](super).
#[derive(Clone, Debug)]
pub struct BrokenLayer {
    /// The law; it names what the layer loses.
    pub law: LayerLaw,
    /// The stimuli of the machine alone. The layer gets the same, framed.
    pub stimuli: Vec<Stimulus>,
    /// Numbers, or the report of the machine's laws.
    pub detail: String,
    /// The transcript of the machine alone.
    pub bare: Vec<TranscriptEntry>,
    /// The transcript of the machine inside the layer.
    pub layered: Vec<TranscriptEntry>,
    pub(super) manner: Allowance,
}

impl fmt::Display for BrokenLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.law {
            LayerLaw::OfMachines(_) => writeln!(f, "the layer breaks {}", self.law)?,
            law => writeln!(f, "the layer does not pass on {law} (LayerLaw::{law:?})")?,
        }
        if !self.stimuli.is_empty() || self.detail.is_empty() {
            writeln!(f, "happened: {:?}", self.stimuli)?;
        }
        if !self.detail.is_empty() {
            writeln!(f, "{}", self.detail.trim_end())?;
        }
        let (bare, layered) = (("alone", &*self.bare), ("layered", &*self.layered));
        differences(f, bare, layered, |pair| self.manner.agrees(pair))
    }
}

impl core::error::Error for BrokenLayer {}
