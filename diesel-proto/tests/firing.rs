//! A fiber that fires an event without end: the subscribers get their turns before they fall
//! behind, for any capacity, and any cost of reading a message.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::*;

const MESSAGES: u32 = 2500;

/// A token that is there at once.
async fn token(conn: &mut Conn) -> Result<(), Error> {
    conn.bytes(0).await.map(drop)
}

/// Fires an event many times, reads each message at this cost, and returns how many messages were
/// missed, and the number of polls.
fn missed(capacity: usize, readers: u32, tokens: u32, tokens_per_pass: u32) -> (u64, u64) {
    let mut config = Config::default();
    config.tokens_per_pass = tokens_per_pass;
    let mut hub = Hub::new(config);
    let event = hub.ctx().event_with_capacity(capacity);
    let (read, lost) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let service = {
        let (read, lost) = (Rc::clone(&read), Rc::clone(&lost));
        let count = Cell::new(0);
        hub.add_service(Service::new(async move |mut conn: Conn| {
            let mut messages = event.subscribe();
            if count.replace(count.get() + 1) == readers {
                for n in 0..MESSAGES {
                    token(&mut conn).await?;
                    messages.fire(n);
                }
            }
            loop {
                match messages.wait().await {
                    Ok(_) => read.set(read.get() + 1),
                    Err(Error::Lagged(n)) => lost.set(lost.get() + n),
                    Err(error) => return Err(error),
                }
                for _ in 1..tokens {
                    token(&mut conn).await?;
                }
            }
        }))
    };
    let now = Instant::ORIGIN;
    for _ in 0..=readers {
        hub.accept(now, service, Address::Unnamed).unwrap();
    }
    while hub.next_wake() == Some(now) {
        hub.run(now, &mut Vec::new());
    }
    assert_eq!(read.get() + lost.get(), u64::from(MESSAGES * readers));
    (lost.get(), hub.counters().polls)
}

#[test]
fn a_fiber_that_fires_gives_way_before_those_that_read_fall_behind() {
    for capacity in [1, 2, 3, 10, 100, 1024] {
        for (readers, tokens) in [(1, 1), (3, 2), (3, 3), (2, 20), (20, 7)] {
            let (lost, _) = missed(capacity, readers, tokens, 128);
            assert_eq!(lost, 0, "capacity {capacity}, {readers} readers, {tokens} tokens");
        }
    }
}

#[test]
fn few_tokens_in_a_pass_lose_no_message_either() {
    for (tokens, per_pass) in [(1, 1), (2, 2), (2, 5), (3, 16)] {
        assert_eq!(missed(1024, 3, tokens, per_pass).0, 0, "{tokens} of {per_pass}");
    }
}

/// While little is unread, a pass is many messages, not one.
#[test]
fn giving_way_costs_few_polls() {
    let (_, polls) = missed(1024, 1, 2, 128);
    assert!(polls < u64::from(MESSAGES) / 20, "{polls} polls");
}

/// Fired through the only subscription there is.
#[test]
fn messages_without_a_reader_cost_nothing() {
    let mut hub = Hub::default();
    let event: Event<u32> = hub.event();
    let alone = event.subscribe();
    hub.add_loop(async move |ctx: Ctx| {
        for n in 0..1000 {
            alone.fire(n);
        }
        ctx.timeout(Duration::MAX, async {}).await
    })
    .unwrap();
    hub.run(Instant::ORIGIN, &mut Vec::new());
    let counters = hub.counters();
    assert_eq!((counters.polls, counters.fibers), (1, 0));
}
