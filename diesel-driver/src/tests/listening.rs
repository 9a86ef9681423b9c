//! A system call that fails on a listening socket only delays accepting; a permanent failure ends
//! `run`.

use super::*;

/// Errors of accept that concern one connection, or are temporary.
const PASSING: [i32; 9] = [
    libc::EINTR,
    libc::ECONNABORTED,
    libc::EPROTO,
    libc::EPERM,
    libc::ENETDOWN,
    libc::EMFILE,
    libc::ENFILE,
    libc::ENOBUFS,
    libc::ENOMEM,
];

#[test]
fn a_connection_that_could_not_be_accepted_is_accepted_later() {
    let running = Running::start();
    let mut neighbour = running.visit();
    for errno in PASSING {
        neighbour.plan(Call::Accept, errno, 2);
        assert!(running.visit().is_served(), "{errno}");
        assert!(neighbour.has_failed(Call::Accept));
        assert!(neighbour.is_served());
    }
}

#[test]
fn repeatedly_aborted_accepts_block_no_other_connection() {
    let running = Running::start();
    let mut neighbour = running.visit();
    neighbour.plan(Call::Accept, libc::ECONNABORTED, usize::MAX);
    let _newcomer = running.connect();
    for _ in 0..100 {
        assert!(neighbour.is_served());
    }
}

#[test]
fn one_connection_that_cannot_be_made_nonblocking_is_closed_and_no_other() {
    let running = Running::start();
    let mut neighbour = running.visit();
    neighbour.plan(Call::Nonblocking, libc::ENOMEM, 1);
    assert!(running.visit().is_cut());
    assert!(neighbour.is_served());
    assert!(running.visit().is_served());
}

#[test]
fn an_option_that_cannot_be_set_is_not_worth_the_connection() {
    let running = Running::start();
    let mut neighbour = running.visit();
    neighbour.plan(Call::Tune, libc::ENOBUFS, 1);
    assert!(running.visit().is_served());
    assert!(neighbour.has_failed(Call::Tune));
}

#[test]
fn a_socket_that_cannot_be_watched_again_is_watched_later() {
    let mut config = Config::default();
    config.max_connections = 2;
    let running = Running::with(config);
    let (mut neighbour, leaves) = (running.visit(), running.visit());
    assert!(neighbour.is_served());
    // At the limit of connections the socket is not watched. When one closes, it would be again,
    // but this call fails.
    neighbour.plan(Call::Watch, libc::ENOSPC, 1);
    drop(leaves);
    assert!(running.visit().is_served());
    assert!(neighbour.has_failed(Call::Watch));
    assert!(neighbour.is_served());
}

#[test]
fn a_socket_that_is_none_any_more_ends_the_application() {
    for errno in [libc::EBADF, libc::EINVAL, libc::ENOTSOCK] {
        let running = Running::start();
        let mut neighbour = running.visit();
        neighbour.plan(Call::Accept, errno, 1);
        let _newcomer = running.connect();
        let error = running.outcome().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno));
    }
}

#[test]
fn a_connection_that_waits_for_a_descriptor_is_accepted_once_one_is_free() {
    let running = Running::start();
    let mut neighbour = running.visit();
    let quickest = (0..20).map(|_| {
        let mut leaves = running.visit();
        assert!(leaves.is_served());
        neighbour.plan(Call::Accept, libc::EMFILE, 1);
        let start = std::time::Instant::now();
        let mut newcomer = running.visit();
        while !neighbour.has_failed(Call::Accept) {}
        drop(leaves);
        assert!(newcomer.is_served());
        start.elapsed()
    });
    // Otherwise each would take as long as the pause.
    assert!(quickest.min().unwrap() < Duration::from_millis(50));
}
