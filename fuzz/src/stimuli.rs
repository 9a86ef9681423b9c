//! Makes stimuli from the bytes of a fuzzer.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use diesel_proto::testkit::Stimulus;

/// Each machine is run some twenty times on an input, so it must be short.
const MOST_STIMULI: usize = 24;
const MOST_BYTES: usize = 2048;

#[derive(Arbitrary, Debug)]
enum Happening<'a> {
    Words(Vec<u8>),
    Bytes(&'a [u8]),
    /// A long run of one byte, to reach limits.
    Run(u8, u16),
    Wait(u16),
    WaitLong(u32),
    Eof,
    Reset,
    Wake,
    Shutdown,
}

/// Stimuli whose bytes consist mostly of `words`, which have a meaning for the machine.
pub fn stimuli(input: &mut Unstructured<'_>, words: &[&[u8]]) -> Vec<Stimulus> {
    let mut stimuli = Vec::new();
    let mut room = MOST_BYTES;
    while stimuli.len() < MOST_STIMULI && !input.is_empty() {
        let Ok(happening) = Happening::arbitrary(input) else { break };
        stimuli.push(match happening {
            Happening::Words(which) => {
                let words = which.iter().flat_map(|&n| words[usize::from(n) % words.len()]);
                bytes(words.copied().collect(), &mut room)
            }
            Happening::Bytes(some) => bytes(some.to_vec(), &mut room),
            Happening::Run(byte, n) => bytes(vec![byte; usize::from(n) % 600], &mut room),
            Happening::Wait(ms) => Stimulus::Wait(Duration::from_millis(ms.into())),
            Happening::WaitLong(s) => Stimulus::Wait(Duration::from_secs(s.into())),
            Happening::Eof => Stimulus::Eof,
            Happening::Reset => Stimulus::Reset,
            Happening::Wake => Stimulus::Wake,
            Happening::Shutdown => Stimulus::Shutdown,
        });
    }
    stimuli
}

fn bytes(mut bytes: Vec<u8>, room: &mut usize) -> Stimulus {
    bytes.truncate(*room);
    *room -= bytes.len();
    Stimulus::Bytes(bytes)
}
