//! Names in the simulated network: resolved from what the test says, over links with latency.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use diesel_proto::testkit::net::{
    Happened, HostId, JobPlan, LinkOptions, NameAnswer, Network, PeerState,
};
use diesel_proto::*;

const V6: &str = "[2001:db8::1]:7000";
const V4: &str = "10.9.9.9:7000";

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn both() -> NameAnswer {
    [address(V6).ip(), address(V4).ip()].into()
}

async fn shout(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(line.to_ascii_uppercase()).await?;
    }
}

type Seen = Rc<RefCell<Vec<(Duration, String)>>>;

/// A host that connects to a name and says hello. It notes when it was connected, and the answer.
fn client(network: &mut Network) -> (HostId, Seen) {
    let seen = Seen::default();
    let noted = Rc::clone(&seen);
    let mut hub = Hub::default();
    hub.add_loop(async move |ctx: Ctx| {
        let note = |text: String| noted.borrow_mut().push((ctx.now() - Instant::ORIGIN, text));
        let mut conn = match ctx.connect("shout.example:7000").await {
            Ok(conn) => conn,
            Err(error) => {
                note(error.to_string());
                return Ok(());
            }
        };
        note(conn.peer().to_string());
        conn.write("hello\r\n").await?;
        let line = conn.until_eol().await?.trimmed().to_string();
        note(line);
        Ok(())
    })
    .unwrap();
    (network.lone_host(hub), seen)
}

/// A network with a server at one address, and links that take 20 ms.
fn network(seed: u64) -> Network {
    let mut network = Network::new(seed);
    let latency = millis(20)..=millis(20);
    network.link(LinkOptions { latency, ..LinkOptions::default() });
    let mut server = Hub::default();
    let service = server.add_service(shout);
    network.host(server, &[(service, address(V4))]).unwrap();
    network
}

fn at(seen: &Seen, n: usize) -> (u128, String) {
    let (when, text) = seen.borrow()[n].clone();
    (when.as_millis(), text)
}

#[test]
fn an_address_that_nothing_listens_at_costs_its_refusal() {
    let mut network = network(7);
    network.name("Shout.Example", both().after(millis(300)));
    let (_, seen) = client(&mut network);
    network.run_until_idle().unwrap();
    // 300 for the name, 40 for the refusal, 40 for the connection, 40 for the answer.
    assert_eq!(at(&seen, 0), (380, V4.to_string()));
    assert_eq!(at(&seen, 1), (420, "HELLO".to_string()));
}

#[test]
fn an_address_that_is_silent_costs_the_delay() {
    let mut network = network(7);
    network.name("shout.example", both());
    // Requests arrive, and are not answered.
    network.listen(address(V6)).unwrap();
    let (_, seen) = client(&mut network);
    network.run_until_idle().unwrap();
    assert_eq!(at(&seen, 0), (250 + 40, V4.to_string()));
    // The attempt was abandoned: there is nothing to accept any more.
    assert!(network.accept(address(V6)).is_none());
}

#[test]
fn one_that_answers_late_is_closed() {
    let mut network = network(7);
    network.name("shout.example", both());
    network.listen(address(V6)).unwrap();
    let (_, seen) = client(&mut network);
    // In time: the other one has begun, and is not made yet.
    network.run_for(millis(260)).unwrap();
    let peer = network.accept(address(V6)).unwrap();
    network.run_until_idle().unwrap();
    assert_eq!(seen.borrow().len(), 1, "{seen:?}");
    assert_eq!(at(&seen, 0).1, V6);
    assert_eq!(network.got(peer), b"hello\r\n");
    assert_eq!(network.peer_state(peer), PeerState::Open);
}

#[test]
fn errors_of_names_come_in_their_time() {
    let not_found = "cannot resolve shout.example: no such name, or no address";
    for (answer, when, text) in [
        (None, 0, not_found),
        (Some(NameAnswer::from([])), 0, not_found),
        (
            Some(NameAnswer::from(ResolveErrorKind::ServerFailed).after(millis(70))),
            70,
            "cannot resolve shout.example: the name server failed",
        ),
        (Some(NameAnswer::NEVER), 10_000, "cannot resolve shout.example: no answer in time"),
        (
            Some(both().after(millis(10_001))),
            10_000,
            "cannot resolve shout.example: no answer in time",
        ),
    ] {
        let mut network = network(7);
        if let Some(answer) = answer {
            network.name("shout.example", answer);
        }
        let (_, seen) = client(&mut network);
        network.run_until_idle().unwrap();
        assert_eq!(at(&seen, 0), (when, text.to_string()));
    }
}

#[test]
fn what_happened_is_seen_and_is_the_same_each_time() {
    let run = || {
        let mut network = network(7);
        network.name("shout.example", both().after(millis(300)));
        let log = Rc::new(RefCell::new(Vec::new()));
        let lines = Rc::clone(&log);
        network.watch(move |it| {
            let is_name = matches!(it.what, Happened::Resolves(_) | Happened::Resolved(_));
            if is_name || matches!(it.what, Happened::Connects(_)) {
                lines.borrow_mut().push(it.to_string());
            }
        });
        client(&mut network);
        network.run_until_idle().unwrap();
        (network.hash(), log.take())
    };
    let (hash, log) = run();
    assert_eq!((hash, &log), (run().0, &run().1));
    assert_eq!(log.len(), 4, "{log:?}");
    assert!(log[0].ends_with("resolves shout.example"), "{log:?}");
    assert!(log[2].ends_with(V6) && log[3].ends_with(V4), "{log:?}");
}

#[test]
fn jobs_run_as_the_test_plans() {
    for (plan, when, text) in [
        (JobPlan::AtOnce, 0, "Ok(42)"),
        (JobPlan::After(millis(30)), 30, "Ok(42)"),
        (JobPlan::Never, 1000, "Err(TimedOut(Application(\"timeout\")))"),
        (JobPlan::After(millis(1001)), 1000, "Err(TimedOut(Application(\"timeout\")))"),
        (JobPlan::Fail(JobError::OutOfResources), 0, "Err(Job(OutOfResources))"),
    ] {
        let mut network = Network::new(7);
        network.jobs(plan);
        let (seen, ran) = (Seen::default(), std::sync::Arc::new(std::sync::Mutex::new(0)));
        let (noted, count) = (Rc::clone(&seen), std::sync::Arc::clone(&ran));
        let mut hub = Hub::default();
        hub.add_loop(async move |ctx: Ctx| {
            let job = ctx.unblock(move || {
                *count.lock().unwrap() += 1;
                6 * 7
            });
            let outcome = ctx.timeout(millis(1000), job).await.and_then(|it| it);
            noted.borrow_mut().push((ctx.now() - Instant::ORIGIN, format!("{outcome:?}")));
            Ok(())
        })
        .unwrap();
        network.lone_host(hub);
        network.run_until_idle().unwrap();
        assert_eq!(at(&seen, 0), (when, text.to_string()));
        // One that is cancelled before it is due does not run.
        assert_eq!(*ran.lock().unwrap(), u32::from(text == "Ok(42)"), "{plan:?}");
    }
}

/// Two hundred hosts look up two hundred names at once, each with its latency and its failures.
#[test]
fn two_hundred_hosts_at_once() {
    let run = |seed: u64| {
        let mut network = network(seed);
        let connected = Rc::new(RefCell::new(Vec::new()));
        for n in 0..200_u64 {
            let answer = match n % 5 {
                0 => NameAnswer::NEVER,
                1 => ResolveErrorKind::Temporary.into(),
                _ => both().after(millis(n * 53 % 700)),
            };
            network.name(&format!("host{n}.example"), answer);
            let (connected, mut hub) = (Rc::clone(&connected), Hub::default());
            hub.add_loop(async move |ctx: Ctx| {
                let conn = ctx.connect((format!("host{n}.example"), 7000)).await;
                connected.borrow_mut().push((n, conn.is_ok()));
                ctx.halt();
                Ok(())
            })
            .unwrap();
            network.lone_host(hub);
        }
        network.run_until_idle().unwrap();
        assert_eq!(connected.borrow().len(), 200);
        assert!(connected.borrow().iter().all(|(n, is_ok)| *is_ok == (n % 5 > 1)));
        network.hash()
    };
    assert_eq!(run(1), run(1));
}
