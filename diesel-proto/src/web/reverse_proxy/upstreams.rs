//! Which of several upstreams is asked next, and which are down.
//!
//! Rules of this file:
//!
//! - Round robin: each request begins with the upstream after the one that the last began with.
//! - One that is down is asked only when all others were, so that nothing is refused unasked.
//!
//! It must never know how an upstream is asked.

use alloc::vec::Vec;
use core::cell::Cell;
use core::time::Duration;

use crate::http1::Url;
use crate::time::Instant;

pub(super) struct Upstreams {
    all: Vec<Upstream>,
    /// Where the next request begins: `next < all.len()`.
    next: Cell<usize>,
    down_time: Duration,
}

pub(super) struct Upstream {
    pub(super) url: Url,
    down_until: Cell<Instant>,
}

/// The upstreams that a request has tried.
pub(super) struct Attempts {
    start: usize,
    tried: Vec<usize>,
}

impl Upstreams {
    pub(super) fn new(urls: Vec<Url>, down_time: Duration) -> Self {
        let up = |url| Upstream { url, down_until: Cell::new(Instant::ORIGIN) };
        Upstreams { all: urls.into_iter().map(up).collect(), next: Cell::new(0), down_time }
    }

    /// Begins a request.
    pub(super) fn begin(&self) -> Attempts {
        let start = self.next.get();
        self.next.set(if start + 1 < self.all.len() { start + 1 } else { 0 });
        Attempts { start, tried: Vec::new() }
    }

    /// The upstream to ask; `None` if all were asked.
    pub(super) fn pick(&self, attempts: &Attempts, now: Instant) -> Option<(usize, &Upstream)> {
        let turn = |n: usize| {
            let at = (attempts.start + n) % self.all.len();
            self.all.get(at).map(|upstream| (at, upstream))
        };
        let untried = || {
            let tried = &attempts.tried;
            (0..self.all.len()).filter_map(turn).filter(move |(at, _)| !tried.contains(at))
        };
        untried()
            .find(|(_, upstream)| upstream.down_until.get() <= now)
            .or_else(|| untried().next())
    }

    /// Records that an upstream was asked in vain.
    pub(super) fn failed(&self, attempts: &mut Attempts, at: usize) {
        attempts.tried.push(at);
    }

    /// Records that an upstream cannot be reached.
    pub(super) fn is_down(&self, at: usize, now: Instant) {
        if let Some(upstream) = self.all.get(at) {
            upstream.down_until.set(now + self.down_time);
        }
    }

    /// Records that an upstream was reached.
    pub(super) fn is_up(&self, at: usize) {
        if let Some(upstream) = self.all.get(at) {
            upstream.down_until.set(Instant::ORIGIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Upstreams {
        let urls = ["http://a", "http://b", "http://c"].map(|url| Url::parse(url).unwrap());
        Upstreams::new(urls.into(), Duration::from_secs(10))
    }

    /// All that a request asks, if none of them can be reached.
    fn asked(upstreams: &Upstreams, now: Instant) -> Vec<usize> {
        let mut attempts = upstreams.begin();
        let mut asked = Vec::new();
        while let Some((at, _)) = upstreams.pick(&attempts, now) {
            asked.push(at);
            upstreams.failed(&mut attempts, at);
        }
        asked
    }

    #[test]
    fn they_take_turns_and_those_that_are_down_come_last() {
        let (upstreams, now) = (three(), Instant::ORIGIN);
        assert_eq!(asked(&upstreams, now), [0, 1, 2]);
        assert_eq!(asked(&upstreams, now), [1, 2, 0]);
        upstreams.is_down(2, now);
        assert_eq!(asked(&upstreams, now), [0, 1, 2]);
        assert_eq!(asked(&upstreams, now), [0, 1, 2]);
        upstreams.is_down(0, now);
        assert_eq!(asked(&upstreams, now), [1, 2, 0]);
        let later = now + Duration::from_secs(10);
        assert_eq!(asked(&upstreams, later), [2, 0, 1]);
        upstreams.is_down(1, later);
        upstreams.is_up(1);
        assert_eq!(asked(&upstreams, later), [0, 1, 2]);
    }
}
