//! Tests of the driver and its poller that need real sockets.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use diesel_driver::{Application, Config, Conn, Error, Service, ServiceConfig};

async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(line).await?;
    }
}

#[test]
fn a_loop_that_is_always_ready_does_not_keep_the_sockets_waiting() {
    let (sender, receiver) = mpsc::channel();
    let server = thread::spawn(move || {
        let mut app = Application::new();
        let service = app.add_service(echo, "127.0.0.1:0").unwrap();
        app.add_loop(async |ctx| {
            loop {
                ctx.sleep(Duration::ZERO).await?;
            }
        })
        .unwrap();
        sender.send((app.local_addr(service).unwrap(), app.halt_handle())).unwrap();
        app.run()
    });
    let (address, halt) = receiver.recv().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(b"hello\n").unwrap();
    let mut line = String::new();
    BufReader::new(&client).read_line(&mut line).unwrap();
    assert_eq!(line, "hello\n");
    drop(client);
    halt.halt();
    server.join().unwrap().unwrap();
}

/// Panics if `run` does not return in time.
fn returns_in_time(run: impl FnOnce() -> std::io::Result<()> + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(run()));
    receiver.recv_timeout(Duration::from_secs(20)).expect("it returns").unwrap();
}

/// Serves one connection whose handler is polled within `accept`.
fn halts_when_visited<H>(grace: Duration, linger: Duration, handler: H)
where
    H: AsyncFn(Conn) -> Result<(), Error> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel();
    let visitor = thread::spawn(move || {
        let _stream = TcpStream::connect(receiver.recv().unwrap()).unwrap();
        // Waits until the other side has closed.
        _ = receiver.recv();
    });
    returns_in_time(move || {
        let mut config = Config::default();
        config.grace = grace;
        let mut app = Application::with_config(config);
        let mut config = ServiceConfig::default();
        config.linger = linger;
        let service = Service::new(handler).config(config);
        let service = app.add_service(service, "127.0.0.1:0")?;
        sender.send(app.local_addr(service)?).unwrap();
        let ended = app.run();
        drop(sender);
        ended
    });
    visitor.join().unwrap();
}

#[test]
fn a_handler_that_halts_in_its_first_poll_ends_the_application() {
    let soon = Duration::from_secs(5);
    let halt = async |conn: Conn| {
        conn.ctx().halt();
        Ok(())
    };
    halts_when_visited(soon, Duration::ZERO, halt);
    halts_when_visited(Duration::ZERO, soon, halt);
    halts_when_visited(soon, soon, async |conn: Conn| {
        conn.ctx().halt();
        conn.abort();
        Ok(())
    });
}

#[test]
fn what_was_halted_before_it_runs_ends_at_once() {
    for services in 0..2 {
        returns_in_time(move || {
            let mut app = Application::new();
            for _ in 0..services {
                app.add_service(echo, "127.0.0.1:0")?;
            }
            app.add_loop(async |ctx| ctx.sleep(Duration::MAX).await)?;
            app.halt_handle().halt();
            app.run()
        });
    }
    returns_in_time(|| {
        let app = Application::new();
        app.halt_handle().halt();
        app.run()
    });
}

/// Each application gets a seed from the system.
#[test]
fn applications_draw_random_numbers_of_their_own() {
    let drawn: [[u8; 16]; 2] = std::array::from_fn(|_| Application::new().ctx().random());
    assert_ne!(drawn[0], drawn[1]);
    let mut unseeded = diesel_proto::Hub::default();
    unseeded.seed(diesel_proto::hub::Seed::from_number(0));
    let guess = unseeded.ctx().random();
    assert!(!drawn.contains(&guess));
}

#[test]
fn an_application_runs_until_its_main_fiber_ends() {
    returns_in_time(|| {
        let mut app = Application::new();
        let service = app.add_service(echo, "127.0.0.1:0").unwrap();
        let address = app.local_addr(service).unwrap();
        let answer = app.run_until(async move |ctx| {
            let mut conn = ctx.connect(address).await?;
            conn.write("hello\n").await?;
            conn.until_eol().await
        })?;
        assert_eq!(answer.trimmed(), "hello");
        Ok(())
    });
}

#[test]
fn an_application_ends_with_the_error_of_its_main_fiber() {
    returns_in_time(|| {
        let error = Application::new().run_until(async |_| Err::<(), _>(Error::Closed));
        assert_eq!(error.unwrap_err().to_string(), Error::Closed.to_string());
        Ok(())
    });
}

#[test]
fn an_application_ends_even_if_its_main_fiber_does_not() {
    returns_in_time(|| {
        let app = Application::new();
        let error = app.run_until(async |ctx| {
            let fail: fn() = || panic!("on purpose");
            fail();
            Ok(ctx.now())
        });
        assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::Interrupted);

        let app = Application::new();
        app.halt_handle().halt();
        let error = app.run_until(async |ctx| ctx.sleep(Duration::from_secs(1000)).await);
        assert_eq!(error.unwrap_err().to_string(), "shutting down");
        Ok(())
    });
}
