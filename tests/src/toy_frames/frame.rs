//! Frames: bytes to frames, and back.
//!
//! ```text
//!   1 kkkkkkk   m lllllll   [ 16 bits of length ]   [ key: 4 bytes ]   payload
//!   └ final     └ masked     if l is 126             if masked
//! ```
//!
//! A wrong byte is refused as soon as it arrives, however the bytes were cut. This file must never
//! know which end is the server.

use diesel_proto::{Cause, Limit};

/// The longest payload.
pub const MAX_PAYLOAD: usize = 1000;
/// The longest payload of a control frame (RFC 6455, section 5.5).
const MAX_CONTROL: usize = 125;

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text. It is not checked here.
    Text = 1,
    /// Bytes.
    Binary = 2,
    /// The last frame.
    Close = 8,
    /// A ping, which must be answered.
    Ping = 9,
    /// The answer to a ping.
    Pong = 10,
}

impl Kind {
    fn of(code: u8) -> Option<Kind> {
        let kinds = [Kind::Text, Kind::Binary, Kind::Close, Kind::Ping, Kind::Pong];
        kinds.into_iter().find(|kind| *kind as u8 == code)
    }

    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// A whole frame, unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its kind.
    pub kind: Kind,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame of this kind.
    pub fn new(kind: Kind, payload: impl Into<Vec<u8>>) -> Self {
        Frame { kind, payload: payload.into() }
    }

    /// A closing frame with a code.
    pub fn close(code: u16) -> Self {
        Frame::new(Kind::Close, code.to_be_bytes())
    }

    /// Encodes the frame: masked with a client's key, or unmasked for a server.
    pub fn encode(&self, key: Option<[u8; 4]>) -> Vec<u8> {
        let len = self.payload.len();
        assert!(len <= usize::from(u16::MAX), "longer than this protocol has room for");
        let mut bytes = vec![0x80 | self.kind as u8];
        let masked = if key.is_some() { 0x80 } else { 0 };
        match len {
            0..=125 => bytes.push(masked | len as u8),
            _ => {
                bytes.push(masked | 126);
                bytes.extend_from_slice(&(len as u16).to_be_bytes());
            }
        }
        bytes.extend(key.into_iter().flatten());
        let key = key.unwrap_or_default();
        bytes.extend(self.payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }
}

/// Reads the frames of one peer.
#[derive(Clone, Debug, Default)]
pub struct FrameReader {
    /// The bytes of the next frame so far.
    bytes: Vec<u8>,
    /// Whether the peer must mask.
    masked: bool,
}

impl FrameReader {
    /// A reader for the frames of a client.
    pub fn of_client() -> Self {
        FrameReader { bytes: Vec::new(), masked: true }
    }

    /// A reader for the frames of a server.
    pub fn of_server() -> Self {
        FrameReader::default()
    }

    /// Whether the next frame has not begun.
    pub fn is_between_frames(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The number of bytes of the next frame that are held.
    pub fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Takes bytes up to the end of the next frame. Returns how many, and the frame if it is
    /// complete.
    ///
    /// # Errors
    ///
    /// The rule or the limit that the peer has broken. The reader must not be used after that.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(usize, Option<Frame>), Cause> {
        let mut taken = 0;
        loop {
            let goal = self.goal()?;
            let missing = goal.len - self.bytes.len();
            if missing == 0 && goal.is_whole {
                let frame = self.frame(goal);
                self.bytes.clear();
                return Ok((taken, Some(frame)));
            }
            let n = missing.min(bytes.len() - taken);
            if n == 0 {
                return Ok((taken, None));
            }
            self.bytes.extend_from_slice(&bytes[taken..taken + n]);
            taken += n;
        }
    }

    /// How many bytes to read next, as far as the held bytes determine it.
    fn goal(&self) -> Result<Goal, Cause> {
        let [first, rest @ ..] = &*self.bytes else { return Ok(Goal::part(1)) };
        let Some(kind) = Kind::of(first & 0x0f).filter(|_| first & 0xf0 == 0x80) else {
            return Err(Cause::Protocol("toy-frames: the frame is of no kind, or a fragment"));
        };
        let [second, rest @ ..] = rest else { return Ok(Goal::part(2)) };
        if (second & 0x80 != 0) != self.masked {
            return Err(Cause::Protocol("toy-frames: clients mask, and servers do not"));
        }
        let (len, head) = match (second & 0x7f, rest) {
            (127, _) => return Err(Cause::Limit(Limit::Count(MAX_PAYLOAD))),
            (126, [high, low, ..]) => (usize::from(u16::from_be_bytes([*high, *low])), 4),
            (126, _) => return Ok(Goal::part(4)),
            (len, _) => (usize::from(len), 2),
        };
        if kind.is_control() && len > MAX_CONTROL {
            return Err(Cause::Protocol("toy-frames: the control frame is too long"));
        }
        if len > MAX_PAYLOAD {
            return Err(Cause::Limit(Limit::Count(MAX_PAYLOAD)));
        }
        let head = if self.masked { head + 4 } else { head };
        Ok(Goal { kind, head, len: head + len, is_whole: true })
    }

    fn frame(&self, goal: Goal) -> Frame {
        let (head, payload) = self.bytes.split_at(goal.head);
        let key = if self.masked { &head[goal.head - 4..] } else { &[0; 4] };
        let payload = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
        Frame { kind: goal.kind, payload: payload.collect() }
    }
}

#[derive(Clone, Copy)]
struct Goal {
    kind: Kind,
    head: usize,
    /// Head and payload, if that is known.
    len: usize,
    is_whole: bool,
}

impl Goal {
    fn part(len: usize) -> Goal {
        Goal { kind: Kind::Close, head: 0, len, is_whole: false }
    }
}
