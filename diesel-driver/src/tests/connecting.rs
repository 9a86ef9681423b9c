//! A system call that fails while a connection is made loses that connection, at most.

use std::net::TcpListener;

use super::*;

#[test]
fn a_failed_connect_is_reported_to_its_caller_only() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = format!("connect {}", listener.local_addr().unwrap());
    let running = Running::start();
    let (mut neighbour, mut visitor) = (running.visit(), running.visit());
    assert!(visitor.is_served());
    for (call, errno, why) in [
        (Call::Socket, libc::EMFILE, "out of file descriptors or memory"),
        (Call::Nonblocking, libc::ENOMEM, "out of file descriptors or memory"),
        (Call::Connect, libc::ENETUNREACH, "no route to host"),
        (Call::Watch, libc::ENOSPC, "out of file descriptors or memory"),
        (Call::Rewatch, libc::ENOMEM, "out of file descriptors or memory"),
        (Call::Outcome, libc::ECONNREFUSED, "connection refused"),
    ] {
        neighbour.plan(call, errno, 1);
        let answer = visitor.ask(&connect);
        assert!(answer.ends_with(why), "{call:?}: {answer}");
        assert!(neighbour.has_failed(call));
        assert_eq!(visitor.ask(&connect), "connected");
        assert!(neighbour.is_served());
    }
}

#[test]
fn an_attempt_that_is_interrupted_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = Running::start();
    let mut visitor = running.visit();
    visitor.plan(Call::Connect, libc::EINTR, 1);
    let answer = visitor.ask(&format!("connect {}", listener.local_addr().unwrap()));
    assert_eq!(answer, "connected");
    assert!(visitor.has_failed(Call::Connect));
}

#[test]
fn an_option_that_cannot_be_set_does_not_cost_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = Running::start();
    let mut visitor = running.visit();
    visitor.plan(Call::Tune, libc::ENOBUFS, 1);
    let answer = visitor.ask(&format!("connect {}", listener.local_addr().unwrap()));
    assert_eq!(answer, "connected");
    assert!(visitor.has_failed(Call::Tune));
}

#[test]
fn a_connection_that_is_idle_makes_room_for_one_that_is_asked_for() {
    let running = Running::shedding(Config::default(), Shed::Idle);
    let (mut idle, mut busy) = (running.visit(), running.visit());
    assert!(idle.is_served() && busy.is_served());
    let address = running.address;
    busy.plan(Call::Socket, libc::EMFILE, 1);
    assert_eq!(busy.ask(&format!("connect {address}")), "connected");
    assert!(idle.is_cut() && busy.is_served());

    // The connection that asks is not idle, and no other is left.
    busy.plan(Call::Socket, libc::EMFILE, 1);
    let answer = busy.ask(&format!("connect {address}"));
    assert_eq!(answer, format!("cannot connect to {address}: out of file descriptors or memory"));
    // There is only one attempt, too. (The hub tries again only after a while.)
    let mut idle = running.visit();
    assert!(idle.is_served());
    assert_eq!(busy.ask("sleep 200"), "good morning");
    busy.plan(Call::Socket, libc::EMFILE, 2);
    assert_eq!(busy.ask(&format!("connect {address}")), answer);
    assert!(idle.is_cut() && busy.has_failed(Call::Socket));
}

#[test]
fn a_connection_that_is_idle_makes_room_for_one_that_comes() {
    let running = Running::shedding(Config::default(), Shed::Idle);
    let (mut idle, mut busy) = (running.visit(), running.visit());
    assert!(idle.is_served() && busy.is_served());
    busy.plan(Call::Accept, libc::EMFILE, 1);
    busy.send("sleep 100");
    assert!(running.visit().is_served());
    assert!(idle.is_cut());
    assert_eq!(busy.ask("hello"), "good morning");
}
