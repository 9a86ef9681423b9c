//! The echo and the chat handler as the design writes them, under a hub, with no socket.

use diesel_proto::*;

async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(("you said: ", line)).await?;
    }
}

async fn chat(mut conn: Conn, room: Event<(String, String)>) -> Result<(), Error> {
    let nick = conn.until_eol().await?.trimmed().to_string();
    let mut others = room.subscribe();
    loop {
        match first((conn.until_eol(), others.wait())).await {
            First2::A(line) => others.fire((nick.clone(), line?.trimmed().to_string())),
            First2::B(said) => {
                let (nick, text) = said?;
                conn.write(format!("<{nick}> {text}\r\n")).await?
            }
        }
    }
}

fn sent(hub: &mut Hub, conn: ConnId) -> String {
    let mut all = Vec::new();
    while let Some(n) = hub.outgoing(conn, |slices| {
        let before = all.len();
        slices.iter().for_each(|slice| all.extend_from_slice(slice));
        all.len() - before
    }) {
        hub.sent(Instant::ORIGIN, conn, n as u64);
    }
    String::from_utf8(all).unwrap()
}

#[test]
fn echo_answers_each_line() {
    let mut hub = Hub::default();
    let service = hub.add_service(echo);
    let now = Instant::ORIGIN;
    let conn = hub.accept(now, service, Address::Unnamed).unwrap();
    let mut actions = Vec::new();
    assert_eq!(hub.received(now, conn, b"hello\r\nwor"), 10);
    hub.run(now, &mut actions);
    assert_eq!(actions, [Action::Send(conn)]);
    assert_eq!(sent(&mut hub, conn), "you said: hello\r\n");
    assert_eq!(hub.received(now, conn, b"ld\r\n"), 4);
    hub.run(now, &mut actions);
    assert_eq!(sent(&mut hub, conn), "you said: world\r\n");
    hub.eof(now, conn);
    actions.clear();
    hub.run(now, &mut actions);
    assert_eq!(actions, [Action::Close(conn, Cause::PeerClosed)]);
    assert_eq!(hub.counters().fibers, 0);
}

#[test]
fn friends_chat() {
    let mut hub = Hub::default();
    let room = hub.event();
    let service = hub.add_service(Service::new(async move |conn| chat(conn, room.clone()).await));
    let now = Instant::ORIGIN;
    let ann = hub.accept(now, service, Address::Unnamed).unwrap();
    let bob = hub.accept(now, service, Address::Unnamed).unwrap();
    let mut actions = Vec::new();
    let _ = hub.received(now, ann, b"ann\r\n");
    let _ = hub.received(now, bob, b"bob\r\n");
    hub.run(now, &mut actions);
    assert_eq!(actions, []);
    let _ = hub.received(now, ann, b"hi all\r\n");
    hub.run(now, &mut actions);
    assert_eq!(actions, [Action::Send(bob)]);
    assert_eq!(sent(&mut hub, bob), "<ann> hi all\r\n");
    assert_eq!(sent(&mut hub, ann), "");
}

/// With a glob import, a plain `Vec` must still be usable: no method of an imported trait may hide
/// one of `Vec`.
#[test]
fn importing_everything_hides_nothing_of_the_standard_library() {
    let mut bytes = vec![];
    "a".bytes().for_each(|byte| bytes.push(byte));
    let mut text = String::new();
    text.push('a');
    assert_eq!(Some(bytes), Some(text.into_bytes()));
}
