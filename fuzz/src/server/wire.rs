//! What was received and what was sent, for comparison.

use super::*;

#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) is_head: bool,
    pub(super) is_http11: bool,
    pub(super) is_switch: bool,
    pub(super) is_ended: bool,
    /// The connection closes after it.
    pub(super) is_last: bool,
}

/// The properties of a request that affect its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) is_head: bool,
    pub(super) is_connect: bool,
    pub(super) is_http11: bool,
    /// The client waits for 100.
    pub(super) waits: bool,
    pub(super) upgrade: Option<Vec<u8>>,
}

/// An event that borrows nothing.
pub(super) enum Observed {
    Request(Asked, usize, Framing),
    Data(Vec<u8>),
    End(Vec<(String, Vec<u8>)>),
}

impl Observed {
    pub(super) fn of(event: Received<'_>) -> Self {
        match event {
            Received::Request(head) => {
                Observed::Request(Asked::by(&head), head.len(), head.framing())
            }
            Received::Data(data) => Observed::Data(data.into()),
            Received::End(fields) => Observed::End(owned(fields)),
        }
    }
}

impl Asked {
    pub(super) fn by(head: &RequestHead<'_>) -> Self {
        let upgrade = || head.fields().get_all("upgrade").collect::<Vec<_>>().join(&b',');
        Asked {
            is_head: head.method() == "HEAD",
            is_connect: head.method() == "CONNECT",
            is_http11: head.version() == Version::Http11,
            waits: head.expects_continue()
                && !matches!(head.framing(), Framing::Empty | Framing::Length(0)),
            upgrade: head.upgrade().map(|_| upgrade()),
        }
    }
}

pub(super) fn owned(fields: FieldsView<'_>) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// The body at the beginning of `bytes`, as far as it is there, and how it ends. `start` bytes came
/// before it.
pub(super) fn body(
    bytes: &[u8],
    start: usize,
    framing: Framing,
    limits: &Limits,
) -> (Vec<u8>, End) {
    let refused = |wrong: Rejection, by: usize| {
        End::Refused(Rejection::new(wrong.rule, wrong.offset + (start + by) as u64))
    };
    let len = match framing {
        Framing::Empty => 0,
        Framing::Length(n) => usize::try_from(n).unwrap_or(usize::MAX),
        Framing::Chunked => {
            let mut decoder = ChunkedDecoder::new(limits);
            let (mut data, mut rest) = (Vec::new(), bytes);
            loop {
                let (taken, decoded) = match decoder.decode(rest) {
                    Ok(decoded) => decoded,
                    Err(wrong) => return (data, refused(wrong, 0)),
                };
                rest = &rest[taken..];
                match decoded {
                    Decoded::Data(some) => data.extend_from_slice(some),
                    Decoded::Incomplete => return (data, End::Never),
                    Decoded::End => break,
                }
            }
            let at = bytes.len() - rest.len();
            let mut spans = FieldSpans::new();
            let end = match TrailerReader::new().read(rest, limits, &mut spans) {
                Ok(Some((len, fields))) => End::At(start + at + len, owned(fields)),
                Ok(None) => End::Never,
                Err(wrong) => refused(wrong, at),
            };
            return (data, end);
        }
    };
    match bytes.get(..len) {
        Some(data) => (data.into(), End::At(start + len, Vec::new())),
        None => (bytes.into(), End::Never),
    }
}

/// The head of a response, as a strict client reads it.
pub(super) struct Head<'a> {
    pub(super) status: u16,
    pub(super) fields: Vec<(&'a str, &'a [u8])>,
    pub(super) len: usize,
}

impl<'a> Head<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let len = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let mut lines = bytes[..len - 2].split_inclusive(|&byte| byte == b'\n').map(|line| {
            let line = line.strip_suffix(b"\r\n").expect("CR LF");
            assert!(!line.contains(&b'\r'));
            line
        });
        let status = lines.next()?.strip_prefix(b"HTTP/1.1 ")?;
        assert_eq!(status[3], b' ');
        let status = std::str::from_utf8(&status[..3]).ok()?.parse().ok()?;
        let fields = lines.map(|line| {
            let colon = line.iter().position(|&byte| byte == b':').expect("a field");
            let name = std::str::from_utf8(&line[..colon]).unwrap();
            let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            assert!(!name.is_empty() && name.bytes().all(is_tchar), "{name:?}");
            (name, line[colon + 1..].strip_prefix(b" ").unwrap())
        });
        Some(Head { status, fields: fields.collect(), len })
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        let mut all = self.fields.iter().filter(|(other, _)| is(other, name));
        let value = all.next().map(|(_, value)| *value);
        assert!(all.next().is_none(), "{name} is there twice");
        value
    }

    pub(super) fn length(&self) -> Option<u64> {
        let value = self.get("content-length")?;
        Some(std::str::from_utf8(value).unwrap().parse().unwrap())
    }

    pub(super) fn is_chunked(&self) -> bool {
        let coding = self.get("transfer-encoding");
        assert!(coding.is_none_or(|coding| coding == b"chunked"));
        coding.is_some()
    }

    pub(super) fn has_option(&self, option: &str) -> bool {
        let options = self.get("connection").unwrap_or_default();
        String::from_utf8_lossy(options).split(", ").any(|one| one == option)
    }
}

pub(super) fn is(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
}

pub(super) fn is_framing(name: &str) -> bool {
    let names = [
        "te",
        "upgrade",
        "connection",
        "keep-alive",
        "content-length",
        "proxy-connection",
        "transfer-encoding",
    ];
    names.iter().any(|other| is(name, other))
}
