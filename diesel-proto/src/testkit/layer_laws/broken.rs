//! The laws of layers by name, and a broken one, as a person gets to see it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::super::laws::Law;
use super::super::report::differences;
use super::super::run::TranscriptEntry;
use super::super::stimulus::Stimulus;
use super::compare::Allowance;

/// A law that every layer is to keep: something that it passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LayerLaw {
    /// The start of the stream, once, and first.
    Start,
    /// The bytes that come in: all, in order, and no others.
    Input,
    /// The bytes that go out, as far as a peer of the layer can tell; what the machine says first, or
    /// in answer to no byte, included.
    Output,
    /// A wake.
    Wake,
    /// A shutdown.
    Shutdown,
    /// The end of the peer's side.
    Eof,
    /// A reset, or another end of the stream, with its cause.
    Cut,
    /// The deadline of the machine, at its time, with its reason, and that it passed.
    Deadline,
    /// That the machine takes no bytes for now, and that it goes on.
    Pause,
    /// That few enough bytes are queued, here and below, for a machine that asked; and not before.
    Drained,
    /// The end of our side, while the peer's goes on.
    HalfClose,
    /// A close, with its cause, after everything that was queued.
    Close,
    /// A close by a reset, with its cause, after everything that was queued.
    CutOff,
    /// An abort, with its cause.
    Abort,
    /// That a write failed.
    WriteFailed,
    /// Another machine that takes the machine's place: within the layer, which stays. It is told of a
    /// shutdown, and of a write that failed.
    Upgrade,
    /// How many bytes the machine holds, and how many it has scanned.
    Held,
    /// All of these, when several meet.
    Together,
    /// A law of all machines: the layer with a machine inside it is one.
    OfMachines(Law),
}

/// Every law but those of all machines, in the order in which they are checked.
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
            LayerLaw::Together => "something, when several things meet",
            LayerLaw::OfMachines(law) => return write!(f, "{law:?}, a law of all machines"),
        })
    }
}

/// A law of layers that was broken, by the smallest case that was found.
#[derive(Clone, Debug)]
pub struct BrokenLayer {
    /// Which law: what the layer loses.
    pub law: LayerLaw,
    /// What happened to the machine alone. What the layer was given is this, framed.
    pub stimuli: Vec<Stimulus>,
    /// In numbers, or what the machine's laws have to say.
    pub detail: String,
    /// What the machine did alone.
    pub bare: Vec<TranscriptEntry>,
    /// What it did within the layer.
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
