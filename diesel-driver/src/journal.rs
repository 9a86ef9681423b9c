//! What the hub and the driver have to tell a person, put into the log.
//!
//! - One target for each service, so that each can be turned up or down by its name; `diesel` for
//!   what belongs to none.
//! - Levels go by blame. What peers did is `info` or `debug`, a limit of ours that is reached, or a
//!   system call that failed, is `warn`, and what failed here is `error`.
//! - What repeats is told once a second, with its count: peers must not be able to fill a disk.
//!   Accesses are told each.

mod repeats;

use std::fmt;

use diesel_proto::{Hub, Instant, Notice, ServiceId};
use log::Level;

use self::repeats::{Line, Repeats, What};
use crate::clock::Clock;

/// The target of what belongs to no service.
const OWN: &str = "diesel";

pub(crate) struct Journal {
    clock: Clock,
    /// The clock, read since the last run of the hub: one reading for all that it handed out.
    now: Option<Instant>,
    repeats: Repeats,
}

impl Journal {
    pub(crate) fn new(clock: Clock) -> Self {
        Journal { clock, now: None, repeats: Repeats::default() }
    }

    /// The hub ran: time passed meanwhile.
    pub(crate) fn hub_ran(&mut self) {
        self.now = None;
    }

    /// Tells what the hub has to tell.
    pub(crate) fn tell(&mut self, hub: &Hub, service: Option<ServiceId>, notice: Notice) {
        let target = service.and_then(|service| hub.service_name(service)).unwrap_or(OWN);
        let level = level_of(&notice);
        if !log::log_enabled!(target: target, level) {
            return;
        }
        let now = self.now();
        match notice {
            Notice::Access(access) => {
                log::log!(target: target, level, "{access} in {:?}", access.took(now));
            }
            notice => {
                let what = What::Notice(notice);
                self.repeats.tell(now, Line { service, target, level, what }, &mut put);
            }
        }
    }

    /// Tells what the driver has to tell itself: of this kind, in these words.
    pub(crate) fn own(&mut self, level: Level, kind: &'static str, words: fmt::Arguments<'_>) {
        if log::log_enabled!(target: OWN, level) {
            let what = What::Own(kind, words.to_string());
            let line = Line { service: None, target: OWN, level, what };
            self.repeats.tell(self.clock.now(), line, &mut put);
        }
    }

    /// When [`catch_up`](Self::catch_up) has something to do, if it will.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.repeats.due()
    }

    /// Tells of what was repeated for a second.
    pub(crate) fn catch_up(&mut self, now: Instant) {
        if self.due().is_some_and(|due| due <= now) {
            self.repeats.catch_up(now, &mut put);
        }
    }

    fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(|| self.clock.now())
    }
}

/// However the driver ends, nothing is left untold.
impl Drop for Journal {
    fn drop(&mut self) {
        self.repeats.end(self.clock.now(), &mut put);
    }
}

fn put(target: &'static str, level: Level, words: fmt::Arguments<'_>) {
    log::log!(target: target, level, "{words}");
}

fn level_of(notice: &Notice) -> Level {
    match notice {
        Notice::Panicked { .. } | Notice::Failed { .. } => Level::Error,
        Notice::LimitReached(_) | Notice::Refused(_) => Level::Warn,
        // What peers did, and machines' own words.
        _ => Level::Info,
    }
}
