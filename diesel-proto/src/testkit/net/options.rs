//! The options of a link: its latency, how it cuts bytes, and how it fails.
//!
//! These types are only data. They must never know a hub, nor what is on its way.

use core::ops::RangeInclusive;
use core::time::Duration;

use super::super::random::Random;

/// One direction of a link. The default is perfect: no latency, no cuts, no failures.
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::testkit::net::{LinkFault, LinkOptions};
///
/// let bad = LinkOptions {
///     latency: Duration::from_millis(20)..=Duration::from_millis(200),
///     reads: 1..=7,
///     resets: LinkFault::likely(10, 0..=5000),
///     ..LinkOptions::default()
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOptions {
    /// The latency to the other end, drawn for each write. Bytes stay in order all the same.
    pub latency: RangeInclusive<Duration>,
    /// Bytes per second, if there is a limit.
    pub bandwidth: Option<u64>,
    /// The most bytes of one read, drawn for each read. 64 KiB by default.
    pub reads: RangeInclusive<usize>,
    /// The most bytes that one write takes, drawn for each write. By default limited only by
    /// `capacity`.
    pub writes: RangeInclusive<usize>,
    /// Bytes that would arrive within this time arrive together at its end: small writes become one
    /// read.
    pub coalesce: Duration,
    /// The most bytes between the writer and the reader, in the buffers of both sockets and on
    /// their way (at least one). If the reader does not read, the writer stalls at that number
    /// (back-pressure). 256 KiB by default.
    pub capacity: usize,
    /// Pauses in which nothing arrives; afterwards all of it does.
    pub stalls: Stalls,
    /// The link ends this direction: the reader gets the end of the stream, and later writes are
    /// dropped. (A half-close by a peer is [`Network::end`](super::Network::end).)
    pub half_closes: LinkFault,
    /// The link resets the connection, both ways.
    pub resets: LinkFault,
}

impl Default for LinkOptions {
    fn default() -> Self {
        LinkOptions {
            latency: Duration::ZERO..=Duration::ZERO,
            bandwidth: None,
            reads: 64 << 10..=64 << 10,
            writes: usize::MAX..=usize::MAX,
            coalesce: Duration::ZERO,
            capacity: 256 << 10,
            stalls: Stalls::default(),
            half_closes: LinkFault::NEVER,
            resets: LinkFault::NEVER,
        }
    }
}

/// How often the link stalls, and for how long. Never by default.
///
/// Example: see [`LinkFault`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stalls {
    /// How many writes in a hundred begin a stall.
    pub percent: u64,
    /// The length of a stall, drawn for each.
    pub length: RangeInclusive<Duration>,
}

impl Default for Stalls {
    fn default() -> Self {
        Stalls { percent: 0, length: Duration::ZERO..=Duration::ZERO }
    }
}

/// The probability that one direction of a connection fails, and after how many bytes.
///
/// ```
/// use diesel_proto::testkit::net::{Link, LinkFault, LinkOptions, Stalls};
/// use core::time::Duration;
///
/// // What is sent to the server is cut off after 5 bytes; what it answers stalls now and then.
/// let there = LinkOptions { half_closes: LinkFault::at(5), ..LinkOptions::default() };
/// let second = Duration::from_secs(1);
/// let stalls = Stalls { percent: 10, length: second..=second };
/// let link = Link { there, back: LinkOptions { stalls, ..LinkOptions::default() } };
/// assert_eq!(link.back.resets, LinkFault::NEVER);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFault {
    /// How many connections in a hundred fail.
    pub percent: u64,
    /// After how many bytes, drawn for each. A direction that carries fewer does not fail.
    pub after: RangeInclusive<u64>,
}

impl LinkFault {
    /// It never fails.
    pub const NEVER: LinkFault = LinkFault { percent: 0, after: 0..=0 };

    /// It fails after exactly this many bytes.
    pub const fn at(byte: u64) -> LinkFault {
        LinkFault { percent: 100, after: byte..=byte }
    }

    /// `percent` of the connections fail, each after a number of bytes drawn from `after`.
    pub const fn likely(percent: u64, after: RangeInclusive<u64>) -> LinkFault {
        LinkFault { percent, after }
    }

    pub(super) fn draw(&self, random: &mut Random) -> Option<u64> {
        random.chance(self.percent).then(|| random.between(*self.after.start(), *self.after.end()))
    }
}

/// Both directions of a link. [`LinkOptions`] convert into a link that is the same both ways.
///
/// Example: see [`LinkFault`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// From the end that connects to the one that listens.
    pub there: LinkOptions,
    /// From the end that listens to the one that connects.
    pub back: LinkOptions,
}

impl From<LinkOptions> for Link {
    fn from(options: LinkOptions) -> Self {
        Link { there: options.clone(), back: options }
    }
}

pub(super) fn draw_duration(range: &RangeInclusive<Duration>, random: &mut Random) -> Duration {
    if range.start() >= range.end() {
        return *range.start();
    }
    let nanos = |d: &Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random.between(nanos(range.start()), nanos(range.end())))
}

/// Draws at least one: otherwise nothing would ever arrive.
pub(super) fn draw_count(range: &RangeInclusive<usize>, random: &mut Random) -> usize {
    if range.start() >= range.end() {
        return (*range.start()).max(1);
    }
    (random.between(*range.start() as u64, *range.end() as u64) as usize).max(1)
}
