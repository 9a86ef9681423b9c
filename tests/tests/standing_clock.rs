//! While a handler computes, the hub's clock stands still: a wait after that still takes its full
//! time, by the clock of the system.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use diesel_driver::http1::{self, Response};
use diesel_driver::{Application, Error};

const WORK: Duration = Duration::from_millis(200);
const WAIT: Duration = Duration::from_millis(100);

#[test]
fn a_sleep_after_much_work_is_never_early() {
    let took: Rc<RefCell<Vec<Duration>>> = Rc::default();
    let mut app = Application::new();
    app.handle_signals(false);
    let note = Rc::clone(&took);
    app.add_loop(async move |ctx| {
        for _ in 0..2 {
            thread::sleep(WORK);
            let began = Instant::now();
            ctx.sleep(WAIT).await?;
            note.borrow_mut().push(began.elapsed());
            thread::sleep(WORK);
            let began = Instant::now();
            let _ = ctx.timeout(WAIT, ctx.sleep(Duration::MAX)).await;
            note.borrow_mut().push(began.elapsed());
        }
        ctx.halt();
        Ok(())
    })
    .unwrap();
    app.run().unwrap();
    assert_eq!(took.borrow().len(), 4);
    assert!(took.borrow().iter().all(|took| *took >= WAIT), "{took:?}");
}

/// The handler of a request starts when the last byte is received, before the hub runs.
#[test]
fn a_sleep_of_a_request_after_much_work_is_never_early() {
    let mut app = Application::new();
    app.handle_signals(false);
    let ctx = app.ctx();
    let handler = async move |_: http1::Request| {
        thread::sleep(WORK);
        let began = Instant::now();
        ctx.sleep(WAIT).await?;
        let took = began.elapsed();
        ctx.halt();
        Ok::<_, Error>(Response::text(format!("{}", took.as_micros())))
    };
    let service = app.add_service(http1::Service::new(handler), "127.0.0.1:0").unwrap();
    let address = app.local_addr(service).unwrap();
    let client = thread::spawn(move || {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut heard = String::new();
        client.read_to_string(&mut heard).unwrap();
        let (_, micros) = heard.split_once("\r\n\r\n").unwrap();
        Duration::from_micros(micros.parse().unwrap())
    });
    app.run().unwrap();
    let took = client.join().unwrap();
    assert!(took >= WAIT, "{took:?}");
}
