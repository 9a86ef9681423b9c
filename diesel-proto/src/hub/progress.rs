//! The progress of sending, and when a peer that takes too little is cut.
//!
//! A stream is *stuck* while the embedder cannot send all that is queued. From then on the peer has
//! to take bytes at the least rate of the service, averaged over `write_stall`. What the embedder
//! sent tells little about this: a kernel takes megabytes from us before the peer takes a byte, and
//! afterwards may take nothing for minutes although the peer takes some every second. So the hub
//! asks the embedder how many of the sent bytes the peer has not acknowledged:
//!
//! ```text
//!   stuck ──1/64──▶ asked, for a sample ──63/64──▶ enough sent ──▶ and so on
//!                                           └──▶ asked again ──▶ enough taken ──▶ and so on
//!                                                     └──▶ too little, or no answer: cut
//! ```
//!
//! With S bytes sent and H of them unacknowledged, the peer has taken S - H; between two samples it
//! took `(S2 - H2) - (S1 - H1)`.
//!
//! It must never know what is sent.

use alloc::boxed::Box;
use core::time::Duration;

use super::config::ServiceConfig;
use crate::time::Instant;

/// The first sample is taken when this fraction of `write_stall` has passed: most streams are not
/// stuck for that long, and cost nothing.
const SAMPLE: u32 = 64;

pub(crate) struct Progress {
    /// The latest of these: this phase began, the stream got stuck, the peer had taken enough,
    /// everything was sent.
    pub(super) since: Instant,
    /// The first sample, if the stream has been stuck for long enough.
    sample: Option<Box<Sample>>,
    /// The embedder got `Action::Send`, and has not sent everything.
    pub(super) sending: bool,
    /// The embedder could not send everything.
    stuck: bool,
    /// A write failed: the embedder never will.
    pub(super) failed: bool,
}

struct Sample {
    at: Instant,
    /// How many bytes were sent by then,
    sent: u64,
    /// and how many of them were unacknowledged, if the embedder reported it.
    unacked: Option<u64>,
    asked: Asked,
}

#[derive(PartialEq, Eq)]
enum Asked {
    No,
    ForSample,
    /// For the decision: if no answer comes before the next run, the peer is cut.
    AtLast,
}

/// What is due for a stream that is stuck.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StallDue {
    /// Ask the embedder how much is unacknowledged.
    Ask,
    /// Cut the peer.
    Cut,
}

impl Progress {
    pub(super) fn new(now: Instant) -> Self {
        Progress { since: now, sample: None, sending: false, stuck: false, failed: false }
    }

    /// The embedder sent something, and `left` bytes are still queued. Returns whether the deadline
    /// for progress has changed.
    pub(crate) fn sent(&mut self, now: Instant, left: u64) -> bool {
        let was_stuck = core::mem::replace(&mut self.stuck, left > 0);
        self.sending &= left > 0;
        if was_stuck && self.stuck {
            return false;
        }
        self.since = now;
        if was_stuck {
            self.sample = None;
        }
        was_stuck || self.stuck
    }

    /// Of `sent` bytes, `unacked` are unacknowledged. Returns whether the deadline has changed.
    pub(super) fn unacked(
        &mut self,
        now: Instant,
        sent: u64,
        unacked: u64,
        config: &ServiceConfig,
    ) -> bool {
        let Some(sample) = self.sample.as_deref_mut().filter(|_| self.stuck) else { return false };
        match core::mem::replace(&mut sample.asked, Asked::No) {
            Asked::No => return false,
            Asked::ForSample => {
                sample.unacked = Some(unacked);
                return false;
            }
            Asked::AtLast => {}
        }
        let before = sample.sent.saturating_sub(sample.unacked.unwrap_or(sample.sent));
        let taken = sent.saturating_sub(unacked).saturating_sub(before);
        if sample.unacked.is_none() || taken < least(now - sample.at, config) {
            sample.asked = Asked::AtLast;
            return false;
        }
        self.took_enough(now);
        true
    }

    /// What is due at `now`, after `sent` bytes in all. If that is to ask, it is noted.
    pub(super) fn due(
        &mut self,
        now: Instant,
        sent: u64,
        config: &ServiceConfig,
    ) -> Option<StallDue> {
        if !self.stuck || now < self.deadline(config)? {
            return None;
        }
        let Some(sample) = self.sample.as_deref_mut() else {
            let asked = Asked::ForSample;
            self.sample = Some(Box::new(Sample { at: now, sent, unacked: None, asked }));
            // If there was no time for a sample, there is none for an answer.
            let over = now >= self.since + config.write_stall;
            return Some(if over { StallDue::Cut } else { StallDue::Ask });
        };
        if sent - sample.sent >= least(now - sample.at, config) {
            self.took_enough(now);
            return None;
        }
        if sample.unacked.is_none() || sample.asked == Asked::AtLast {
            return Some(StallDue::Cut);
        }
        sample.asked = Asked::AtLast;
        Some(StallDue::Ask)
    }

    /// When something is due for a stream that is stuck.
    pub(super) fn deadline(&self, config: &ServiceConfig) -> Option<Instant> {
        let wait = match self.sample {
            None => config.write_stall / SAMPLE,
            Some(_) => config.write_stall,
        };
        self.stuck.then(|| self.since + wait)
    }

    fn took_enough(&mut self, now: Instant) {
        self.since = now;
        self.sample = None;
    }
}

/// The least number of bytes that a peer has to take in that time: at least one, whatever the rate.
fn least(time: Duration, config: &ServiceConfig) -> u64 {
    let bytes = u128::from(config.write_rate).saturating_mul(time.as_nanos()) / 1_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn config() -> ServiceConfig {
        ServiceConfig { write_stall: 64 * SECOND, write_rate: 10, ..ServiceConfig::default() }
    }

    fn at(seconds: u32) -> Instant {
        Instant::ORIGIN + seconds * SECOND
    }

    /// Stuck from the beginning on, after 1000 bytes.
    fn stuck() -> Progress {
        let mut progress = Progress::new(Instant::ORIGIN);
        assert!(progress.sent(Instant::ORIGIN, 5));
        progress
    }

    #[test]
    fn a_peer_that_takes_the_least_rate_is_kept_and_one_that_takes_a_byte_less_is_cut() {
        for (taken, kept) in [(630, true), (629, false)] {
            let (config, mut progress) = (config(), stuck());
            assert_eq!(progress.due(at(0), 1000, &config), None);
            assert_eq!(progress.due(at(1), 1000, &config), Some(StallDue::Ask));
            assert!(!progress.unacked(at(1), 1000, 900, &config));
            assert_eq!(progress.deadline(&config), Some(at(64)));
            assert_eq!(progress.due(at(63), 1000, &config), None);
            assert_eq!(progress.due(at(64), 1000, &config), Some(StallDue::Ask));
            assert_eq!(progress.unacked(at(64), 1000, 900 - taken, &config), kept);
            let due = if kept { None } else { Some(StallDue::Cut) };
            assert_eq!(progress.due(at(64), 1000, &config), due);
            if kept {
                assert_eq!(progress.deadline(&config), Some(at(65)));
            }
        }
    }

    #[test]
    fn what_was_sent_meanwhile_is_enough_or_counts() {
        let (config, mut progress) = (config(), stuck());
        assert_eq!(progress.due(at(1), 1000, &config), Some(StallDue::Ask));
        // It is not even asked a second time.
        assert_eq!(progress.due(at(64), 1630, &config), None);
        assert_eq!(progress.deadline(&config), Some(at(65)));

        assert_eq!(progress.due(at(65), 1630, &config), Some(StallDue::Ask));
        assert!(!progress.unacked(at(65), 1630, 100, &config));
        assert_eq!(progress.due(at(128), 1930, &config), Some(StallDue::Ask));
        // 300 more were sent, and 100 were unacknowledged before: 630 would be more than there was.
        assert!(!progress.unacked(at(128), 1930, 0, &config));
        assert_eq!(progress.due(at(128), 1930, &config), Some(StallDue::Cut));
    }

    #[test]
    fn an_embedder_that_does_not_answer_has_only_what_it_sent() {
        let (config, mut progress) = (config(), stuck());
        assert_eq!(progress.due(at(1), 1000, &config), Some(StallDue::Ask));
        assert_eq!(progress.due(at(64), 1629, &config), Some(StallDue::Cut));
    }

    #[test]
    fn one_that_answers_only_at_first_is_cut_in_the_same_instant() {
        let (config, mut progress) = (config(), stuck());
        assert_eq!(progress.due(at(1), 1000, &config), Some(StallDue::Ask));
        assert!(!progress.unacked(at(1), 1000, 900, &config));
        assert_eq!(progress.due(at(64), 1000, &config), Some(StallDue::Ask));
        assert_eq!(progress.deadline(&config), Some(at(64)));
        assert_eq!(progress.due(at(64), 1000, &config), Some(StallDue::Cut));
    }

    #[test]
    fn an_answer_that_was_not_asked_for_changes_nothing() {
        let (config, mut progress) = (config(), stuck());
        assert!(!progress.unacked(at(0), 1000, 0, &config));
        assert_eq!(progress.due(at(1), 1000, &config), Some(StallDue::Ask));
        assert!(!progress.unacked(at(1), 1000, 900, &config));
        assert!(!progress.unacked(at(2), 1000, 0, &config));
        assert_eq!(progress.due(at(64), 1000, &config), Some(StallDue::Ask));
        // More is unacknowledged than before: nothing was taken.
        assert!(!progress.unacked(at(64), 1000, 2000, &config));
        assert_eq!(progress.due(at(64), 1000, &config), Some(StallDue::Cut));
    }

    #[test]
    fn a_stream_that_is_not_stuck_any_more_begins_anew() {
        let (config, mut progress) = (config(), stuck());
        assert_eq!(progress.due(at(1), 1000, &config), Some(StallDue::Ask));
        assert!(progress.sent(at(50), 0));
        assert_eq!((progress.deadline(&config), progress.due(at(99), 1005, &config)), (None, None));
        assert!(!progress.sent(at(100), 0));
        assert!(progress.sent(at(200), 7));
        assert!(!progress.sent(at(201), 6), "little by little");
        assert_eq!(progress.deadline(&config), Some(at(201)));
    }

    #[test]
    fn without_a_rate_any_byte_will_do_and_without_time_none() {
        let config = ServiceConfig { write_rate: 0, ..config() };
        let mut progress = stuck();
        assert_eq!(progress.due(at(1), 1000, &config), Some(StallDue::Ask));
        assert_eq!(progress.due(at(64), 1001, &config), None);
        let config = ServiceConfig { write_stall: Duration::ZERO, ..config };
        assert_eq!(stuck().due(at(0), 1000, &config), Some(StallDue::Cut));
    }
}
