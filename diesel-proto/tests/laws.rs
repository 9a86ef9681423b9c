//! Every machine of this repository under the laws, at every two-way cut: the echo, the PROXY stack
//! with a machine that another one replaces, and handlers in a hub.

use std::time::Duration;

use diesel_proto::testkit::laws::Laws;
use diesel_proto::testkit::layer_laws::LayerLaws;
use diesel_proto::testkit::{HubMachine, Stimulus};
use diesel_proto::*;

const SECOND: Duration = Duration::from_secs(1);

fn bytes(text: &str) -> Stimulus {
    Stimulus::bytes(text)
}

fn wait(n: u32) -> Stimulus {
    Stimulus::Wait(n * SECOND)
}

fn echo() -> LineEcho {
    LineEcho::default().max_line(20)
}

fn proxy() -> impl Machine {
    ProxyProtocol::new(3 * SECOND, |_| {
        echo().on_upgrade(|actions| actions.upgrade(LineEcho::default().max_line(9)))
    })
}

#[test]
fn the_line_echo() {
    for session in [
        vec![bytes("hello\r\nworld\n\n"), Stimulus::Eof],
        vec![bytes("hello\r\nquit\r\nmore\r\n"), Stimulus::Eof],
        vec![bytes("a line that is too long, it is\r\nhello\r\n")],
        vec![bytes("nineteen characters\n and twenty of them.\nnever seen\n")],
        vec![bytes("half a li"), Stimulus::Eof, bytes("ne\r\n")],
        vec![bytes("half a li"), Stimulus::Reset],
        vec![bytes("one\ntw"), Stimulus::Shutdown, bytes("o\n")],
    ] {
        Laws::of(echo).max_held(20).assert(&session);
    }
    // A block's end, and beyond the length at which every cut is tried.
    let line = format!("{}\r\n", "x".repeat(5000));
    Laws::of(LineEcho::default)
        .boundaries(&[4096, 4 << 10])
        .assert(&[bytes(&line.repeat(2)), Stimulus::Eof]);
}

#[test]
fn the_proxy_stack() {
    let header = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
    for session in [
        vec![bytes(&format!("{header}hello\nquit\nmore")), Stimulus::Eof],
        vec![bytes(&format!("{header}UPGRADE\nhello\nlonger than nine\n"))],
        vec![bytes(&format!("{header}one\nUPGRADE\ntwo")), Stimulus::Eof],
        vec![bytes("PROXY UNKNOWN whatever\r\nhello\r\n"), wait(5), bytes("quit\n")],
        vec![bytes("PROXY TCP4 192.0.2.7"), wait(2), bytes(" 198"), wait(2), bytes("more")],
        vec![bytes("GET / HTTP/1.1\r\n\r\n")],
        vec![bytes("PROXY\n")],
        vec![bytes("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n")],
        vec![bytes("PROXY TCP6 1.2.3.4 ::1 1 2\r\nhello\r\n")],
        vec![bytes(&format!("PROXY {}\r\n", "x".repeat(120)))],
        vec![bytes(&format!("PROXY UNKNOWN {}\r\nhi\n", "x".repeat(91)))],
        vec![bytes("PROXY "), Stimulus::Eof],
        vec![bytes("PROXY "), Stimulus::Reset],
        vec![bytes("PROXY "), Stimulus::Shutdown],
    ] {
        Laws::of(proxy).max_held(107).assert(&session);
    }
}

#[test]
fn a_proxy_header_is_a_layer() {
    for header in [
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN and whatever else\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n",
    ] {
        // The probe asks its drawn sessions of a machine that may be made late.
        LayerLaws::of(|inner| ProxyProtocol::new(3 * SECOND, move |_| inner.clone()))
            .preamble(header.as_bytes())
            .max_held(107)
            .sessions(50)
            .assert();
    }
}

/// A machine behaves the same in a box and in a hub.
#[test]
fn machines_in_a_box_and_in_a_hub() {
    let in_a_hub = || {
        let mut hub = Hub::default();
        let service = hub.add_service(Service::machine(|_| proxy()));
        HubMachine::new(hub, service).room(12)
    };
    for session in [
        vec![bytes("PROXY UNKNOWN\r\nhello\nquit\nmore"), Stimulus::Eof],
        vec![bytes("PROXY UNKNOWN\r\none\nUPGRADE\ntwo\nlonger than nine\n"), wait(9)],
        vec![bytes("PROXY UNKNOWN\r\none\ntw"), Stimulus::Shutdown, bytes("o\n"), wait(9)],
        vec![bytes("PROXY UNKNOWN"), wait(5), Stimulus::Eof],
        vec![bytes("PROXY UNKNOWN\r\none\ntw"), Stimulus::Reset],
        vec![bytes("no header\n"), wait(5)],
    ] {
        let boxed = || Box::new(proxy()) as Box<dyn Machine>;
        Laws::of(boxed).max_held(107).assert(&session);
        Laws::of(in_a_hub).early_deadlines().assert(&session);
    }
}

fn served<H>(handler: H, config: fn(&mut ServiceConfig)) -> HubMachine
where
    H: AsyncFn(Conn) -> Result<(), Error> + 'static,
{
    let mut settings = ServiceConfig::default();
    config(&mut settings);
    let mut hub = Hub::default();
    let service = hub.add_service(Service::new(handler).config(settings));
    HubMachine::new(hub, service)
}

async fn line_by_line(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        match line.trim_ascii() {
            b"quit" => return Ok(()),
            b"upgrade" => {
                conn.upgrade(LineEcho::default());
                return Ok(());
            }
            b"half" => conn.half_close(),
            b"fail" => return Err(Error::application("told to fail")),
            _ => conn.write(("you said: ", line)).await?,
        }
    }
}

#[test]
fn a_handler_that_echoes() {
    for session in [
        vec![bytes("hello\r\nworld\n"), Stimulus::Eof],
        vec![bytes("hello\r\nquit\r\nmore\n"), wait(9)],
        vec![bytes("hello\r\nhalf\r\nmore\n"), wait(9), Stimulus::Eof],
        vec![bytes("hello\r\nfail\r\nmore\n"), Stimulus::Eof],
        vec![bytes("hello\r\nupgrade\r\nmore\nquit\n"), Stimulus::Eof],
        vec![bytes("a line that is longer than it may be\nmore\n"), wait(9)],
        vec![bytes("hello\nwor"), Stimulus::Reset],
        vec![bytes("hello\nwor"), Stimulus::Shutdown, bytes("ld\n"), wait(9)],
        vec![bytes("hello\nwor"), wait(40), bytes("ld\n")],
    ] {
        Laws::of(|| served(line_by_line, |it| it.read_limit = 20))
            .early_deadlines()
            .assert(&session);
        // A slow reader of what it writes, and one line at a time of what it reads.
        let slow = |it: &mut ServiceConfig| {
            (it.high_water, it.low_water, it.read_ahead) = (16, 4, 4);
            (it.read_limit, it.idle, it.linger) = (30, Some(30 * SECOND), Duration::ZERO);
        };
        Laws::of(|| served(line_by_line, slow).room(7)).early_deadlines().assert(&session);
    }
}

async fn chatty(mut conn: Conn) -> Result<(), Error> {
    let ctx = conn.ctx();
    let room: Event<(String, String)> = ctx.event();
    let mut received = room.subscribe();
    let nick = conn.until_eol().await?.trimmed().to_string();
    loop {
        match first((received.wait(), conn.until_eol(), ctx.sleep(5 * SECOND))).await {
            First3::A(said) => {
                let (nick, text) = said?;
                conn.write(format!("<{nick}> {text}\r\n")).await?;
            }
            First3::B(line) => room.fire((nick.clone(), line?.trimmed().to_string())),
            First3::C(slept) => {
                slept?;
                conn.write("still there?\r\n").await?;
            }
        }
    }
}

#[test]
fn a_handler_that_chats_with_itself() {
    for session in [
        vec![
            bytes("ann\r\nhello\r\nis anybody there?\r\n"),
            wait(6),
            bytes("no\r\n"),
            Stimulus::Eof,
        ],
        vec![bytes("ann\r\nhel"), wait(6), bytes("lo\r\n"), Stimulus::Shutdown],
        vec![bytes("ann"), Stimulus::Eof],
    ] {
        Laws::of(|| served(chatty, |_| {})).early_deadlines().assert(&session);
    }
}

async fn counting(mut conn: Conn) -> Result<(), Error> {
    let ctx = conn.ctx();
    loop {
        let size = conn.bytes(1).await?[0] - b'0';
        let ahead = conn.peek(size.into()).await?;
        let body = conn.bytes(size.into()).await?;
        assert_eq!(ahead, body[..]);
        let spawned = ctx.spawn(async move { body.len() })?;
        let len = spawned.await?;
        conn.write(format!("{len}, ")).await?;
        conn.flush().await?;
        if len == 0 {
            let rest = conn.to_end(12).await?;
            return conn.write(format!("and {} at the end", rest.len())).await;
        }
    }
}

#[test]
fn a_handler_that_counts() {
    for session in [
        vec![bytes("3abc5hello0and the rest"), Stimulus::Eof],
        vec![bytes("3abc0and a rest that is too long"), Stimulus::Eof],
        vec![bytes("9too few"), Stimulus::Eof],
    ] {
        Laws::of(|| served(counting, |_| {}).room(3)).early_deadlines().assert(&session);
    }
}

/// More comes than is read ahead, and then the end: whether the handler has received of the end when
/// it is done must not tell how the bytes were cut.
#[test]
fn a_handler_that_leaves_bytes_unread() {
    let hasty = async |mut conn: Conn| {
        let line = conn.until_eol().await?;
        conn.ctx().sleep(SECOND).await?;
        conn.write(line).await
    };
    for session in [
        vec![bytes("one\nfour"), Stimulus::Eof, wait(9)],
        vec![bytes("one\nfour more"), Stimulus::Eof, wait(9)],
        vec![bytes("one\ntwo"), Stimulus::Eof, wait(9)],
    ] {
        Laws::of(|| served(hasty, |it| it.read_ahead = 4)).early_deadlines().assert(&session);
    }
}

mod requests {
    use super::*;
    use diesel_proto::http1::{BodyWriter, Deadlines, Limits, Request, Response, Service};

    fn serving(service: Service, high_water: u64) -> HubMachine {
        let mut settings = ServiceConfig::default();
        (settings.high_water, settings.low_water) = (high_water, high_water / 4);
        let limits = Limits { pipelined: 2, body: 50, requests: 5, ..Limits::default() };
        let deadlines = Deadlines { head: 3 * SECOND, ..Deadlines::default() };
        let service = service.limits(limits).deadlines(deadlines).connections(settings);
        let mut hub = Hub::default();
        let service = hub.add_service(service.access_notices(true));
        HubMachine::new(hub, service)
    }

    fn plain(request: Request) -> Result<Response, Error> {
        match request.path() {
            "/fail" => Err("told to fail".into()),
            "/upgrade" => Ok(Response::upgrade("echo", LineEcho::default())),
            "/stream" => Ok(Response::stream(async |out: &mut BodyWriter| {
                for n in 0..9 {
                    out.write(format_args!("number {n}\n")).await?;
                }
                Ok(out.trailer("X-Sum", "36")?)
            })),
            path => {
                let content = request.content().escape_ascii();
                Ok(Response::text(format!("{path} {content} {:?}", request.trailers())))
            }
        }
    }

    async fn fiber(mut request: Request) -> Result<Response, Error> {
        let content = request.body().read(20).await?;
        request.ctx().sleep(SECOND).await?;
        match request.path() {
            "/echo" => Ok(Response::stream(async move |out: &mut BodyWriter| {
                out.write(content).await?;
                out.flush().await
            })),
            "/fail" => Err("told to fail".into()),
            "/cut" => Ok(Response::stream_exactly(9, async |out: &mut BodyWriter| {
                out.write("short").await
            })),
            path => Ok(Response::text(path.to_owned())),
        }
    }

    fn sessions() -> Vec<Vec<Stimulus>> {
        let get = |path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let post = |path, fields, body| {
            format!("POST {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}")
        };
        let chunked = "Transfer-Encoding: chunked";
        let chunks = "5\r\nhello\r\n2;x\r\n!!\r\n0\r\nX-Sum: 7\r\n\r\n";
        let sized = post("/echo", "Content-Length: 5", "hello");
        vec![
            vec![
                bytes(&(get("/a") + &get("/b") + &get("/c") + &get("/d"))),
                wait(9),
                Stimulus::Eof,
            ],
            vec![bytes(&(get("/stream") + &sized + &get("/"))), wait(9), Stimulus::Eof],
            vec![bytes(&(post("/echo", chunked, chunks) + &get("/x"))), wait(200)],
            vec![bytes(&(get("/fail") + &get("/cut") + &get("/more"))), wait(9), Stimulus::Eof],
            vec![
                bytes(
                    "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n\
                     hello\nquit\n",
                ),
                wait(9),
            ],
            vec![
                bytes(&post("/echo", "Content-Length: 5\r\nExpect: 100-continue", "hello")),
                wait(2),
            ],
            vec![bytes(&post("/", "Content-Length: 30", "0123456789")), wait(99)],
            vec![bytes(&post("/", "Content-Length: 51", "0123456789")), wait(9)],
            vec![bytes(&post("/", chunked, "1\r\nxy\r\n0\r\n\r\n")), Stimulus::Eof],
            vec![bytes("GET / HTTP/1.1\r\nHost"), wait(9), bytes(": a\r\n\r\n")],
            vec![bytes(&get("/")), Stimulus::Shutdown, wait(9)],
            vec![bytes(&sized), Stimulus::Reset],
            vec![bytes("nonsense\r\n\r\n"), Stimulus::Eof],
            vec![bytes(&get("/").replace("1.1", "1.0")), wait(9), Stimulus::Eof],
        ]
    }

    #[test]
    fn a_plain_handler() {
        for session in sessions() {
            Laws::of(|| serving(Service::new(plain), 64 << 10)).early_deadlines().assert(&session);
            Laws::of(|| serving(Service::new(plain), 20).room(7))
                .early_deadlines()
                .assert(&session);
        }
    }

    #[test]
    fn an_async_handler() {
        for session in sessions() {
            Laws::of(|| serving(Service::new(fiber), 64 << 10)).early_deadlines().assert(&session);
            Laws::of(|| serving(Service::new(fiber), 20).room(7))
                .early_deadlines()
                .assert(&session);
        }
    }
}

#[cfg(feature = "quickcheck")]
mod drawn {
    use super::*;
    use diesel_proto::testkit::decorator::{FaultInjector, Throttle};
    use diesel_proto::testkit::generators::Session;
    use quickcheck::QuickCheck;

    fn lawful<M: Machine>(make: impl Fn() -> M, Session(session): Session) {
        Laws::of(make).early_deadlines().few_cuts().assert(&session);
    }

    fn check(property: fn(Session)) {
        QuickCheck::new().rng(quickcheck::Gen::new(30)).tests(60).quickcheck(property);
    }

    #[test]
    fn any_session_of_the_echo() {
        check(|session| lawful(echo, session));
    }

    #[test]
    fn any_session_of_the_proxy_stack() {
        check(|Session(mut session)| {
            session.insert(0, bytes("PROXY UNKNOWN\r\n"));
            lawful(proxy, Session(session));
        });
    }

    #[test]
    fn any_session_of_a_handler() {
        fn narrow(it: &mut ServiceConfig) {
            (it.high_water, it.read_ahead) = (100, 20);
        }
        check(|session| lawful(|| served(line_by_line, narrow), session));
    }

    #[test]
    fn any_session_through_decorators() {
        check(|session| {
            lawful(|| FaultInjector::new(Throttle::new(echo(), 9, SECOND), 3), session);
        });
    }
}
