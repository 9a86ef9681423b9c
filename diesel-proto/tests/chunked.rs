//! Chunked bodies, valid and broken: the same verdict, data and offset at every cut, and the same
//! as those of another decoder, unless there is a known reason.

#[path = "chunked/peer.rs"]
// It is public for the fuzz target.
#[allow(unreachable_pub)]
mod peer;

use std::collections::BTreeMap;

use diesel_proto::http1::{Limits, Rule};
use diesel_proto::testkit::{Random, cuts};
use peer::{Verdict, compare, ours, theirs};

/// The parts of a body, and what breaks it.
const EXTENSIONS: [&str; 10] =
    ["", ";a", ";a=b", " ; a = b ", ";a=\"b c\"", ";a=\"\\\"\\\\\";b", "; ", " ", ";=", ";a=\""];
const TRAILERS: [&str; 8] =
    ["A: 1", "Digest:x y", "b:\t2 \t", "c", " d: 1", "e : 1", "f:\u{e9}\x01", ": 1"];
const BYTES: &[u8] = b"0123459afAFgxX;=\"\\ \t\r\n\r\n\0\x7f\x80\xff-+_:,";

/// A body that is right for the most part, and something behind it.
fn body(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.below(4) {
        let data = some(random, 20);
        size_line(random, data.len(), &mut bytes);
        bytes.extend_from_slice(&data);
        bytes.extend_from_slice(b"\r\n");
    }
    size_line(random, 0, &mut bytes);
    for _ in 0..random.below(6).saturating_sub(2) {
        bytes.extend_from_slice(pick(random, &TRAILERS).as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    if random.chance(20) {
        bytes.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
    }
    bytes
}

fn size_line(random: &mut Random, len: usize, bytes: &mut Vec<u8>) {
    if random.chance(10) {
        bytes.resize(bytes.len() + random.below(40) as usize, b'0');
    }
    let digits = match random.below(40) {
        0 => format!("{:x}", random.next_u64()),
        1 => format!("{:x}0", random.next_u64()),
        2..=9 => format!("{len:04X}"),
        _ => format!("{len:x}"),
    };
    bytes.extend_from_slice(digits.as_bytes());
    if random.chance(20) {
        bytes.extend_from_slice(pick(random, &EXTENSIONS).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
}

/// Up to `most` bytes, among which those that framing is made of are frequent.
fn some(random: &mut Random, most: u64) -> Vec<u8> {
    (0..random.below(most)).map(|_| pick(random, BYTES)).collect()
}

fn broken(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len() as u64) as usize;
        let end = (at + random.below(6) as usize).min(bytes.len());
        match random.below(5) {
            0 if at > 0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(end..end, bytes[at..end].to_vec())),
            3 => bytes.insert(at, pick(random, BYTES)),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = pick(random, BYTES);
                }
            }
        }
    }
    bytes
}

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len() as u64) as usize]
}

fn limits(random: &mut Random) -> Limits {
    if random.chance(50) {
        return Limits { body: u64::MAX, ..Limits::default() };
    }
    // The smallest limit is 2.
    Limits {
        body: random.below(40),
        chunk_extensions: random.between(2, 12) as usize,
        trailer_bytes: random.between(2, 40) as usize,
        header_count: random.below(4) as usize,
        ..Limits::default()
    }
}

#[test]
fn the_cuts_do_not_matter() {
    let random = &mut Random::new(4);
    for _ in 0..2_000 {
        let bytes = body(random);
        let bytes = broken(random, bytes);
        let limits = limits(random);
        let whole = ours(&bytes, &[], &limits);
        for cut in cuts::all(bytes.len(), &[], random) {
            assert_eq!(
                ours(&bytes, &cut, &limits),
                whole,
                "\"{}\" under {limits:?}, cut at {cut:?}",
                bytes.escape_ascii()
            );
        }
    }
}

#[test]
fn another_decoder_agrees_or_there_is_a_reason() {
    let random = &mut Random::new(9112);
    let mut seen = BTreeMap::new();
    for _ in 0..60_000 {
        let bytes = body(random);
        let bytes = broken(random, bytes);
        let limits = limits(random);
        let ours = compare(&bytes, &limits);
        let kind = match ours.verdict {
            Verdict::Complete(_, ref section) if section.is_empty() => "complete".into(),
            Verdict::Complete(..) => "complete with trailers".into(),
            Verdict::Incomplete => "incomplete".into(),
            Verdict::Refused(rule, _) => format!("{rule:?}"),
        };
        *seen.entry(kind).or_insert(0) += 1;
        let cut = cuts::several(bytes.len(), random);
        assert_eq!(theirs(&bytes, &cut, &limits), theirs(&bytes, &[], &limits));
    }
    // It was about all that there is.
    let rules = [
        Rule::BareLf,
        Rule::BareCr,
        Rule::ObsFold,
        Rule::FieldWithoutColon,
        Rule::FieldNameSyntax,
        Rule::BlankBeforeColon,
        Rule::FieldValueSyntax,
        Rule::TooManyFields,
        Rule::BodyTooLarge,
        Rule::ChunkSizeSyntax,
        Rule::ChunkSizeOverflow,
        Rule::ChunkExtensionSyntax,
        Rule::ChunkExtensionsTooLarge,
        Rule::ChunkLineEnd,
        Rule::ChunkDataEnd,
        Rule::TrailersTooLarge,
    ];
    let kinds = ["complete", "complete with trailers", "incomplete"].map(String::from);
    for kind in kinds.into_iter().chain(rules.map(|rule| format!("{rule:?}"))) {
        assert!(seen.get(&kind) > Some(&50), "{kind}: {seen:?}");
    }
}
