//! What holds for every layer, and a call that checks it.
//!
//! A layer goes around any machine, so it has to pass on everything that can happen to one, and
//! everything that one can ask for. The kit has a machine of its own for it to go around, a
//! [`Probe`], which records what it is told and does on demand whatever a machine can do; and it has
//! the sessions. So one call checks a layer:
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
//! The machine within the layer is compared with the same machine alone: whatever happens, it is
//! told the same, and a peer that speaks the layer's language hears the same. That is one law, but a
//! report that says so says little; so it comes in parts, one for each thing that there is to pass
//! on, in an order in which each needs only those before. The first that is broken names what the
//! layer loses. Then come the [laws of all machines](super::laws), which the layer has to keep with
//! the machine inside it: every cut of its input among them.

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

/// Time in which a deadline of the probe passes, and nothing more comes of it.
const DEADLINES: Duration = Duration::from_secs(2);

/// Checks the laws of layers.
///
/// The layer may change what goes through, if a peer can say how: see
/// [`framed_by`](Self::framed_by), [`preamble`](Self::preamble), [`goodbye`](Self::goodbye). It may
/// have deadlines of its own, and hold bytes back for a while: see
/// [`own_deadlines`](Self::own_deadlines), [`delays`](Self::delays).
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

/// Which probe is wanted.
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
    /// For the layer that `wrap` puts around a machine. It has to make the same one each time.
    pub fn of(wrap: impl Fn(Probe) -> L + 'a) -> Self {
        LayerLaws::new(Box::new(ProbeKind::probe), Box::new(wrap), true)
    }

    /// How many sessions are drawn, after those that are written. 200 if not given.
    pub fn sessions(mut self, n: usize) -> Self {
        self.sessions = n;
        self
    }

    /// Checks every law.
    ///
    /// # Errors
    ///
    /// The first law that is broken, by the smallest case that was found.
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
    /// For this layer around this machine, which has to keep the laws of all machines. There are no
    /// sessions for it: see [`assert_on`](Self::assert_on).
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

    /// What a peer of the layer sends for bytes that the machine is to have, in whole frames, and what
    /// it reads of what comes out. `decode` gets what came out since something happened: whole frames,
    /// unless the stream was cut off; what is not for the machine's own peer it leaves out.
    ///
    /// Both may be called with any part of a session, again and again: they keep no state.
    pub fn framed_by(
        mut self,
        encode: impl Fn(&[u8]) -> Vec<u8> + 'static,
        decode: impl Fn(&[u8]) -> Vec<u8> + 'static,
    ) -> Self {
        self.frames = Some((Rc::new(encode), Rc::new(decode)));
        self
    }

    /// What the peer sends before anything else: a header, its side of a handshake. The machine may
    /// start when it is complete.
    pub fn preamble(mut self, bytes: &[u8]) -> Self {
        self.preamble = bytes.to_vec();
        self
    }

    /// What the peer sends before it ends its side: a closing frame.
    pub fn goodbye(mut self, bytes: &[u8]) -> Self {
        self.goodbye = bytes.to_vec();
        self
    }

    /// The layer has deadlines of its own beside the machine's. So a deadline that is sooner than the
    /// machine's is not compared, nor one that passes and changes nothing.
    ///
    /// The sessions of [`check`](Self::check) last for some seconds (drawn ones up to a minute): a
    /// deadline that ends the stream has to be later.
    pub fn own_deadlines(mut self) -> Self {
        self.manner.own_deadlines = true;
        self
    }

    /// The layer holds bytes back, each for at most so long: as [`own_deadlines`](Self::own_deadlines),
    /// and the bytes of a session come one by one, with time enough after each.
    pub fn delays(mut self, at_most: Duration) -> Self {
        self.manner.own_deadlines = true;
        self.manner.delays = !at_most.is_zero();
        self.slack = at_most;
        self
    }

    /// The most bytes that the layer may hold beyond what the machine inside holds: what it has read
    /// and not passed on, such as half a frame, or a frame that the machine has not taken.
    pub fn max_held(mut self, bytes: usize) -> Self {
        self.max_held = bytes;
        self
    }

    /// Draws some cuts instead of trying all: for a fuzz target, which has many inputs.
    pub fn few_cuts(mut self) -> Self {
        self.few_cuts = true;
        self
    }

    /// What is left to chance is drawn from this: sessions, and some cuts. Zero if not given.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks the laws on a session: what happens to the machine inside. For [`LayerLaws::of`], that
    /// is a [`Probe`], which obeys the bytes.
    ///
    /// # Errors
    ///
    /// [`LayerLaw::Together`] if the machine is not told the same as alone, or its peer does not hear
    /// the same; otherwise a law of all machines that is broken.
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

    /// Compares the machine within the layer with the machine alone.
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
            detail =
                "the layer says that less is held, or was scanned, than the machine says".into();
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

    /// Whether the layer gives way to its machine, once it has done what it is for.
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

    /// What happens, to the machine and to the layer.
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
        // Time for all bytes so far: they may have had to wait until the machine went on.
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

/// One run, with all the room that the session leaves.
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
