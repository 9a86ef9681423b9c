//! Finds the connection that has been idle for longest, to close it where another needs its place.
//!
//! Nothing is recorded when a connection becomes idle, since that happens after each request.
//! Instead the table is scanned when a place is needed, and the idle connections found are kept,
//! oldest first. A connection that became idle after the scan is younger than all of these; so if
//! the first of them has stayed idle since the scan, it is the oldest of all.
//!
//! Cost, for n connections: each candidate is taken or discarded once. If a scan finds more than n
//! / 64 candidates, its cost is shared by them; after a scan that finds fewer there is no other for
//! [`RESCAN`]. So a place costs O(log n), amortised, however many connections there are.
//!
//! It must never know what a place is needed for.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use super::stream::{Idle, Stream};
use crate::machine::{Key, KeyedTable, ServiceId};
use crate::time::Instant;

/// The pause after a scan that found very little.
pub(super) const RESCAN: Duration = Duration::from_millis(100);

/// The connections of a hub, or of one of its services, that were idle at the last scan.
#[derive(Default)]
pub(super) struct IdleQueue {
    /// Since when a connection was idle, the longest in front. Checked again when it is taken.
    candidates: VecDeque<(Instant, Key)>,
    scanned: Option<Instant>,
    /// Whether the last scan found enough to be worth its cost.
    was_fruitful: bool,
    /// Whether there are connections that may become idle.
    has_others: bool,
    /// How many connections were checked so far, in scans and singly.
    #[cfg(test)]
    looked_at: u64,
}

impl IdleQueue {
    /// The connection that has been idle for longest, of one service or of all.
    pub(super) fn longest(
        &mut self,
        streams: &mut KeyedTable<Stream>,
        now: Instant,
        service: Option<ServiceId>,
    ) -> Option<Key> {
        loop {
            while let Some(&(since, key)) = self.candidates.front() {
                #[cfg(test)]
                (self.looked_at += 1);
                if streams.at(key).is_some_and(|it| it.idle(now) == Idle::Since(since)) {
                    return Some(key);
                }
                self.candidates.pop_front();
            }
            if !self.may_scan(now) {
                return None;
            }
            self.scan(streams, now, service);
            if self.candidates.is_empty() {
                return None;
            }
        }
    }

    /// Whether there are connections that may become idle.
    pub(super) fn has_others(&self) -> bool {
        self.has_others
    }

    fn may_scan(&self, now: Instant) -> bool {
        self.was_fruitful || self.scanned.is_none_or(|at| now >= at + RESCAN)
    }

    fn scan(&mut self, streams: &KeyedTable<Stream>, now: Instant, service: Option<ServiceId>) {
        let mut found = Vec::new();
        self.has_others = false;
        for (key, stream) in streams.iter() {
            #[cfg(test)]
            (self.looked_at += 1);
            if service.is_some() && service != stream.service {
                continue;
            }
            match stream.idle(now) {
                Idle::Since(since) => found.push((since, key)),
                Idle::Later => self.has_others = true,
                Idle::Never => {}
            }
        }
        found.sort_unstable_by_key(|&(since, key)| (since, key.index));
        self.was_fruitful = found.len() > streams.len() / 64;
        self.candidates = found.into();
        self.scanned = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Hub;
    use super::super::service::Service;
    use super::*;
    use crate::machine::{Actions, Address, ConnId, Input, Machine, Reason};

    /// Alternates between waiting for a request and being busy, with each byte.
    struct Kept {
        busy: bool,
    }

    impl Machine for Kept {
        fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
            let n = match input {
                Input::Bytes(bytes) => bytes.len(),
                _ => 0,
            };
            self.busy ^= n % 2 == 1;
            match self.busy {
                true => actions.clear_deadline(),
                false => actions.set_deadline(now + Duration::from_secs(999), Reason::KeepAlive),
            }
            n
        }
    }

    const MANY: u64 = 65_536;

    struct Crowd {
        hub: Hub,
        service: ServiceId,
        conns: Vec<ConnId>,
        now: Instant,
    }

    impl Crowd {
        /// As many connections as there may be, all of them idle for two seconds.
        fn new() -> Self {
            let mut hub = Hub::default();
            let service = hub.add_service(Service::machine(|_| Kept { busy: false }));
            let accept = |_| hub.accept(Instant::ORIGIN, service, Address::Unnamed).unwrap();
            let conns = (0..MANY).map(accept).collect();
            let now = Instant::ORIGIN + Duration::from_secs(2);
            let mut crowd = Crowd { hub, service, conns, now };
            crowd.run();
            crowd
        }

        fn run(&mut self) {
            self.hub.run(self.now, &mut Vec::new());
        }

        fn accept(&mut self) -> bool {
            let may = self.hub.may_accept(self.service);
            let accepted = self.hub.accept(self.now, self.service, Address::Unnamed);
            assert_eq!(accepted.is_ok(), may);
            self.run();
            may
        }

        fn toggle(&mut self, conns: core::ops::Range<usize>) {
            for conn in &self.conns[conns] {
                let _ = self.hub.received(self.now, *conn, b"x");
            }
            self.run();
        }

        fn looked_at(&self) -> u64 {
            self.hub.core.idle.borrow().looked_at
        }
    }

    #[test]
    fn a_place_among_very_many_costs_a_few_looks() {
        let mut crowd = Crowd::new();
        let before = crowd.looked_at();
        for _ in 0..20_000 {
            assert!(crowd.accept());
        }
        let each = (crowd.looked_at() - before) / 20_000;
        assert!(each <= 10, "{each} looks for a place");
        assert_eq!(crowd.hub.counters().shed, 20_000);
    }

    #[test]
    fn refused_connections_cost_no_scan_each() {
        let mut crowd = Crowd::new();
        crowd.toggle(0..MANY as usize);
        let before = crowd.looked_at();
        for _ in 0..20_000 {
            assert!(!crowd.accept());
        }
        assert!(crowd.looked_at() - before <= 3 * MANY);
        // One becomes idle, and is found, in time.
        crowd.toggle(77..78);
        crowd.now += Duration::from_secs(2);
        crowd.run();
        assert!(crowd.accept());
        assert!(!crowd.accept());
    }

    #[test]
    fn those_that_were_busy_meanwhile_are_passed_over() {
        let mut crowd = Crowd::new();
        assert!(crowd.accept());
        // All but a few at the end become busy, and some of them idle again.
        crowd.now += Duration::from_secs(1);
        crowd.toggle(1..MANY as usize - 3);
        crowd.now += Duration::from_secs(1);
        crowd.toggle(100..200);
        crowd.now += Duration::from_secs(1);
        let before = crowd.looked_at();
        // Three, the newcomer, and the hundred.
        for _ in 0..3 + 1 + 100 {
            assert!(crowd.accept());
        }
        assert!(crowd.looked_at() - before <= 3 * MANY);
        let mut left = crowd.conns[100..200].iter().chain(&crowd.conns[MANY as usize - 3..]);
        assert!(left.all(|conn| crowd.hub.machine_deadline(*conn).is_none()), "all are gone");
    }
}
