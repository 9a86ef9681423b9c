//! [`Law`]: what every machine must keep.

/// A law that every machine must keep.
///
/// Example: see the [module](super::laws).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// The output (bytes, notices, deadlines, the close and its cause) does not depend on how the
    /// bytes that arrive at one instant are cut into reads.
    SplitInvariance,
    /// A step with nothing new changes nothing.
    NothingNew,
    /// Nothing comes out after a close.
    SilenceAfterClose,
    /// A deadline that passes has an effect: bytes, a close, or another deadline. The effects of
    /// one stimulus come to an end. And a machine that leaves bytes, which pauses reading, also
    /// calls [`pause`](crate::machine::Actions::pause), or
    /// [`resume`](crate::machine::Actions::resume) later.
    Progress,
    /// The output does not depend on how much room there is for it.
    RoomInvariance,
    /// The machine never holds more than [`max_held`](super::laws::Laws::max_held) bytes.
    HeldWithinLimit,
    /// It scans at most two bytes for each that it received.
    LinearScan,
}

/// Every law, in the order in which they are checked.
///
/// Example: see the [module](super::laws).
pub const ALL: [Law; 7] = [
    Law::Progress,
    Law::SilenceAfterClose,
    Law::HeldWithinLimit,
    Law::LinearScan,
    Law::SplitInvariance,
    Law::NothingNew,
    Law::RoomInvariance,
];
