//! What the hub has to tell a person, put into the log.
//!
//! One target for each service, so that each can be turned up or down by its name.

use diesel_proto::{Hub, Instant, Notice, ServiceId};

use crate::clock::Clock;

pub(crate) struct Journal {
    clock: Clock,
    /// The clock, read since the last run of the hub: one reading for all that it handed out.
    now: Option<Instant>,
}

impl Journal {
    pub(crate) fn new(clock: Clock) -> Self {
        Journal { clock, now: None }
    }

    /// The hub ran: time passed meanwhile.
    pub(crate) fn hub_ran(&mut self) {
        self.now = None;
    }

    pub(crate) fn tell(&mut self, hub: &Hub, service: Option<ServiceId>, notice: &Notice) {
        let name = service.and_then(|service| hub.service_name(service)).unwrap_or("diesel");
        match notice {
            Notice::Panicked { .. } | Notice::Failed { .. } => {
                log::error!(target: name, "{notice}");
            }
            Notice::LimitReached(_) | Notice::Refused(_) => {
                log::warn!(target: name, "{notice}")
            }
            Notice::Access(access) => {
                if log::log_enabled!(target: name, log::Level::Info) {
                    let took = access.took(self.now());
                    log::info!(target: name, "{access} in {took:?}");
                }
            }
            // Cuts, and machines' own words.
            _ => log::info!(target: name, "{notice}"),
        }
    }

    fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(|| self.clock.now())
    }
}
