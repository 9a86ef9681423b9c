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
            let muted = |bytes: &[u8]| sends([b"m", bytes, b"#"].concat());
            vec![
                vec![muted(b"of")],
                vec![muted(&bytes)],
                vec![muted(b"first"), sends("two#"), sends("o"), sends("ver it#")],
            ]
        }
        LayerLaw::Output => {
            return [vec![], vec![sends("?")], vec![sends("lots of it."), sends("?b?")]]
                .into_iter()
                .flat_map(|stimuli| {
                    [true, false].map(|greets| SessionScript { greets, stimuli: stimuli.clone() })
                })
                .collect();
        }
        LayerLaw::Wake => vec![vec![Wake], vec![sends("?"), Wake, Wake]],
        LayerLaw::Shutdown => vec![vec![Shutdown], vec![sends("?"), Shutdown, sends("?")]],
        LayerLaw::Eof => vec![vec![Eof], vec![sends("?"), Eof, Wake]],
        LayerLaw::Cut => vec![
            vec![Reset],
            vec![Cut(Cause::TimedOut(Reason::Idle))],
            vec![sends("?"), Cut(Cause::Shed)],
            vec![sends("?"), Eof, Reset],
            vec![Blocked, sends("?"), Cut(Cause::Shed)],
        ],
        LayerLaw::Deadline => vec![
            vec![sends("d"), waits(2000)],
            vec![sends("?d?"), waits(500), sends("d"), waits(600), waits(1000)],
            vec![sends("dD"), waits(2000)],
            vec![sends("d"), waits(500), sends("D"), waits(2000)],
            vec![sends("d"), Eof, waits(2000)],
        ],
        LayerLaw::Pause => vec![
            vec![sends("p"), Wake],
            vec![sends("?p??"), Wake, sends("?")],
            vec![sends("p?"), sends("?"), Shutdown, sends("?"), Wake],
            vec![sends("p?"), Eof, Wake],
            vec![sends("?dp?"), waits(2000)],
            vec![sends("p?"), Reset],
        ],
        LayerLaw::Drained => vec![
            vec![sends("n")],
            vec![Blocked, sends("n"), Wake, Writable],
            vec![Blocked, sends("?n??"), Wake, sends("?"), Writable, sends("?")],
        ],
        LayerLaw::HalfClose => vec![
            vec![sends("h")],
            vec![sends("?h??#"), sends("?"), Eof],
            vec![Blocked, sends("?h?"), Wake, Writable],
            vec![sends("!h"), Eof],
        ],
        LayerLaw::Close => vec![
            vec![sends("q")],
            vec![sends("?q?"), sends("?"), Eof],
            vec![sends("h"), sends("?q")],
            vec![Blocked, sends("?q"), Wake, Writable],
            vec![sends("!q"), Eof],
            vec![sends("!q"), Shutdown],
            vec![sends("d!q"), waits(2000)],
            vec![sends("!q"), Wake],
            vec![Blocked, sends("?!qn"), Writable],
        ],
        LayerLaw::CutOff => vec![
            vec![sends("c")],
            vec![sends("?c?"), sends("?"), Eof],
            vec![Blocked, sends("?c"), Wake, Writable],
            vec![sends("!c"), Eof],
        ],
        LayerLaw::Abort => vec![
            vec![sends("a")],
            vec![sends("?a?"), sends("?"), Eof],
            vec![Blocked, sends("?"), Wake, sends("a"), Writable],
            vec![sends("!a"), Shutdown],
            vec![sends("!a"), Reset],
        ],
        LayerLaw::WriteFailed => vec![
            vec![WriteFailed],
            vec![sends("?"), WriteFailed, sends("??"), Eof],
            vec![Blocked, sends("?n?"), WriteFailed, sends("?")],
            vec![sends("p?"), WriteFailed, Wake],
            vec![sends("!q"), WriteFailed],
            vec![sends("h"), WriteFailed, sends("?")],
            vec![Eof, WriteFailed],
        ],
        LayerLaw::Upgrade => vec![
            vec![sends("u")],
            vec![sends("?u?u?"), sends("?"), Eof],
            vec![sends("?"), Shutdown, sends("?u?")],
            vec![sends("?"), WriteFailed, sends("?u?")],
            vec![sends("du?"), waits(2000)],
            vec![Blocked, sends("?u?"), Wake, Writable],
            vec![sends("!u"), Eof],
            vec![sends("!u"), Shutdown, sends("?")],
            vec![sends("!u"), Wake, sends("?")],
            vec![sends("!u"), WriteFailed, sends("?")],
            vec![sends("d!u"), waits(2000), sends("?")],
            vec![Blocked, sends("?!un?"), Writable],
            vec![sends("!u"), Reset],
            vec![sends("uq?")],
            vec![sends("ua?")],
        ],
        LayerLaw::Held => vec![vec![sends("kk?"), sends("?")]],
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
        _ => sends((0..random.between(1, 8)).map(|_| byte(random)).collect::<Vec<_>>()),
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

fn sends(bytes: impl AsRef<[u8]>) -> Stimulus {
    Stimulus::bytes(bytes)
}

fn waits(ms: u64) -> Stimulus {
    Stimulus::Wait(Duration::from_millis(ms))
}
