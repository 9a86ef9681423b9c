//! Test your own protocol: from an empty file to laws, a fuzz target, a simulation and a driver, in
//! less than a hundred lines of code.
//!
//! We build a till. Whoever connects sends prices, one in a line; the till answers each with the
//! total so far.
//!
//! ```text
//! $ cargo new --lib till
//! $ cd till
//! $ cargo add --path ../diesel/diesel-proto
//! $ cargo add --path ../diesel/diesel-driver
//! $ cargo add --dev --path ../diesel/diesel-proto --features testkit
//! ```
//!
//! # The machine
//!
//! This is `src/lib.rs`, all of it:
//!
#![doc = "```"]
#![doc = include_str!("testing/till.rs")]
#![doc = "```"]
//!
//! A [`Machine`] is told what happened, and says what follows. It knows no socket and no clock; so
//! a test can be the network, and time passes when the test says so. Three things to note:
//!
//! - A line may come in pieces. They wait in a [`Buffer`], and [`find`](Buffer::find) goes on where
//!   it stopped.
//! - Whatever could grow has a limit: the line, and what waits to be sent. Who sends prices but
//!   never reads a total is not read any more: the till takes no bytes until
//!   [`Drained`](crate::Input::Drained) says that there is room again.
//! - [`held`](Machine::held) and [`scanned`](Machine::scanned) tell what the machine costs.
//!
//! # The laws
//!
//! Some things hold for every machine. However the bytes are cut, the same comes out. How fast the
//! peer reads changes nothing. When a deadline passes, something comes of it. After a close nothing
//! does. [`laws`](crate::testkit::laws) lists them, and one call checks them all, with the bytes
//! cut in every place. In `tests/laws.rs`, inside a `#[test]` function:
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
//! You say what happens, and not what should come of it: the laws compare the machine with itself.
//! So let every kind of thing happen. Here one customer falls silent, one sends what is no price,
//! one a line without end, and one asks for more than may wait to be sent.
//!
//! # A broken law
//!
//! Here is a mistake that everybody makes once. With each read, this till forgets the piece of a
//! line that the last read had left over:
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
//! [`assert`](Laws::assert) panics with this text. It shows the smallest case that was found: two
//! bytes are enough, if they come one by one. Then the two runs, and an arrow where they begin to
//! differ. In one read the till answers `2`. In two it forgets the `2`, and takes the end of the
//! line for a line.
//!
//! # A fuzz target
//!
//! Nobody thinks of everything, so let a fuzzer try. It gets a crate of its own:
//!
//! ```text
//! $ cargo fuzz init --target till
//! $ cd fuzz
//! $ cargo add --path ../../diesel/diesel-proto --features testkit
//! ```
//!
//! What to do with its bytes is a function like any other, in `fuzz/src/lib.rs`:
//!
//! ```
//! # mod till { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/testing/till.rs")); }
//! use diesel_proto::testkit::{Stimulus, laws::Laws};
//! use till::Till;
//!
//! pub fn customer(data: &[u8]) {
//!     // A zero stands for ten seconds.
//!     let pieces = data.split(|&byte| byte == 0).map(Stimulus::bytes);
//!     let session: Vec<_> = pieces.flat_map(|it| [it, Stimulus::Wait(Till::IDLE / 3)]).collect();
//!     Laws::of(Till::default).max_held(Till::LONGEST).few_cuts().assert(&session);
//! }
//! # for data in ["", "1\n2\n", "1\0\n\0\0\0x", "18446744073709551615\n1\n"] {
//! #     customer(data.as_bytes());
//! # }
//! ```
//!
//! It is the same call again. [`few_cuts`](Laws::few_cuts) tries some cuts instead of all, because
//! a fuzzer has many inputs. The target itself, `fuzz/fuzz_targets/till.rs`, is one call:
//!
//! ```no_run
//! #![no_main]
//! # mod till_fuzz { pub fn customer(_: &[u8]) {} }
//!
//! libfuzzer_sys::fuzz_target!(|data: &[u8]| till_fuzz::customer(data));
//! ```
//!
//! `cargo +nightly fuzz run till` runs it. The function knows no fuzzer, so an ordinary test can
//! call it too, with each file of `fuzz/corpus/till`: what was found once stays found.
//!
//! # A simulation
//!
//! The laws look at one stream. A [`Network`](crate::testkit::net::Network) joins whole
//! applications in virtual time, over links as bad as you like. Here are ten customers on links
//! that are slow, that cut what they carry, and some of which break. In `tests/simulation.rs`:
//!
//! ```
//! # mod till { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/testing/till.rs")); }
//! use core::time::Duration;
//! use diesel_proto::testkit::net::{Fault, LinkOptions, Network, PeerState, explore};
//! use diesel_proto::{Hub, Service};
//! use till::Till;
//!
//! fn ten_customers(seed: u64) -> Result<(), String> {
//!     let mut hub = Hub::default();
//!     let till = hub.add_service(Service::machine(|_| Till::default()));
//!     let mut network = Network::new(seed);
//!     let latency = Duration::from_millis(1)..=Duration::from_millis(300);
//!     let resets = Fault::likely(20, 0..=9);
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
//! Whatever happens by chance is drawn from the seed. [`explore`](crate::testkit::net::explore)
//! reports the first seed that fails; with it the same happens again, on any machine.
//!
//! # A driver
//!
//! What was tested is what runs; nothing is rewritten. `src/main.rs`:
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
//! - A handler, an `async fn`, is tested in the same ways:
//!   [`HubMachine`](crate::testkit::HubMachine) puts it under the laws.
//! - A [`script`](crate::testkit::script) reads like that telnet session, and says what must come,
//!   and when. It is played at every cut.
//! - [`decorator`](crate::testkit::decorator) has small machines that go around yours: a tracer,
//!   a throttle, a fault injector.
//! - With feature `quickcheck`, whole sessions can be drawn: `testkit::generators`.

#[cfg(doc)]
use crate::testkit::laws::Laws;
#[cfg(doc)]
use crate::{Buffer, Machine};

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    /// Comments and blank lines do not count, nor does what the chapter shows to be broken.
    #[test]
    fn a_reader_writes_less_than_a_hundred_lines() {
        let shown = |line: &'static str| line.strip_prefix("//!").map(str::trim_start);
        let chapter: Vec<_> = include_str!("testing.rs").lines().filter_map(shown).collect();
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
