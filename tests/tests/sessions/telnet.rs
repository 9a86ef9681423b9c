//! The telnet sessions of the seed's documentation, as they stand there.
//!
//! `>` is typed, `<` is seen, `(3 s)` passes, `#` means that telnet ends because the server closed.

use std::time::Duration;

use diesel_driver::{Cause, Service};
use diesel_tests::{Peer, Session, at_every_cut};

use crate::programs::bytes_or_timeout::bytes_or_timeout;
use crate::programs::chat::chat;
use crate::programs::echo::echo;
use crate::programs::echo_timeout::patient_echo;
use crate::programs::sleep_server::delayed_echo;

/// Acts out one telnet after another, each line of the transcript for whom it names.
fn telnet(session: &mut Session, users: &[(&str, Peer)], transcript: &str) {
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(time) = line.strip_prefix('(').and_then(|line| line.strip_suffix(" s)")) {
            session.advance(Duration::from_secs(time.parse().unwrap()));
            continue;
        }
        let (name, line) = line.split_at(line.find(['>', '<', '#']).unwrap());
        let user = users.iter().find(|(user, _)| *user == name.trim()).unwrap().1;
        let text = format!("{}\r\n", line[1..].trim());
        match line.as_bytes()[0] {
            b'>' => session.send(user, text),
            b'<' => {
                let got = session.take_line(user);
                assert_eq!(String::from_utf8(got).unwrap(), text);
            }
            _ => session.expect_close(user, Cause::Done),
        }
    }
    for (_, user) in users {
        session.expect(*user, "");
    }
}

/// A session of one user.
fn alone(service: impl Fn() -> Service, transcript: &str) {
    at_every_cut(|session| {
        let user = session.visit(service());
        telnet(session, &[("", user)], transcript);
    });
}

#[test]
fn echo_server() {
    alone(
        || Service::new(echo),
        "
        > hello
        < you said: hello
        > is anybody there?
        < you said: is anybody there?
        > quit
        #
        ",
    );
}

#[test]
fn echo_with_a_timeout() {
    alone(
        || Service::new(patient_echo),
        "
        > hello
        < you said: hello
        (3 s)
        < timeout!
        (3 s)
        < timeout!
        > here I am
        < you said: here I am
        ",
    );
}

#[test]
fn two_bytes() {
    alone(
        || Service::new(bytes_or_timeout),
        "
        (2 s)
        > hi
        < got two bytes!
        #
        ",
    );
}

#[test]
fn or_three_seconds() {
    alone(
        || Service::new(bytes_or_timeout),
        "
        (3 s)
        < timeout
        #
        ",
    );
}

#[test]
fn a_sleeping_server() {
    alone(
        || Service::new(async |conn| delayed_echo(conn, Duration::from_secs(2)).await),
        "
        > wake up
        (2 s)
        < 0
        (2 s)
        < 1
        (2 s)
        < 2
        (2 s)
        < 3
        < you said wake up
        #
        ",
    );
}

#[test]
fn a_chat_room() {
    at_every_cut(|session| {
        let room = session.hub.event();
        let service = Service::new(async move |conn| chat(conn, room.clone()).await);
        let service = session.hub.add_service(service);
        let users = ["jamwt", "christian", "dowski"].map(|nick| (nick, session.connect(service)));
        telnet(
            session,
            &users,
            "
            jamwt     > jamwt
            christian > christian
            jamwt     > yo
            christian < <jamwt> yo
            christian > hey, who else is here?
            jamwt     < <christian> hey, who else is here?
            dowski    > dowski
            dowski    > me
            jamwt     < <dowski> me
            christian < <dowski> me
            ",
        );
    });
}
