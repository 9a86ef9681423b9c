//! Compares the parser of request heads with `httparse`, at cuts and with limits that the fuzzer
//! chooses.

use std::sync::Arc;

use diesel_proto::Blocks;
use diesel_proto::http1::{
    ConnectionConfig, FieldSpans, Limits, Received, RequestHead, Rule, SharedServerConnection,
    Version, parse_request,
};
use diesel_proto::testkit::{Random, cuts};

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
    method: String,
    target: String,
    parsed: String,
    host: Option<String>,
    version: Version,
    fields: Vec<(String, Vec<u8>)>,
    framing: String,
    expects_continue: bool,
    upgrade: Option<Vec<u8>>,
    len: usize,
}

impl Head {
    fn of(head: RequestHead<'_>) -> Self {
        Head {
            method: head.method().into(),
            target: head.target_text().into(),
            parsed: format!("{:?}", head.target()),
            host: head.host().map(|host| host.to_string()),
            version: head.version(),
            fields: head.fields().iter().map(|(name, value)| (name.into(), value.into())).collect(),
            framing: format!("{:?}", head.framing()),
            expects_continue: head.expects_continue(),
            upgrade: head.upgrade().map(Vec::from),
            len: head.len(),
        }
    }
}

/// Takes five bytes of limits and cuts, then the head.
pub fn head(data: &[u8]) {
    let Some((setting, bytes)) = data.split_first_chunk::<5>() else { return };
    let [seed, line, header, fields, scale] = *setting;
    let limits = Limits {
        request_line: usize::from(line) << (scale & 7),
        header_bytes: usize::from(header) << (scale >> 3 & 7),
        header_count: fields.into(),
        // The limit of bodies must not refuse a head here.
        body: u64::MAX,
        ..Limits::default()
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

fn parsed(bytes: &[u8], limits: &Limits) -> Verdict {
    match parse_request(bytes, limits, &mut FieldSpans::new()) {
        Ok(Some(head)) => Verdict::Head(Head::of(head)),
        Ok(None) => Verdict::Incomplete,
        Err(wrong) => Verdict::Refused(wrong.rule, wrong.offset),
    }
}

/// Passes the head to a connection in pieces.
fn fed(bytes: &[u8], cut: &[usize], limits: &Limits, spans: &mut FieldSpans) -> Verdict {
    let config = ConnectionConfig { limits: *limits, tunnels: true, ..ConnectionConfig::default() };
    let mut connection = SharedServerConnection::new(Arc::new(config));
    let mut blocks = Blocks::new();
    let mut taken_before = 0;
    for piece in cuts::pieces(bytes, cut) {
        match connection.receive(piece, spans, &mut blocks) {
            Ok((taken, Some(Received::Request(head)))) => {
                let mut head = Head::of(head);
                // A connection takes empty lines before the head separately.
                head.len += empty_lines(bytes);
                assert_eq!(taken_before + taken, head.len, "what follows a head is not taken");
                return Verdict::Head(head);
            }
            Ok((taken, None)) => {
                assert_eq!(taken, piece.len());
                taken_before += taken;
                assert_eq!(connection.held(), taken_before - empty_lines(&bytes[..taken_before]));
                let most = limits.request_line.saturating_add(limits.header_bytes);
                assert!(taken_before < most, "{taken_before} bytes are held");
            }
            Ok((_, Some(event))) => panic!("{event:?} without a request"),
            Err(wrong) => return Verdict::Refused(wrong.rule, wrong.offset),
        }
    }
    Verdict::Incomplete
}

/// The number of bytes at the beginning that belong to empty lines, complete or not.
fn empty_lines(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| b"\r\n".contains(byte)).count()
}

/// The bytes for `httparse`: it knows no version beyond 1.1, and we read those as 1.1.
fn as_known_version(bytes: &[u8]) -> Vec<u8> {
    let mut known = bytes.to_vec();
    let start = empty_lines(bytes);
    let end = bytes[start..].windows(2).position(|two| two == b"\r\n");
    let line = end.and_then(|len| known.get_mut(..start + len));
    if let Some([.., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'2'..=b'9']) = line {
        *minor = b'1';
    }
    known
}

/// If we accept a head, `httparse` accepts it with the same contents. If only `httparse` accepts
/// it, we refuse it by a rule that `httparse` does not check.
fn compare(bytes: &[u8], limits: &Limits, ours: &Verdict) {
    let mut headers = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut headers);
    let theirs = request.parse(bytes);
    match (ours, theirs) {
        (Verdict::Head(head), Ok(httparse::Status::Complete(len))) => {
            assert_eq!(head.len, len);
            assert_eq!(Some(&*head.method), request.method);
            assert_eq!(Some(&*head.target), request.path);
            let minor = u8::from(head.version == Version::Http11);
            assert_eq!(Some(minor), request.version);
            let fields = request.headers.iter().map(|field| (field.name, field.value));
            assert!(
                head.fields.iter().map(|(name, value)| (&**name, &**value)).eq(fields.clone()),
                "{:?} and {:?}",
                head.fields,
                fields.collect::<Vec<_>>()
            );
            // The limits are exact.
            assert!(head.fields.len() <= limits.header_count);
            assert!(head.len <= limits.request_line.saturating_add(limits.header_bytes));
        }
        (Verdict::Head(_), other) => panic!("we accept, httparse: {other:?}"),
        // It checks some parts of a line before its end, we check them at the end.
        (Verdict::Incomplete, Ok(httparse::Status::Partial) | Err(_)) => {}
        (Verdict::Incomplete, Ok(httparse::Status::Complete(len))) => {
            panic!("we wait for more, httparse has all in {len} bytes")
        }
        (Verdict::Refused(rule, _), Ok(httparse::Status::Complete(_))) => {
            assert!(is_stricter(*rule), "{rule:?}, but httparse accepts");
        }
        (Verdict::Refused(_, offset), _) => assert!(*offset <= bytes.len() as u64),
    }
}

/// Whether `httparse` does not check this rule.
fn is_stricter(rule: Rule) -> bool {
    match rule {
        // It accepts LF as the end of a line.
        Rule::BareLf => true,
        // It checks only the bytes of a target, not its syntax.
        Rule::TargetSyntax | Rule::TargetForMethod => true,
        // Its only limit is the number of its slots.
        Rule::RequestLineTooLong | Rule::HeaderTooLarge | Rule::TooManyFields => true,
        // It does not check the meaning of fields.
        Rule::HostMissing | Rule::HostRepeated | Rule::HostSyntax => true,
        Rule::LengthSyntax | Rule::LengthOverflow | Rule::LengthRepeated => true,
        Rule::LengthAndCoding | Rule::CodingOnHttp10 | Rule::CodingSyntax => true,
        Rule::CodingNotFinal | Rule::CodingRepeated | Rule::CodingUnknown => true,
        Rule::ExpectationUnknown => true,
        _ => false,
    }
}
