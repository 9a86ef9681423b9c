//! How a stream ends: in order, or by a reset, so that the peer notices that it was cut off.

mod harness;

use std::time::Duration;

use diesel_proto::*;
use harness::World;

const NOW: Instant = Instant::ORIGIN;

fn last(world: &World, conn: ConnId) -> Option<&Action> {
    let of_conn = |action: &&Action| matches!(action, Action::Close(it, _) | Action::Abort(it, _) if *it == conn);
    world.log.iter().rev().find(of_conn)
}

/// Sends two messages, and stops within the second, in one of three ways.
struct Breaks(fn(&mut Actions<'_>, u64));

impl Machine for Breaks {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if input == Input::Start {
            actions.send(b"whole.");
            let second = actions.queued_in_all();
            actions.send(b"bro");
            (self.0)(actions, second);
        }
        0
    }
}

fn ends(how: fn(&mut Actions<'_>, u64)) -> (Vec<u8>, Option<End>) {
    let mut endpoint = Endpoint::new(Breaks(how), NOW);
    let before = endpoint.end();
    let out = endpoint.take_outgoing(NOW);
    // The end of the stream is reported only once everything queued is sent.
    assert_eq!(before.is_some(), out.is_empty());
    (out, endpoint.end())
}

#[test]
fn an_abort_drops_what_is_queued_a_cut_sends_it_and_neither_is_a_close() {
    let cause = Cause::Failed;
    assert_eq!(
        ends(|actions, _| actions.close(Cause::Failed)),
        (b"whole.bro".into(), Some(End::Close(cause)))
    );
    assert_eq!(
        ends(|actions, _| actions.cut(Cause::Failed)),
        (b"whole.bro".into(), Some(End::Abort(cause)))
    );
    assert_eq!(
        ends(|actions, _| actions.abort(Cause::Failed)),
        (Vec::new(), Some(End::Abort(cause)))
    );
}

#[test]
fn what_is_taken_back_is_not_sent_and_what_came_before_it_is() {
    let taken_back = ends(|actions, second| {
        assert_eq!(actions.take_back(second), 3);
        assert_eq!(actions.queued_in_all(), second);
        actions.close(Cause::Failed);
    });
    assert_eq!(taken_back, (b"whole.".into(), Some(End::Close(Cause::Failed))));
}

#[test]
fn only_what_is_not_sent_can_be_taken_back() {
    let mut flow = StreamControl::new();
    let mut workspace = Workspace::new();
    let mut actions = Actions::new(&mut flow, &mut workspace);
    actions.send(b"0123456789");
    let (queue, blocks) = actions.queue();
    queue.advance(6, blocks);
    assert_eq!(actions.take_back(4), 4);
    assert_eq!((actions.queued(), actions.queued_in_all()), (0, 6));
    actions.send(b"abc");
    assert_eq!((actions.take_back(100), actions.take_back(8)), (0, 1));
    assert_eq!(actions.queued_in_all(), 8);
}

#[test]
fn a_handler_that_aborts_resets_its_connection() {
    let (mut world, conn) = World::serving(async |mut conn: Conn| {
        conn.until_eol().await?;
        conn.write("half an answ").await?;
        conn.abort();
        Ok(())
    });
    world.sends(conn, "hello\r\n");
    assert_eq!(last(&world, conn), Some(&Action::Abort(conn, Cause::Done)));
}

#[test]
fn a_peer_that_takes_nothing_is_reset_and_one_that_was_served_is_closed() {
    let service = || {
        Service::new(async |mut conn: Conn| {
            conn.until_eol().await?;
            conn.write("an answer").await
        })
    };
    let (mut world, conn) = World::serving(service());
    world.takes_only(conn, 2);
    world.sends(conn, "hello\r\n");
    world.waits(Duration::from_secs(60));
    let stalled = Cause::TimedOut(Reason::WriteStall);
    assert_eq!(last(&world, conn), Some(&Action::Abort(conn, stalled)));

    let (mut world, conn) = World::serving(service());
    world.sends(conn, "hello\r\n");
    world.waits(Duration::from_secs(60));
    assert_eq!(last(&world, conn), Some(&Action::Close(conn, Cause::Done)));
}

#[test]
fn what_the_end_of_the_grace_period_cuts_off_is_reset() {
    let (mut world, conn) = World::serving(async |mut conn: Conn| {
        conn.write("part one").await?;
        conn.flush().await?;
        std::future::pending().await
    });
    let deadline = world.now + Duration::from_secs(1);
    world.hub.drain(world.now, deadline);
    world.turn();
    world.waits(Duration::from_secs(1));
    let cut = Cause::TimedOut(Reason::Drain);
    assert_eq!(last(&world, conn), Some(&Action::Abort(conn, cut)));
}

/// All was sent: a reset could destroy what the peer has not read yet.
#[test]
fn what_only_lingers_at_the_end_of_the_grace_period_is_closed() {
    let service = Service::new(async |mut conn: Conn| conn.write("all there is").await);
    let mut settings = ServiceConfig::default();
    settings.linger = Duration::from_secs(60);
    let (mut world, conn) = World::serving(service.config(settings));
    world.turn();
    assert!(world.half_closed(conn));
    let deadline = world.now + Duration::from_secs(1);
    world.hub.drain(world.now, deadline);
    world.waits(Duration::from_secs(1));
    let cut = Cause::TimedOut(Reason::Drain);
    assert_eq!(last(&world, conn), Some(&Action::Close(conn, cut)));
}

#[test]
fn a_machine_that_panics_resets_its_connection() {
    let (mut world, conn) = World::serving(Service::machine(|_| {
        LineEcho::default().on_upgrade(|actions| {
            actions.send(b"half of it");
            panic!("in the midst of an answer");
        })
    }));
    world.hub.set_poll_hook(harness::catch_panics());
    world.sends(conn, "UPGRADE\r\n");
    assert_eq!(last(&world, conn), Some(&Action::Abort(conn, Cause::Panicked)));
}
