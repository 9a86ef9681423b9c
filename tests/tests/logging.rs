//! The log lines of the driver in a program with a logger. Each test has its own service name,
//! which is the target of its lines.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use diesel_driver::http1::{BodyWriter, Request, Response, Service as Http};
use diesel_driver::{Config, Conn, Error, Service, ServiceConfig};
use diesel_tests::{Running, connect, logged};

fn run(service: impl FnOnce() -> Service + Send + 'static) -> Running {
    logged::install();
    Running::start(Config::default(), |app| app.add_service(service(), "127.0.0.1:0"))
}

/// The whole answer to one request.
fn get(address: SocketAddr) -> String {
    let mut stream = connect(address);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const COMPUTED: Duration = Duration::from_millis(30);

/// A handler's computation.
fn compute() -> &'static str {
    thread::sleep(COMPUTED);
    "computed"
}

#[test]
fn the_line_of_a_request_says_how_long_its_handler_computed() {
    let plain = || Http::new(|_: Request| compute()).named("access-plain");
    let fiber = || Http::new(async |_: Request| compute()).named("access-fiber");
    let streamed = || {
        Http::new(async |request: Request| {
            let ctx = request.ctx();
            Response::stream(async move |out: &mut BodyWriter| {
                out.write("a").await?;
                ctx.sleep(Duration::from_millis(1)).await?;
                compute();
                out.write("b").await
            })
        })
        .named("access-streamed")
    };
    type Make = fn() -> Http;
    let services: [(&str, Make); 3] =
        [("access-plain", plain), ("access-fiber", fiber), ("access-streamed", streamed)];
    for (name, service) in services {
        let running = run(move || service().access_notices(true).into());
        assert!(get(running.address).starts_with("HTTP/1.1 20"));
        drop(running);
        let lines = logged::lines(name);
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(line.contains("\"GET /\" 20"), "{line}");
        let (_, took) = line.rsplit_once(" in ").unwrap();
        let took = took.strip_suffix("ms").and_then(|ms| ms.parse::<f64>().ok());
        assert!(took.is_some_and(|ms| ms >= COMPUTED.as_millis() as f64), "{line}");
    }
}

async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(line).await?;
    }
}

/// A limit that is reached two thousand times is logged a few times, with the count.
#[test]
fn connections_beyond_a_limit_give_a_handful_of_lines() {
    const OFTEN: usize = 2000;
    let began = Instant::now();
    let running = run(|| Service::new(echo).named("crowded").max_connections(20));
    let kept: Vec<_> = (0..19).map(|_| connect(running.address)).collect();
    for _ in 0..OFTEN {
        let mut stream = connect(running.address);
        stream.write_all(b"hello\n").unwrap();
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).unwrap();
    }
    drop(kept);
    drop(running);
    let (lines, seconds) = (logged::lines("crowded"), began.elapsed().as_secs());
    assert!(lines.len() <= 3 + seconds as usize, "{} lines in {seconds} s", lines.len());
    assert!(lines.iter().all(|line| line.starts_with("WARN at the service's limit of 20 ")));
    let counted = lines.iter().filter_map(|line| {
        let (_, counted) = line.rsplit_once('(')?;
        counted.split(' ').next()?.parse::<usize>().ok()
    });
    assert!(counted.sum::<usize>() >= OFTEN / 2, "{lines:?}");
}

/// A fault of a peer is not logged as an error; and repeats are counted for all peers together.
#[test]
fn faults_of_peers_are_logged_below_warn_and_failures_as_errors() {
    let peers = run(|| {
        let mut config = ServiceConfig::default();
        config.read_limit = 10;
        Service::new(echo).config(config).named("peers")
    });
    for _ in 0..100 {
        let mut stream = connect(peers.address);
        stream.write_all(b"more than ten bytes").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    drop(peers);
    let lines = logged::lines("peers");
    assert!(lines.iter().all(|line| line.starts_with("INFO ")), "{lines:?}");
    assert!(lines[0].contains(": no sentinel within the line limit of 10 bytes ("), "{lines:?}");
    assert!(lines.len() < 20, "{lines:?}");

    let failing = run(|| Service::new(async |_: Conn| Err("no room".into())).named("failing"));
    for _ in 0..100 {
        let _ = connect(failing.address).read_to_end(&mut Vec::new());
    }
    drop(failing);
    let lines = logged::lines("failing");
    assert!(lines.iter().all(|line| line.starts_with("ERROR the handler for 127.0.0.1:")));
    assert!(lines.len() < 20 && lines[0].ends_with(" failed: no room"), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("(") && line.contains(" more like this in ")));
}
