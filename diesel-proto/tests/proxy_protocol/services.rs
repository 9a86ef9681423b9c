//! The layer around services of a hub.

use super::*;

async fn whoami(mut conn: Conn) -> Result<(), Error> {
    let peer = conn.peer();
    let header = conn.learned::<Header>();
    let name = header.as_ref().and_then(|header| header.authority().map(str::to_owned));
    let destination = header.and_then(|header| header.destination());
    conn.write(format!("{peer} {name:?} {destination:?}\n")).await?;
    loop {
        let line = conn.until_eol().await?;
        conn.write(("you said: ", line)).await?;
    }
}

fn behind(config: &HeaderConfig, service: impl Into<Service>) -> Service {
    let config = config.clone();
    service.into().layer(move |machine_ctx, inner| layer(&config, machine_ctx, inner))
}

#[test]
fn a_handler_has_the_client_for_its_peer_and_finds_the_header() {
    let config = HeaderConfig::default();
    let name = tlv(tlv_type::AUTHORITY, b"example.com");
    let header = v2(0x21, 0x11, &[&IPV4, &name]);
    let greeting = format!("{CLIENT} Some(\"example.com\") Some(Socket({SERVER}))\n");
    let said = [&header[..], b"hello\n"].concat();
    for (head, tail) in two_way_cuts(&said) {
        let (mut world, conn) = World::serving(behind(&config, Service::new(whoami)));
        for part in [head, tail].iter().filter(|it| !it.is_empty()) {
            world.sends(conn, part);
        }
        assert_eq!(world.receives(conn), format!("{greeting}you said: hello\n"));
        assert_eq!(world.notices(), []);
    }
    let (mut world, conn) = World::serving(behind(&config, Service::new(whoami)));
    world.sends(conn, v2(0x20, 0, &[]));
    assert_eq!(world.receives(conn), "unnamed None None\n");
    let (mut world, conn) = World::serving(Service::new(whoami));
    assert_eq!(world.receives(conn), "unnamed None None\n", "no layer");
}

/// The header of the nearer proxy comes first; the peer that it names may send the second one.
#[test]
fn a_header_within_a_header_is_trusted_by_what_the_outer_one_says() {
    let inner = trusting(&["192.0.2.7"], Untrusted::Refuse);
    let stack = || behind(&HeaderConfig::default(), behind(&inner, Service::new(whoami)));
    let second = b"PROXY TCP6 2001:db8::9 ::1 9 80\r\n";
    let (mut world, conn) = World::serving(stack());
    world.sends(conn, [V1, second].concat());
    assert_eq!(world.receives(conn), "[2001:db8::9]:9 None Some(Socket([::1]:80))\n");
    let (mut world, conn) = World::serving(stack());
    world.sends(conn, [b"PROXY UNKNOWN\r\n", &second[..]].concat());
    assert_eq!(world.closed(conn), Some(Cause::Untrusted));
}

#[test]
fn a_shutdown_and_a_deadline_inside_the_header_end_the_connection_of_a_hub() {
    for header in [V1, &v2(0x21, 0x11, &[&IPV4])] {
        for len in 0..header.len() {
            let service = || behind(&HeaderConfig::default(), Service::new(whoami));
            let (mut world, conn) = World::serving(service());
            world.delivers(conn, &header[..len]);
            world.hub.drain(world.now, world.now + seconds(60));
            world.turn();
            assert!(world.half_closed(conn), "after {len} bytes");
            world.ends(conn);
            assert_eq!(world.closed(conn), Some(Cause::Shutdown), "after {len} bytes");
            assert!(world.halted());

            let (mut world, conn) = World::serving(service());
            world.delivers(conn, &header[..len]);
            world.waits(seconds(5));
            assert_eq!(world.closed(conn), Some(Cause::TimedOut(Reason::Head)));
        }
    }
}

#[test]
fn each_of_two_hundred_connections_has_its_own_client() {
    let mut world = World::new();
    let service = world.hub.add_service(behind(&HeaderConfig::default(), Service::new(whoami)));
    let conns: Vec<_> = (0..200).map(|_| world.accept(service)).collect();
    let header = |n: usize| match n % 3 {
        0 => format!("PROXY TCP4 192.0.2.{n} 198.51.100.1 {n} 443\r\n").into_bytes(),
        _ => {
            let mut block = IPV4;
            (block[3], block[8], block[9]) = (n as u8, 0, n as u8);
            v2(0x21, 0x11, &[&block])
        }
    };
    for half in [0, 1] {
        for (n, &conn) in conns.iter().enumerate().filter(|(n, _)| n % 7 != 0) {
            let header = header(n);
            let (first, second) = header.split_at(n % header.len());
            let part = if half == 0 { first } else { second };
            if !part.is_empty() {
                world.delivers(conn, part);
            }
        }
        world.turn();
    }
    for (n, &conn) in conns.iter().enumerate() {
        let received = match n % 7 {
            0 => String::new(),
            _ => format!("192.0.2.{n}:{n} None Some(Socket({SERVER}))\n"),
        };
        assert_eq!(world.receives(conn), received);
    }
    world.waits(seconds(5));
    for (n, &conn) in conns.iter().enumerate() {
        let late = (n % 7 == 0).then_some(Cause::TimedOut(Reason::Head));
        assert_eq!(world.closed(conn), late);
    }
}

fn http_services() -> [http1::Service; 2] {
    use http1::{BodyWriter, Request, Response};
    fn answer(request: &Request) -> String {
        let header = request.learned::<Header>();
        let asked = header.and_then(|it| it.destination());
        format!("{} asks {asked:?}", request.peer())
    }
    [
        http1::Service::new(|request: Request| Response::text(answer(&request))),
        http1::Service::new(async |mut request: Request| {
            let content = request.body().read(100).await?;
            let answer = answer(&request);
            Ok::<_, Error>(Response::stream(async move |out: &mut BodyWriter| {
                out.write(answer).await?;
                out.flush().await?;
                out.write(content).await
            }))
        }),
    ]
}

#[test]
fn requests_have_the_client_for_their_peer() {
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    for header in [V1, &v2(0x21, 0x11, &[&IPV4])] {
        let said = [header, post.as_bytes(), post.as_bytes()].concat();
        for (head, tail) in two_way_cuts(&said) {
            for service in http_services() {
                let access = service.access_notices(true);
                let (mut world, conn) = World::serving(behind(&HeaderConfig::default(), access));
                for part in [head, tail].iter().filter(|it| !it.is_empty()) {
                    world.sends(conn, part);
                }
                let received = world.receives(conn);
                let answer = format!("{CLIENT} asks Some(Socket({SERVER}))");
                assert_eq!(
                    received.matches(&answer).count(),
                    2,
                    "cut at {}: {received}",
                    head.len()
                );
                let told = world.notices();
                let is_client = |notice: &Notice| match notice {
                    Notice::Access(access) => access.peer == address(CLIENT),
                    _ => false,
                };
                assert!(told.len() == 2 && told.iter().all(is_client), "{told:?}");
            }
        }
    }
    for service in http_services() {
        let (mut world, conn) = World::serving(behind(&HeaderConfig::default(), service));
        world.sends(conn, post);
        assert_eq!(world.receives(conn), "");
        let cause = Cause::Protocol(HeaderErrorKind::NoSignature.rule());
        assert_eq!(world.closed(conn), Some(cause));
    }
}

fn sessions() -> Vec<Vec<Stimulus>> {
    let binary = v2(0x21, 0x11, &[&IPV4, &tlv(tlv_type::AUTHORITY, b"example.com")]);
    let bytes = |parts: &[&[u8]]| Stimulus::bytes(parts.concat());
    let wait = |n| Stimulus::Wait(seconds(n));
    vec![
        vec![bytes(&[&binary, b"hello\nquit\nmore"]), Stimulus::Eof],
        vec![bytes(&[V1, b"one\ntwo\n"]), wait(9), bytes(&[b"three\n"]), Stimulus::Eof],
        vec![bytes(&[&with_checksum(0x11, &[&IPV4]), b"hello\n"]), Stimulus::Shutdown],
        vec![bytes(&[&v2(0x20, 0, &[]), b"a line that is much longer than the echo takes"])],
        vec![bytes(&[&v2(0x21, 0x31, &[&unix(b"", b"/a")]), b"hi\n"]), Stimulus::Reset],
        vec![bytes(&[&binary[..20]]), wait(3), bytes(&[&binary[20..30]]), wait(3)],
        vec![bytes(&[&binary[..20]]), wait(3), bytes(&[&binary[20..]]), wait(9)],
        vec![bytes(&[&binary[..20]]), Stimulus::Eof],
        vec![bytes(&[&binary[..20]]), Stimulus::Reset],
        vec![bytes(&[&binary[..20]]), Stimulus::Shutdown],
        vec![bytes(&[&v2(0x21, 0x11, &[&IPV4, b"\x04\0\x09"]), b"hello\n"])],
        vec![bytes(&[&v2(0x21, 0x11, &[&IPV4, &tlv(4, &[0; 100])]), b"hello\n"])],
        vec![bytes(&[b"\r\n\r\nhello\n"]), wait(9)],
    ]
}

#[test]
fn it_keeps_the_laws_alone_and_within_layers() {
    let machine = || introduced(&max_v2(120), Address::Unnamed);
    for session in sessions() {
        Laws::of(machine).max_held(120).assert(&session);
        Laws::of(|| Throttle::new(machine(), 7, seconds(1) / 2)).max_held(120).assert(&session);
        let around = || {
            ProxyProtocol::with(&max_v2(240), Address::Unnamed, |header| {
                let echo = LineEcho::default().max_line(20);
                Tracer::new(Throttle::new(Introduced(header, echo), 5, seconds(1)), |_, _| {})
            })
        };
        Laws::of(around).max_held(240).assert(&session);
    }
    let strict = trusting(&["10.0.0.0/8"], Untrusted::Refuse);
    let direct = trusting(&["10.0.0.0/8"], Untrusted::ServeDirectly);
    for config in [strict, direct] {
        let machine = || introduced(&config, address("192.0.2.1:1"));
        Laws::of(machine).max_held(60).assert(&[Stimulus::bytes(V1), Stimulus::Eof]);
    }
}

#[test]
fn services_behind_it_keep_the_laws() {
    let served = |service: Service| {
        let mut hub = Hub::default();
        let service = hub.add_service(service);
        HubMachine::new(hub, service).room(12)
    };
    for session in sessions() {
        let handler = || served(behind(&max_v2(240), Service::new(whoami)));
        Laws::of(handler).early_deadlines().assert(&session);
    }
    let get = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    let binary = v2(0x21, 0x11, &[&IPV4]);
    for header in [V1, &binary] {
        let said = Stimulus::bytes([header, get.as_bytes(), get.as_bytes()].concat());
        for which in [0, 1] {
            let http = || {
                let service = http_services().into_iter().nth(which).unwrap();
                served(behind(&HeaderConfig::default(), service))
            };
            for after in [Stimulus::Eof, Stimulus::Shutdown, Stimulus::Reset] {
                let session = [said.clone(), after, Stimulus::Wait(seconds(9))];
                Laws::of(http).early_deadlines().assert(&session);
            }
        }
    }
}

/// Everything that can happen to a machine behind the header, and everything that it can ask for.
#[test]
fn nothing_is_lost_on_its_way_through_the_layer() {
    let vectors = tlv(tlv_type::AUTHORITY, b"example.com");
    let binary = v2(0x21, 0x11, &[&IPV4, &vectors]);
    LayerLaws::of(|inner| ProxyProtocol::new(seconds(3), move |_| inner.clone()))
        .preamble(&binary)
        .max_held(binary.len())
        .sessions(50)
        .assert();
    let direct = trusting(&["10.0.0.0/8"], Untrusted::ServeDirectly);
    LayerLaws::of(|inner| ProxyProtocol::with(&direct, Address::Unnamed, move |_| inner.clone()))
        .max_held(0)
        .sessions(50)
        .assert();
}

/// Over links that cut, delay and stall: each client receives its own address.
#[test]
fn two_hundred_clients_over_a_bad_network() {
    let server_address: SocketAddr = "10.0.0.1:7000".parse().unwrap();
    for seed in 0..4 {
        let mut server = Hub::default();
        let service = behind(&HeaderConfig::default(), Service::new(whoami));
        let service = server.add_service(service);
        let mut client = Hub::default();
        let received = std::rc::Rc::new(std::cell::Cell::new(0));
        for n in 0..200u8 {
            let received = std::rc::Rc::clone(&received);
            let call = async move |ctx: Ctx| {
                let mut conn = ctx.connect(server_address).await?;
                let mut block = IPV4;
                (block[3], block[8], block[9]) = (n, 0, n);
                match n % 2 {
                    0 => conn.write(v2(0x21, 0x11, &[&block])).await?,
                    _ => {
                        let text = format!("PROXY TCP4 192.0.2.{n} 198.51.100.1 {n} 443\r\n");
                        conn.write(text).await?;
                    }
                }
                conn.write("hello\n").await?;
                let line = conn.until_eol().await?;
                assert!(line.starts_with(format!("192.0.2.{n}:{n} ").as_bytes()), "{line:?}");
                assert_eq!(&*conn.until_eol().await?, b"you said: hello\n");
                received.set(received.get() + 1);
                Ok(())
            };
            client.add_loop(call).unwrap();
        }
        let mut network = Network::new(seed);
        let latency = std::time::Duration::from_millis(1)..=std::time::Duration::from_millis(90);
        network.link(LinkOptions { latency, reads: 1..=9, ..LinkOptions::default() });
        network.host(server, &[(service, server_address)]).unwrap();
        network.host(client, &[]).unwrap();
        network.run_for(seconds(60)).unwrap();
        assert_eq!(received.get(), 200, "seed {seed}");
    }
}
