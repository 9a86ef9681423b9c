//! A source that the poller watches. This is the only file with `unsafe`.
//!
//! `polling` requires that a source be deleted from its poller before it is closed. This type owns
//! a source together with its registration and deletes it first when dropped, so callers cannot get
//! the order wrong.
//!
//! A source without interest is not registered at all: epoll would go on reporting a hang-up that
//! nothing handles. An event is reported for as long as its condition holds (level-triggered), so
//! reads and writes need not continue until they would block.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use diesel_proto::hub::embed::Interest;
use polling::{Event, PollMode, Poller};
use socket2::Socket;

use crate::fault::{self, Call};
use crate::key::PollKey;

#[derive(Debug)]
pub(crate) struct Registered<S: AsFd> {
    // Closed only after `Drop::drop` of this struct has deleted it from the poller.
    source: S,
    poller: Arc<Poller>,
    key: PollKey,
    interest: Interest,
}

impl<S: AsFd> Registered<S> {
    pub(crate) fn new(
        source: S,
        poller: &Arc<Poller>,
        key: PollKey,
        interest: Interest,
    ) -> io::Result<Self> {
        let poller = Arc::clone(poller);
        let mut registered = Registered { source, poller, key, interest: Interest::NONE };
        registered.watch(interest)?;
        Ok(registered)
    }

    pub(crate) fn key(&self) -> PollKey {
        self.key
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// Changes the interest. This makes a system call only if the interest differs. If that fails,
    /// the interest stays as before.
    #[allow(unsafe_code)]
    pub(crate) fn watch(&mut self, interest: Interest) -> io::Result<()> {
        if interest == self.interest {
            return Ok(());
        }
        let event = Event::new(self.key.to_usize(), interest.readable, interest.writable);
        if self.interest == Interest::NONE {
            let source = self.source.as_fd().as_raw_fd();
            // SAFETY: the source is owned by `self` and never replaced or lent mutably, so it
            // stays open until `self` is dropped; `drop` deletes it from the poller before the
            // field is closed. A leaked `self` leaks the open source with it.
            let add = || unsafe { self.poller.add_with_mode(source, event, PollMode::Level) };
            fault::call(Call::Watch, add)?;
        } else if interest == Interest::NONE {
            fault::call(Call::Unwatch, || self.poller.delete(self.source.as_fd()))?;
        } else {
            let source = self.source.as_fd();
            let modify = || self.poller.modify_with_mode(source, event, PollMode::Level);
            fault::call(Call::Rewatch, modify)?;
        }
        self.interest = interest;
        Ok(())
    }
}

impl Registered<Socket> {
    /// The number of bytes that were written and that the peer has not acknowledged.
    ///
    /// No dependency has a safe wrapper for this (rustix and socket2 have one for the bytes that
    /// can be read).
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code)]
    pub(crate) fn unacked(&self) -> io::Result<u64> {
        let mut n: libc::c_int = 0;
        let source = self.source.as_fd().as_raw_fd();
        // SAFETY: the descriptor is open because `self` owns it; this request (TIOCOUTQ is the same
        // number as SIOCOUTQ) writes one `int`, and `n` is an `int` that lives until the call
        // returns.
        match unsafe { libc::ioctl(source, libc::TIOCOUTQ, &raw mut n) } {
            0 => Ok(u64::try_from(n).unwrap_or(0)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Other systems have no such request.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn unacked(&self) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl<S: AsFd> Drop for Registered<S> {
    fn drop(&mut self) {
        if self.interest != Interest::NONE {
            // This fails only if the poller is gone already, and the registration with it.
            let _ = self.poller.delete(self.source.as_fd());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use polling::Events;

    use super::*;

    #[test]
    fn a_dropped_source_is_not_reported_though_its_descriptor_lives_on() {
        let poller = Arc::new(Poller::new().unwrap());
        let (mut here, there) = UnixStream::pair().unwrap();
        // The kernel watches the open file, not the descriptor: without the deletion, the duplicate
        // would keep the registration alive.
        let duplicate = there.try_clone().unwrap();
        let key = PollKey::of_listener(7).unwrap();
        let registered = Registered::new(there, &poller, key, Interest::READABLE).unwrap();
        here.write_all(b"x").unwrap();
        let mut events = Events::new();
        poller.wait(&mut events, Some(Duration::from_secs(5))).unwrap();
        assert_eq!(events.iter().map(|event| event.key).collect::<Vec<_>>(), [7]);

        drop(registered);
        events.clear();
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
        drop(duplicate);
    }

    #[test]
    fn what_is_wanted_for_nothing_is_not_reported_even_if_the_peer_hangs_up() {
        let poller = Arc::new(Poller::new().unwrap());
        let (here, there) = UnixStream::pair().unwrap();
        let key = PollKey::of_listener(7).unwrap();
        let mut registered = Registered::new(there, &poller, key, Interest::READABLE).unwrap();
        registered.watch(Interest::NONE).unwrap();
        drop(here);
        let mut events = Events::new();
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
        registered.watch(Interest::WRITABLE).unwrap();
        poller.wait(&mut events, Some(Duration::from_secs(5))).unwrap();
        assert!(!events.is_empty());
    }
}
