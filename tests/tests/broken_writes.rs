//! If a peer answers and closes without having read everything, its answer still arrives in full.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use diesel_driver::{Application, Config, Ctx, Error, Hub};
use diesel_proto::testkit::net::{Happened, Network};
use diesel_tests::{Program, connect};

/// Fewer bytes than a socket buffers unread.
const ANSWER: usize = 32 << 10;

/// The length of a peer's answer, and how reading ended, after a write to the peer has failed.
fn read_after_a_failed_write(peer: impl FnOnce(TcpStream) + Send + 'static) -> (usize, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = thread::spawn(move || peer(listener.accept().unwrap().0));

    let (sender, receiver) = mpsc::channel();
    let mut config = Config::default();
    // Reading pauses at once, so that the failure shows by writing.
    config.client.read_ahead = 1;
    let mut app = Application::with_config(config);
    app.handle_signals(false);
    app.add_loop(async move |ctx: Ctx| {
        let mut conn = ctx.connect(address).await?;
        conn.write(vec![b'x'; 16 << 20]).await?;
        let failed = conn.flush().await;
        assert!(matches!(failed, Err(Error::Reset)), "{failed:?}");
        let mut length = 0;
        let end = loop {
            match conn.some().await {
                Ok(bytes) => length += bytes.len(),
                Err(error) => break error,
            }
        };
        sender.send((length, format!("{end:?}"))).unwrap();
        ctx.halt();
        Ok(())
    })
    .unwrap();
    app.run().unwrap();
    peer.join().unwrap();
    receiver.recv().expect("the loop ran to its end")
}

/// Answers twice: reading pauses in between.
fn answer(peer: &mut TcpStream) {
    peer.write_all(b"an").unwrap();
    peer.read_exact(&mut [0; 1 << 20]).unwrap();
    thread::sleep(Duration::from_millis(100));
    peer.write_all(&[b'a'; ANSWER]).unwrap();
}

#[test]
fn what_a_peer_answered_before_it_reset_is_read_up_to_the_reset() {
    let outcome = read_after_a_failed_write(|mut peer| answer(&mut peer));
    assert_eq!(outcome, (2 + ANSWER, "Reset".to_string()));
}

#[test]
fn what_a_peer_answered_before_it_ended_its_side_is_read_up_to_the_end() {
    let outcome = read_after_a_failed_write(|mut peer| {
        answer(&mut peer);
        peer.shutdown(Shutdown::Write).unwrap();
        // The end has arrived when the reset follows.
        thread::sleep(Duration::from_millis(100));
    });
    assert_eq!(outcome, (2 + ANSWER, "Closed".to_string()));
}

#[test]
fn the_answer_of_a_server_that_refuses_the_rest_of_an_upload_passes_the_proxy() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = target.local_addr().unwrap().to_string();
    let (_program, address) = Program::serve("proxy", &["--to", &to]);
    let server = thread::spawn(move || {
        for _ in 0..20 {
            let (mut peer, _) = target.accept().unwrap();
            peer.read_exact(&mut [0; 1000]).unwrap();
            peer.write_all(&[b'a'; ANSWER]).unwrap();
        }
    });
    let upload = |address: SocketAddr| {
        let mut client = connect(address);
        // It may be cut during that: only the answer matters.
        let _ = client.write_all(&[b'x'; 300_000]);
        let mut got = Vec::new();
        let _ = client.read_to_end(&mut got);
        got.len()
    };
    let got: Vec<_> = (0..20).map(|_| upload(address)).collect();
    assert_eq!(got, [ANSWER; 20]);
    server.join().unwrap();
}

#[test]
fn in_the_simulated_network_as_well() {
    /// More than is read ahead.
    const SENT: usize = 200_000;
    let far = "10.0.0.9:7".parse().unwrap();
    let outcome = Rc::new(RefCell::new(None));
    let seen = Rc::clone(&outcome);
    let mut hub = Hub::default();
    hub.add_loop(async move |ctx: Ctx| {
        let mut conn = ctx.connect(far).await?;
        conn.write("a question").await?;
        // Meanwhile reading pauses, the peer answers and resets, and this side sends on.
        ctx.sleep(Duration::from_secs(1)).await?;
        conn.write("and more").await?;
        let failed = conn.flush().await;
        let mut length = 0;
        let end = loop {
            match conn.some().await {
                Ok(bytes) => length += bytes.len(),
                Err(error) => break error,
            }
        };
        *seen.borrow_mut() = Some((length, format!("{failed:?} {end:?}")));
        Ok(())
    })
    .unwrap();

    let mut network = Network::new(1);
    network.listen(far).unwrap();
    network.lone_host(hub);
    let failed = Rc::new(RefCell::new(0));
    let count = Rc::clone(&failed);
    network.watch(move |happening| {
        *count.borrow_mut() += usize::from(happening.what == Happened::WriteFailed);
    });
    network.run_for(Duration::from_millis(10)).unwrap();
    let peer = network.accept(far).unwrap();
    network.run_for(Duration::from_millis(10)).unwrap();
    network.send(peer, vec![b'a'; SENT]);
    network.run_for(Duration::from_millis(10)).unwrap();
    network.reset(peer);
    network.run_for(Duration::from_secs(2)).unwrap();
    assert_eq!(*failed.borrow(), 1);
    let (length, how) = outcome.take().unwrap();
    assert_eq!(how, "Err(Reset) Reset");
    assert_eq!(length, SENT);
}
