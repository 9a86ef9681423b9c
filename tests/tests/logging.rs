//! What the driver puts into the log of a program that has a logger. Each test has its own service
//! name, which is the target of its lines.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use diesel_driver::http1::{BodyWriter, Request, Response, Service as Http};
use diesel_driver::{Config, Service};
use diesel_tests::{Running, connect, logged};

fn run(service: impl FnOnce() -> Service + Send + 'static) -> Running {
    logged::install();
    Running::start(Config::default(), |app| app.add_service(service(), "127.0.0.1:0"))
}

/// Everything that is answered to one request.
fn get(address: SocketAddr) -> String {
    let mut stream = connect(address);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const COMPUTED: Duration = Duration::from_millis(30);

/// What a handler does that computes.
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
