//! A blocking-style handler over standard input and output, as the one connection of a hub. Numbers
//! are lines of the contract in `diesel_proto::hub::embed`.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use diesel_examples::{Failure, command_line, embed, seconds};
use diesel_proto::hub::embed::*;
use diesel_proto::{
    Address, Conn, ConnId, End, Error, First2, Hub, Instant, Notice, ServiceId, first,
};

/// Greets a user again and again, and gives up if there is no name for a while.
async fn greet(mut conn: Conn, patience: Duration) -> Result<(), Error> {
    let ctx = conn.ctx();
    loop {
        conn.write("name? ").await?;
        match first((conn.until_eol(), ctx.sleep(patience))).await {
            First2::A(line) => conn.write(("hello ", line?)).await?,
            First2::B(_) => return conn.write("\nis anybody there?\n").await,
        }
    }
}

/// How often a signal is looked for.
const TICK: Duration = Duration::from_millis(250);
static STOPPING: AtomicBool = AtomicBool::new(false);

struct Stdio {
    clock: embed::Clock,
    wants: Interest,
    ended: bool,
}

impl Transport for Stdio {
    type Stream = ();
    type Incoming = ();

    // 8: bytes are passed to `Streams::received`, as they come; this is asked for the end only.
    fn read(&mut self, (): &mut ()) -> ReadOutcome<'_> {
        if self.ended { ReadOutcome::Eof } else { ReadOutcome::Nothing }
    }

    // 7: this may block, but there is no other stream to serve.
    fn write(&mut self, (): &mut (), slices: &[&[u8]]) -> WriteOutcome {
        WriteOutcome::from_io(slices, |slices| {
            let n = io::stdout().write_vectored(slices)?;
            io::stdout().flush().map(|()| n)
        })
    }

    fn shut_down(&mut self, _: ConnId, (): &mut ()) -> Result<(), Lost> {
        Ok(())
    }

    fn watch(&mut self, _: ConnId, (): &mut (), to: Interest) -> Result<(), Lost> {
        self.wants = to;
        Ok(())
    }

    fn close(&mut self, _: Instant, _: ConnId, _: Option<()>, _: End) {}

    fn open(&mut self, _: ConnId, (): ()) -> Result<(), Lost> {
        Ok(())
    }

    fn accepts(&mut self, _: Instant, _: ServiceId, _: bool) {}

    fn notice(&mut self, _: &Hub, _: Option<ServiceId>, notice: Notice) {
        embed::log(&notice);
    }

    fn now(&mut self) -> Instant {
        self.clock.now()
    }
}

fn main() -> Result<(), Failure> {
    let patience = seconds("patience", "60", "how long to wait for a name");
    let [patience] = command_line("Greets users by their names.", [patience]);
    let (mut hub, _) = embed::hub(Waker::noop().clone())?;
    let service = hub.add_service(async move |conn| greet(conn, patience.duration()).await);
    // No portable call waits for input and for a deadline: another thread reads.
    let (tell, input) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut scratch = [0; 4096];
        while let Ok(n @ 1..) = io::stdin().read(&mut scratch) {
            let _ = tell.send(scratch[..n].to_vec());
        }
    });
    thread::spawn(|| embed::wait_for_stop().map(|()| STOPPING.store(true, Relaxed)));
    let (mut streams, clock, wants) =
        (Streams::default(), embed::Clock::start(), Interest::READABLE);
    let (mut stdio, mut now) = (Stdio { clock, wants, ended: false }, clock.tell(&mut hub));
    let conn = streams.accept_one(&mut hub, &mut stdio, now, service, Address::Unnamed, ())?;
    while streams.end_round(&mut hub, &mut stdio, now) && streams.stream(conn).is_some() {
        let wait = hub.time_to_wake(clock.now()).unwrap_or(TICK).min(TICK);
        let bytes = match stdio.wants.readable {
            true => input.recv_timeout(wait), // 3
            // 10: while reading is paused, bytes wait in the channel and in the system.
            false => (thread::sleep(wait), Err(RecvTimeoutError::Timeout)).1,
        };
        now = clock.tell(&mut hub);
        match bytes {
            Ok(bytes) => streams.received(&mut hub, &mut stdio, now, conn, &bytes),
            Err(RecvTimeoutError::Disconnected) => stdio.ended = true,
            Err(RecvTimeoutError::Timeout) => {}
        }
        streams.ready(&mut hub, &mut stdio, now, conn, Interest::READABLE.into()); // 4
        if STOPPING.swap(false, Relaxed) {
            hub.drain(now, now + embed::GRACE); // 5
        }
    }
    Ok(())
}
