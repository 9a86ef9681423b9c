//! `Accept-Encoding` (RFC 9110, 12.5.3).
//!
//! It must never know responses.

use crate::http1::FieldsView;

/// Whether a client that sent these fields accepts gzip, and does not prefer the content as it is. A
/// client without the field accepts anything, but it is most likely one that cannot decode.
pub(super) fn accepts_gzip(fields: FieldsView<'_>) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for value in fields.get_all("accept-encoding") {
        for element in value.split(|&byte| byte == b',') {
            let mut parts = element.split(|&byte| byte == b';').map(|part| part.trim_ascii());
            let coding = parts.next().unwrap_or_default();
            let weight = match parts.next() {
                None => 1000,
                // An element that is not valid is left out.
                Some(weight) => match thousandths(weight) {
                    Some(weight) if parts.next().is_none() => weight,
                    _ => continue,
                },
            };
            let is = |name: &[u8]| coding.eq_ignore_ascii_case(name);
            let place = match () {
                _ if is(b"gzip") || is(b"x-gzip") => &mut gzip,
                _ if is(b"*") => &mut any,
                _ if is(b"identity") => &mut identity,
                _ => continue,
            };
            *place = Some(weight.max(place.unwrap_or(0)));
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// `q=0.8`, in thousandths (RFC 9110, 12.4.2).
fn thousandths(weight: &[u8]) -> Option<u16> {
    let (name, value) = (weight.first()?, weight.get(1..)?.strip_prefix(b"=")?);
    if !name.eq_ignore_ascii_case(&b'q') {
        return None;
    }
    let (&whole, rest) = value.split_first()?;
    let fraction = match rest {
        [] => &[][..],
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = char::from(*fraction.get(place).unwrap_or(&b'0')).to_digit(10)?;
        thousandths = thousandths * 10 + digit as u16;
    }
    match (whole, thousandths) {
        (b'0', _) => Some(thousandths),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{FieldSpans, Limits, parse_request};
    use alloc::format;

    fn accepts(lines: &[&str]) -> bool {
        let lines = lines.iter().map(|value| format!("Accept-Encoding: {value}\r\n"));
        let lines: alloc::string::String = lines.collect();
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let mut spans = FieldSpans::new();
        let head = parse_request(head.as_bytes(), &Limits::default(), &mut spans);
        accepts_gzip(head.unwrap().unwrap().fields())
    }

    #[test]
    fn weights_decide() {
        for value in [
            "gzip",
            "x-gzip",
            "GZIP",
            "deflate, gzip;q=0.001",
            "*",
            "*;q=0.5",
            "br;q=1.0, gzip ; Q=0.8",
            "gzip;q=0.5, identity;q=0.5",
            "identity;q=0, gzip",
            ",, gzip,",
            "gzip;q=1.000",
        ] {
            assert!(accepts(&[value]), "{value}");
        }
        for value in [
            "",
            "identity",
            "br",
            "gzip;q=0",
            "gzip;q=0.000, *",
            "*;q=0",
            "gzip;q=0.5, identity",
            "gzip;q=1.1",
            "gzip;q=0.0001",
            "gzip;q=0.5000",
            "gzip;q=",
            "gzip;x=1",
            "gzip;q=1;x=1",
            "gzip;q=0.x",
            "gzipped",
        ] {
            assert!(!accepts(&[value]), "{value}");
        }
        assert!(!accepts(&[]));
        assert!(accepts(&["br", "gzip"]));
    }
}
