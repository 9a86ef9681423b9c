//! A handler that gives its connection to another fiber: the notices of its end do not depend on
//! how the bytes were cut, nor on the budget of a run.

use std::time::Duration;

use diesel_proto::*;

const START: Instant = Instant::ORIGIN;

/// Gives its connection to a fiber, and fails with what that failed with.
async fn giving(mut conn: Conn) -> Result<(), Error> {
    let ctx = conn.ctx();
    let line = conn.until_eol().await?;
    conn.write(line).await?;
    let given = ctx.spawn(async move {
        loop {
            let line = conn.until_eol().await?;
            conn.write(line).await?;
        }
    })?;
    given.await?
}

/// Drops its connection, then has to wait for its turn before it fails.
async fn dropping(mut conn: Conn) -> Result<(), Error> {
    let ctx = conn.ctx();
    let line = conn.until_eol().await;
    drop(conn);
    for _ in 0..3 {
        ctx.sleep(Duration::ZERO).await?;
    }
    line?;
    Err("too short a line".into())
}

/// As that, and cuts its connection.
async fn cutting(mut conn: Conn) -> Result<(), Error> {
    let ctx = conn.ctx();
    conn.until_eol().await?;
    conn.abort();
    ctx.sleep(Duration::ZERO).await?;
    Err("cut".into())
}

struct Setting {
    polls_per_run: u32,
    linger: Duration,
    /// Sent together with the last bytes.
    eof: bool,
}

fn all_settings() -> impl Iterator<Item = Setting> {
    let polls = [1, 2, 3, 256].into_iter();
    polls.flat_map(|polls_per_run| {
        [0, 2].into_iter().flat_map(move |linger| {
            [false, true].map(|eof| Setting {
                polls_per_run,
                linger: Duration::from_secs(linger),
                eof,
            })
        })
    })
}

/// The notices, and the cause of the close. Time stands still until the hub is idle.
fn reported<H>(handler: H, setting: &Setting, pieces: &[&[u8]]) -> (Vec<Notice>, Option<Cause>)
where
    H: AsyncFn(Conn) -> Result<(), Error> + 'static,
{
    let mut config = Config::default();
    config.polls_per_run = setting.polls_per_run;
    let mut hub = Hub::new(config);
    let mut config = ServiceConfig::default();
    config.read_limit = 20;
    config.linger = setting.linger;
    let service = hub.add_service(Service::new(handler).config(config));
    let conn = hub.accept(START, service, Address::Unnamed).unwrap();
    let mut told = (Vec::new(), None);
    let mut now = START;
    for (index, piece) in pieces.iter().enumerate() {
        assert_eq!(hub.received(now, conn, piece), piece.len());
        if setting.eof && index + 1 == pieces.len() {
            hub.eof(now, conn);
        }
        run(&mut hub, now, &mut told);
    }
    // The lingering, where there is any.
    while let Some(at) = hub.next_wake() {
        now = now.max(at);
        run(&mut hub, now, &mut told);
    }
    told
}

fn run(hub: &mut Hub, now: Instant, told: &mut (Vec<Notice>, Option<Cause>)) {
    let mut actions = Vec::new();
    loop {
        hub.run(now, &mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Send(conn) => while hub.sent(now, conn, 1) > 0 {},
                Action::Notice(service, notice) => {
                    assert!(service.is_some(), "{notice}");
                    told.0.push(notice);
                }
                Action::Close(_, cause) | Action::Abort(_, cause) => {
                    assert_eq!(told.1.replace(cause), None)
                }
                _ => {}
            }
        }
        if hub.next_wake().is_none_or(|at| at > now) {
            return;
        }
    }
}

fn assert_same_however_cut<H>(handler: H, bytes: &[u8], notices: &[String], cause: Cause)
where
    H: AsyncFn(Conn) -> Result<(), Error> + Copy + 'static,
{
    for setting in all_settings() {
        for cut in 0..bytes.len() {
            let (a, b) = bytes.split_at(cut);
            let (told, closed) = match cut {
                0 => reported(handler, &setting, &bytes.chunks(1).collect::<Vec<_>>()),
                1 => reported(handler, &setting, &[bytes]),
                _ => reported(handler, &setting, &[a, b]),
            };
            let told: Vec<_> = told.iter().map(ToString::to_string).collect();
            let Setting { polls_per_run, linger, eof } = setting;
            let how = format!("{polls_per_run} a run, linger {linger:?}, eof {eof}, cut {cut}");
            assert_eq!((told, closed), (notices.to_vec(), Some(cause)), "{how}");
        }
    }
}

#[test]
fn what_a_fiber_fails_with_that_was_given_the_connection_closes_it_however_it_is_cut() {
    let limit = Limit::Line(20);
    let cut = format!("unnamed: {limit}");
    let bytes = b"a\nb\nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
    assert_same_however_cut(giving, bytes, &[cut], Cause::Limit(limit));
}

#[test]
fn what_a_handler_fails_with_after_it_dropped_its_connection_closes_it_however_it_is_cut() {
    let failed = "the handler for unnamed failed: too short a line".to_owned();
    assert_same_however_cut(dropping, b"short\n", &[failed], Cause::Failed);
}

#[test]
fn an_abort_stays_one_whatever_its_handler_fails_with() {
    let failed = "the handler for unnamed failed: cut".to_owned();
    assert_same_however_cut(cutting, b"short\n", &[failed], Cause::Done);
}

/// The close does not wait for a handler that does something else.
#[test]
fn a_connection_whose_handle_was_dropped_closes_though_its_handler_goes_on() {
    for eof in [false, true] {
        let linger = Duration::ZERO;
        let setting = Setting { polls_per_run: 256, linger, eof };
        let handler = async |mut conn: Conn| {
            let ctx = conn.ctx();
            conn.until_eol().await?;
            drop(conn);
            ctx.sleep(Duration::from_secs(1)).await?;
            Err("long after".into())
        };
        let (notices, cause) = reported(handler, &setting, &[b"go on\n"]);
        let expected = if eof { Cause::PeerClosed } else { Cause::Done };
        assert_eq!(cause, Some(expected));
        // The notice names the peer all the same.
        assert_eq!(notices[0].to_string(), "the handler for unnamed failed: long after");
    }
}
