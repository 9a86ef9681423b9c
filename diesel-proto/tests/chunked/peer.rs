//! A chunked body with its trailers, read by diesel and by `http-net`, and where the two may
//! differ.
//!
//! The fuzz target `chunked` uses this file too.

use diesel_proto::http1::{ChunkedDecoder, Decoded, FieldSpans, Limits, Rule, TrailerReader};
use diesel_proto::testkit::cuts;
use http_net::{ChunkStep, HttpError};

/// What became of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<E> {
    pub data: Vec<u8>,
    pub verdict: Verdict<E>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<E> {
    /// It is complete, trailers included, and this many bytes long. With the trailer section, if
    /// there is one.
    Complete(usize, Vec<u8>),
    Incomplete,
    /// With the offset, where it is known.
    Refused(E, Option<u64>),
}

impl<E> Verdict<E> {
    fn is_complete(&self) -> bool {
        matches!(self, Verdict::Complete(..))
    }

    fn is_refused(&self) -> bool {
        matches!(self, Verdict::Refused(..))
    }
}

/// Our decoder, then our reader of trailers, which sees their beginning again with each piece.
pub fn ours(bytes: &[u8], cut: &[usize], limits: &Limits) -> Outcome<Rule> {
    let mut decoder = ChunkedDecoder::new(limits);
    let mut reader = TrailerReader::new();
    let mut section = Vec::new();
    let mut data = Vec::new();
    for mut piece in cuts::pieces(bytes, cut) {
        while !decoder.is_ended() {
            let (taken, decoded) = match decoder.decode(piece) {
                Ok(decoded) => decoded,
                Err(wrong) => {
                    assert_eq!(decoder.decode(piece), Err(wrong), "the same again");
                    assert!(wrong.offset <= bytes.len() as u64);
                    let verdict = Verdict::Refused(wrong.rule, Some(wrong.offset));
                    return Outcome { data, verdict };
                }
            };
            let (front, rest) = piece.split_at(taken);
            piece = rest;
            match decoded {
                Decoded::Data(some) => {
                    assert!(!some.is_empty() && front.ends_with(some));
                    data.extend_from_slice(some);
                    assert!(data.len() as u64 <= limits.body);
                }
                Decoded::Incomplete => {
                    assert!(piece.is_empty());
                    break;
                }
                Decoded::End => assert!(decoder.is_ended()),
            }
        }
        if !decoder.is_ended() {
            continue;
        }
        section.extend_from_slice(piece);
        let mut spans = FieldSpans::new();
        match reader.read(&section, limits, &mut spans) {
            Ok(None) => {}
            Ok(Some((len, fields))) => {
                let section = &section[..len];
                assert!(len <= limits.trailer_bytes && fields.len() <= limits.header_count);
                assert!(fields.iter().eq(naive_fields(section)), "{fields:?}");
                let len = decoder.taken() as usize + len;
                let section = if fields.is_empty() { Vec::new() } else { section.to_vec() };
                return Outcome { data, verdict: Verdict::Complete(len, section) };
            }
            Err(wrong) => {
                let offset = decoder.taken() + wrong.offset;
                return Outcome { data, verdict: Verdict::Refused(wrong.rule, Some(offset)) };
            }
        }
    }
    Outcome { data, verdict: Verdict::Incomplete }
}

/// The fields of a section that is right.
fn naive_fields(section: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    section.strip_suffix(b"\r\n").unwrap().split_inclusive(|&byte| byte == b'\n').map(|line| {
        let colon = line.iter().position(|&byte| byte == b':').unwrap();
        (std::str::from_utf8(&line[..colon]).unwrap(), line[colon + 1..].trim_ascii())
    })
}

/// Their decoder, with the same limits as far as it has them.
pub fn theirs(bytes: &[u8], cut: &[usize], limits: &Limits) -> Outcome<HttpError> {
    let limits = http_net::Limits::new()
        .with_max_start_line(usize::MAX)
        .with_max_field_line(usize::MAX)
        .with_max_header_bytes(limits.chunk_extensions)
        .with_max_trailer_bytes(limits.trailer_bytes)
        .with_max_trailer_fields(limits.header_count)
        .with_max_body(limits.body);
    let mut decoder = http_net::ChunkedDecoder::new(&limits);
    let (mut held, mut taken) = (Vec::new(), 0);
    let (mut data, mut section) = (Vec::new(), Vec::new());
    for piece in cuts::pieces(bytes, cut) {
        held.extend_from_slice(piece);
        loop {
            let len = match decoder.decode(&held, false) {
                Ok(ChunkStep::Data { skip, len }) => {
                    data.extend_from_slice(&held[skip..skip + len]);
                    skip + len
                }
                Ok(ChunkStep::Trailers { skip, len }) => {
                    section.extend_from_slice(&held[skip..skip + len]);
                    skip + len
                }
                Ok(ChunkStep::Done { consumed }) => {
                    return Outcome { data, verdict: Verdict::Complete(taken + consumed, section) };
                }
                Ok(ChunkStep::NeedMore { consumed }) => {
                    taken += consumed;
                    held.drain(..consumed);
                    break;
                }
                Ok(other) => panic!("{other:?} is not known"),
                Err(error) => return Outcome { data, verdict: Verdict::Refused(error, None) },
            };
            taken += len;
            held.drain(..len);
        }
    }
    Outcome { data, verdict: Verdict::Incomplete }
}

/// Reads `bytes` by both, and panics if they differ without a reason.
///
/// They judge a line when it is complete, and we refuse its first wrong byte: so where one of the
/// two still waits, its line is completed before it is asked again.
pub fn compare(bytes: &[u8], limits: &Limits) -> Outcome<Rule> {
    let ours_so_far = ours(bytes, &[], limits);
    let theirs_so_far = theirs(bytes, &[], limits);
    let is_same_kind = ours_so_far.verdict.is_complete() == theirs_so_far.verdict.is_complete()
        && ours_so_far.verdict.is_refused() == theirs_so_far.verdict.is_refused();
    let (a, b) = match is_same_kind {
        true => (ours_so_far.clone(), theirs_so_far),
        false => {
            let completed = [bytes, b"\r\n\r\n"].concat();
            (ours(&completed, &[], limits), theirs(&completed, &[], limits))
        }
    };
    let is_same = match (&a.verdict, &b.verdict) {
        (Verdict::Complete(a, at), Verdict::Complete(b, bt)) => (a, at) == (b, bt),
        (Verdict::Incomplete, Verdict::Incomplete) => true,
        (Verdict::Refused(..), Verdict::Refused(..)) => true,
        _ => false,
    };
    if !(is_same && a.data == b.data) && reason(bytes, &a, &b).is_none() {
        panic!("\"{}\" under {limits:?}\nours:   {a:?}\ntheirs: {b:?}", bytes.escape_ascii());
    }
    ours_so_far
}

/// Why the two differ, if there is a reason.
fn reason(bytes: &[u8], ours: &Outcome<Rule>, theirs: &Outcome<HttpError>) -> Option<&'static str> {
    let sizes = bytes.split(|byte| !byte.is_ascii_hexdigit());
    let has_many_zeros = sizes.into_iter().any(|size| size.len() > 16 && size[0] == b'0');
    match (&ours.verdict, &theirs.verdict) {
        (_, Verdict::Refused(HttpError::InvalidChunkSize, _))
            if has_many_zeros && ours.data.starts_with(&theirs.data) =>
        {
            Some("7.1: a size is 1*HEXDIG, and may begin with more zeros than 64 bits have digits")
        }
        _ => None,
    }
}
