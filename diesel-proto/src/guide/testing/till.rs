use core::{fmt::Write, str, time::Duration};

use diesel_proto::{Actions, Buffer, Cause, Input, Instant, Machine, Reason};

/// Adds up prices: each line is a number, and is answered with the total so far.
#[derive(Default)]
pub struct Till {
    input: Buffer,
    total: u64,
}

impl Till {
    /// The longest line, its end included.
    pub const LONGEST: usize = 22;
    /// It closes after this long without input.
    pub const IDLE: Duration = Duration::from_secs(30);
    /// While at least this many bytes are queued, it does not read.
    const FULL: u64 = 1024;

    fn add(&mut self, actions: &mut Actions<'_>) -> Result<(), &'static str> {
        while let Some(n) = self.input.find(b"\n", Self::LONGEST).map_err(|_| "a line is short")? {
            let line = str::from_utf8(&self.input.front()[..n]).unwrap_or_default();
            let price: u64 = line.trim_end().parse().map_err(|_| "a line is a number")?;
            self.total = self.total.checked_add(price).ok_or("the total is below 2^64")?;
            self.input.consume(n, actions.blocks());
            let _ = writeln!(actions, "{}", self.total);
        }
        Ok(())
    }
}

impl Machine for Till {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Start => actions.set_deadline(now + Self::IDLE, Reason::Idle),
            Input::Bytes(_) if actions.queued() >= Self::FULL => actions.notify_below(Self::FULL),
            Input::Bytes(bytes) => {
                actions.set_deadline(now + Self::IDLE, Reason::Idle);
                self.input.push(bytes, actions.blocks());
                if let Err(rule) = self.add(actions) {
                    self.input.clear(actions.blocks());
                    actions.close(Cause::Protocol(rule));
                }
                return bytes.len();
            }
            Input::Drained => actions.resume(),
            Input::Deadline => actions.close(Cause::TimedOut(Reason::Idle)),
            Input::Eof => actions.close(Cause::PeerClosed),
            Input::Shutdown => actions.close(Cause::Shutdown),
            _ => {}
        }
        0
    }

    fn held(&self) -> usize {
        self.input.len()
    }

    fn scanned(&self) -> u64 {
        self.input.scanned()
    }
}
