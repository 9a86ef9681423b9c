//! Logs the notices of the hub and of the driver; without a logger, warnings and errors go to
//! standard error.
//!
//! - Each service has its target, so that its level can be set by its name. The target `diesel` is
//!   for everything else.
//! - The level follows from the blame. What a peer did is `info` or `debug`; a limit that is
//!   reached, or a system call that failed, is `warn`; a failure of user code is `error`.
//! - A line that repeats is logged once a second, with its count: peers must not be able to fill a
//!   disk. Access lines are all logged.

mod output;
mod repeats;

use std::fmt;

use diesel_proto::{Hub, Instant, Notice, ServiceId};
use log::Level;

use self::output::LogOutput;
use self::repeats::{LogLine, LogText, Repeats};
use crate::clock::Clock;

/// The target of lines that belong to no service.
const OWN: &str = "diesel";

pub(crate) struct Journal {
    clock: Clock,
    /// The time, if it was read since the last run of the hub: one reading serves all its notices.
    now: Option<Instant>,
    repeats: Repeats,
    output: LogOutput,
}

impl Journal {
    pub(crate) fn new(clock: Clock) -> Self {
        let output = LogOutput { prints: true };
        Journal { clock, now: None, repeats: Repeats::default(), output }
    }

    /// Sets whether warnings and errors are printed if there is no logger.
    pub(crate) fn print(&mut self, print: bool) {
        self.output.prints = print;
    }

    /// The hub ran, so time has passed: the next notice reads the clock again.
    pub(crate) fn hub_ran(&mut self) {
        self.now = None;
    }

    /// Logs a notice of the hub.
    pub(crate) fn tell(&mut self, hub: &Hub, service: Option<ServiceId>, notice: Notice) {
        let target = service.and_then(|service| hub.service_name(service)).unwrap_or(OWN);
        let level = level_of(&notice);
        if !self.output.wants(target, level) {
            return;
        }
        let now = self.now();
        match notice {
            Notice::Access(access) => {
                let took = access.took(now);
                self.output.put(target, level, format_args!("{access} in {took:?}"));
            }
            notice => {
                let what = LogText::Notice(notice);
                let line = LogLine { service, target, level, what };
                self.repeats.tell(now, line, &mut put_in(&self.output));
            }
        }
    }

    /// Logs a line of the driver itself. Lines of the same `kind` count as repeats.
    pub(crate) fn own(&mut self, level: Level, kind: &'static str, words: fmt::Arguments<'_>) {
        if self.output.wants(OWN, level) {
            let what = LogText::Own(kind, words.to_string());
            let line = LogLine { service: None, target: OWN, level, what };
            self.repeats.tell(self.clock.now(), line, &mut put_in(&self.output));
        }
    }

    /// When [`catch_up`](Self::catch_up) must be called next, if repeats were counted.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.repeats.due()
    }

    /// Logs the lines that repeated for a second, with their counts.
    pub(crate) fn catch_up(&mut self, now: Instant) {
        if self.due().is_some_and(|due| due <= now) {
            self.repeats.catch_up(now, &mut put_in(&self.output));
        }
    }

    fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(|| self.clock.now())
    }
}

/// However the driver ends, the counted repeats are logged.
impl Drop for Journal {
    fn drop(&mut self) {
        self.repeats.end(self.clock.now(), &mut put_in(&self.output));
    }
}

fn put_in(output: &LogOutput) -> impl FnMut(&'static str, Level, fmt::Arguments<'_>) {
    move |target, level, words| output.put(target, level, words)
}

fn level_of(notice: &Notice) -> Level {
    match notice {
        Notice::Panicked { .. }
        | Notice::Failed { .. }
        | Notice::OtherHub(_)
        | Notice::OtherHubJob(_) => Level::Error,
        Notice::LimitReached(_) | Notice::Refused(_) | Notice::Unseeded => Level::Warn,
        // What peers did, and the texts of machines.
        _ => Level::Info,
    }
}
