use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::time::Duration;

use super::super::laws::Laws;
use super::super::layer_laws::LayerLaws;
use super::super::stimulus::Stimulus;
use super::*;
use crate::machine::{Cause, Endpoint, LineEcho, Reason};
use crate::proxy_protocol::ProxyProtocol;
use crate::testkit::layer_laws::LayerLaw;
use crate::time::Instant;

const START: Instant = Instant::ORIGIN;
const SECOND: Duration = Duration::from_secs(1);

fn session() -> [Stimulus; 9] {
    [
        Stimulus::bytes("PROXY UNKNOWN\r\nhello\r\nUPGR"),
        Stimulus::Wait(SECOND / 2),
        Stimulus::bytes("ADE\r\nworld\r\n"),
        Stimulus::Wait(4 * SECOND),
        Stimulus::bytes("some more\r\nlines"),
        Stimulus::Wait(SECOND),
        Stimulus::bytes("\r\nquit\r\nbehind"),
        Stimulus::Wait(30 * SECOND),
        Stimulus::Eof,
    ]
}

fn stack() -> impl crate::machine::Machine {
    ProxyProtocol::new(3 * SECOND, |_| {
        LineEcho::default().on_upgrade(|actions| actions.upgrade(LineEcho::default().max_line(12)))
    })
}

#[test]
fn a_throttle_keeps_the_laws() {
    for bytes in [1, 3, 7, 16, 1000] {
        for period in [SECOND, SECOND / 3, 2 * SECOND, Duration::ZERO] {
            Laws::of(|| Throttle::new(stack(), bytes, period)).max_held(107).assert(&session());
        }
    }
}

#[test]
fn a_throttle_lets_so_much_through_and_no_more() {
    let mut slow = Endpoint::new(Throttle::new(LineEcho::default(), 6, SECOND), START);
    assert_eq!(slow.received(START, b"a\nb\nc\nd\ne\n"), 10);
    assert_eq!(slow.take_outgoing(START).len(), 3 * 12);
    assert!(!slow.wants_input());
    let deadline = slow.next_deadline().unwrap();
    assert_eq!((deadline.at, deadline.reason), (START + SECOND, Reason::Application("throttle")));
    slow.expired(START + SECOND / 2);
    assert_eq!(slow.take_outgoing(START + SECOND / 2), b"");
    slow.expired(START + SECOND);
    assert_eq!(slow.take_outgoing(START + SECOND).len(), 2 * 12);
    assert!(slow.wants_input() && slow.next_deadline().is_none());
}

#[test]
fn the_deadline_is_the_sooner_one() {
    let mut slow = Endpoint::new(Throttle::new(stack(), 2, 2 * SECOND), START);
    assert_eq!(slow.next_deadline().unwrap().reason, Reason::Head);
    let _ = slow.received(START, b"PROXY");
    assert_eq!(slow.next_deadline().unwrap().at, START + 2 * SECOND);
    slow.expired(START + 2 * SECOND);
    assert_eq!(slow.next_deadline().unwrap().at, START + 3 * SECOND);
    slow.expired(START + 3 * SECOND);
    assert_eq!(slow.closed(), Some(Cause::TimedOut(Reason::Head)));
}

#[test]
fn a_fault_injector_keeps_the_laws() {
    for seed in 0..64 {
        Laws::of(|| FaultInjector::new(stack(), seed)).max_held(107).seed(seed).assert(&session());
    }
}

#[test]
fn faults_happen_at_their_byte() {
    let closed = |fault, bytes: &[u8]| {
        let machine = FaultInjector::with(LineEcho::default(), [(3, fault)]);
        let mut endpoint = Endpoint::new(machine, START);
        bytes.iter().for_each(|&byte| _ = endpoint.received(START, &[byte]));
        (String::from_utf8(endpoint.take_outgoing(START)).unwrap(), endpoint.closed())
    };
    let line = || "you said: a\n".to_string();
    assert_eq!(closed(InjectedFault::Eof, b"a\nb"), (line(), Some(Cause::PeerClosed)));
    assert_eq!(closed(InjectedFault::Eof, b"a\n"), (line(), None));
    assert_eq!(closed(InjectedFault::Reset, b"a\nb\n"), (String::new(), Some(Cause::Reset)));
    assert_eq!(closed(InjectedFault::Cut, b"a\nb\n").1, None);

    let machine = FaultInjector::with(LineEcho::default(), [(1, InjectedFault::Stall(SECOND))]);
    let mut endpoint = Endpoint::new(machine, START);
    assert_eq!(endpoint.received(START, b"a\n"), 2);
    assert_eq!(endpoint.take_outgoing(START), b"");
    endpoint.expired(START + SECOND);
    assert_eq!(endpoint.take_outgoing(START), b"you said: a\n");
}

#[test]
fn a_tracer_keeps_the_laws_and_tells_what_happens() {
    Laws::of(|| Tracer::new(stack(), |_, _| {})).max_held(107).assert(&session());

    let log = RefCell::new(Vec::new());
    let tracer = Tracer::new(stack(), |_, line| log.borrow_mut().push(format!("{line}")));
    let mut endpoint = Endpoint::new(tracer, START);
    let _ = endpoint.received(START, b"PROXY ");
    let _ = endpoint.received(START, b"UNKNOWN\r\nhi\r\n");
    let _ = endpoint.received(START + SECOND, b"quit\r\nmore");
    let expected = [
        "0ns start -> deadline 3s (Head)",
        "0ns bytes \"PROXY \"",
        "0ns bytes \"UNKNOWN\\r\\nhi\\r\\n\" -> 14 bytes, no deadline",
        "1s bytes \"quit\\r\\nmore\", 6 taken -> close (Done)",
    ];
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn they_keep_the_laws_of_layers() {
    LayerLaws::of(|inner| Tracer::new(inner, |_, _| {})).max_held(0).assert();
    for (bytes, period) in [(1, SECOND / 2), (3, 2 * SECOND), (1000, SECOND)] {
        let laws = LayerLaws::of(|inner| Throttle::new(inner, bytes, period)).max_held(0);
        laws.delays(period).sessions(60).assert();
    }
    let cuts = [1, 2, 5, 6].map(|at| (at, InjectedFault::Cut));
    LayerLaws::of(|inner| FaultInjector::with(inner, cuts)).max_held(0).assert();
    let stalls = [0, 1, 3, 4, 60].map(|at| (at, InjectedFault::Stall(SECOND)));
    let stalling = LayerLaws::of(|inner| FaultInjector::with(inner, stalls)).max_held(0);
    stalling.delays(SECOND).sessions(60).assert();
}

#[test]
fn what_a_fault_loses_is_no_secret() {
    let lost = |fault| {
        let laws = LayerLaws::of(|inner| FaultInjector::with(inner, [(4, fault)]));
        laws.check().map_err(|broken| broken.law)
    };
    assert_eq!(lost(InjectedFault::Eof), Err(LayerLaw::Input));
    assert_eq!(lost(InjectedFault::Reset), Err(LayerLaw::Input));
    assert_eq!(lost(InjectedFault::Stall(SECOND)), Err(LayerLaw::Input));
}

#[test]
fn they_stack() {
    for seed in 0..16 {
        Laws::of(|| {
            let slow = Throttle::new(stack(), 5, SECOND / 2);
            Tracer::new(FaultInjector::new(Throttle::new(slow, 7, SECOND), seed), |_, _| {})
        })
        .assert(&session());
    }
}
