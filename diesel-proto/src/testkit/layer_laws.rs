//! The laws of layers, and a call that checks them.
//!
//! A layer wraps any machine, so it must pass on every input and every action. The kit provides the
//! inner machine, a [`Probe`], which records its inputs and performs every action on demand, and it
//! provides the sessions. So one call checks a layer:
//!
//! ```
//! use diesel_proto::testkit::layer_laws::LayerLaws;
//! use diesel_proto::{Actions, Input, Instant, Machine, Nested};
//!
//! /// Changes every byte, both ways.
//! struct Rot13<M>(Nested<M>);
//!
//! fn rot13(bytes: &[u8]) -> Vec<u8> {
//!     let turn = |byte: &u8| match byte {
//!         b'a'..=b'm' | b'A'..=b'M' => byte + 13,
//!         b'n'..=b'z' | b'N'..=b'Z' => byte - 13,
//!         other => *other,
//!     };
//!     bytes.iter().map(turn).collect()
//! }
//!
//! impl<M: Machine> Machine for Rot13<M> {
//!     fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
//!         let taken = match input {
//!             Input::Bytes(bytes) => self.0.pass_on(now, Input::Bytes(&rot13(bytes)), actions),
//!             other => self.0.pass_on(now, other, actions),
//!         };
//!         self.0.settle_framed(None, actions, |bytes, actions| actions.send(&rot13(bytes)));
//!         taken
//!     }
//!
//!     fn held(&self) -> usize {
//!         self.0.held()
//!     }
//!
//!     fn scanned(&self) -> u64 {
//!         self.0.scanned()
//!     }
//! }
//!
//! LayerLaws::of(|inner| Rot13(Nested::framing(inner))).framed_by(rot13, rot13).assert();
//! ```
//!
//! The machine inside the layer is compared with the same machine alone: both must get the same
//! inputs, and a peer that speaks the layer's protocol must receive the same bytes. This is split
//! into one law for each thing that a layer passes on, in an order in which each law depends only
//! on those before. So the first broken law names what the layer loses. After that the [laws of all
//! machines](super::laws) are checked, with every cut of the input, for the layer with its inner
//! machine.
//!
//! ```text
//!   `scripts`: sessions of a law ──▶ run of the `probe` alone     ──┐
//!                           │                                       ├──▶ `compare` ──▶ `broken`
//!                           └──────▶ run of the layer around it ──┘
//! ```

mod broken;
mod compare;
mod probe;
mod scripts;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

pub use broken::{ALL, BrokenLayer, LayerLaw};
use compare::{Allowance, Difference, Unit, inside, outside};
pub use probe::Probe;
use scripts::SessionScript;

use super::cuts::{self, Cut};
use super::laws::{Broken, Laws};
use super::run::{self, Findings, Recode, Room, Transcript};
use super::stimulus::{self, Stimulus};
use super::{Random, shrink};
use crate::machine::Machine;

/// The time after which a deadline of the probe has passed with all its effects.
const DEADLINES: Duration = Duration::from_secs(2);

/// Checks the laws of layers.
///
/// The layer may change the bytes, if the test describes its peer: see
/// [`framed_by`](Self::framed_by), [`preamble`](Self::preamble), [`goodbye`](Self::goodbye). It may
/// have its own deadlines, and hold bytes back for a while: see
/// [`own_deadlines`](Self::own_deadlines), [`delays`](Self::delays).
///
/// Example: see the [module](self).
pub struct LayerLaws<'a, M, L> {
    make: Box<dyn Fn(ProbeKind) -> M + 'a>,
    wrap: Box<dyn Fn(M) -> L + 'a>,
    frames: Option<(Recode, Recode)>,
    preamble: Vec<u8>,
    goodbye: Vec<u8>,
    manner: Allowance,
    slack: Duration,
    max_held: usize,
    few_cuts: bool,
    seed: u64,
    sessions: usize,
}

/// How the probe behaves.
#[derive(Clone, Copy)]
struct ProbeKind {
    greets: bool,
    ignores_wakes: bool,
}

impl ProbeKind {
    fn probe(self) -> Probe {
        let probe = Probe::new().greets(self.greets);
        if self.ignores_wakes { probe.ignores_wakes() } else { probe }
    }
}

impl<'a, L: Machine> LayerLaws<'a, Probe, L> {
    /// The laws for the layer that `wrap` puts around a machine. It must make an equal one each
    /// time.
    pub fn of(wrap: impl Fn(Probe) -> L + 'a) -> Self {
        LayerLaws::new(Box::new(ProbeKind::probe), Box::new(wrap), true)
    }

    /// How many random sessions are run after the scripts. 200 by default.
    pub fn sessions(mut self, n: usize) -> Self {
        self.sessions = n;
        self
    }

    /// Checks every law.
    ///
    /// # Errors
    ///
    /// The first law that is broken, with the smallest case that was found.
    pub fn check(&self) -> Result<(), Box<BrokenLayer>> {
        for law in ALL {
            scripts::of(law).iter().try_for_each(|script| self.passes_on(law, script))?;
        }
        for law in ALL {
            let scripts = scripts::of(law);
            scripts.iter().try_for_each(|script| self.is_lawful(script, self.few_cuts))?;
        }
        let mut random = Random::new(self.seed);
        (0..self.sessions).try_for_each(|_| {
            let script = scripts::drawn(&mut random, self.manner.delays);
            self.passes_on(LayerLaw::Together, &script)?;
            self.is_lawful(&script, true)
        })
    }

    /// As [`check`](Self::check).
    ///
    /// # Panics
    ///
    /// If a law is broken: the message is the report.
    pub fn assert(&self) {
        if let Err(broken) = self.check() {
            panic!("{broken}");
        }
    }
}

impl<'a, M: Machine, L: Machine> LayerLaws<'a, M, L> {
    /// The laws for a layer around this machine, which must keep the laws of all machines. The kit
    /// has no sessions for it: use [`assert_on`](Self::assert_on).
    ///
    /// ```
    /// use diesel_proto::LineEcho;
    /// use diesel_proto::testkit::decorator::Tracer;
    /// use diesel_proto::testkit::{Stimulus, layer_laws::LayerLaws};
    ///
    /// LayerLaws::around(LineEcho::default, |inner| Tracer::new(inner, |_, line| println!("{line}")))
    ///     .assert_on(&[Stimulus::bytes("hello\r\nquit\r\n"), Stimulus::Eof]);
    /// ```
    pub fn around(make: impl Fn() -> M + 'a, wrap: impl Fn(M) -> L + 'a) -> Self {
        LayerLaws::new(Box::new(move |_| make()), Box::new(wrap), false)
    }

    fn new(
        make: Box<dyn Fn(ProbeKind) -> M + 'a>,
        wrap: Box<dyn Fn(M) -> L + 'a>,
        probes: bool,
    ) -> Self {
        LayerLaws {
            make,
            wrap,
            frames: None,
            preamble: Vec::new(),
            goodbye: Vec::new(),
            manner: Allowance { own_deadlines: false, delays: false, probes },
            slack: Duration::ZERO,
            max_held: usize::MAX,
            few_cuts: false,
            seed: 0,
            sessions: 200,
        }
    }

    /// Describes a peer of the layer. `encode` returns the whole frames that carry bytes for the
    /// inner machine. `decode` returns the inner machine's bytes in the output since the last
    /// stimulus, which consists of whole frames unless the stream was cut off; it omits what the
    /// layer itself sends.
    ///
    /// Both may be called with any part of a session, repeatedly, so they must not keep state.
    pub fn framed_by(
        mut self,
        encode: impl Fn(&[u8]) -> Vec<u8> + 'static,
        decode: impl Fn(&[u8]) -> Vec<u8> + 'static,
    ) -> Self {
        self.frames = Some((Rc::new(encode), Rc::new(decode)));
        self
    }

    /// What the peer sends first: a header, or its side of a handshake. The inner machine may start
    /// when it is complete.
    pub fn preamble(mut self, bytes: &[u8]) -> Self {
        self.preamble = bytes.to_vec();
        self
    }

    /// What the peer sends before it ends its side, such as a closing frame.
    pub fn goodbye(mut self, bytes: &[u8]) -> Self {
        self.goodbye = bytes.to_vec();
        self
    }

    /// The layer has its own deadlines in addition to the machine's. So deadlines that are earlier
    /// than the machine's, and deadlines without an effect, are not compared.
    ///
    /// The sessions of [`check`](Self::check) last for some seconds (random ones up to a minute): a
    /// deadline of the layer that ends the stream must be later.
    pub fn own_deadlines(mut self) -> Self {
        self.manner.own_deadlines = true;
        self
    }

    /// The layer holds each byte back for at most this long. Implies
    /// [`own_deadlines`](Self::own_deadlines); and the bytes of a session arrive one by one, with
    /// enough time after each.
    pub fn delays(mut self, at_most: Duration) -> Self {
        self.manner.own_deadlines = true;
        self.manner.delays = !at_most.is_zero();
        self.slack = at_most;
        self
    }

    /// The most bytes that the layer may hold in addition to what the inner machine holds: bytes
    /// that it took and has not passed on, such as half a frame.
    pub fn max_held(mut self, bytes: usize) -> Self {
        self.max_held = bytes;
        self
    }

    /// Draws some cuts instead of trying all, for a fuzz target, which has many inputs.
    pub fn few_cuts(mut self) -> Self {
        self.few_cuts = true;
        self
    }

    /// The seed of random sessions and cuts. Zero by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks the laws on a session, given as the stimuli of the inner machine. For
    /// [`LayerLaws::of`], that is a [`Probe`], which takes the bytes as commands.
    ///
    /// # Errors
    ///
    /// [`LayerLaw::Together`] if the inner machine does not get the same inputs as alone, or its
    /// peer does not receive the same bytes; otherwise the law of all machines that is broken.
    pub fn check_on(&self, stimuli: &[Stimulus]) -> Result<(), Box<BrokenLayer>> {
        let script = SessionScript { greets: false, stimuli: stimulus::joined(stimuli) };
        self.passes_on(LayerLaw::Together, &script)?;
        self.is_lawful(&script, self.few_cuts)
    }

    /// As [`check_on`](Self::check_on).
    ///
    /// # Panics
    ///
    /// If a law is broken: the message is the report.
    pub fn assert_on(&self, stimuli: &[Stimulus]) {
        if let Err(broken) = self.check_on(stimuli) {
            panic!("{broken}");
        }
    }

    /// Compares the machine inside the layer with the machine alone.
    fn passes_on(&self, law: LayerLaw, script: &SessionScript) -> Result<(), Box<BrokenLayer>> {
        let Some(broken) = self.lost(law, script) else { return Ok(()) };
        let mut smallest = broken;
        shrink::smallest(script.stimuli.clone(), |stimuli| {
            let script = SessionScript { greets: script.greets, stimuli: stimuli.to_vec() };
            let again = self.lost(law, &script);
            let is_broken = again.is_some();
            if let Some(again) = again {
                smallest = again;
            }
            (is_broken, 4 * (stimuli.len() + stimulus::len(stimuli)))
        });
        Err(smallest)
    }

    fn lost(&self, law: LayerLaw, script: &SessionScript) -> Option<Box<BrokenLayer>> {
        let units = self.units(&script.stimuli);
        let kind = ProbeKind { greets: script.greets, ignores_wakes: false };
        let uncut = Cut::new();
        let bare = alone(self.bare(kind), &inside(&units), &uncut, None);
        let layered = alone(self.layered(kind), &outside(&units), &uncut, self.decoder());
        let mut detail = String::new();
        let has_held = matches!(law, LayerLaw::Held | LayerLaw::Together);
        let (inner, outer) = (&bare.1, &layered.1);
        if has_held && (outer.most_held < inner.most_held || outer.scanned < inner.scanned) {
            detail = "the layer reports fewer bytes held or scanned than its inner machine".into();
        } else if outer.gave_way && !self.steps_aside(kind) {
            detail = "the layer itself was replaced".into();
        }
        let difference = self.manner.difference(&units, &bare, &layered);
        if difference.is_none() && detail.is_empty() {
            return None;
        }
        let nothing = Difference { bare: vec![], layered: vec![] };
        let Difference { bare, layered } = difference.unwrap_or(nothing);
        let (stimuli, manner) = (script.stimuli.clone(), self.manner);
        Some(Box::new(BrokenLayer { law, stimuli, detail, bare, layered, manner }))
    }

    /// Checks the laws of all machines.
    fn is_lawful(&self, script: &SessionScript, few_cuts: bool) -> Result<(), Box<BrokenLayer>> {
        let units = self.units(&script.stimuli);
        let kind = ProbeKind { greets: script.greets, ignores_wakes: true };
        let session = inside(&units);
        let cuts = [Cut::new(), cuts::bytewise(stimulus::len(&session))];
        let held = cuts.map(|cut| alone(self.bare(kind), &session, &cut, None).1.most_held);
        let most_held = held.into_iter().max().unwrap_or_default();
        let mut laws = Laws::of(|| self.layered(kind))
            .seed(self.seed)
            .max_held(self.max_held.saturating_add(most_held));
        if few_cuts {
            laws = laws.few_cuts();
        }
        if let Some(decode) = self.decoder() {
            laws = laws.through(move |bytes| decode(bytes));
        }
        laws.check(&outside(&units)).map_err(|broken| self.of_machines(&broken))
    }

    fn of_machines(&self, broken: &Broken) -> Box<BrokenLayer> {
        Box::new(BrokenLayer {
            law: LayerLaw::OfMachines(broken.law),
            stimuli: vec![],
            detail: broken.to_string(),
            bare: vec![],
            layered: vec![],
            manner: self.manner,
        })
    }

    /// Whether the layer lets its inner machine replace it once its work is done.
    fn steps_aside(&self, kind: ProbeKind) -> bool {
        let units = self.units(&[]);
        alone(self.layered(kind), &outside(&units), &Cut::new(), None).1.gave_way
    }

    fn bare(&self, kind: ProbeKind) -> M {
        (self.make)(kind)
    }

    fn layered(&self, kind: ProbeKind) -> L {
        (self.wrap)((self.make)(kind))
    }

    fn decoder(&self) -> Option<Recode> {
        self.frames.as_ref().map(|(_, decode)| Rc::clone(decode))
    }

    /// The session as units, for the machine alone and for the layer.
    fn units(&self, stimuli: &[Stimulus]) -> Vec<Unit> {
        let waits = |n: usize| {
            let delays = self.slack.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX));
            self.manner.delays.then_some(Stimulus::Wait(delays.saturating_add(DEADLINES)))
        };
        let mut units = vec![Unit::start(&self.preamble, waits(self.preamble.len()))];
        for stimulus in stimuli {
            match stimulus {
                Stimulus::Bytes(bytes) if self.manner.delays => {
                    units.extend(bytes.chunks(1).map(|byte| self.unit(&Stimulus::bytes(byte))));
                }
                other => units.push(self.unit(other)),
            }
        }
        // Enough time for all bytes so far: they may have waited until the machine resumed.
        let mut bytes = self.preamble.len();
        for unit in units.iter_mut().skip(1) {
            bytes += stimulus::len(&unit.outside);
            unit.inside.extend(waits(bytes));
            unit.outside.extend(waits(bytes));
        }
        units
    }

    fn unit(&self, stimulus: &Stimulus) -> Unit {
        let outside = match (stimulus, &self.frames) {
            (Stimulus::Bytes(bytes), Some((encode, _))) => vec![Stimulus::Bytes(encode(bytes))],
            (Stimulus::Eof, _) if !self.goodbye.is_empty() => {
                vec![Stimulus::bytes(&self.goodbye), Stimulus::Eof]
            }
            _ => vec![stimulus.clone()],
        };
        Unit { inside: vec![stimulus.clone()], outside }
    }
}

/// One run, with unlimited room unless the session blocks the output.
fn alone<M: Machine>(
    machine: M,
    stimuli: &[Stimulus],
    cut: &Cut,
    decode: Option<Recode>,
) -> (Transcript, Findings) {
    let decoder = decode.map(run::Decoder);
    let room = Room::Ample;
    let manner = run::RunOptions { cut, room, pester: false, early_deadlines: false, decoder };
    run::run(machine, stimuli, &manner)
}
