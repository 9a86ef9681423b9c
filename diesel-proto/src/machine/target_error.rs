//! [`TargetError`]: what is wrong with text that says what to connect to.

use alloc::boxed::Box;
use core::fmt;

/// The error of text that is not a [`Target`](super::target::Target).
///
/// Example: see [`Target`](super::target::Target).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetError {
    text: Box<str>,
    kind: TargetErrorKind,
}

/// How much of the text an error keeps. A name may have 253 bytes.
const KEPT: usize = 300;

impl TargetError {
    pub(super) fn new(text: &str, kind: TargetErrorKind) -> Self {
        let end = (0..=KEPT.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        TargetError { text: text[..end.unwrap_or_default()].into(), kind }
    }

    /// What is wrong with it.
    pub fn kind(&self) -> TargetErrorKind {
        self.kind
    }

    /// The text, or its first 300 bytes.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {:?}: {}", self.text, self.kind)
    }
}

impl core::error::Error for TargetError {}

/// What is wrong with text that is not a [`Target`](super::target::Target).
///
/// Example: see [`Target`](super::target::Target).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TargetErrorKind {
    /// There is no port behind a colon.
    NoPort,
    /// The port is no number from 1 to 65535.
    Port,
    /// There is nothing before the port.
    NoHost,
    /// Two dots follow each other, or a name begins with a dot.
    EmptyLabel,
    /// The name has more than 253 bytes, or a label more than 63.
    LongName,
    /// A character that no name has: white space, `/`, `@`, or a letter that is not ASCII and has
    /// to be encoded before (IDNA).
    Character,
    /// The last label is a number, but the whole is not an IPv4 address of four decimal numbers
    /// without leading zeros. The resolvers of systems take some of these, such as `127.1`, for
    /// addresses.
    Ipv4,
    /// What is in brackets is no IPv6 address, or a bracket is missing.
    Ipv6,
    /// An IPv6 address with a port needs brackets.
    NoBrackets,
    /// The zone of an IPv6 address is empty, too large a number, or has a character that no zone
    /// has.
    Zone,
}

impl fmt::Display for TargetErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TargetErrorKind::NoPort => "it has no port",
            TargetErrorKind::Port => "the port is not a number from 1 to 65535",
            TargetErrorKind::NoHost => "it has no host",
            TargetErrorKind::EmptyLabel => "a label of the name is empty",
            TargetErrorKind::LongName => "the name exceeds 253 bytes, or 63 in a label",
            TargetErrorKind::Character => "the name has a character that no name has",
            TargetErrorKind::Ipv4 => "it is not an IPv4 address of four decimal numbers",
            TargetErrorKind::Ipv6 => "it is not an IPv6 address",
            TargetErrorKind::NoBrackets => "an IPv6 address needs brackets",
            TargetErrorKind::Zone => "the zone of the IPv6 address is not valid",
        })
    }
}
