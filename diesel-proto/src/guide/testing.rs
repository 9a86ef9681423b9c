//! Test deterministically: unit tests in virtual time, laws, a simulated network.
//!
//! Nothing in `diesel-proto` reads a clock or a socket. So a test *is* the network and the clock: it
//! says which bytes arrive, how they are cut, and when. No test sleeps, none is flaky, and a failure
//! repeats. The first two sections test a handler; the others build a protocol of your own, from an
//! empty file to laws, a simulation and a driver, in less than a hundred lines of code.
//!
//! # A handler, by a script
//!
//! A [script](crate::testkit::script) reads like a telnet session with times. It is played with the
//! bytes cut at every position:
//!
//! ```
//! use core::time::Duration;
//! use diesel_proto::testkit::script;
//! use diesel_proto::{Conn, Error, First2, Hub, first};
//!
//! async fn guess(mut conn: Conn) -> Result<(), Error> {
//!     conn.write("Name a number!\n").await?;
//!     let ctx = conn.ctx();
//!     match first((conn.until_eol(), ctx.sleep(Duration::from_secs(10)))).await {
//!         First2::A(line) => conn.write(("You said ", line?)).await,
//!         First2::B(_) => conn.write("Too late.\n").await,
//!     }
//! }
//!
//! fn hub() -> Hub {
//!     let mut hub = Hub::default();
//!     hub.add_service(guess);
//!     hub
//! }
//!
//! script::assert_plays(
//!     r"
//!     ann connects
//!     ann< Name a number!\n
//!     +9.999s
//!     ann> 7\n
//!     ann< You said 7\n
//!     ann closed
//!     ",
//!     hub,
//! );
//! script::assert_plays(
//!     r"
//!     bob connects
//!     bob< Name a number!\n
//!     +10s
//!     bob< Too late.\n
//!     bob closed: done
//!     ",
//!     hub,
//! );
//! ```
//!
//! # A handler, by hand
//!
//! A [`Hub`](crate::hub::Hub) can be called directly as well, to look at single actions:
//!
//! ```
//! use diesel_proto::{Action, Address, Conn, Hub, Instant};
//!
//! let now = Instant::ORIGIN;
//! let mut hub = Hub::default();
//! let service = hub.add_service(async |mut conn: Conn| {
//!     let line = conn.until_eol().await?;
//!     conn.write(("you said: ", line)).await
//! });
//! let conn = hub.accept(now, service, Address::Unnamed).unwrap();
//! assert_eq!(hub.received(now, conn, b"hello\r\n"), 7);
//!
//! let mut actions = Vec::new();
//! hub.run(now, &mut actions);
//! assert_eq!(actions, [Action::Send(conn)]);
//! hub.outgoing(conn, |slices| assert_eq!(slices, [b"you said: hello\r\n"]));
//! ```
//!
//! # A protocol of your own
//!
//! We build a till. Each client sends prices, one in a line; the till answers each with the total so
//! far.
//!
//! ```text
//! $ cargo new --lib till
//! $ cd till
//! $ cargo add --path ../diesel/diesel-proto
//! $ cargo add --path ../diesel/diesel-driver
//! $ cargo add --dev --path ../diesel/diesel-proto --features testkit
//! ```
//!
//! ## The machine
//!
//! This is `src/lib.rs`, all of it:
//!
#![doc = "```"]
#![doc = include_str!("testing/till.rs")]
#![doc = "```"]
//!
//! A [`Machine`] gets inputs, and answers with actions. Three things to note:
//!
//! - A line may come in pieces. They wait in a [`Buffer`], and [`find`](Buffer::find) goes on where
//!   it stopped.
//! - Everything that could grow has a limit: the line, and the queued output. While a client sends
//!   prices and does not read the totals, the till takes no bytes, until
//!   [`Drained`](crate::machine::Input::Drained) says that there is room again.
//! - [`held`](Machine::held) and [`scanned`](Machine::scanned) report memory and work, for the laws.
//!
//! ## The laws
//!
//! Some things are true for every correct machine. The output does not depend on how the bytes were
//! cut, nor on how fast the peer reads. A deadline that passes makes progress. Nothing is sent after a
//! close. [`laws`](crate::testkit::laws) lists these laws, and one call checks them all, with the bytes
//! cut at every position. In `tests/laws.rs`, inside a `#[test]` function:
//!
//! ```
//! # mod till { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/testing/till.rs")); }
//! use diesel_proto::testkit::{Stimulus, laws::Laws};
//! use till::Till;
//!
//! let laws = Laws::of(Till::default).max_held(Till::LONGEST);
//! laws.assert(&[Stimulus::bytes("2\n40\r\n"), Stimulus::Wait(Till::IDLE)]);
//! laws.assert(&[Stimulus::bytes("2\nfree\n3\n"), Stimulus::Eof]);
//! laws.assert(&[Stimulus::bytes("4".repeat(100))]);
//! laws.assert(&[Stimulus::bytes("1\n".repeat(400)), Stimulus::Eof]);
//! ```
//!
//! A test like this says what happens, and not what the result should be: the laws compare the machine
//! with itself. So let every kind of thing happen. Here one client falls silent, one sends a line that
//! is no price, one a line that is too long, and one causes more output than may be queued.
//!
//! ## A broken law
//!
//! Here is a common mistake. With each read, this till forgets the part of a line that the previous
//! read had left over:
//!
//! ```
//! # mod till {
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/testing/till.rs"));
//! #[derive(Default)]
//! pub struct Forgetful(Till);
//!
//! impl Machine for Forgetful {
//!     fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
//!         self.0.input = Buffer::new();
//!         self.0.step(now, input, actions)
//!     }
//! }
//! # }
//! # use diesel_proto::testkit::{Stimulus, laws::Laws};
//! # use till::Forgetful;
//!
//! let laws = Laws::of(Forgetful::default);
//! let broken = laws.check(&[Stimulus::bytes("2\n40\n"), Stimulus::Eof]).unwrap_err();
//! assert_eq!(broken.to_string(), r#"broken law: SplitInvariance
//! happened: [Bytes(b"2\n")]
//! second run: cut at [1], room for output: Ample
//!     0ns Start -> "" deadline(30s: Idle)
//! --> whole:  0ns Bytes(2) -> "2\n" deadline(30s: Idle)
//! --> second: 0ns Bytes(2) -> "" closed(Protocol("a line is a number"))
//! "#);
//! ```
//!
//! [`assert`](Laws::assert) panics with this text. It shows the smallest failing case that was found
//! (two bytes, if they arrive one by one), then both runs, with an arrow where they begin to differ. If
//! both bytes arrive together, the till answers `2`. If not, it forgets the `2`, and takes the end of
//! the line for a line.
//!
//! ## Fuzzing
//!
//! The same call, with input from a fuzzer, is a fuzz target: see [the chapter on it](super::fuzzing).
//!
//! ## A simulation
//!
//! The laws look at one stream. A [`Network`](crate::testkit::net::Network) joins whole applications in
//! virtual time, over links with latency, cuts, stalls and resets. Here are ten clients on slow links
//! that cut the bytes, and some of which break. In `tests/simulation.rs`:
//!
//! ```
//! # mod till { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/testing/till.rs")); }
//! use core::time::Duration;
//! use diesel_proto::testkit::net::{LinkFault, LinkOptions, Network, PeerState, explore};
//! use diesel_proto::{Hub, Service};
//! use till::Till;
//!
//! fn ten_customers(seed: u64) -> Result<(), String> {
//!     let mut hub = Hub::default();
//!     let till = hub.add_service(Service::machine(|_| Till::default()));
//!     let mut network = Network::new(seed);
//!     let latency = Duration::from_millis(1)..=Duration::from_millis(300);
//!     let resets = LinkFault::likely(20, 0..=9);
//!     network.link(LinkOptions { latency, resets, reads: 1..=4, ..LinkOptions::default() });
//!     let shop = network.lone_host(hub);
//!     let customers = [(); 10].map(|()| network.connect_to(shop, till));
//!     customers.iter().for_each(|&customer| network.send(customer, "2\n40\n"));
//!     network.run_for(Till::IDLE * 2).map_err(|error| error.to_string())?;
//!     for customer in customers {
//!         let (got, state) = (network.got(customer), network.peer_state(customer));
//!         let is_all = got.len() == 5 || state == PeerState::Reset;
//!         if !is_all || !b"2\n42\n".starts_with(got) {
//!             return Err(format!("{customer:?} is {state:?} and got {}", got.escape_ascii()));
//!         }
//!     }
//!     Ok(())
//! }
//!
//! // In a `#[test]` function:
//! explore(0..200, ten_customers).unwrap();
//! ```
//!
//! Everything random is drawn from the seed. [`explore`](crate::testkit::net::explore) reports the first
//! seed that fails; with this seed the same run happens again, on any machine.
//!
//! ## A driver
//!
//! The program runs the machine that was tested. `src/main.rs`:
//!
//! ```no_run
//! # mod till { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/testing/till.rs")); }
//! use diesel_driver::{Application, Service};
//! use till::Till;
//!
//! fn main() -> std::io::Result<()> {
//!     let mut app = Application::new();
//!     app.add_service(Service::machine(|_| Till::default()), "127.0.0.1:7000")?;
//!     app.run()
//! }
//! ```
//!
//! ```text
//! $ cargo run --release &
//! $ telnet 127.0.0.1 7000
//! 2
//! 2
//! 40
//! 42
//! ```
//!
//! # And then
//!
//! - A handler can be put under the laws too: [`HubMachine`](crate::testkit::HubMachine).
//! - Layers have [additional laws](crate::testkit::layer_laws).
//! - [`decorator`](crate::testkit::decorator) has small machines that go around yours: a tracer,
//!   a throttle, a fault injector.
//! - With the feature `quickcheck`, `testkit::generators` draws whole sessions.
//! - A list of [`hub::Input`](crate::hub::Input)s is a recording: replayed through a hub that was set up
//!   the same way, it gives the same actions.

#[cfg(doc)]
use crate::buf::Buffer;
#[cfg(doc)]
use crate::machine::Machine;
#[cfg(doc)]
use crate::testkit::laws::Laws;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    /// Comments and blank lines do not count, nor does what the chapter shows to be broken.
    #[test]
    fn a_reader_writes_less_than_a_hundred_lines() {
        let shown = |line: &'static str| line.strip_prefix("//!").map(str::trim_start);
        let (_, protocol) =
            include_str!("testing.rs").split_once("//! # A protocol of your own").unwrap();
        let fuzzing = include_str!("fuzzing.rs").split("//! # A target for a handler").next();
        let chapters = protocol.lines().chain(fuzzing.unwrap().lines());
        let chapter: Vec<_> = chapters.filter_map(shown).collect();
        let chapter = chapter.join("\n");
        let blocks = chapter.split("```").skip(1).step_by(2);
        let blocks =
            blocks.filter(|block| !block.starts_with("text") && !block.contains("Forgetful"));
        let lines = blocks.flat_map(|block| block.lines().skip(1));
        let lines = lines.chain(include_str!("testing/till.rs").lines().map(str::trim_start));
        let is_code =
            |line: &&str| !["//", "# "].iter().any(|it| line.starts_with(it)) && !line.is_empty();
        let lines: Vec<_> = lines.filter(is_code).collect();
        assert!((50..100).contains(&lines.len()), "{}: {lines:#?}", lines.len());
    }
}
