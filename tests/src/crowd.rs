//! A crowd that chats: rooms of the `chat` example on one host, and members on others, each of
//! which records what it receives.
//!
//! Each member sends one message a minute, at its own moment; a message contains its sender and its
//! number. So every delivery can be checked: from each sender, a member must receive the messages
//! 0, 1, 2, .. in order, each once, and only from its room; and it must not miss more messages than
//! the room reported as missing.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use diesel_driver::{Conn, Ctx, Error, First2, Hub, Instant, Notice, Service, first};
use diesel_proto::testkit::Random;
use diesel_proto::testkit::net::{
    Happened, Happening, HostId, Link, LinkOptions, Network, Restless, Traffic,
};

// Its `main` is not called here.
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/chat.rs"]
mod example;

const MINUTE: Duration = Duration::from_secs(60);

/// The members of a simulation, its duration, and its links.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The seed of all random numbers.
    pub seed: u64,
    /// How many rooms.
    pub rooms: usize,
    /// How many members each room has.
    pub members: usize,
    /// How many of them, the first ones, are on `worse` links.
    pub worse_off: usize,
    /// How many messages each member sends: one a minute.
    pub minutes: u32,
    /// The links of the members.
    pub link: Link,
    /// The links of the members that are worse off.
    pub worse: Link,
    /// How many unread messages a room keeps.
    pub room_capacity: usize,
    /// How many bytes may wait to be sent to a member before the room's handler waits.
    pub high_water: u64,
}

impl Crowd {
    /// The hash of a run of the default crowd, in every process, on every machine, in every build.
    /// If the chat, the order of a hub's steps, or the network changes, it changes, and this
    /// constant must be updated.
    pub const HASH: u64 = 0xe1b8_03e3_9e26_a437;
}

impl Default for Crowd {
    /// A hundred members in ten rooms, for ten minutes, over links that have only latency.
    fn default() -> Self {
        let latency = Duration::from_millis(5)..=Duration::from_millis(50);
        let link = Link::from(LinkOptions { latency, ..LinkOptions::default() });
        Crowd {
            seed: 1,
            rooms: 10,
            members: 10,
            worse_off: 0,
            minutes: 10,
            worse: link.clone(),
            link,
            room_capacity: 1024,
            high_water: 64 << 10,
        }
    }
}

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The diary of each member, room by room.
    pub diaries: Vec<Diary>,
    /// The number of messages that were sent.
    pub messages: u64,
    /// The number of messages that were received.
    pub deliveries: u64,
    /// The number of messages that members missed because they fell behind, as reported to them.
    pub lagged: u64,
    /// The number of handlers that failed.
    pub failed: u64,
    /// The counters of the network.
    pub traffic: Traffic,
    /// The hash of all that happened.
    pub hash: u64,
}

/// What one member recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diary {
    /// How many messages it sent.
    pub sent: u32,
    /// The number of the next message expected from each member of its room. Without gaps, it is
    /// the number of received messages.
    pub received: Vec<u32>,
    /// How many missing messages the room reported to it.
    pub missing: u64,
    /// How many it missed, by the gaps between those that it received.
    pub skipped: u64,
    /// Lines that were not the next message of any member.
    pub strange: Vec<String>,
    /// What ended its connection before the time was over.
    pub cut_short: Option<String>,
}

impl Crowd {
    /// Runs the chat.
    ///
    /// # Errors
    ///
    /// If the network has too many turns without time passing.
    pub fn chat(&self) -> Result<Outcome, Restless> {
        let mut random = Random::new(self.seed);
        let mut network = Network::new(random.next_u64());
        let server = self.serve(&mut network);
        let diaries = self.join(&mut network, &mut random);
        let failures = Rc::new(RefCell::new(0));
        let seen = Rc::clone(&failures);
        network.watch(move |happening| *seen.borrow_mut() += count_failures(server, happening));
        network.run_until(self.end())?;
        network.run_for(Duration::from_secs(600))?;

        let diaries: Vec<_> = diaries.iter().map(|diary| diary.borrow().clone()).collect();
        let received = |diary: &Diary| {
            diary.received.iter().map(|n| u64::from(*n)).sum::<u64>() - diary.skipped
        };
        let lagged = diaries.iter().map(|diary| diary.missing).sum();
        let failed = *failures.borrow();
        Ok(Outcome {
            messages: diaries.iter().map(|diary| u64::from(diary.sent)).sum(),
            deliveries: diaries.iter().map(received).sum(),
            diaries,
            lagged,
            failed,
            traffic: network.traffic(),
            hash: network.hash(),
        })
    }

    /// One host, with all rooms.
    fn serve(&self, network: &mut Network) -> HostId {
        let mut hub = Hub::default();
        let rooms: Vec<_> = (0..self.rooms)
            .map(|room| {
                let event = hub.ctx().event_with_capacity(self.room_capacity);
                let service =
                    Service::new(async move |conn| example::chat(conn, event.clone()).await);
                let mut config = diesel_driver::ServiceConfig::default();
                config.high_water = self.high_water;
                config.low_water = self.high_water / 4;
                // Members that are worse off read a byte a second, and must not be cut for that.
                config.write_rate = 0;
                (hub.add_service(service.config(config)), address(room))
            })
            .collect();
        network.host(hub, &rooms).expect("no address is given twice")
    }

    /// Adds two hosts: one for most members, one for those that are worse off.
    fn join(&self, network: &mut Network, random: &mut Random) -> Vec<Rc<RefCell<Diary>>> {
        let mut hubs = [Hub::default(), Hub::default()];
        let mut diaries = Vec::new();
        for room in 0..self.rooms {
            for index in 0..self.members {
                let diary = Diary { received: vec![0; self.members], ..Diary::default() };
                let diary = Rc::new(RefCell::new(diary));
                diaries.push(Rc::clone(&diary));
                let member = Member {
                    room,
                    index,
                    moment: Duration::from_nanos(random.below(MINUTE.as_nanos() as u64)),
                    minutes: self.minutes,
                    end: self.end(),
                };
                let hub = &mut hubs[usize::from(index < self.worse_off)];
                hub.add_loop(async move |ctx| {
                    if let Err(error) = member.chat(ctx, &diary).await {
                        diary.borrow_mut().cut_short = Some(error.to_string());
                    }
                    Ok(())
                })
                .expect("a hub has room for as many");
            }
        }
        let [hub, worse] = hubs;
        for (hub, link) in [(hub, &self.link), (worse, &self.worse)] {
            let host = network.host(hub, &[]).expect("a host without services takes no address");
            network.link_from(host, link.clone());
        }
        diaries
    }

    /// Two minutes after the last minute in which a member sends.
    fn end(&self) -> Instant {
        Instant::ORIGIN + MINUTE * (self.minutes + 3)
    }

    /// Whether this member has a worse link.
    fn is_worse_off(&self, member: usize) -> bool {
        member % self.members < self.worse_off
    }
}

fn address(room: usize) -> SocketAddr {
    SocketAddr::from(([10, 255, 0, 1], 1000 + room as u16))
}

fn count_failures(server: HostId, happening: &Happening<'_>) -> u64 {
    let failed = matches!(happening.what, Happened::Notice(Notice::Failed { .. }));
    u64::from(happening.host == server && failed)
}

#[derive(Clone, Copy)]
struct Member {
    room: usize,
    index: usize,
    /// When it sends, in each minute.
    moment: Duration,
    minutes: u32,
    end: Instant,
}

impl Member {
    async fn chat(self, ctx: Ctx, diary: &RefCell<Diary>) -> Result<(), Error> {
        let mut conn = ctx.connect(address(self.room)).await?;
        conn.write(format!("{}.{}\r\n", self.room, self.index)).await?;
        for n in 0..self.minutes {
            // The first minute is for joining.
            self.listen(&ctx, &mut conn, Instant::ORIGIN + MINUTE * (n + 1) + self.moment, diary)
                .await?;
            conn.write(format!("{n}\r\n")).await?;
            diary.borrow_mut().sent += 1;
        }
        self.listen(&ctx, &mut conn, self.end, diary).await
    }

    async fn listen(
        self,
        ctx: &Ctx,
        conn: &mut Conn,
        until: Instant,
        diary: &RefCell<Diary>,
    ) -> Result<(), Error> {
        loop {
            match first((conn.until_eol(), ctx.sleep_until(until))).await {
                First2::A(line) => diary.borrow_mut().write(self.room, line?.trimmed()),
                First2::B(slept) => return slept,
            }
        }
    }
}

impl Diary {
    /// `<room.speaker> n`, or `(n lines are missing)`.
    fn write(&mut self, room: usize, line: impl fmt::Display) {
        let line = line.to_string();
        if self.next(room, &line).is_none() {
            self.strange.push(line);
        }
    }

    fn next(&mut self, room: usize, line: &str) -> Option<()> {
        if let Some(missing) = line.strip_prefix('(') {
            self.missing += missing.strip_suffix(" lines are missing)")?.parse::<u64>().ok()?;
            return Some(());
        }
        let (who, n) = line.strip_prefix('<')?.split_once("> ")?;
        let (from, speaker) = who.split_once('.')?;
        let received = self.received.get_mut(speaker.parse::<usize>().ok()?)?;
        let n: u32 = n.parse().ok()?;
        let skipped = self.skipped + u64::from(n.checked_sub(*received)?);
        if from.parse() != Ok(room) || skipped > self.missing {
            return None;
        }
        (*received, self.skipped) = (n + 1, skipped);
        Some(())
    }
}

impl Outcome {
    /// Checks every delivery to the members with good links. All messages between them arrive; of
    /// each member that is worse off, they all receive the same messages. No member receives a
    /// message twice, out of order, or from itself; and each gap was reported to the member.
    ///
    /// # Errors
    ///
    /// The first violation.
    pub fn account(&self, crowd: &Crowd) -> Result<(), String> {
        for (member, diary) in self.diaries.iter().enumerate() {
            if let Some(line) = diary.strange.first() {
                return Err(format!("member {member} hears {line:?} out of order: {diary:?}"));
            }
            let own = member % crowd.members;
            let room = &self.diaries[member - own..][..crowd.members];
            if diary.received[own] > 0 {
                return Err(format!("member {member} hears itself"));
            }
            if crowd.is_worse_off(member) {
                // A connection that was cut short has reported its end.
                let missed = (0..crowd.members).any(|of| {
                    of != own && diary.received[of] < received_by_others(room, crowd, own, of)
                });
                if missed && diary.cut_short.is_none() && diary.missing == 0 {
                    return Err(format!("member {member} has an unreported gap: {diary:?}"));
                }
                continue;
            }
            if let Some(error) = &diary.cut_short {
                return Err(format!("member {member} is cut short: {error}"));
            }
            if diary.missing > 0 {
                return Err(format!("member {member} misses {} messages", diary.missing));
            }
            for of in (0..crowd.members).filter(|of| *of != own) {
                let expected = match crowd.is_worse_off(of) {
                    true => received_by_others(room, crowd, own, of),
                    false => crowd.minutes,
                };
                if diary.received[of] != expected {
                    let received = diary.received[of];
                    return Err(format!(
                        "member {member} hears {received} of {expected} from {of}"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The most messages of a member that any other member with a good link received.
fn received_by_others(room: &[Diary], crowd: &Crowd, but: usize, of: usize) -> u32 {
    let others = (crowd.worse_off..crowd.members).filter(|other| *other != but && *other != of);
    others.map(|other| room[other].received[of]).max().unwrap_or(0)
}
