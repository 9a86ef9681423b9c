//! Compares the parser of response heads with `httparse`, at cuts and with limits that the fuzzer
//! chooses.

use std::sync::Arc;

use diesel_proto::http1::{
    ClientConnectionConfig, FieldSpans, Headers, MessageOutput, RequestLine, RequestOptions,
    ResponseFraming, ResponseHead, ResponseLimits, ResponsePart, Rule, SharedClientConnection,
    Status, Version, parse_response,
};
use diesel_proto::testkit::{Random, cuts};
use diesel_proto::{Blocks, Pipeline};

/// A head up to this length is cut at every position.
const SHORT: usize = 96;

/// More fields than any head here has.
const FIELDS: usize = 512;

/// The result of parsing a head.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Head(Head),
    Incomplete,
    Refused(Rule, u64),
}

/// All properties of a head.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: Status,
    reason: Vec<u8>,
    version: Version,
    fields: Vec<(String, Vec<u8>)>,
    framing: [ResponseFraming; 3],
    content_length: Option<u64>,
    upgrade: Option<Vec<u8>>,
    len: usize,
}

impl Head {
    fn of(head: ResponseHead<'_>) -> Self {
        Head {
            status: head.status(),
            reason: head.reason().into(),
            version: head.version(),
            fields: head.fields().iter().map(|(name, value)| (name.into(), value.into())).collect(),
            framing: ["GET", "HEAD", "CONNECT"].map(|method| head.framing(method)),
            content_length: head.content_length(),
            upgrade: head.upgrade().map(Vec::from),
            len: head.len(),
        }
    }
}

/// Takes five bytes of limits and cuts, then the head.
pub fn response(data: &[u8]) {
    let Some((setting, bytes)) = data.split_first_chunk::<5>() else { return };
    let [seed, line, header, fields, scale] = *setting;
    let limits = ResponseLimits {
        status_line: usize::from(line) << (scale & 7),
        header_bytes: usize::from(header) << (scale >> 3 & 7),
        header_count: fields.into(),
        ..ResponseLimits::default()
    };
    // A connection returns nothing for no bytes, whether or not there is room.
    if bytes.is_empty() {
        return;
    }
    let whole = parsed(bytes, &limits);
    compare(&as_known_version(bytes), &limits, &whole);

    let random = &mut Random::new(seed.into());
    let mut ways = vec![vec![], cuts::bytewise(bytes.len())];
    ways.extend((0..4).map(|_| cuts::several(bytes.len(), random)));
    if bytes.len() <= SHORT {
        ways.extend((1..bytes.len()).map(|at| vec![at]));
    }
    let mut spans = FieldSpans::new();
    for cut in ways {
        // The spans cache the last head, which is then recognised: both with and without the cache.
        for fresh in [true, false] {
            if fresh {
                spans = FieldSpans::new();
            }
            let fed = fed(bytes, &cut, &limits, &mut spans);
            assert_eq!(fed, whole, "cut at {cut:?}, with new spans: {fresh}");
        }
    }
}

fn parsed(bytes: &[u8], limits: &ResponseLimits) -> Verdict {
    match parse_response(bytes, limits, &mut FieldSpans::new()) {
        Ok(Some(head)) => Verdict::Head(Head::of(head)),
        Ok(None) => Verdict::Incomplete,
        Err(wrong) => Verdict::Refused(wrong.rule, wrong.offset),
    }
}

/// Passes the head to a connection in pieces, as the response to a GET.
fn fed(bytes: &[u8], cut: &[usize], limits: &ResponseLimits, spans: &mut FieldSpans) -> Verdict {
    let config = ClientConnectionConfig { limits: *limits, ..ClientConnectionConfig::default() };
    let mut connection = SharedClientConnection::new(Arc::new(config));
    let (mut blocks, mut pipeline) = (Blocks::new(), Pipeline::new());
    let line = RequestLine::new("GET", "/", "a").unwrap();
    // What a response may switch to is found by the client target.
    let options = RequestOptions::default();
    let mut out = MessageOutput::new(&mut pipeline, &mut blocks);
    connection.request_whole(&line, &Headers::new(), b"", &options, &mut out).unwrap();
    let mut taken_before = 0;
    for piece in cuts::pieces(bytes, cut) {
        match connection.receive(piece, spans, &mut blocks) {
            Ok((
                taken,
                Some(
                    ResponsePart::Response(head)
                    | ResponsePart::WholeResponse(head)
                    | ResponsePart::Informational(head),
                ),
            )) => {
                assert_ne!(head.status(), Status::SWITCHING_PROTOCOLS);
                let head = Head::of(head);
                assert_eq!(taken_before + taken, head.len, "what follows a head is not taken");
                return Verdict::Head(head);
            }
            Ok((taken, None)) => {
                assert_eq!(taken, piece.len());
                taken_before += taken;
                assert_eq!(connection.held(), taken_before);
                let most = limits.status_line.saturating_add(limits.header_bytes);
                assert!(taken_before < most, "{taken_before} bytes are held");
            }
            Ok((_, Some(part))) => panic!("{part:?} without a response"),
            // A valid head, but nothing asked for it.
            Err(wrong) if wrong.rule == Rule::SwitchUnrequested => {
                let whole = parsed(bytes, limits);
                match &whole {
                    Verdict::Head(head) => {
                        assert_eq!(head.status, Status::SWITCHING_PROTOCOLS);
                        assert_eq!(head.len as u64, wrong.offset);
                    }
                    other => panic!("{wrong:?} instead of {other:?}"),
                }
                return whole;
            }
            Err(wrong) => return Verdict::Refused(wrong.rule, wrong.offset),
        }
    }
    Verdict::Incomplete
}

/// The bytes for `httparse`: it knows no version beyond 1.1, and we read those as 1.1.
fn as_known_version(bytes: &[u8]) -> Vec<u8> {
    let mut known = bytes.to_vec();
    if let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'2'..=b'9', ..] = &mut known[..] {
        *minor = b'1';
    }
    known
}

/// If we accept a head, `httparse` accepts it with the same contents. If only `httparse` accepts
/// it, we refuse it by a rule that `httparse` does not check.
fn compare(bytes: &[u8], limits: &ResponseLimits, ours: &Verdict) {
    let mut headers = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut headers);
    let theirs = response.parse(bytes);
    match (ours, theirs) {
        (Verdict::Head(head), Ok(httparse::Status::Complete(len))) => {
            assert_eq!(head.len, len);
            assert_eq!(Some(head.status.code()), response.code);
            // It does not show a reason with bytes beyond ASCII.
            if head.reason.is_ascii() {
                assert_eq!(Some(&*head.reason), response.reason.map(str::as_bytes));
            }
            let minor = u8::from(head.version == Version::Http11);
            assert_eq!(Some(minor), response.version);
            let fields = response.headers.iter().map(|field| (field.name, field.value));
            assert!(
                head.fields.iter().map(|(name, value)| (&**name, &**value)).eq(fields.clone()),
                "{:?} and {:?}",
                head.fields,
                fields.collect::<Vec<_>>()
            );
            // The limits are exact.
            assert!(head.fields.len() <= limits.header_count);
            assert!(head.len <= limits.status_line.saturating_add(limits.header_bytes));
        }
        (Verdict::Head(_), other) => panic!("we accept, httparse: {other:?}"),
        // It checks some parts of a line before its end, we check them at the end.
        (Verdict::Incomplete, Ok(httparse::Status::Partial) | Err(_)) => {}
        (Verdict::Incomplete, Ok(httparse::Status::Complete(len))) => {
            panic!("we wait for more, httparse has all in {len} bytes")
        }
        (Verdict::Refused(rule, _), Ok(httparse::Status::Complete(_))) => {
            assert!(is_stricter(*rule, bytes), "{rule:?}, but httparse accepts");
        }
        (Verdict::Refused(_, offset), _) => assert!(*offset <= bytes.len() as u64),
    }
}

/// Whether `httparse` does not check this rule.
fn is_stricter(rule: Rule, bytes: &[u8]) -> bool {
    match rule {
        // It accepts LF as the end of a line.
        Rule::BareLf => true,
        // It skips empty lines before a status line.
        Rule::VersionSyntax => bytes.starts_with(b"\r") || bytes.starts_with(b"\n"),
        // Three digits are a status code to it, whichever they are.
        Rule::StatusCodeSyntax => true,
        // Its only limit is the number of its slots.
        Rule::StatusLineTooLong | Rule::HeaderTooLarge | Rule::TooManyFields => true,
        // It does not check the meaning of fields.
        Rule::LengthSyntax | Rule::LengthOverflow | Rule::LengthRepeated => true,
        Rule::LengthAndCoding | Rule::CodingOnHttp10 | Rule::CodingSyntax => true,
        Rule::CodingNotFinal | Rule::CodingRepeated | Rule::CodingUnknown => true,
        Rule::FramingForbidden => true,
        _ => false,
    }
}
