//! What the hub and the driver have to tell a person, put into the log; without a logger, warnings and
//! errors go to standard error.
//!
//! - One target for each service, so that each can be turned up or down by its name; `diesel` for
//!   what belongs to none.
//! - Levels go by blame. What peers did is `info` or `debug`, a limit of ours that is reached, or a
//!   system call that failed, is `warn`, and what failed here is `error`.
//! - What repeats is told once a second, with its count: peers must not be able to fill a disk.
//!   Accesses are told each.

mod output;
mod repeats;

use std::fmt;

use diesel_proto::{Hub, Instant, Notice, ServiceId};
use log::Level;

use self::output::LogOutput;
use self::repeats::{LogLine, LogText, Repeats};
use crate::clock::Clock;

/// The target of what belongs to no service.
const OWN: &str = "diesel";

pub(crate) struct Journal {
    clock: Clock,
    /// The clock, read since the last run of the hub: one reading for all that it handed out.
    now: Option<Instant>,
    repeats: Repeats,
    output: LogOutput,
}

impl Journal {
    pub(crate) fn new(clock: Clock) -> Self {
        let output = LogOutput { prints: true };
        Journal { clock, now: None, repeats: Repeats::default(), output }
    }

    /// Whether to print what is at least a warning if there is no logger.
    pub(crate) fn print(&mut self, print: bool) {
        self.output.prints = print;
    }

    /// The hub ran: time passed meanwhile.
    pub(crate) fn hub_ran(&mut self) {
        self.now = None;
    }

    /// Tells what the hub has to tell.
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

    /// Tells what the driver has to tell itself: of this kind, in these words.
    pub(crate) fn own(&mut self, level: Level, kind: &'static str, words: fmt::Arguments<'_>) {
        if self.output.wants(OWN, level) {
            let what = LogText::Own(kind, words.to_string());
            let line = LogLine { service: None, target: OWN, level, what };
            self.repeats.tell(self.clock.now(), line, &mut put_in(&self.output));
        }
    }

    /// When [`catch_up`](Self::catch_up) has something to do, if it will.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.repeats.due()
    }

    /// Tells of what was repeated for a second.
    pub(crate) fn catch_up(&mut self, now: Instant) {
        if self.due().is_some_and(|due| due <= now) {
            self.repeats.catch_up(now, &mut put_in(&self.output));
        }
    }

    fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(|| self.clock.now())
    }
}

/// However the driver ends, nothing is left untold.
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
        Notice::Panicked { .. } | Notice::Failed { .. } | Notice::OtherHub(_) => Level::Error,
        Notice::LimitReached(_) | Notice::Refused(_) | Notice::Unseeded => Level::Warn,
        // What peers did, and machines' own words.
        _ => Level::Info,
    }
}
