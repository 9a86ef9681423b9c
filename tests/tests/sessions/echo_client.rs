//! `echo_client`: three calls on one client.

use std::net::SocketAddr;

use diesel_driver::{Address, Cause, Client, ConnectErrorKind, Ctx, Error};
use diesel_tests::{Session, at_every_cut};

use crate::Said;
use crate::programs::echo_client::{EchoClient, talk};

fn server() -> Address {
    SocketAddr::from(([127, 0, 0, 1], 7050)).into()
}

#[test]
fn each_call_waits_for_its_answer() {
    at_every_cut(|session| {
        let said = Said::default();
        let say = said.say();
        session.hub.add_loop(async move |ctx| talk(ctx, server(), say).await).unwrap();
        session.run();
        let server = session.accept(server());
        session.expect(server, "hello\r\n");
        assert_eq!(said.take(), [""; 0]);
        session.send(server, "one\r\n");
        session.expect(server, "is anybody there?\r\n");
        assert_eq!(said.take(), ["one"]);
        session.send(server, "two\r\n");
        session.expect(server, "goodbye\r\n");
        session.send(server, "three\r\n");
        assert_eq!(said.take(), ["two", "three"]);
        session.expect_close(server, Cause::Done);
        assert!(session.halted());
    });
}

/// Runs `talk` with a server that does what `serve` does; gives what it fails with.
fn failure(serve: impl Fn(&mut Session)) -> String {
    let mut session = Session::default();
    let failures = Said::default();
    let say = failures.say();
    session
        .hub
        .add_loop(async move |ctx| {
            say(&talk(ctx, server(), |_| ()).await.unwrap_err().to_string());
            Ok(())
        })
        .unwrap();
    session.run();
    serve(&mut session);
    failures.take().concat()
}

#[test]
fn a_server_that_is_not_there_or_goes_is_an_error() {
    let refused = failure(|session| session.refuse(server()));
    assert_eq!(refused, "cannot connect to 127.0.0.1:7050: connection refused");
    let closed = failure(|session| {
        let server = session.accept(server());
        session.send(server, "half an ans");
        session.end(server);
    });
    assert_eq!(closed, Error::Closed.to_string());
    let reset = failure(|session| {
        let server = session.accept(server());
        session.reset(server);
    });
    assert_eq!(reset, Error::Reset.to_string());
    let silent = failure(|session| session.advance_secs(30));
    assert!(silent.ends_with(&ConnectErrorKind::TimedOut.to_string()), "{silent}");
}

#[test]
fn callers_that_share_a_client_get_their_own_answers() {
    at_every_cut(|session| {
        let said = Said::default();
        let say = said.say();
        session
            .hub
            .add_loop(async move |ctx: Ctx| {
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
        session.run();
        let server = session.accept(server());
        session.expect(server, "first\r\n");
        session.send(server, "1\r\n");
        session.expect(server, "second\r\n");
        session.send(server, "2\r\n");
        assert_eq!(said.take(), ["1, 2"]);
    });
}
