//! The error of a handler as the cause of the close, and the cause of a close as the error of a token.

mod harness;

use diesel_proto::*;
use harness::*;

const LUNCH: Reason = Reason::Application("lunch");

#[test]
fn the_error_that_a_handler_returns_is_the_cause_of_the_close() {
    let cases: [(fn() -> Error, Cause); 9] = [
        (|| Error::Closed, Cause::PeerClosed),
        (|| Error::Reset, Cause::Reset),
        (|| Error::TimedOut(LUNCH), Cause::TimedOut(LUNCH)),
        (|| Error::Limit(Limit::Calls(3)), Cause::Limit(Limit::Calls(3))),
        (|| Error::Shutdown, Cause::Shutdown),
        (|| Error::Panicked, Cause::Panicked),
        (|| Error::CallAbandoned, Cause::CallAbandoned),
        (|| Error::Lagged(1), Cause::Failed),
        (|| Error::application("no such room"), Cause::Failed),
    ];
    for (error, cause) in cases {
        let (mut world, conn) = World::serving(Service::new(async move |mut conn: Conn| {
            conn.until_eol().await?;
            Err(error())
        }));
        world.sends(conn, "go\n");
        world.ends(conn);
        assert_eq!(world.closed(conn), Some(cause), "{:?}", error());
    }
}

/// A machine that breaks its stream to a fiber off, for the cause that the test says.
struct BreaksOff {
    duplex: Duplex,
    cause: Cause,
}

impl Machine for BreaksOff {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match input {
            Input::Bytes(bytes) => {
                self.duplex.break_off(self.cause);
                return bytes.len();
            }
            Input::Eof => actions.close(Cause::PeerClosed),
            _ => {}
        }
        0
    }
}

#[test]
fn the_cause_for_which_a_stream_was_broken_off_is_the_error_of_its_tokens() {
    let cases = [
        (Cause::Reset, Error::Reset),
        (Cause::TimedOut(LUNCH), Error::TimedOut(LUNCH)),
        (Cause::Limit(Limit::Calls(3)), Error::Limit(Limit::Calls(3))),
        (Cause::Shutdown, Error::Shutdown),
        (Cause::CallAbandoned, Error::CallAbandoned),
        (Cause::Done, Error::Closed),
        (Cause::Failed, Error::Closed),
    ];
    for (cause, error) in cases {
        let diary = Diary::default();
        let note = diary.clone();
        let (mut world, conn) = World::serving(Service::machine_with(move |ctx| {
            let duplex = ctx.duplex(&ServiceConfig::default().into());
            let (mut reader, mut writer) = (duplex.reader(), duplex.writer());
            let note = note.clone();
            let tokens = async move {
                note.note(format!("{:?}", reader.until_eol().await.unwrap_err()));
                note.note(format!("{:?}", writer.write("late").await.unwrap_err()));
                note.note(format!("{:?}", writer.flush().await.unwrap_err()));
            };
            ctx.ctx().spawn(tokens).unwrap();
            BreaksOff { duplex, cause }
        }));
        world.sends(conn, "break");
        assert_eq!(diary.read(), vec![format!("{error:?}"); 3], "{cause:?}");
        world.ends(conn);
        assert_eq!(world.closed(conn), Some(Cause::PeerClosed));
    }
}
