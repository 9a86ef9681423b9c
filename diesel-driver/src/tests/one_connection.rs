//! A system call that fails on one connection loses that connection, at most.

use super::*;

/// Plans a failure, runs `meets`, which runs into it, and asserts that only that connection is
/// lost.
fn assert_lost_alone(call: Call, errno: i32, meets: impl FnOnce(&mut Visitor)) {
    let running = Running::start();
    let (mut neighbour, mut victim) = (running.visit(), running.visit());
    assert!(victim.is_served());
    neighbour.plan(call, errno, 1);
    meets(&mut victim);
    assert!(victim.is_cut(), "{call:?}");
    assert!(neighbour.has_failed(call));
    assert!(neighbour.is_served());
    assert!(running.visit().is_served());
}

#[test]
fn one_that_cannot_be_watched_when_it_is_accepted() {
    for errno in [libc::ENOSPC, libc::ENOMEM] {
        let running = Running::start();
        let mut neighbour = running.visit();
        neighbour.plan(Call::Watch, errno, 1);
        assert!(running.visit().is_cut());
        assert!(neighbour.is_served());
        assert!(running.visit().is_served());
    }
}

#[test]
fn one_that_cannot_be_watched_for_writing() {
    assert_lost_alone(Call::Rewatch, libc::ENOMEM, |victim| victim.send("send 20000000"));
}

#[test]
fn one_that_cannot_be_watched_any_less() {
    assert_lost_alone(Call::Unwatch, libc::ENOMEM, |victim| {
        // Its end is read, and after that it has no interest in any event.
        victim.send("sleep 10000");
        victim.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    });
}

#[test]
fn one_that_cannot_be_watched_again_after_a_pause() {
    assert_lost_alone(Call::Watch, libc::ENOSPC, |victim| {
        // More than is read ahead: reading pauses, and resumes after the sleep.
        victim.send("sleep 200");
        victim.send(&"x".repeat(200_000).replace("xxxxxxxxxx", "xxxxxxxxx\n"));
    });
}

#[test]
fn one_that_cannot_be_half_closed() {
    assert_lost_alone(Call::Shutdown, libc::ENOBUFS, |victim| victim.send("half-close"));
}

#[test]
fn one_that_cannot_be_read() {
    assert_lost_alone(Call::Receive, libc::ENOMEM, |victim| victim.send("hello"));
}

#[test]
fn one_that_cannot_be_written() {
    assert_lost_alone(Call::Send, libc::ENOBUFS, |victim| {
        victim.send("send 10");
        victim.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    });
}

#[test]
fn one_that_is_interrupted_is_not_lost() {
    for call in [Call::Receive, Call::Send] {
        let running = Running::start();
        let mut visitor = running.visit();
        visitor.plan(call, libc::EINTR, 3);
        assert!(visitor.is_served());
        assert!(visitor.has_failed(call));
    }
}
