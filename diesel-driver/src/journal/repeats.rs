//! Lines that repeat: the first is written at once; repeats are counted, and the last one is
//! written once a second with their number.
//!
//! Two lines are alike if they belong to one service and differ only in the peer. At most [`KINDS`]
//! kinds are distinguished at a time; lines of further kinds are counted together.

use std::fmt;
use std::time::Duration;

use diesel_proto::{Instant, Notice, ServiceId};
use log::Level;

/// How many kinds of lines are distinguished.
const KINDS: usize = 64;
/// How often a line of one kind is written.
const PERIOD: Duration = Duration::from_secs(1);

/// Writes a line with its target and level.
pub(super) type Put<'a> = &'a mut dyn FnMut(&'static str, Level, fmt::Arguments<'_>);

/// A line of the log.
pub(super) struct LogLine {
    pub(super) service: Option<ServiceId>,
    pub(super) target: &'static str,
    pub(super) level: Level,
    pub(super) what: LogText,
}

/// The text of a line.
pub(super) enum LogText {
    Notice(Notice),
    /// A line of the driver itself: its kind and its text.
    Own(&'static str, String),
}

#[derive(Default)]
pub(super) struct Repeats {
    kinds: Vec<LineKind>,
    /// The number of lines of kinds for which there was no room, and since when they are counted.
    others: Option<(Instant, u64)>,
    due: Option<Instant>,
}

struct LineKind {
    /// The last line of this kind.
    line: LogLine,
    /// When a line of this kind was last written.
    since: Instant,
    /// How many repeats were counted since then.
    more: u64,
}

impl Repeats {
    /// Writes a line, or counts it.
    pub(super) fn tell(&mut self, now: Instant, line: LogLine, put: Put<'_>) {
        if let Some(kind) = self.kinds.iter_mut().find(|kind| kind.line.is_like(&line)) {
            if kind.more > 0 || now < kind.since + PERIOD {
                kind.more += 1;
                let due = kind.since + PERIOD;
                kind.line = line;
                return self.is_due(due);
            }
            put(line.target, line.level, format_args!("{}", line.what));
            *kind = LineKind { line, since: now, more: 0 };
            return;
        }
        if self.kinds.len() >= KINDS {
            self.kinds.retain(|kind| kind.more > 0 || now < kind.since + PERIOD);
        }
        if self.kinds.len() >= KINDS {
            let (since, n) = self.others.get_or_insert((now, 0));
            *n += 1;
            let due = *since + PERIOD;
            return self.is_due(due);
        }
        put(line.target, line.level, format_args!("{}", line.what));
        self.kinds.push(LineKind { line, since: now, more: 0 });
    }

    fn is_due(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When counted lines must be written.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes the kinds that were counted for a full period.
    pub(super) fn catch_up(&mut self, now: Instant, put: Put<'_>) {
        self.due = None;
        let mut due = None;
        self.kinds.retain_mut(|kind| {
            if now < kind.since + PERIOD {
                if kind.more > 0 {
                    due = Some(due.map_or(kind.since, |since: Instant| since.min(kind.since)));
                }
                return true;
            }
            let is_alive = kind.more > 0;
            if is_alive {
                kind.put(now, put);
            }
            is_alive
        });
        if let Some(since) = due {
            self.is_due(since + PERIOD);
        }
        if let Some((since, n)) = self.others {
            if now < since + PERIOD {
                return self.is_due(since + PERIOD);
            }
            self.others = None;
            put_others(now - since, n, put);
        }
    }

    /// Writes all that was counted.
    pub(super) fn end(&mut self, now: Instant, put: Put<'_>) {
        for kind in self.kinds.iter_mut().filter(|kind| kind.more > 0) {
            kind.put(now, put);
        }
        if let Some((since, n)) = self.others.take() {
            put_others(now - since, n, put);
        }
        self.due = None;
    }
}

fn put_others(during: Duration, n: u64, put: Put<'_>) {
    let seconds = during.as_secs_f64();
    put(super::OWN, Level::Warn, format_args!("{n} more lines of other kinds in {seconds:.1} s"));
}

impl LineKind {
    fn put(&mut self, now: Instant, put: Put<'_>) {
        let LogLine { target, level, what, .. } = &self.line;
        let (more, seconds) = (self.more, (now - self.since).as_secs_f64());
        put(target, *level, format_args!("{what} ({more} more like this in {seconds:.1} s)"));
        (self.since, self.more) = (now, 0);
    }
}

impl LogLine {
    fn is_like(&self, other: &LogLine) -> bool {
        self.service == other.service
            && match (&self.what, &other.what) {
                (LogText::Notice(a), LogText::Notice(b)) => are_alike(a, b),
                (LogText::Own(a, _), LogText::Own(b, _)) => a == b,
                _ => false,
            }
    }
}

/// Whether the notices differ at most in the peer.
fn are_alike(a: &Notice, b: &Notice) -> bool {
    match (a, b) {
        (Notice::Failed { error: a, .. }, Notice::Failed { error: b, .. }) => a == b,
        (Notice::Panicked { .. }, Notice::Panicked { .. }) => true,
        (Notice::Cut { cause: a, .. }, Notice::Cut { cause: b, .. }) => a == b,
        (a, b) => a == b,
    }
}

impl fmt::Display for LogText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogText::Notice(notice) => notice.fmt(f),
            LogText::Own(_, words) => f.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diesel_proto::{Address, Cause, Limit};

    const START: Instant = Instant::ORIGIN;

    fn after(ms: u64) -> Instant {
        START + Duration::from_millis(ms)
    }

    #[derive(Default)]
    struct Log {
        repeats: Repeats,
        lines: Vec<String>,
    }

    impl Log {
        fn tell(&mut self, ms: u64, notice: Notice) {
            let what = LogText::Notice(notice);
            let line = LogLine { service: None, target: "a", level: Level::Info, what };
            let Log { repeats, lines } = self;
            repeats.tell(after(ms), line, &mut |_, level, words| {
                lines.push(format!("{level} {words}"));
            });
        }

        fn catch_up(&mut self, ms: u64) {
            let Log { repeats, lines } = self;
            repeats.catch_up(after(ms), &mut |_, level, words| {
                lines.push(format!("{level} {words}"));
            });
        }

        fn read(&mut self) -> Vec<String> {
            std::mem::take(&mut self.lines)
        }
    }

    fn peer(port: u16) -> Address {
        Address::Socket(([192, 0, 2, 1], port).into())
    }

    fn failed(port: u16, error: &str) -> Notice {
        Notice::Failed { peer: Some(peer(port)), error: error.into() }
    }

    #[test]
    fn the_first_line_is_logged_at_once_and_repeats_once_a_second_with_their_count() {
        let mut log = Log::default();
        log.tell(0, failed(1, "no"));
        assert_eq!(log.read(), ["INFO the handler for 192.0.2.1:1 failed: no"]);
        assert_eq!(log.repeats.due(), None);
        for port in 2..=500 {
            log.tell(u64::from(port), failed(port, "no"));
        }
        assert_eq!((log.read(), log.repeats.due()), (vec![], Some(after(1000))));
        log.catch_up(999);
        assert_eq!((log.read(), log.repeats.due()), (vec![], Some(after(1000))));
        log.catch_up(1000);
        let last = "INFO the handler for 192.0.2.1:500 failed: no (499 more like this in 1.0 s)";
        assert_eq!((log.read(), log.repeats.due()), (vec![last.to_string()], None));
        // It repeats on: the next second is counted as well.
        log.tell(1001, failed(501, "no"));
        assert_eq!((log.read(), log.repeats.due()), (vec![], Some(after(2000))));
        log.catch_up(2500);
        let last = "INFO the handler for 192.0.2.1:501 failed: no (1 more like this in 1.5 s)";
        assert_eq!(log.read(), [last]);
        // After a second of silence it is new again, whether or not `catch_up` was called.
        log.tell(3500, failed(502, "no"));
        assert_eq!(log.read(), ["INFO the handler for 192.0.2.1:502 failed: no"]);
    }

    #[test]
    fn what_says_something_else_is_another_line() {
        let mut log = Log::default();
        let cut = |port, cause| Notice::Cut { peer: peer(port), cause };
        for port in 0..10 {
            log.tell(0, failed(port, "no"));
            log.tell(0, failed(port, "never"));
            log.tell(0, cut(port, Cause::Limit(Limit::Line(10))));
            log.tell(0, cut(port, Cause::Reset));
            log.tell(0, Notice::Panicked { peer: Some(peer(port)) });
            log.tell(0, Notice::LimitReached(Limit::Fibers(1)));
            log.tell(0, Notice::LimitReached(Limit::Spawned(1)));
            log.tell(0, Notice::Text("a".into()));
            log.tell(0, Notice::Text("b".into()));
        }
        assert_eq!(log.read().len(), 9);
        log.catch_up(1000);
        let lines = log.read();
        assert_eq!(lines.len(), 9);
        assert!(lines.iter().all(|line| line.ends_with(" (9 more like this in 1.0 s)")));
    }

    #[test]
    fn beyond_so_many_kinds_lines_are_counted_together() {
        let mut log = Log::default();
        for n in 0..KINDS + 5 {
            log.tell(0, failed(1, &n.to_string()));
            log.tell(0, failed(1, &n.to_string()));
        }
        assert_eq!((log.read().len(), log.repeats.kinds.len()), (KINDS, KINDS));
        log.catch_up(1000);
        let lines = log.read();
        assert_eq!(lines.len(), KINDS + 1);
        assert_eq!(lines[KINDS], "WARN 10 more lines of other kinds in 1.0 s");
        // There is room again as soon as the others are silent.
        log.tell(2000, failed(1, "new"));
        assert_eq!(log.read(), ["INFO the handler for 192.0.2.1:1 failed: new"]);
    }

    #[test]
    fn at_the_end_all_repeats_are_logged() {
        let mut log = Log::default();
        log.tell(0, failed(1, "no"));
        log.tell(0, failed(2, "no"));
        log.read();
        let Log { repeats, lines } = &mut log;
        repeats.end(after(100), &mut |_, _, words| lines.push(words.to_string()));
        let last = "the handler for 192.0.2.1:2 failed: no (1 more like this in 0.1 s)";
        assert_eq!((log.read(), log.repeats.due()), (vec![last.to_string()], None));
    }
}
