//! `echo_client`: three calls on one client.

use std::net::SocketAddr;

use diesel_driver::{Address, Client, Ctx, Error, Hub};
use diesel_proto::testkit::script::assert_plays;

use crate::programs::echo_client::{EchoClient, talk};
use crate::terminal;

fn server() -> Address {
    SocketAddr::from(([127, 0, 0, 1], 7050)).into()
}

/// An application that reports its error, if it fails.
fn talking() -> Hub {
    let mut hub = Hub::default();
    let say = terminal(&mut hub);
    hub.add_loop(async move |ctx| {
        match talk(ctx.clone(), server(), say.clone()).await {
            Ok(()) => ctx.halt(),
            Err(error) => say(&error.to_string()),
        }
        Ok(())
    })
    .unwrap();
    hub
}

#[test]
fn each_call_waits_for_its_answer() {
    assert_plays(
        r"
        terminal connects
        server accepts 127.0.0.1:7050
        server< hello\r\n
        server> one\r\n
        terminal< one\r\n
        server< is anybody there?\r\n
        server> two\r\n
        terminal< two\r\n
        server< goodbye\r\n
        server> three\r\n
        terminal< three\r\n
        server closed: done
        terminal closed: shut down
        halted
        ",
        talking,
    );
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    assert_plays(
        r"
        terminal connects
        server refuses 127.0.0.1:7050
        terminal< cannot connect to 127.0.0.1:7050: connection refused\r\n
        ",
        talking,
    );
    assert_plays(
        r"
        terminal connects
        +29.999s
        +1ms
        terminal< cannot connect to 127.0.0.1:7050: no answer in time\r\n
        ",
        talking,
    );
}

#[test]
fn a_server_that_goes_is_an_error() {
    assert_plays(
        r"
        terminal connects
        server accepts 127.0.0.1:7050
        server< hello\r\n
        server> half an ans
        server ends
        terminal< the connection is closed\r\n
        ",
        talking,
    );
    assert_plays(
        r"
        terminal connects
        server accepts 127.0.0.1:7050
        server< hello\r\n
        server resets
        terminal< the connection was reset\r\n
        ",
        talking,
    );
}

#[test]
fn callers_that_share_a_client_get_their_own_answers() {
    let callers = || {
        let mut hub = Hub::default();
        let say = terminal(&mut hub);
        hub.add_loop(async move |ctx: Ctx| {
            let client = Client::connect(&ctx, server()).await?;
            let ask = async |client, message| -> Result<String, Error> {
                Ok(EchoClient(client).echo(message).await?.trimmed().to_string())
            };
            let first = ctx.spawn(ask(client.clone(), "first"))?;
            let second = ctx.spawn(ask(client, "second"))?;
            let (second, first) = (second.await??, first.await??);
            say(&format!("{first}, {second}"));
            Ok(())
        })
        .unwrap();
        hub
    };
    assert_plays(
        r"
        terminal connects
        server accepts 127.0.0.1:7050
        server< first\r\n
        server> 1\r\n
        server< second\r\n
        server> 2\r\n
        terminal< 1, 2\r\n
        server closed
        ",
        callers,
    );
}
