//! Handlers that use every token, at the commands of their peer.
//!
//! The output of [`obedient`] and [`gossip`] does not depend on how their input was cut: they wait
//! for whole lines or counts, never for "some" bytes.

use core::net::SocketAddr;
use core::time::Duration;

use diesel_proto::{
    Actions, Address, Cause, Client, Conn, Ctx, Error, Event, First2, Input, Instant, LineEcho,
    Machine, first,
};

const SECOND: Duration = Duration::from_secs(1);

/// The commands of [`obedient`], and parts of them.
pub const WORDS: [&[u8]; 36] = [
    b"hello\r\n",
    b"\n",
    b"\r\n",
    b"count 3\r\n",
    b"count 0\n",
    b"count 65\n",
    b"count 18446744073709551615\n",
    b"peek\n",
    b"until\n",
    b"--end--",
    b"--en",
    b"limit\n",
    b"big\r\n",
    b"huge\r\n",
    b"flush\n",
    b"sleep\n",
    b"yield\n",
    b"timeout\n",
    b"spawn\n",
    b"abort\n",
    b"half\n",
    b"end\n",
    b"split\n",
    b"fail\n",
    b"quit\n",
    b"cut\n",
    b"upgrade\n",
    b"UPGRADE\n",
    b"give\n",
    b"connect\n",
    b"call\n",
    b"some\n",
    b"halt\n",
    b"detach\n",
    b"lin",
    b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

/// Executes lines as commands; echoes the others.
pub async fn obedient(conn: Conn) -> Result<(), Error> {
    obey(conn, false).await
}

/// Like [`obedient`], with the command `cut`. How many queued bytes that drops depends on the room,
/// so this is not for the laws.
pub async fn obedient_to_death(conn: Conn) -> Result<(), Error> {
    obey(conn, true).await
}

async fn obey(mut conn: Conn, may_cut: bool) -> Result<(), Error> {
    let ctx = conn.ctx();
    loop {
        let line = conn.until_eol().await?;
        match line.trim_ascii() {
            b"peek" => {
                let ahead = conn.peek(2).await?;
                conn.write(("ahead: ", &ahead[..], "\n")).await?;
            }
            b"until" => {
                let text = conn.until(b"--end--").await?;
                conn.write((text, "\n")).await?;
            }
            b"limit" => match conn.until(b"--end--").limit(9).await {
                Err(Error::Limit(limit)) => {
                    // Otherwise they would be searched again for another sentinel.
                    conn.bytes(9).await?;
                    conn.write(format_args!("{limit}\n")).await?;
                }
                other => conn.write((other?, "\n")).await?,
            },
            b"big" => conn.write(vec![b'b'; 300]).await?,
            b"huge" => conn.write(vec![b'h'; 5000]).await?,
            b"flush" => conn.flush().await?,
            b"sleep" => ctx.sleep(SECOND).await?,
            b"yield" => ctx.sleep(Duration::ZERO).await?,
            b"timeout" => match ctx.timeout(SECOND, conn.until_eol()).await {
                Ok(line) => conn.write(("in time: ", line?)).await?,
                Err(error) => conn.write(format_args!("{error}\n")).await?,
            },
            b"spawn" => {
                let sleeping = ctx.clone();
                let handle = ctx.spawn(async move { sleeping.sleep(SECOND / 2).await.is_ok() })?;
                let slept = handle.await?;
                conn.write(format!("slept: {slept}\n")).await?;
            }
            b"abort" => {
                let sleeping = ctx.clone();
                let handle = ctx.spawn(async move { sleeping.sleep(SECOND).await })?;
                ctx.sleep(Duration::ZERO).await?;
                handle.abort();
                let aborted = handle.await.is_err();
                conn.write(format!("aborted: {aborted}\n")).await?;
            }
            b"half" => conn.half_close(),
            b"end" => {
                let rest = conn.to_end(200).await?;
                conn.write(format!("{} bytes to the end\n", rest.len())).await?;
            }
            b"split" => {
                let (mut reader, mut writer) = conn.split();
                let piped = ctx.spawn(async move {
                    loop {
                        let line = reader.until_eol().await?;
                        writer.write(("piped: ", line)).await?;
                    }
                })?;
                return piped.await?;
            }
            b"give" => {
                let given = ctx.spawn(async move {
                    let line = conn.until_eol().await?;
                    conn.write(("given: ", line)).await?;
                    Ok::<Conn, Error>(conn)
                })?;
                conn = given.await??;
            }
            b"fail" => return Err(Error::application("told to fail")),
            b"quit" => return Ok(()),
            b"cut" if may_cut => {
                conn.abort();
                return Ok(());
            }
            b"upgrade" => {
                conn.upgrade(LineEcho::default().max_line(50).on_upgrade(upgrade));
                return Ok(());
            }
            b"connect" => match ctx.connect(somewhere()).await {
                Ok(mut other) => {
                    other.write("hello\n").await?;
                    let line = other.until_eol().await?;
                    conn.write(("they said: ", line)).await?;
                }
                Err(error) => conn.write(format_args!("{error}\n")).await?,
            },
            command => match count(command) {
                Some(n) => {
                    let bytes = conn.bytes(n).await?;
                    conn.write(("counted: ", bytes, "\n")).await?;
                }
                None => conn.write(("you said: ", line)).await?,
            },
        }
    }
}

/// Sends its lines to itself through an event.
pub async fn gossip(mut conn: Conn) -> Result<(), Error> {
    let event: Event<Vec<u8>> = conn.ctx().event_with_capacity(3);
    let mut heard = event.subscribe();
    loop {
        match first((heard.wait(), conn.until_eol())).await {
            First2::A(said) => conn.write(("heard: ", said?)).await?,
            First2::B(line) => {
                let line = line?;
                if line.trim_ascii() == b"quit" {
                    return Ok(());
                }
                // Beyond the capacity some are lost, and their number is reported.
                (0..line.len() % 6).for_each(|_| event.fire(line.to_vec()));
            }
        }
    }
}

/// A chat that sometimes calls a client: its output depends on other connections.
pub async fn sociable(mut conn: Conn, room: Event<Vec<u8>>, client: Client) -> Result<(), Error> {
    let ctx = conn.ctx();
    let mut others = room.subscribe();
    loop {
        match first((conn.until_eol(), others.wait(), ctx.sleep(SECOND * 5))).await {
            diesel_proto::First3::A(line) => {
                let line = line?;
                match line.trim_ascii() {
                    b"call" => {
                        let answer = client.call(ask).await;
                        conn.write(format!("{answer:?}\n")).await?;
                    }
                    // The call is dropped in the middle.
                    b"timeout" => _ = ctx.timeout(SECOND, client.call(ask)).await?,
                    b"some" => _ = conn.some().await?,
                    b"halt" => ctx.halt(),
                    b"quit" => return Ok(()),
                    b"detach" => {
                        let ctx = conn.ctx();
                        let alone = ctx.clone();
                        drop(ctx.spawn(async move {
                            let _conn = conn;
                            alone.sleep(SECOND * 10).await
                        })?);
                        return Ok(());
                    }
                    text => others.fire(text.to_vec()),
                }
            }
            diesel_proto::First3::B(Err(Error::Lagged(n))) => {
                conn.write(format!("missed {n}\n")).await?;
            }
            diesel_proto::First3::B(said) => conn.write((said?, "\n")).await?,
            diesel_proto::First3::C(slept) => {
                slept?;
                conn.write("still there?\n").await?;
            }
        }
    }
}

async fn ask(conn: &mut Conn) -> Result<usize, Error> {
    conn.write("question\n").await?;
    Ok(conn.until_eol().await?.len())
}

/// A loop that runs as long as the hub.
pub async fn ticker(ctx: Ctx, room: Event<Vec<u8>>) -> Result<(), Error> {
    loop {
        ctx.sleep(SECOND * 3).await?;
        room.fire(b"tick".to_vec());
    }
}

pub fn somewhere() -> Address {
    SocketAddr::from(([192, 0, 2, 1], 7)).into()
}

fn count(command: &[u8]) -> Option<usize> {
    let number = command.strip_prefix(b"count ")?;
    core::str::from_utf8(number).ok()?.parse().ok()
}

pub fn upgrade(actions: &mut Actions<'_>) {
    actions.upgrade(Mirror);
}

/// Echoes bytes as they arrive, with a timeout.
struct Mirror;

impl Machine for Mirror {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let reason = diesel_proto::Reason::Idle;
        match input {
            Input::Start => actions.set_deadline(now + SECOND * 7, reason),
            Input::Bytes(bytes) => {
                actions.set_deadline(now + SECOND * 7, reason);
                actions.send(bytes);
                return bytes.len();
            }
            Input::Deadline => actions.close(Cause::TimedOut(reason)),
            Input::Eof => actions.close(Cause::PeerClosed),
            Input::Shutdown => actions.half_close(),
            _ => {}
        }
        0
    }
}
