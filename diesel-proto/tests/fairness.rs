//! Fairness between one peer that always sends, and 99 that sometimes send, measured by counting
//! polls.

mod harness;

use diesel_proto::*;
use harness::*;

const TOKENS: u32 = 16;
const POLLS: u32 = 25;

fn crowd() -> (World, ConnId, Vec<ConnId>) {
    let mut world = World::with(config(|it| {
        it.tokens_per_pass = TOKENS;
        it.polls_per_run = POLLS;
    }));
    let service = world.hub.add_service(echo);
    let chatty = world.accept(service);
    let others: Vec<_> = (0..99).map(|_| world.accept(service)).collect();
    world.turn();
    (world, chatty, others)
}

/// As many lines as fit in what is read ahead: more than any pass can answer.
fn flood(world: &mut World, chatty: ConnId) {
    let _ = world.hub.received(world.now, chatty, "x\n".repeat(16_000).as_bytes());
}

/// With everyone ready at once, a pass is one poll for each; so all 99 are answered within 100
/// polls, and a run has 25 of them: within four runs.
#[test]
fn everyone_is_answered_within_one_pass() {
    let (mut world, chatty, others) = crowd();
    flood(&mut world, chatty);
    for &conn in &others {
        world.delivers(conn, "hello\n");
    }
    let before = world.hub.counters().polls;
    for _ in 0..100 / POLLS {
        world.step();
        flood(&mut world, chatty);
    }
    for &conn in &others {
        assert_eq!(world.receives(conn), "you said: hello\n");
    }
    assert_eq!(world.hub.counters().polls - before, 100);
    // The chatty one had its share, no more: the tokens of one pass. Each line takes two.
    assert_eq!(world.receives(chatty).lines().count(), TOKENS as usize / 2);
}

/// A quiet peer that sends while only the chatty one is busy waits for at most two polls: the
/// current one, and its own.
#[test]
fn a_quiet_peer_that_sends_is_answered_next_but_one() {
    let (mut world, chatty, others) = crowd();
    flood(&mut world, chatty);
    world.step();
    for conn in others {
        flood(&mut world, chatty);
        world.delivers(conn, "hello\n");
        let before = world.hub.counters().polls;
        world.step();
        assert_eq!(world.receives(conn), "you said: hello\n");
        assert!(world.hub.counters().polls - before <= u64::from(POLLS));
    }
}

/// The same by the token: between any two answers of a quiet peer that always has one line ready,
/// the chatty one gets no more than what a pass allows.
#[test]
fn the_chatty_one_gets_no_more_than_its_tokens_between_two_turns_of_another() {
    let diary = Diary::default();
    let mut world = World::with(config(|it| it.tokens_per_pass = TOKENS));
    let note = diary.clone();
    let service = world.hub.add_service(Service::new(async move |mut conn: Conn| {
        loop {
            note.note(conn.until_eol().await?.trimmed());
        }
    }));
    let (chatty, quiet) = (world.accept(service), world.accept(service));
    world.delivers(chatty, "x\n".repeat(1000));
    world.delivers(quiet, "q\n".repeat(100));
    world.turn();
    let entries = diary.read();
    assert_eq!(entries.len(), 1100);
    let until_quiet_is_done = entries.iter().rposition(|it| it == "q").unwrap();
    for run in entries[..until_quiet_is_done].split(|it| it == "q") {
        assert!(run.len() <= TOKENS as usize);
    }
}

/// Tokens of every kind cost budget: a fiber that never has to wait cannot starve the others.
#[test]
fn every_token_has_its_price() {
    for kind in 0..6 {
        let mut world = World::with(config(|it| {
            it.tokens_per_pass = TOKENS;
            it.polls_per_run = POLLS;
        }));
        let service = world.hub.add_service(echo);
        let conn = world.accept(service);
        let greedy = world.hub.add_service(Service::new(async move |mut conn: Conn| {
            let ctx = conn.ctx();
            let event = ctx.event::<u32>();
            let mut all = event.subscribe();
            // Far more than a test would wait for.
            for n in 0..1_000_000 {
                match kind {
                    0 => drop(conn.bytes(0).await?),
                    1 => drop(conn.peek(1).await?),
                    2 => conn.write("").await?,
                    3 => conn.flush().await?,
                    4 => {
                        event.fire(n);
                        all.wait().await?;
                    }
                    _ => drop(conn.until_eol().limit(0).await.unwrap_err()),
                }
            }
            Ok(())
        }));
        let busy = world.accept(greedy);
        world.delivers(busy, "x");
        world.step();
        world.delivers(conn, "hello\n");
        world.step();
        assert_eq!(world.receives(conn), "you said: hello\n", "kind {kind}");
        assert_eq!(world.hub.counters().polls, u64::from(2 * POLLS));
    }
}
