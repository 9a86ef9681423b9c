//! Fuzz a protocol, a layer, or a whole server.
//!
//! A state machine without I/O is easy to fuzz: the target is a function of bytes, one run takes
//! microseconds, and what fails once fails again. The test kit turns this into one call, because it
//! knows what is true for *every* machine: the [laws](crate::testkit::laws). So a target needs no
//! expected output. It says what happened, and the laws compare the machine with itself.
//!
//! | to fuzz | call |
//! | --- | --- |
//! | a [`Machine`](crate::machine::Machine) | [`Laws::of`](crate::testkit::laws::Laws::of) |
//! | a layer | [`LayerLaws::around`](crate::testkit::layer_laws::LayerLaws::around) |
//! | a handler, a service | `Laws::of` a [`HubMachine`](crate::testkit::HubMachine) |
//! | a whole application | [`Hub::handle`](crate::hub::Hub::handle), with inputs made of the fuzzer's bytes |
//! | a parser | the parser itself, at every cut, against another implementation |
//!
//! # A target for a machine
//!
//! The fuzz target gets a separate crate, beside the crate of the
//! [`Till`](super::testing#the-machine), the machine that [`guide::testing`](super::testing) builds:
//!
//! ```text
//! $ cargo fuzz init --target till
//! $ cd fuzz
//! $ cargo add --path ../../diesel/diesel-proto --features testkit
//! ```
//!
//! What to do with the bytes is an ordinary function, in `fuzz/src/lib.rs`:
//!
//! ```
//! # mod till { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/testing/till.rs")); }
//! use diesel_proto::testkit::{Stimulus, laws::Laws};
//! use till::Till;
//!
//! pub fn customer(data: &[u8]) {
//!     // A zero byte stands for ten seconds of silence.
//!     let pieces = data.split(|&byte| byte == 0).map(Stimulus::bytes);
//!     let session: Vec<_> = pieces.flat_map(|it| [it, Stimulus::Wait(Till::IDLE / 3)]).collect();
//!     Laws::of(Till::default).max_held(Till::LONGEST).few_cuts().assert(&session);
//! }
//! # for data in ["", "1\n2\n", "1\0\n\0\0\0x", "18446744073709551615\n1\n"] {
//! #     customer(data.as_bytes());
//! # }
//! ```
//!
//! [`few_cuts`](crate::testkit::laws::Laws::few_cuts) tries some ways to cut the bytes instead of all
//! of them, because a fuzzer has many inputs. The target itself, `fuzz/fuzz_targets/till.rs`, is one
//! call:
//!
//! ```no_run
//! #![no_main]
//! # mod till_fuzz { pub fn customer(_: &[u8]) {} }
//!
//! libfuzzer_sys::fuzz_target!(|data: &[u8]| till_fuzz::customer(data));
//! ```
//!
//! `cargo +nightly fuzz run till` runs it.
//!
//! # A target for a handler
//!
//! A [`HubMachine`](crate::testkit::HubMachine) is a whole hub with one connection, as a machine. So
//! the same laws check an `async` handler, or an HTTP service with its limits and deadlines:
//!
//! ```
//! use core::time::Duration;
//! use diesel_proto::http1::{Request, Service};
//! use diesel_proto::testkit::{HubMachine, Stimulus, laws::Laws};
//! use diesel_proto::Hub;
//!
//! fn served() -> HubMachine {
//!     let mut hub = Hub::default();
//!     let service = hub.add_service(Service::new(|request: Request| {
//!         format!("you asked for {}\n", request.path())
//!     }));
//!     HubMachine::new(hub, service)
//! }
//!
//! pub fn http(data: &[u8]) {
//!     let session = [Stimulus::bytes(data), Stimulus::Wait(Duration::from_secs(100)), Stimulus::Eof];
//!     Laws::of(served).early_deadlines().few_cuts().assert(&session);
//! }
//! # http(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
//! # http(b"\r\n\r\nG");
//! ```
//!
//! # Structured input
//!
//! Random bytes rarely make a valid request. The targets in this repository (`fuzz/src`) draw a
//! *session* from the fuzzer's bytes, with the crate `arbitrary`: words of the protocol, cuts, waits,
//! resets, failed writes, a peer that stops reading, a shutdown. The variants of
//! [`Stimulus`](crate::testkit::Stimulus) are the list of what can happen to one stream, and those of
//! [`hub::Input`](crate::hub::Input) of what can happen to a hub.
//!
//! # Keep what was found
//!
//! The function knows nothing of the fuzzer, so an ordinary test can call it with each file of the
//! corpus. Commit the input that failed, and it is a regression test on the stable toolchain:
//!
//! ```
//! use std::{fs, io, path::Path};
//!
//! fn replay(corpus: &Path, run: fn(&[u8])) -> io::Result<()> {
//!     for file in fs::read_dir(corpus)? {
//!         let path = file?.path();
//!         println!("{}", path.display());
//!         run(&fs::read(path)?);
//!     }
//!     Ok(())
//! }
//! # replay(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/testing"), |_| {}).unwrap();
//! ```
