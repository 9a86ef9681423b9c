//! Loops that leave something out, and the line that is named for it.

use super::*;
use crate::hub::embed::Streams;

/// What is left out of a loop, to break a line of the contract.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Without {
    Nothing,
    Seed,
    FirstRound,
    Turns,
    Timeout,
    OneEvent,
    Drain,
    Stop,
    FreshTime,
    TimeOfDay,
    Accepts,
    Streams,
    Writable,
    Wait,
}

fn run(without: Without) -> Result<(), Broken> {
    check(|mut hub, transport| {
        let mut streams = Streams::default();
        if without != Without::Seed {
            hub.seed([7; 32]);
        }
        let mut now = transport.now();
        if without != Without::TimeOfDay {
            hub.time_of_day(now, 1_700_000_000);
        }
        let mut skip = without == Without::FirstRound;
        let mut rounds = 0;
        loop {
            rounds += 1;
            let leaves_out = without == Without::Turns && rounds == 4;
            let goes_on = core::mem::take(&mut skip)
                || leaves_out
                || streams.end_round(&mut hub, transport, now);
            if !goes_on {
                return;
            }
            let mut wait = hub.time_to_wake(now).filter(|_| without != Without::Timeout);
            if without == Without::Wait {
                wait = Some(Duration::ZERO);
            }
            let mut events = transport.wait(wait);
            if without != Without::FreshTime {
                now = transport.now();
            }
            if without == Without::OneEvent && rounds == 3 {
                events.clear();
            }
            for event in events {
                match event {
                    Event::Accept(_) if without == Without::Accepts => {}
                    Event::Accept(of) => streams.accept(&mut hub, transport, now, of),
                    Event::Ready(..) if without == Without::Streams => {}
                    Event::Ready(of, mut ready) => {
                        ready.writable &= without != Without::Writable;
                        streams.ready(&mut hub, transport, now, of, ready);
                    }
                    Event::Stop if without == Without::Drain => return,
                    Event::Stop if without == Without::Stop => {}
                    Event::Stop => hub.drain(now, now + PATIENCE),
                }
            }
        }
    })
}

#[test]
fn a_loop_that_keeps_the_contract_passes() {
    assert_eq!(run(Without::Nothing), Ok(()));
    // It is not forbidden to spin.
    assert_eq!(run(Without::Wait), Ok(()));
}

#[test]
fn each_line_that_is_broken_is_named() {
    for (without, line) in [
        (Without::Seed, 1),
        (Without::FirstRound, 1),
        (Without::Turns, 2),
        (Without::Timeout, 3),
        (Without::OneEvent, 4),
        (Without::Drain, 5),
        (Without::FreshTime, 6),
        (Without::Stop, 5),
        (Without::TimeOfDay, 1),
        (Without::Accepts, 4),
        (Without::Streams, 4),
        (Without::Writable, 4),
    ] {
        let broken = run(without).map_err(|broken| broken.line);
        assert_eq!(broken, Err(line), "{without:?}");
    }
}

#[test]
fn an_event_that_is_not_handled_is_named() {
    let broken = run(Without::Writable).unwrap_err();
    assert!(broken.what.contains("writable: true"), "{broken}");
}

#[test]
#[should_panic(expected = "of the loop")]
fn a_panic_of_the_loop_is_passed_on() {
    let _ = check(|_, _| panic!("of the loop"));
}
