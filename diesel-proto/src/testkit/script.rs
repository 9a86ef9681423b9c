//! Scripts that read like a telnet session, with times.
//!
//! ```text
//! # The chat asks for a name first.
//! ann> ann\r\n
//! bob> bob\r\n
//! ann> hi all\r\n
//! bob< <ann> hi all\r\n
//! +3s
//! bob ends
//! bob closed
//! ```
//!
//! | line | |
//! | --- | --- |
//! | `ann> bytes` | ann sends these bytes |
//! | `ann< bytes` | ann has received these bytes, in this order |
//! | `+3s`, `+1.5s`, `+250ms`, `+2m`, `+1h` | time passes |
//! | `ann connects`, `ann connects to echo` | ann connects; without such a line, its first line connects it to the first service |
//! | `srv accepts 10.0.0.1:80` | the application has connected to this address, and srv is its peer |
//! | `srv refuses 10.0.0.1:80` | the application has connected to this address, and is refused |
//! | `ann ends` | ann ends its side (half-close), and goes on reading |
//! | `ann closes` | ann closes its socket: bytes that arrive later cause a reset |
//! | `ann resets` | ann resets the connection |
//! | `ann stops reading`, `ann reads again` | in between, ann does not read what is sent to it |
//! | `ann closed` | the other side has ended; ann then closes as well |
//! | `ann closed: done` | the same, with this [`Cause`], as displayed |
//! | `ann open` | the other side has not ended |
//! | `shut down within 5s` | a graceful shutdown begins, with this grace period |
//! | `halted` | the application has ended |
//! | `# text` | a comment |
//!
//! Bytes are written literally, with the escapes of Rust's byte strings: `\r \n \t \0 \\ \" \xff`.
//! One space before them is ignored, and so are spaces after them: write `\x20` for those.
//!
//! **Every byte must be expected**: before anything is sent, before time passes, and at the end,
//! lines with `<` must have listed everything that was received. So a script also tests the time:
//! bytes that are missing before a `+1ms` and expected after it arrive in that millisecond.
//!
//! ```
//! use diesel_proto::testkit::script;
//! use diesel_proto::{Conn, Error, Hub};
//!
//! async fn shout(mut conn: Conn) -> Result<(), Error> {
//!     loop {
//!         let line = conn.until_eol().await?;
//!         conn.write(line.to_ascii_uppercase()).await?;
//!     }
//! }
//!
//! script::assert_plays(
//!     r"
//!     ann> hello\r\n
//!     ann< HELLO\r\n
//!     ann ends
//!     ann closed: the peer closed
//!     ",
//!     || {
//!         let mut hub = Hub::default();
//!         hub.add_service(shout);
//!         hub
//!     },
//! );
//! ```
//!
//! A script is played over a perfect link of a [`Network`]; it must never know how the network
//! drives a hub.

mod parse;
mod play;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

pub use self::parse::{ParseError, Problem};
pub use self::play::Mismatch;

use self::play::CutMode;
use crate::hub::Hub;

#[cfg(doc)]
use super::net::Network;
#[cfg(doc)]
use crate::machine::Cause;

/// A parsed script: see the [module](self).
///
/// Example: see [`assert_plays`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The source text.
    text: String,
    lines: Vec<ScriptLine>,
    names: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ScriptLine {
    /// The line number, counted from one.
    number: usize,
    step: ScriptStep,
}

/// The meaning of a line. Peers are indices into the names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ScriptStep {
    Connects(usize, Option<String>),
    Sends(usize, Vec<u8>),
    Sees(usize, Vec<u8>),
    Accepts(usize, SocketAddr),
    Refuses(usize, SocketAddr),
    Ends(usize),
    Closes(usize),
    Resets(usize),
    StopsReading(usize),
    ReadsAgain(usize),
    Closed(usize, Option<String>),
    Open(usize),
    Passes(Duration),
    ShutDown(Duration),
    Halted,
}

impl Script {
    /// Parses a script.
    ///
    /// # Errors
    ///
    /// The first line that is invalid.
    ///
    /// ```
    /// use diesel_proto::testkit::script::{Problem, Script};
    ///
    /// let error = Script::parse("ann> hello\nann waits").unwrap_err();
    /// assert_eq!((error.line, error.problem), (2, Problem::NotALine));
    /// ```
    pub fn parse(text: &str) -> Result<Script, ParseError> {
        parse::script(text)
    }

    /// Plays it with the hub that `make` returns. Each send arrives as one read.
    ///
    /// # Errors
    ///
    /// The first line that fails.
    ///
    /// ```
    /// use diesel_proto::testkit::script::Script;
    /// use diesel_proto::{Hub, LineEcho, Service};
    ///
    /// let mut echo = Hub::default();
    /// echo.add_service(Service::machine(|_| LineEcho::default()));
    /// let mismatch = Script::parse("ann> hello\\r\\n\nann< HELLO").unwrap().play(|| echo).unwrap_err();
    /// assert_eq!(mismatch.line, 2);
    /// ```
    pub fn play(&self, make: impl FnOnce() -> Hub) -> Result<(), Mismatch> {
        play::play(self, make(), CutMode::None)
    }

    /// Plays it repeatedly, each time with a new hub: with each send as one read; with all sent
    /// bytes cut in two, at every position; one byte at a time; and with streams that take one byte
    /// at a time. Every line must hold each time. Returns how often it was played.
    ///
    /// # Errors
    ///
    /// The first line that fails, with its cut.
    pub fn play_at_every_cut(&self, make: impl Fn() -> Hub) -> Result<usize, Mismatch> {
        let cuts = [CutMode::None].into_iter();
        let cuts = cuts.chain((1..self.sent()).map(CutMode::Before));
        let mut played = 0;
        for cut in cuts.chain([CutMode::Everywhere, CutMode::Narrow]) {
            play::play(self, make(), cut)?;
            played += 1;
        }
        Ok(played)
    }

    /// The number of bytes that all peers send.
    fn sent(&self) -> usize {
        let bytes = |line: &ScriptLine| match &line.step {
            ScriptStep::Sends(_, bytes) => bytes.len(),
            _ => 0,
        };
        self.lines.iter().map(bytes).sum()
    }
}

/// Writes the source text.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Plays a script at every cut: see [`Script::play_at_every_cut`].
///
/// # Panics
///
/// If the script is invalid, or a line fails. The message contains the script, the line, and what
/// happened instead.
///
/// ```
/// use diesel_proto::testkit::script::assert_plays;
/// use diesel_proto::{Hub, LineEcho, Service};
///
/// let echo = || {
///     let mut hub = Hub::default();
///     hub.add_service(Service::machine(|_| LineEcho::default()));
///     hub
/// };
/// assert_plays(
///     r"
///     ann> hello\r\n
///     ann< you said: hello\r\n
///     ann> quit\r\n
///     ann closed: done
///     ",
///     echo,
/// );
/// ```
#[track_caller]
pub fn assert_plays(text: &str, make: impl Fn() -> Hub) {
    let script = match Script::parse(text) {
        Ok(script) => script,
        Err(error) => panic!("{error}"),
    };
    if let Err(mismatch) = script.play_at_every_cut(make) {
        panic!("{mismatch}");
    }
}
