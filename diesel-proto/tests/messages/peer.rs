//! A stream of requests, read by diesel and by `http-net`, and where the two may differ.

use diesel_proto::http1::{
    ConnectionConfig, Framing, Headers, Limits, RequestEvent, Rule, ServerConnection, Status,
};
use diesel_proto::testkit::cuts;
use http_net::{BodyFraming, HttpError, Response, ServerConn, ServerEvent};

pub(crate) type Fields = Vec<(String, Vec<u8>)>;

/// What was read of a stream each request of which is answered when it is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome<E> {
    pub(crate) messages: Vec<Message>,
    pub(crate) verdict: Verdict<E>,
}

/// A request, so far as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: String,
    pub(crate) fields: Fields,
    pub(crate) framing: Framing,
    pub(crate) body: Vec<u8>,
    /// With the trailers, if it is complete.
    pub(crate) end: Option<Fields>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<E> {
    /// More may come.
    Waiting,
    /// Nothing more is read, and nothing was wrong.
    Closed,
    Refused(E),
}

impl<E> Verdict<E> {
    fn is_refused(&self) -> bool {
        matches!(self, Verdict::Refused(_))
    }
}

/// Our connection.
pub(crate) fn ours(bytes: &[u8], cut: &[usize], limits: &Limits) -> Outcome<Rule> {
    let config = ConnectionConfig { limits: *limits, tunnels: true, ..ConnectionConfig::default() };
    let mut connection = ServerConnection::new(config);
    let mut messages: Vec<Message> = Vec::new();
    for piece in cuts::pieces(bytes, cut) {
        assert_eq!(connection.received(piece), piece.len(), "each request is answered");
        loop {
            match connection.next_event() {
                Err(wrong) => {
                    assert!(wrong.offset <= bytes.len() as u64);
                    return Outcome { messages, verdict: Verdict::Refused(wrong.rule) };
                }
                Ok(None) => break,
                Ok(Some(RequestEvent::Request(head))) => {
                    let head = head.view();
                    messages.push(Message {
                        method: head.method().into(),
                        target: head.target_text().into(),
                        version: format!("{:?}", head.version()),
                        fields: owned(head.fields().iter()),
                        framing: match head.framing() {
                            Framing::Length(0) => Framing::Empty,
                            framing => framing,
                        },
                        body: Vec::new(),
                        end: None,
                    });
                    connection.ask_for_body();
                }
                Ok(Some(RequestEvent::Data(data))) => {
                    messages.last_mut().unwrap().body.extend(data)
                }
                Ok(Some(RequestEvent::End(trailers))) => {
                    messages.last_mut().unwrap().end = Some(owned(trailers.iter()));
                    connection.respond_whole(Status::NOT_FOUND, &Headers::new(), b"").unwrap();
                }
                Ok(Some(RequestEvent::Closed)) => panic!("nobody said so"),
            }
        }
        if connection.must_close() {
            return Outcome { messages, verdict: Verdict::Closed };
        }
    }
    Outcome { messages, verdict: Verdict::Waiting }
}

/// Theirs, with the same limits.
pub(crate) fn theirs(bytes: &[u8], cut: &[usize], limits: &Limits) -> Outcome<HttpError> {
    let limits = http_net::Limits::new()
        .with_max_start_line(limits.request_line)
        .with_max_field_line(usize::MAX)
        .with_max_header_bytes(limits.header_bytes)
        .with_max_headers(limits.header_count)
        .with_max_trailer_bytes(limits.trailer_bytes)
        .with_max_trailer_fields(limits.header_count)
        .with_max_body(limits.body);
    let mut connection = ServerConn::with_limits(limits);
    connection.set_report_trailers(true);
    let mut messages: Vec<Message> = Vec::new();
    let mut out = Vec::new();
    for mut piece in cuts::pieces(bytes, cut) {
        loop {
            piece = &piece[connection.feed(piece)..];
            match connection.poll() {
                Err(error) => return Outcome { messages, verdict: Verdict::Refused(error) },
                Ok(ServerEvent::Request(head)) => messages.push(Message {
                    method: head.method_str().into(),
                    target: head.target().into(),
                    version: format!("{:?}", head.version()),
                    fields: owned(head.headers()),
                    framing: match head.framing() {
                        BodyFraming::Length(n) => Framing::Length(n),
                        BodyFraming::Chunked => Framing::Chunked,
                        _ => Framing::Empty,
                    },
                    body: Vec::new(),
                    end: None,
                }),
                Ok(ServerEvent::Body(data)) => messages.last_mut().unwrap().body.extend(data),
                Ok(ServerEvent::Trailers(trailers)) => {
                    messages.last_mut().unwrap().end = Some(owned(trailers));
                }
                Ok(ServerEvent::RequestEnd) => {
                    messages.last_mut().unwrap().end.get_or_insert_default();
                    connection.respond(&Response::new(404), &mut out).unwrap();
                }
                Ok(ServerEvent::NeedInput) if piece.is_empty() => break,
                Ok(ServerEvent::NeedInput) => {}
                Ok(ServerEvent::Closed) => return Outcome { messages, verdict: Verdict::Closed },
                Ok(other) => panic!("{other:?}"),
            }
        }
    }
    Outcome { messages, verdict: Verdict::Waiting }
}

fn owned<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Fields {
    fields.map(|(name, value)| (name.into(), value.into())).collect()
}

/// Reads `bytes` by both, and panics if they differ without a reason. Returns what came of it with
/// us, and the reason.
///
/// They judge a line, and a head, when it is complete, and we refuse the first wrong line: so where
/// one of the two still waits, what it waits for is completed before it is asked again.
pub(crate) fn compare(bytes: &[u8], limits: &Limits) -> (Outcome<Rule>, Option<&'static str>) {
    let ours_so_far = ours(bytes, &[], limits);
    let theirs_so_far = theirs(bytes, &[], limits);
    let is_same_kind = ours_so_far.verdict.is_refused() == theirs_so_far.verdict.is_refused();
    let (a, b) = match is_same_kind {
        true => (ours_so_far.clone(), theirs_so_far),
        false => {
            let completed = [bytes, b"\r\n\r\n"].concat();
            (ours(&completed, &[], limits), theirs(&completed, &[], limits))
        }
    };
    let is_same = matches!(
        (a.verdict, b.verdict),
        (Verdict::Waiting, Verdict::Waiting)
            | (Verdict::Closed, Verdict::Closed)
            | (Verdict::Refused(_), Verdict::Refused(_))
    );
    if is_same && a.messages == b.messages {
        return (ours_so_far, None);
    }
    match reason(&a, &b) {
        Some(reason) => (ours_so_far, Some(reason)),
        None => {
            panic!("\"{}\" under {limits:?}\nours:   {a:?}\ntheirs: {b:?}", bytes.escape_ascii())
        }
    }
}

/// How many reasons there are.
pub(crate) const REASONS: usize = 7;

/// Why the two differ, if there is a reason.
fn reason(ours: &Outcome<Rule>, theirs: &Outcome<HttpError>) -> Option<&'static str> {
    let common = ours.messages.iter().zip(&theirs.messages).take_while(|(a, b)| a == b).count();
    if common < ours.messages.len().min(theirs.messages.len()) {
        return None;
    }
    let is_quoted = |message: &Message| {
        let is_it = |name: &str| name.eq_ignore_ascii_case("connection");
        message.fields.iter().any(|(name, value)| is_it(name) && value.contains(&b'"'))
    };
    let is_closed_by_one = (ours.verdict == Verdict::Closed && ours.messages.len() == common)
        != (theirs.verdict == Verdict::Closed && theirs.messages.len() == common);
    if is_closed_by_one && common > 0 && is_quoted(&ours.messages[common - 1]) {
        return Some("RFC 9110, 7.6.1: an option is a token, and a quotation mark hides no comma");
    }
    let is_tunnel = ours.messages.last().is_some_and(|message| message.method == "CONNECT");
    if ours.verdict == Verdict::Closed && ours.messages.len() == common && is_tunnel {
        return Some("RFC 9110, 9.3.6: what follows CONNECT is for the other end of the tunnel");
    }
    match (ours.verdict, theirs.messages.get(common), ours.messages.get(common)) {
        (Verdict::Refused(rule), Some(message), None) => stricter(rule, message),
        (_, None, Some(message)) => match theirs.verdict {
            Verdict::Refused(error) => more_lenient(error, message),
            _ => None,
        },
        _ => None,
    }
}

/// Why we refuse what they accept, which is this.
fn stricter(rule: Rule, theirs: &Message) -> Option<&'static str> {
    let all = |name: &str, is_so: fn(&[u8]) -> bool| {
        let is_it = |other: &str| other.eq_ignore_ascii_case(name);
        theirs.fields.iter().any(|(other, value)| is_it(other) && is_so(value))
    };
    let target = theirs.target.as_str();
    match rule {
        Rule::ExpectationUnknown if all("expect", has_other_expectation) => {
            Some("RFC 9110, 10.1.1: 417 is ours to send; theirs leaves it to the application")
        }
        Rule::CodingSyntax if all("transfer-encoding", has_empty_member) => {
            Some("RFC 9112, 11.2: a list of codings with empty members is read in several ways")
        }
        Rule::HostSyntax if all("host", is_doubtful) => Some(DOUBTFUL),
        Rule::TargetSyntax if theirs.method == "CONNECT" => {
            is_doubtful(target.as_bytes()).then_some(DOUBTFUL)
        }
        Rule::TargetSyntax => {
            let (scheme, rest) = target.split_once("://")?;
            let is_ours = ["http", "https"].iter().any(|own| own.eq_ignore_ascii_case(scheme));
            let authority = rest.split(['/', '?']).next()?;
            match is_ours {
                true => is_doubtful(authority.as_bytes()).then_some(DOUBTFUL),
                false => Some("RFC 9110, 7.4: what another scheme asks is not known here"),
            }
        }
        _ => None,
    }
}

const DOUBTFUL: &str = "RFC 9110, 4.2.3, 5.3, 7.2 and 9.3.6: a host with a comma, or with an encoding of \
                        ASCII, an address that is none, and a port that cannot be";

fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

fn has_other_expectation(value: &[u8]) -> bool {
    members(value).any(|one| !one.is_empty() && !one.eq_ignore_ascii_case(b"100-continue"))
}

fn has_empty_member(value: &[u8]) -> bool {
    members(value).any(<[u8]>::is_empty)
}

/// Whether two could read this host in two ways.
fn is_doubtful(authority: &[u8]) -> bool {
    let text = String::from_utf8_lossy(authority);
    let is_no_address = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .is_some_and(|(address, _)| address.parse::<std::net::Ipv6Addr>().is_err());
    let port = text.rsplit_once(':').map(|(_, port)| port);
    let is_no_port = port.is_some_and(|port| match port.parse::<u16>() {
        Ok(port) => port == 0,
        Err(_) => !port.is_empty(),
    });
    let is_ascii = |two: &str| u8::from_str_radix(two, 16).is_ok_and(|byte| byte < 0x80);
    let hides_ascii = text.split('%').skip(1).any(|rest| rest.get(..2).is_some_and(is_ascii));
    text.contains(',') || hides_ascii || is_no_address || is_no_port
}

/// Why we accept this, which they refuse.
fn more_lenient(error: HttpError, ours: &Message) -> Option<&'static str> {
    let (path, query) = ours.target.split_once('?').unwrap_or((&ours.target, ""));
    let is_lone = |rest: &str| rest.get(..2).is_none_or(|two| u8::from_str_radix(two, 16).is_err());
    let is_sent = path.contains(['[', ']', '|', '^'])
        || query.contains(['[', ']', '|', '^', '{', '}', '`', '\\'])
        || ours.target.split('%').skip(1).any(is_lone);
    match error {
        HttpError::InvalidTarget if is_sent => {
            Some("RFC 9112, 3.2: 400 is a SHOULD, and this is what browsers send (URL Standard)")
        }
        _ => None,
    }
}
