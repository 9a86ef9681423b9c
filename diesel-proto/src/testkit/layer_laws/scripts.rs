//! The sessions for each law: short ones, each of which depends only on the laws before it. So the
//! first one that fails names what is lost.
//!
//! And random sessions, for what is lost only in combinations.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::{Random, Stimulus};
use super::{LayerLaw, Probe};
use crate::machine::{Cause, Reason};

/// A session, and whether the probe sends first.
pub(super) struct SessionScript {
    pub(super) greets: bool,
    pub(super) stimuli: Vec<Stimulus>,
}

/// The scripts of one law.
pub(super) fn of(law: LayerLaw) -> Vec<SessionScript> {
    use Stimulus::{Blocked, Cut, Eof, Reset, Shutdown, Wake, Writable, WriteFailed};
    let sessions = match law {
        LayerLaw::Start => vec![vec![]],
        LayerLaw::Input => {
            let plain = (0..=u8::MAX).filter(|byte| !Probe::COMMANDS.contains(byte));
            let bytes: Vec<u8> = plain.collect();
            let muted = |bytes: &[u8]| says([b"m", bytes, b"#"].concat());
            vec![
                vec![muted(b"of")],
                vec![muted(&bytes)],
                vec![muted(b"first"), says("two#"), says("o"), says("ver it#")],
            ]
        }
        LayerLaw::Output => {
            return [vec![], vec![says("?")], vec![says("lots of it."), says("?b?")]]
                .into_iter()
                .flat_map(|stimuli| {
                    [true, false].map(|greets| SessionScript { greets, stimuli: stimuli.clone() })
                })
                .collect();
        }
        LayerLaw::Wake => vec![vec![Wake], vec![says("?"), Wake, Wake]],
        LayerLaw::Shutdown => vec![vec![Shutdown], vec![says("?"), Shutdown, says("?")]],
        LayerLaw::Eof => vec![vec![Eof], vec![says("?"), Eof, Wake]],
        LayerLaw::Cut => vec![
            vec![Reset],
            vec![Cut(Cause::TimedOut(Reason::Idle))],
            vec![says("?"), Cut(Cause::Shed)],
            vec![says("?"), Eof, Reset],
            vec![Blocked, says("?"), Cut(Cause::Shed)],
        ],
        LayerLaw::Deadline => vec![
            vec![says("d"), waits(2000)],
            vec![says("?d?"), waits(500), says("d"), waits(600), waits(1000)],
            vec![says("dD"), waits(2000)],
            vec![says("d"), waits(500), says("D"), waits(2000)],
            vec![says("d"), Eof, waits(2000)],
        ],
        LayerLaw::Pause => vec![
            vec![says("p"), Wake],
            vec![says("?p??"), Wake, says("?")],
            vec![says("p?"), says("?"), Shutdown, says("?"), Wake],
            vec![says("p?"), Eof, Wake],
            vec![says("?dp?"), waits(2000)],
            vec![says("p?"), Reset],
        ],
        LayerLaw::Drained => vec![
            vec![says("n")],
            vec![Blocked, says("n"), Wake, Writable],
            vec![Blocked, says("?n??"), Wake, says("?"), Writable, says("?")],
        ],
        LayerLaw::HalfClose => vec![
            vec![says("h")],
            vec![says("?h??#"), says("?"), Eof],
            vec![Blocked, says("?h?"), Wake, Writable],
            vec![says("!h"), Eof],
        ],
        LayerLaw::Close => vec![
            vec![says("q")],
            vec![says("?q?"), says("?"), Eof],
            vec![says("h"), says("?q")],
            vec![Blocked, says("?q"), Wake, Writable],
            vec![says("!q"), Eof],
            vec![says("!q"), Shutdown],
            vec![says("d!q"), waits(2000)],
            vec![says("!q"), Wake],
            vec![Blocked, says("?!qn"), Writable],
        ],
        LayerLaw::CutOff => vec![
            vec![says("c")],
            vec![says("?c?"), says("?"), Eof],
            vec![Blocked, says("?c"), Wake, Writable],
            vec![says("!c"), Eof],
        ],
        LayerLaw::Abort => vec![
            vec![says("a")],
            vec![says("?a?"), says("?"), Eof],
            vec![Blocked, says("?"), Wake, says("a"), Writable],
            vec![says("!a"), Shutdown],
            vec![says("!a"), Reset],
        ],
        LayerLaw::WriteFailed => vec![
            vec![WriteFailed],
            vec![says("?"), WriteFailed, says("??"), Eof],
            vec![Blocked, says("?n?"), WriteFailed, says("?")],
            vec![says("p?"), WriteFailed, Wake],
            vec![says("!q"), WriteFailed],
            vec![says("h"), WriteFailed, says("?")],
            vec![Eof, WriteFailed],
        ],
        LayerLaw::Upgrade => vec![
            vec![says("u")],
            vec![says("?u?u?"), says("?"), Eof],
            vec![says("?"), Shutdown, says("?u?")],
            vec![says("?"), WriteFailed, says("?u?")],
            vec![says("du?"), waits(2000)],
            vec![Blocked, says("?u?"), Wake, Writable],
            vec![says("!u"), Eof],
            vec![says("!u"), Shutdown, says("?")],
            vec![says("!u"), Wake, says("?")],
            vec![says("!u"), WriteFailed, says("?")],
            vec![says("d!u"), waits(2000), says("?")],
            vec![Blocked, says("?!un?"), Writable],
            vec![says("!u"), Reset],
            vec![says("uq?")],
            vec![says("ua?")],
        ],
        LayerLaw::Held => vec![vec![says("kk?"), says("?")]],
        LayerLaw::Together | LayerLaw::OfMachines(_) => vec![],
    };
    sessions.into_iter().map(|stimuli| SessionScript { greets: false, stimuli }).collect()
}

/// A random session. It has no deadlines if the layer delays bytes: which bytes have arrived when a
/// deadline passes is not determined then.
pub(super) fn drawn(random: &mut Random, delays: bool) -> SessionScript {
    let greets = random.chance(30);
    let mut stimuli: Vec<_> = (0..random.between(2, 20)).map(|_| happening(random)).collect();
    for stimulus in &mut stimuli {
        if let (Stimulus::Bytes(bytes), true) = (stimulus, delays) {
            bytes.retain(|&byte| byte != b'd');
        }
    }
    SessionScript { greets, stimuli }
}

fn happening(random: &mut Random) -> Stimulus {
    match random.below(100) {
        0..=9 => Stimulus::Wake,
        10..=13 => Stimulus::Shutdown,
        14..=18 => Stimulus::Eof,
        19 => Stimulus::Reset,
        20 => Stimulus::Cut(Cause::Shed),
        21..=24 => Stimulus::WriteFailed,
        25..=30 => Stimulus::Blocked,
        31..=38 => Stimulus::Writable,
        39..=50 => waits(250 * random.below(12)),
        _ => says((0..random.between(1, 8)).map(|_| byte(random)).collect::<Vec<_>>()),
    }
}

fn byte(random: &mut Random) -> u8 {
    let among: &[u8] = match random.below(100) {
        0..=2 => b"qcah",
        3..=30 => b"dDpnuk!#mb",
        _ => b"?xyz",
    };
    among[random.below(among.len() as u64) as usize]
}

fn says(bytes: impl AsRef<[u8]>) -> Stimulus {
    Stimulus::bytes(bytes)
}

fn waits(ms: u64) -> Stimulus {
    Stimulus::Wait(Duration::from_millis(ms))
}
