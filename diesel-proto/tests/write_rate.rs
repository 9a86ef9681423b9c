//! A peer that reads slowly is not a write stall, even if the kernel in between reports no progress
//! for minutes; one that reads too slowly is.

use std::time::Duration;

use diesel_proto::testkit::net::{LinkOptions, Network, PeerState};
use diesel_proto::*;

const MB: u64 = 1_000_000;
const WINDOW: Duration = Duration::from_secs(60);

/// An embedder with a kernel: it takes 2.5 MB from us, and says that there is room only when a
/// third of that is gone. The peer reads some bytes each second.
struct Slow {
    hub: Hub,
    conn: ConnId,
    now: Instant,
    rate: u64,
    answers: bool,
    held: u64,
    read: u64,
    blocked: bool,
    asked: u32,
    ended: Option<End>,
}

const KERNEL: u64 = 5 * MB / 2;

impl Slow {
    fn reading(total: u64, rate: u64, answers: bool) -> Self {
        let mut hub = Hub::default();
        let service = hub.add_service(async move |mut conn: Conn| {
            for _ in 0..total / 100_000 {
                conn.write(vec![b'x'; 100_000]).await?;
            }
            conn.flush().await
        });
        let now = Instant::ORIGIN;
        let conn = hub.accept(now, service, Address::Unnamed).unwrap();
        let (held, read, blocked, asked, ended) = (0, 0, false, 0, None);
        let mut slow = Slow { hub, conn, now, rate, answers, held, read, blocked, asked, ended };
        slow.turn();
        slow
    }

    fn turn(&mut self) {
        loop {
            let mut actions = Vec::new();
            self.hub.run(self.now, &mut actions);
            for action in actions {
                match action {
                    Action::Send(_) => self.send(),
                    Action::ReportUnacked(conn) => {
                        self.asked += 1;
                        if self.answers {
                            self.hub.unacked(self.now, conn, self.held);
                        }
                    }
                    Action::Close(_, cause) => self.ended = Some(End::Close(cause)),
                    Action::Abort(_, cause) => self.ended = Some(End::Abort(cause)),
                    _ => {}
                }
            }
            if self.hub.next_wake().is_none_or(|at| at > self.now) {
                return;
            }
        }
    }

    fn send(&mut self) {
        loop {
            let room = KERNEL - self.held;
            let offered = self.hub.outgoing(self.conn, |slices| {
                slices.iter().map(|slice| slice.len() as u64).sum::<u64>()
            });
            let Some(offered) = offered else { return };
            let n = offered.min(room);
            self.held += n;
            self.hub.sent(self.now, self.conn, n);
            self.blocked = n < offered;
            if self.blocked {
                return;
            }
        }
    }

    /// A second passes.
    fn second(&mut self) {
        let end = self.now + Duration::from_secs(1);
        while let Some(at) = self.hub.next_wake().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.turn();
        }
        self.now = end;
        let n = self.rate.min(self.held);
        self.held -= n;
        self.read += n;
        if self.blocked && self.held <= KERNEL * 2 / 3 {
            self.send();
        }
        self.turn();
    }

    fn run(&mut self, most: u64) {
        for _ in 0..most {
            if self.ended.is_some() {
                return;
            }
            self.second();
        }
    }
}

const STALLED: Option<End> = Some(End::Abort(Cause::TimedOut(Reason::WriteStall)));

#[test]
fn a_download_that_is_read_steadily_comes_whole() {
    for rate in [5_000, 10_000, 20_000, 200_000] {
        let mut slow = Slow::reading(50 * MB, rate, true);
        slow.run(20_000);
        // All that is left is in the kernel: the hub has done its part.
        assert_eq!(slow.ended, Some(End::Close(Cause::Done)), "{rate} bytes a second");
        assert_eq!(slow.read + slow.held, 50 * MB);
        // Two questions a minute, and one whenever the kernel had room in between.
        let (minutes, rooms) = (50 * MB / rate / 60, 50 * MB / (KERNEL / 3));
        let most = 2 * minutes + rooms + 4;
        assert!(u64::from(slow.asked) <= most, "asked {} times, not {most}", slow.asked);
    }
}

#[test]
fn a_peer_that_takes_the_least_rate_is_kept_and_a_slower_one_is_cut_in_a_minute() {
    let mut kept = Slow::reading(50 * MB, 501, true);
    kept.run(3600);
    assert_eq!(kept.ended, None);
    for rate in [0, 1, 450] {
        let mut slow = Slow::reading(50 * MB, rate, true);
        slow.run(59);
        assert_eq!(slow.ended, None, "{rate}");
        slow.run(1);
        assert_eq!(slow.ended, STALLED, "{rate}");
    }
}

#[test]
fn a_peer_that_stops_reading_is_cut_within_two_minutes() {
    let mut slow = Slow::reading(50 * MB, 10_000, true);
    slow.run(1000);
    slow.rate = 0;
    slow.run(119);
    slow.second();
    assert_eq!(slow.ended, STALLED);
}

#[test]
fn an_embedder_that_does_not_answer_goes_by_what_was_sent() {
    let mut slow = Slow::reading(50 * MB, 5_000, false);
    slow.run(60);
    assert_eq!(slow.ended, STALLED);
}

#[test]
fn the_rate_and_the_time_are_the_services_own() {
    let mut hub = Hub::default();
    let flood = async |mut conn: Conn| {
        loop {
            conn.write(vec![b'x'; 100_000]).await?;
        }
    };
    let strict = Service::new(flood).write_stall(Duration::from_secs(10)).write_rate(5_000);
    let services = [hub.add_service(strict), hub.add_service(flood)];
    let mut network = Network::new(1);
    // What the network has not delivered yet, the peer has not taken.
    let options =
        LinkOptions { bandwidth: Some(2_000), capacity: 1 << 20, ..LinkOptions::default() };
    network.link(LinkOptions { bandwidth: None, ..options.clone() });
    let host = network.lone_host(hub);
    network.link(options);
    let [strict, lenient] = services.map(|service| network.connect_to(host, service));
    network.run_for(Duration::from_secs(9)).unwrap();
    assert_eq!(network.peer_state(strict), PeerState::Open);
    network.run_for(Duration::from_secs(600)).unwrap();
    assert_eq!(network.peer_state(strict), PeerState::Reset);
    assert_eq!(network.peer_state(lenient), PeerState::Open);
    network.stop_reading(lenient);
    network.run_for(2 * WINDOW).unwrap();
    network.read_again(lenient);
    // The reset comes behind what is on its way.
    network.run_for(10 * WINDOW).unwrap();
    assert_eq!(network.peer_state(lenient), PeerState::Reset);
}
