//! A stream of responses, read by diesel and by `http-net`, and where the two may differ.

use diesel_proto::http1::{
    ClientConnection, ClientConnectionConfig, Headers, RequestLine, RequestOptions, ResponseEvent,
    ResponseHead, ResponseLimits, Rule,
};
use diesel_proto::testkit::cuts;
use http_net::{ClientConn, ClientEvent, HttpError, Request};

pub(crate) type Fields = Vec<(String, Vec<u8>)>;

/// A request that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Get,
    Head,
    Connect,
    /// A GET that asks for another protocol.
    Upgrade,
}

const PROTOCOLS: &str = "websocket";

/// What was read of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome<E> {
    pub(crate) messages: Vec<Message>,
    pub(crate) verdict: Verdict<E>,
}

/// A response, interim or final, as far as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) status: u16,
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
    /// The trailers, if it is complete.
    pub(crate) end: Option<Fields>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<E> {
    /// More may come.
    Waiting,
    /// All is answered.
    Idle,
    /// Nothing more is read, and nothing was wrong.
    Closed,
    Switched,
    Refused(E),
}

impl<E> Verdict<E> {
    fn is_refused(&self) -> bool {
        matches!(self, Verdict::Refused(_))
    }
}

impl Message {
    fn of<'a>(status: u16, fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let end = (status < 200).then(Vec::new);
        Message { status, fields: owned(fields), body: Vec::new(), end }
    }

    /// Whether there is a field of this name whose value is so.
    fn has(&self, name: &str, is_so: impl Fn(&[u8]) -> bool) -> bool {
        self.fields.iter().any(|(other, value)| other.eq_ignore_ascii_case(name) && is_so(value))
    }

    fn by(head: ResponseHead<'_>) -> Self {
        Message::of(head.status().code(), head.fields().iter())
    }
}

/// Our connection.
pub(crate) fn ours(
    asked: &[Asked],
    bytes: &[u8],
    cut: &[usize],
    eof: bool,
    limits: &ResponseLimits,
) -> Outcome<Rule> {
    let mut connection =
        ClientConnection::new(ClientConnectionConfig { limits: *limits, pipelined: 3 });
    for asked in asked {
        let (method, target) = match asked {
            Asked::Get | Asked::Upgrade => ("GET", "/"),
            Asked::Head => ("HEAD", "/"),
            Asked::Connect => ("CONNECT", "a:1"),
        };
        let line = RequestLine::new(method, target, "a").unwrap();
        let upgrade = (*asked == Asked::Upgrade).then_some(PROTOCOLS);
        let options = RequestOptions { upgrade, ..RequestOptions::default() };
        connection.request_whole(&line, &Headers::new(), b"", &options).unwrap();
    }
    let mut messages: Vec<Message> = Vec::new();
    let pieces = cuts::pieces(bytes, cut).map(Some).chain(eof.then_some(None));
    for piece in pieces {
        match piece {
            Some(piece) => drop(connection.received(piece)),
            None => connection.eof(),
        }
        loop {
            match connection.next_event() {
                Err(wrong) => {
                    assert!(wrong.offset <= bytes.len() as u64);
                    return Outcome { messages, verdict: Verdict::Refused(wrong.rule) };
                }
                Ok(None) => break,
                Ok(Some(ResponseEvent::Informational(head) | ResponseEvent::Response(head))) => {
                    messages.push(Message::by(head.view()));
                }
                Ok(Some(ResponseEvent::Switched(head))) => {
                    messages.push(Message::by(head.view()));
                    return Outcome { messages, verdict: Verdict::Switched };
                }
                Ok(Some(ResponseEvent::Data(data))) => {
                    messages.last_mut().unwrap().body.extend(data);
                }
                Ok(Some(ResponseEvent::End(trailers))) => {
                    messages.last_mut().unwrap().end = Some(owned(trailers.iter()));
                }
                Ok(Some(ResponseEvent::Closed)) => {}
            }
        }
    }
    let verdict = match connection.must_close() {
        true => Verdict::Closed,
        false if connection.is_idle() => Verdict::Idle,
        false => Verdict::Waiting,
    };
    Outcome { messages, verdict }
}

/// Theirs, with the same limits.
pub(crate) fn theirs(
    asked: &[Asked],
    bytes: &[u8],
    cut: &[usize],
    eof: bool,
    limits: &ResponseLimits,
) -> Outcome<HttpError> {
    let limits = http_net::Limits::new()
        .with_max_start_line(limits.status_line)
        .with_max_field_line(usize::MAX)
        .with_max_header_bytes(limits.header_bytes)
        .with_max_headers(limits.header_count)
        .with_max_trailer_bytes(limits.trailer_bytes)
        .with_max_trailer_fields(limits.header_count)
        .with_max_interim(limits.informational as u16)
        .with_pipeline_depth(3)
        .with_max_body(limits.body);
    let mut connection = ClientConn::with_limits(limits);
    connection.set_report_trailers(true);
    connection.set_report_informational(true);
    let mut out = Vec::new();
    for asked in asked {
        let request = match asked {
            Asked::Get => Request::get("/"),
            Asked::Head => Request::head("/"),
            Asked::Connect => Request::new("CONNECT", "a:1"),
            Asked::Upgrade => Request::get("/").upgrade(PROTOCOLS),
        };
        connection.send_request(&request.header("host", "a"), &mut out).unwrap();
    }
    let mut messages: Vec<Message> = Vec::new();
    let mut verdict = Verdict::Waiting;
    let pieces = cuts::pieces(bytes, cut).map(Some).chain(eof.then_some(None));
    for piece in pieces {
        let mut piece = piece.unwrap_or_else(|| {
            connection.feed_eof();
            b""
        });
        loop {
            piece = &piece[connection.feed(piece)..];
            let event = match connection.poll() {
                Err(error) => return Outcome { messages, verdict: Verdict::Refused(error) },
                Ok(event) => event,
            };
            verdict = Verdict::Waiting;
            match event {
                ClientEvent::Response(head) | ClientEvent::Informational(head) => {
                    messages.push(Message::of(head.status(), head.headers()));
                }
                ClientEvent::Body(data) => messages.last_mut().unwrap().body.extend(data),
                ClientEvent::Trailers(trailers) => {
                    messages.last_mut().unwrap().end = Some(owned(trailers));
                }
                ClientEvent::ResponseEnd => {
                    messages.last_mut().unwrap().end.get_or_insert_default();
                }
                ClientEvent::NeedInput if piece.is_empty() => break,
                ClientEvent::NeedInput => {}
                ClientEvent::Idle if piece.is_empty() => {
                    verdict = Verdict::Idle;
                    break;
                }
                ClientEvent::Idle => {}
                ClientEvent::Closed => return Outcome { messages, verdict: Verdict::Closed },
                ClientEvent::Upgraded => return Outcome { messages, verdict: Verdict::Switched },
                other => panic!("{other:?}"),
            }
        }
    }
    Outcome { messages, verdict }
}

fn owned<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Fields {
    fields.map(|(name, value)| (name.into(), value.into())).collect()
}

/// Reads `bytes` with both, and panics if they differ without a reason. Returns our outcome, and
/// the reason.
///
/// They judge some parts before a line is complete, and we do not: where one of the two still
/// waits, the line is completed before both are asked again.
pub(crate) fn compare(
    asked: &[Asked],
    bytes: &[u8],
    eof: bool,
    limits: &ResponseLimits,
) -> (Outcome<Rule>, Option<&'static str>) {
    let ours_so_far = ours(asked, bytes, &[], eof, limits);
    let theirs_so_far = theirs(asked, bytes, &[], eof, limits);
    let is_same_kind = ours_so_far.verdict.is_refused() == theirs_so_far.verdict.is_refused();
    let (a, b) = match is_same_kind {
        true => (ours_so_far.clone(), theirs_so_far),
        false => {
            let completed = [bytes, b"\r\n\r\n"].concat();
            (ours(asked, &completed, &[], eof, limits), theirs(asked, &completed, &[], eof, limits))
        }
    };
    let is_same = matches!(
        (a.verdict, b.verdict),
        (Verdict::Waiting, Verdict::Waiting)
            | (Verdict::Idle, Verdict::Idle)
            | (Verdict::Closed, Verdict::Closed)
            | (Verdict::Switched, Verdict::Switched)
            | (Verdict::Refused(_), Verdict::Refused(_))
    );
    if is_same && a.messages == b.messages {
        return (ours_so_far, None);
    }
    match reason(asked, &a, &b) {
        Some(reason) => (ours_so_far, Some(reason)),
        None => panic!(
            "{asked:?} \"{}\" under {limits:?}\nours:   {a:?}\ntheirs: {b:?}",
            bytes.escape_ascii()
        ),
    }
}

/// How many reasons there are.
pub(crate) const REASONS: usize = 6;

/// Why the two differ, if there is a reason.
fn reason(
    asked: &[Asked],
    ours: &Outcome<Rule>,
    theirs: &Outcome<HttpError>,
) -> Option<&'static str> {
    let common = ours.messages.iter().zip(&theirs.messages).take_while(|(a, b)| a == b).count();
    let is_quoted = |message: &Message| {
        message.has("connection", |value| value.contains(&b'"') && value.contains(&b','))
    };
    if ours.verdict == Verdict::Closed
        && ours.messages.len() == common
        && ours.messages.last().is_some_and(is_quoted)
    {
        return Some("RFC 9110, 7.6.1: an option is a token, and a quotation mark hides no comma");
    }
    let has_interim = |messages: &[Message]| messages.iter().any(|message| message.status < 200);
    if theirs.verdict == Verdict::Refused(HttpError::HeadersTooLarge)
        && theirs.messages.len() == common
        && has_interim(&ours.messages)
    {
        return Some("our limit of fields is for one head, theirs for all until the final one");
    }
    let opens_tunnel = |message: &Message| {
        let before = ours.messages[..common].iter().filter(|it| it.status >= 200).count();
        asked.get(before) == Some(&Asked::Connect) && (200..300).contains(&message.status)
    };
    if ours.verdict == Verdict::Switched
        && theirs.verdict.is_refused()
        && theirs.messages.len() == common
        && ours.messages.get(common).is_some_and(opens_tunnel)
    {
        return Some(
            "RFC 9110, 9.3.6: a client ignores the framing of a response that opens a tunnel",
        );
    }
    let (Verdict::Refused(rule), Some(message), None) =
        (ours.verdict, theirs.messages.get(common), ours.messages.get(common))
    else {
        return None;
    };
    let answered = ours.messages.iter().filter(|message| message.status >= 200).count();
    let has_no_body =
        matches!(message.status, 100..=199 | 204 | 304) || asked[answered] == Asked::Head;
    match rule {
        Rule::LengthAndCoding
        | Rule::CodingOnHttp10
        | Rule::CodingSyntax
        | Rule::CodingNotFinal
        | Rule::CodingRepeated
        | Rule::CodingUnknown
        | Rule::FramingForbidden
            if has_no_body =>
        {
            Some("RFC 9112, 11.2: another recipient could believe the framing of such a response")
        }
        Rule::CodingSyntax if message.has("transfer-encoding", |value| is_in(value, "")) => {
            Some("RFC 9112, 11.2: a list of codings with empty members is read in several ways")
        }
        Rule::SwitchUnrequested if !message.has("connection", |value| is_in(value, "upgrade")) => {
            Some("RFC 9110, 7.8: Upgrade goes with an option of Connection")
        }
        _ => None,
    }
}

/// Whether a list has this member.
fn is_in(list: &[u8], member: &str) -> bool {
    let mut members = list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    members.any(|one| one.eq_ignore_ascii_case(member.as_bytes()))
}
