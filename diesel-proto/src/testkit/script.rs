//! Scripts that read like a telnet session, with times.
//!
//! ```text
//! # Who is named comes in, and is given what they type and see.
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
//! | `ann< bytes` | ann has got these bytes, in this order |
//! | `+3s`, `+1.5s`, `+250ms`, `+2m`, `+1h` | time passes |
//! | `ann connects`, `ann connects to echo` | ann connects; whoever does not say so connects to the first service with its first line |
//! | `srv accepts 10.0.0.1:80` | the application has connected to there, and srv is who answers |
//! | `srv refuses 10.0.0.1:80` | the application has connected to there, and is refused |
//! | `ann ends` | ann ends its side, and goes on listening |
//! | `ann closes` | ann closes its socket: what comes from here on is reset |
//! | `ann resets` | ann resets the connection |
//! | `ann stops reading`, `ann reads again` | meanwhile what is sent to ann stays with the sender |
//! | `ann closed` | the other side has ended; ann then closes as well |
//! | `ann closed: done` | the same, and that was why: a [`Cause`], as it reads |
//! | `ann open` | the other side has not ended |
//! | `shut down within 5s` | an orderly shutdown begins |
//! | `halted` | the application has come to its end |
//! | `# text` | nothing |
//!
//! Bytes stand as they are, with the escapes of Rust's byte strings: `\r \n \t \0 \\ \" \xff`.
//! One space before them does not count, nor do spaces after them: write `\x20` for those.
//!
//! **What comes must be seen, and nothing else comes**: before anything is sent, before time passes,
//! and at the end, whatever anybody has got must have been seen, by lines with `<`. So a script
//! also says *when*: what was not there before a `+1ms` and is there after it came in that
//! millisecond.
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
//! A script is played over a perfect link of a [`Network`]; it must never know how that drives a
//! hub.

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

/// A script that was read: see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// As it was written.
    text: String,
    lines: Vec<ScriptLine>,
    names: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ScriptLine {
    /// Counted from one.
    number: usize,
    step: ScriptStep,
}

/// What a line says. Who does it is an index into the names.
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
    /// Reads a script.
    ///
    /// # Errors
    ///
    /// The first line that is none.
    pub fn parse(text: &str) -> Result<Script, ParseError> {
        parse::script(text)
    }

    /// Plays it with a hub that `make` makes: what is sent arrives as it is sent.
    ///
    /// # Errors
    ///
    /// The first line that does not come true.
    pub fn play(&self, make: impl FnOnce() -> Hub) -> Result<(), Mismatch> {
        play::play(self, make(), CutMode::None)
    }

    /// Plays it again and again, each time with a new hub: with what is sent as it is; with all that
    /// is sent cut in two, in every place; a byte at a time; and with streams that take a byte at a
    /// time. It must come true each time. Returns how often it was played.
    ///
    /// # Errors
    ///
    /// The first line that does not come true, and with which cut.
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

    /// Bytes sent by all together.
    fn sent(&self) -> usize {
        let bytes = |line: &ScriptLine| match &line.step {
            ScriptStep::Sends(_, bytes) => bytes.len(),
            _ => 0,
        };
        self.lines.iter().map(bytes).sum()
    }
}

/// The script, as it was written.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Plays a script at every cut: see [`Script::play_at_every_cut`].
///
/// # Panics
///
/// If it cannot be read, or does not come true: with the script, the line, and what came instead.
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
